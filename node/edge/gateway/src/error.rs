//! Why the edge cannot begin to serve.

use std::path::PathBuf;

/// What an operator has to put right before the edge can serve.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error(
        "cannot read the TLS certificate {path}: {reason}. --tls-cert wants a PEM file with the server's certificate and those that lead to its authority"
    )]
    Certificate { path: PathBuf, reason: String },
    #[error(
        "cannot read the TLS key {path}: {reason}. --tls-key wants a PEM file with the certificate's private key, not encrypted"
    )]
    Key { path: PathBuf, reason: String },
    #[error(
        "the TLS certificate {certificate} and the key {key} cannot be used: {reason}. Check that they belong together"
    )]
    Pair { certificate: PathBuf, key: PathBuf, reason: String },
}
