//! What a node proves itself with: certificates and keys in the data directory, readable by its owner only.

use crate::{error::ServerError, identity::replace};
use bytes::Bytes;
use stator_catalog::{ClusterIdentity, FIRST_NODE, Secret};
use stator_transport::{Authority, NodeKey, Security, TransportError};
use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

const AUTHORITY: &str = "ca.pem";
const CERTIFICATE: &str = "node.pem";
const KEY: &str = "node-key.pem";
/// Only until the catalog has it.
const AUTHORITY_KEY: &str = "ca-key.pem";
const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";

/// The files of one data directory.
pub struct CredentialFiles {
    directory: PathBuf,
}

impl CredentialFiles {
    pub fn of(data: &Path) -> CredentialFiles {
        CredentialFiles { directory: data.join("tls") }
    }

    /// Makes the authority of a new cluster, and the first node's certificate.
    pub fn found(&self, cluster: &str) -> Result<(), ServerError> {
        let authority = Authority::create(cluster)?;
        let key = NodeKey::generate()?;
        let certificate = authority.sign(FIRST_NODE, &key.public_key)?;
        self.save(authority.certificate_pem(), &certificate, &key.key_pem)?;
        self.write(AUTHORITY_KEY, &authority.key_pem())
    }

    /// Keeps what the cluster gave to a node that joins.
    pub fn save(&self, authority: &str, certificate: &str, key: &str) -> Result<(), ServerError> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(self.failed("create", ""))?;
        self.write(AUTHORITY, authority)?;
        self.write(CERTIFICATE, certificate)?;
        self.write(KEY, key)
    }

    /// The authority with its key, as the catalog keeps it. There until [`CredentialFiles::hand_over`].
    pub fn authority(&self) -> Result<Secret<Bytes>, ServerError> {
        Ok(Secret(Bytes::from(self.read(AUTHORITY)? + &self.read(AUTHORITY_KEY)?)))
    }

    /// The catalog has the authority's key now: no second copy is left lying about.
    pub fn hand_over(&self) -> Result<(), ServerError> {
        match fs::remove_file(self.directory.join(AUTHORITY_KEY)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed("remove", AUTHORITY_KEY)(error)),
            _ => Ok(()),
        }
    }

    /// To speak with other nodes over TLS.
    pub fn security(&self) -> Result<Security, ServerError> {
        let (ca_pem, certificate_pem, key_pem) = (self.read(AUTHORITY)?, self.read(CERTIFICATE)?, self.read(KEY)?);
        Ok(Security::Mutual { ca_pem, certificate_pem, key_pem })
    }

    fn read(&self, name: &str) -> Result<String, ServerError> {
        fs::read_to_string(self.directory.join(name)).map_err(self.failed("read", name))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), ServerError> {
        replace(&self.directory.join(name), text.as_bytes()).map_err(self.failed("write", name))
    }

    fn failed(&self, action: &str, name: &str) -> impl FnOnce(io::Error) -> ServerError {
        ServerError::io(format!("{action} {}", self.directory.join(name).display()))
    }
}

/// The cluster's authority, out of the catalog.
pub fn authority(cluster: &ClusterIdentity) -> Result<Authority, TransportError> {
    let damaged = || TransportError::Credentials("the cluster's authority in the catalog is unreadable".to_owned());
    let text = std::str::from_utf8(&cluster.authority.0).map_err(|_| damaged())?;
    let (certificate, key) = text.split_at(text.find(KEY_BEGINS).ok_or_else(damaged)?);
    Authority::open(&crate::identity::cluster_name(cluster.cluster_id), certificate, key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_authority_goes_into_the_catalog_whole_and_leaves_no_key_behind() {
        let data = tempfile::tempdir().expect("a directory");
        let files = CredentialFiles::of(data.path());
        let cluster_id = 5;
        files.found(&crate::identity::cluster_name(cluster_id)).expect("made");
        for entry in fs::read_dir(data.path().join("tls")).expect("it is there") {
            let mode = entry.and_then(|entry| entry.metadata()).expect("readable").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let cluster = ClusterIdentity {
            cluster_id,
            region: String::new(),
            account_id: String::new(),
            authority: files.authority().expect("it is there"),
        };
        let opened = authority(&cluster).expect("whole");
        let key = NodeKey::generate().expect("a key");
        assert!(opened.sign(FIRST_NODE, &key.public_key).is_ok());
        files.hand_over().expect("removed");
        files.hand_over().expect("again");
        assert!(files.authority().is_err());
        assert!(matches!(files.security(), Ok(Security::Mutual { .. })));
        assert!(authority(&ClusterIdentity { authority: Secret(Bytes::from_static(b"x")), ..cluster }).is_err());
    }
}
