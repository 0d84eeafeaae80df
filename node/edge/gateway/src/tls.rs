//! TLS for clients, from two PEM files.

use crate::error::GatewayError;
use rustls::{ServerConfig, crypto::ring};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::{path::PathBuf, sync::Arc};
use tokio_rustls::TlsAcceptor;

/// Where certificate and key lie: `--tls-cert` and `--tls-key`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsSettings {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Certificate and key, ready for use: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN.
#[derive(Clone)]
pub struct Tls(pub(crate) TlsAcceptor);

impl Tls {
    /// Reads both files. Blocks shortly on the disk: call it before serving.
    pub fn load(settings: &TlsSettings) -> Result<Tls, GatewayError> {
        let TlsSettings { certificate, key } = settings;
        let bad_certificate = |reason: String| GatewayError::Certificate { path: certificate.clone(), reason };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
            .map_err(|error| bad_certificate(error.to_string()))?;
        if chain.is_empty() {
            return Err(bad_certificate("there is no certificate in it".into()));
        }
        let private_key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| GatewayError::Key { path: key.clone(), reason: error.to_string() })?;
        let unusable = |error: rustls::Error| GatewayError::Pair {
            certificate: certificate.clone(),
            key: key.clone(),
            reason: error.to_string(),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, private_key)
            .map_err(unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Tls(TlsAcceptor::from(Arc::new(config))))
    }
}
