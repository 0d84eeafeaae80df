//! How nodes prove themselves to each other.
//!
//! On loopback they do not: whoever is on the machine can read the data directory's socket anyway. Beyond it, TLS 1.3
//! both ways with certificates of the cluster's authority. A client without a certificate is let in as a stranger, since
//! it may want to join.

use crate::{error::TransportError, secret::Fingerprint};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature},
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject};
use std::{fmt, sync::Arc};

/// How a node speaks with others.
#[derive(Clone)]
pub enum Security {
    /// In plain TCP, on loopback addresses only.
    Loopback,
    /// TLS both ways, on every address.
    Mutual { ca_pem: String, certificate_pem: String, key_pem: String },
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Security::Loopback => "Loopback",
            Security::Mutual { .. } => "Mutual",
        })
    }
}

/// The same, ready for use.
#[derive(Clone)]
pub(crate) enum Wire {
    Plain,
    Tls { client: Arc<ClientConfig>, server: Arc<ServerConfig> },
}

impl Security {
    pub(crate) fn wire(&self) -> Result<Wire, TransportError> {
        match self {
            Security::Loopback => Ok(Wire::Plain),
            Security::Mutual { ca_pem, certificate_pem, key_pem } => mutual(ca_pem, certificate_pem, key_pem),
        }
    }
}

fn mutual(ca_pem: &str, certificate_pem: &str, key_pem: &str) -> Result<Wire, TransportError> {
    let ca = certificate(ca_pem)?;
    // The authority's certificate is sent along: a joining node knows no more of it than the fingerprint.
    let chain = vec![certificate(certificate_pem)?, ca.clone()];
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())
        .map_err(|error| TransportError::Credentials(format!("the node's key: {error}")))?;
    let mut roots = RootCertStore::empty();
    roots.add(ca).map_err(credentials)?;
    let roots = Arc::new(roots);
    let provider = Arc::new(ring::default_provider());

    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(credentials)?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(chain.clone(), key.clone_key())
        .map_err(credentials)?;
    let strangers_too = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|error| TransportError::Credentials(error.to_string()))?;
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(credentials)?
        .with_client_cert_verifier(strangers_too)
        .with_single_cert(chain, key)
        .map_err(credentials)?;
    Ok(Wire::Tls { client: Arc::new(with_http2(client)), server: Arc::new(server_with_http2(server)) })
}

/// For joining: no certificate of one's own, and the authority known by its fingerprint only.
pub(crate) fn stranger(fingerprint: Fingerprint) -> Result<Arc<ClientConfig>, TransportError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(ByFingerprint { fingerprint, provider: provider.clone() });
    let client = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(credentials)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(with_http2(client)))
}

/// Whether a certificate that the authority signed bears `name`.
pub(crate) fn bears_name(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let (Ok(parsed), Ok(name)) = (ParsedCertificate::try_from(certificate), ServerName::try_from(name)) else {
        return false;
    };
    rustls::client::verify_server_name(&parsed, &name).is_ok()
}

pub(crate) fn certificate(pem: &str) -> Result<CertificateDer<'static>, TransportError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| TransportError::Credentials(format!("a certificate: {error}")))
}

fn with_http2(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn server_with_http2(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn credentials(error: rustls::Error) -> TransportError {
    TransportError::Credentials(error.to_string())
}

/// Trusts any node whose certificate was signed by the authority with this fingerprint.
#[derive(Debug)]
struct ByFingerprint {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ByFingerprint {
    fn algorithms(&self) -> &WebPkiSupportedAlgorithms {
        &self.provider.signature_verification_algorithms
    }
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let authority = intermediates
            .iter()
            .find(|certificate| Fingerprint::of(certificate) == self.fingerprint)
            .ok_or_else(|| rustls::Error::General("the node belongs to another cluster than the join secret".into()))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        // Any node of the cluster will do, so its name does not matter.
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &roots,
            &[],
            now,
            self.algorithms().all,
        )?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, self.algorithms())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms().supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
