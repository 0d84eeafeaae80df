//! Who the node is: a small file in its data directory, replaced whole or not at all.
//!
//! Guarantees: a start has its number, one above the last one, on disk before it speaks to anyone; a changed byte in the
//! file is noticed. Read by a person too: a heading with a checksum, then TOML.

use serde::{Deserialize, Serialize};
use stator_item::NodeId;
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

const FILE: &str = "identity";
const FORMAT: u32 = 1;
const HEADING: &str = "stator node identity, format ";

/// Why the file cannot be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("{path} has format {found}, this program reads up to {FORMAT}: start the newer stator that wrote it")]
    Newer { path: String, found: u32 },
    #[error(
        "{path} is damaged: {reason}. Restore it, or remove this node from the cluster and let it join anew with an empty \
         directory"
    )]
    Damaged { path: String, reason: String },
    #[error("the data directory holds data of a node, but {path} is missing: is it the right directory?")]
    Missing { path: String },
    #[error("{action} {path}")]
    Failed { action: &'static str, path: String, source: io::Error },
}

/// The content of the file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// Random, made with the directory, hexadecimal.
    #[serde(with = "hexadecimal")]
    pub directory: u128,
    /// How often a node was started from it.
    pub starts: u64,
    /// Once it belongs to a cluster.
    pub member: Option<Membership>,
}

/// What the node knows of its cluster before it has heard from it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    #[serde(with = "hexadecimal")]
    pub cluster: u128,
    pub node: u64,
    pub region: String,
    pub account_id: String,
    pub state: State,
    /// Whether it joined with a secret: it then speaks TLS even on loopback.
    pub joined_with_secret: bool,
    /// Addresses of other nodes by id, as they were known last.
    pub contacts: BTreeMap<String, String>,
}

/// How far the node has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is making the cluster; the catalog may not know it yet.
    Founding,
    /// The cluster knows it.
    Joined,
}

impl Membership {
    pub fn node(&self) -> NodeId {
        NodeId(self.node)
    }

    /// The cluster's id in certificates and greetings.
    pub fn cluster_name(&self) -> String {
        cluster_name(self.cluster)
    }

    /// Contacts whose ids are numbers; nobody writes others.
    pub fn contacts(&self) -> impl Iterator<Item = (NodeId, &str)> {
        self.contacts.iter().filter_map(|(id, address)| Some((NodeId(id.parse().ok()?), address.as_str())))
    }
}

/// A cluster's id in certificates and greetings.
pub fn cluster_name(cluster: u128) -> String {
    format!("{cluster:032x}")
}

/// The identity file of one data directory.
pub struct IdentityFile {
    path: PathBuf,
}

impl IdentityFile {
    pub fn of(directory: &Path) -> IdentityFile {
        IdentityFile { path: directory.join(FILE) }
    }

    /// `None`: there is none yet.
    pub fn load(&self) -> Result<Option<Identity>, IdentityError> {
        match fs::read(&self.path) {
            Ok(bytes) => self.decode(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.failed("read")(source)),
        }
    }

    /// On disk, whole, when this returns.
    pub fn save(&self, identity: &Identity) -> Result<(), IdentityError> {
        replace(&self.path, encode(identity).as_bytes()).map_err(self.failed("write"))
    }

    /// For a directory with data but without this file.
    pub fn missing(&self) -> IdentityError {
        IdentityError::Missing { path: self.show() }
    }

    fn decode(&self, bytes: &[u8]) -> Result<Identity, IdentityError> {
        let damaged = |reason: &str| IdentityError::Damaged { path: self.show(), reason: reason.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
        let (heading, body) = text.split_once('\n').ok_or_else(|| damaged("it is cut short"))?;
        let heading = heading.strip_prefix(HEADING).ok_or_else(|| damaged("it has another heading"))?;
        let (format, checksum) = heading.split_once(", checksum ").ok_or_else(|| damaged("it has no checksum"))?;
        let format: u32 = format.parse().map_err(|_| damaged("its format is no number"))?;
        if format == 0 {
            return Err(damaged("its format is no format"));
        }
        if format > FORMAT {
            return Err(IdentityError::Newer { path: self.show(), found: format });
        }
        if checksum != checksum_of(body) {
            return Err(damaged("its checksum is wrong"));
        }
        toml::from_str(body).map_err(|error| damaged(error.message()))
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> IdentityError {
        let path = self.show();
        move |source| IdentityError::Failed { action, path, source }
    }

    fn show(&self) -> String {
        self.path.display().to_string()
    }
}

fn encode(identity: &Identity) -> String {
    let body = toml::to_string(identity).expect("numbers and texts can be written as TOML");
    format!("{HEADING}{FORMAT}, checksum {}\n{body}", checksum_of(&body))
}

fn checksum_of(body: &str) -> String {
    format!("{:08x}", crc32fast::hash(body.as_bytes()))
}

/// Writes a file that only its owner may read: whole, and durable when this returns.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{number:032x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map_err(|_| D::Error::custom("an id is not hexadecimal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn example() -> Identity {
        let member = Membership {
            cluster: u128::MAX - 1,
            node: 3,
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            state: State::Joined,
            joined_with_secret: true,
            contacts: BTreeMap::from([("1".to_owned(), "127.0.0.1:8100".to_owned())]),
        };
        Identity { directory: 7, starts: 2, member: Some(member) }
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = IdentityFile::of(directory.path());
        assert_eq!(file.load().expect("readable"), None);
        for identity in [Identity { directory: 0, starts: 0, member: None }, example()] {
            file.save(&identity).expect("written");
            assert_eq!(file.load().expect("readable"), Some(identity));
        }
        let mode = fs::metadata(directory.path().join(FILE)).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let contacts: Vec<_> = example().member.iter().flat_map(|member| member.contacts()).map(|(id, _)| id).collect();
        assert_eq!(contacts, [NodeId(1)]);
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = IdentityFile::of(directory.path());
        let good = encode(&example()).into_bytes();
        for place in 0..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 1;
            fs::write(directory.path().join(FILE), bad).expect("written");
            assert!(file.load().is_err(), "byte {place}");
        }
        for length in 0..good.len() {
            fs::write(directory.path().join(FILE), &good[..length]).expect("written");
            assert!(file.load().is_err(), "cut at {length}");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join(FILE), format!("{HEADING}2, checksum 00000000\nx = 1\n")).expect("written");
        let error = IdentityFile::of(directory.path()).load().expect_err("newer").to_string();
        assert!(error.contains("format 2") && error.contains("newer stator"), "{error}");
    }
}
