//! The cluster's certificate authority, made by the first start, and the certificates that it signs.
//!
//! A node's certificate names its node id and its cluster, and nothing else: addresses change, ids never. Certificates do
//! not end within any time that matters: whether two nodes understand each other must not depend on the wall clock. A
//! node that left is kept out by the catalog's word, not by a date.

use crate::{error::TransportError, secret::Fingerprint};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use stator_item::NodeId;

const CLUSTER_ID_LENGTH_MAX: usize = 40;
/// An uncompressed point: a byte 4 and two coordinates.
const PUBLIC_KEY_LENGTH: usize = 65;

/// Signs the certificates of nodes. Its key is the cluster's greatest secret.
pub struct Authority {
    cluster: String,
    certificate_pem: String,
    fingerprint: Fingerprint,
    issuer: Issuer<'static, KeyPair>,
}

/// A node's key pair. The secret half never leaves the node.
pub struct NodeKey {
    /// PKCS #8 in PEM.
    pub key_pem: String,
    /// As [`Authority::sign`] takes it.
    pub public_key: Vec<u8>,
}

impl NodeKey {
    /// A new key.
    pub fn generate() -> Result<NodeKey, TransportError> {
        let pair = generate_pair()?;
        Ok(NodeKey { key_pem: pair.serialize_pem(), public_key: pair.public_key_raw().to_vec() })
    }
}

impl Authority {
    /// The authority of a new cluster.
    pub fn create(cluster: &str) -> Result<Authority, TransportError> {
        let pair = generate_pair()?;
        let certificate = authority_params(cluster)?.self_signed(&pair).map_err(credentials)?;
        Authority::open(cluster, &certificate.pem(), &pair.serialize_pem())
    }

    /// The authority as [`Authority::certificate_pem`] and [`Authority::key_pem`] told it.
    pub fn open(cluster: &str, certificate_pem: &str, key_pem: &str) -> Result<Authority, TransportError> {
        let pair = KeyPair::from_pem(key_pem).map_err(credentials)?;
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| TransportError::Credentials(format!("the authority's certificate: {error}")))?;
        Ok(Authority {
            cluster: cluster.to_owned(),
            certificate_pem: certificate_pem.to_owned(),
            fingerprint: Fingerprint::of(&der),
            issuer: Issuer::new(authority_params(cluster)?, pair),
        })
    }

    /// The certificate that every node trusts.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The secret key.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// By which a joining node knows the cluster.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The certificate (PEM) of `node` for its public key: an uncompressed point of P-256, 65 bytes.
    pub fn sign(&self, node: NodeId, public_key: &[u8]) -> Result<String, TransportError> {
        if public_key.len() != PUBLIC_KEY_LENGTH || public_key.first() != Some(&4) {
            return Err(TransportError::Credentials("the public key is not an uncompressed point of P-256".to_owned()));
        }
        let name = node_name(&self.cluster, node);
        let mut params = CertificateParams::new(vec![name.clone()]).map_err(credentials)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&PublicKey(public_key), &self.issuer).map_err(credentials)?;
        Ok(certificate.pem())
    }
}

/// A node's name in its certificate.
pub(crate) fn node_name(cluster: &str, node: NodeId) -> String {
    format!("node-{node}.{cluster}.stator")
}

/// A cluster's id is a part of names in certificates.
pub(crate) fn check_cluster_id(cluster: &str) -> Result<(), TransportError> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=CLUSTER_ID_LENGTH_MAX).contains(&cluster.len())
        && cluster.bytes().all(allowed)
        && !cluster.starts_with('-')
        && !cluster.ends_with('-');
    if fits { Ok(()) } else { Err(TransportError::ClusterId(cluster.to_owned())) }
}

/// The same for the same cluster, as the authority is opened without reading them from its certificate.
fn authority_params(cluster: &str) -> Result<CertificateParams, TransportError> {
    check_cluster_id(cluster)?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Stator cluster {cluster}"));
    Ok(params)
}

fn generate_pair() -> Result<KeyPair, TransportError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(credentials)
}

fn credentials(error: rcgen::Error) -> TransportError {
    TransportError::Credentials(error.to_string())
}

struct PublicKey<'a>(&'a [u8]);

impl PublicKeyData for PublicKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}
