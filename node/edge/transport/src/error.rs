//! What can go wrong before there is a network, and while joining. Calls have their own errors: `NetworkError`.

use std::net::SocketAddr;

/// Variants by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The cluster's id is not fit for a certificate.
    #[error("the cluster id {0:?} is not 1 to 40 of a-z, 0-9 and inner hyphens")]
    ClusterId(String),
    /// A certificate or key is damaged or does not belong to the others.
    #[error("{0}")]
    Credentials(String),
    /// Without certificates a node speaks on loopback only.
    #[error("{0} is not a loopback address: without certificates a node listens on loopback only")]
    NotLoopback(SocketAddr),
    /// The socket given to listen on is unusable.
    #[error("listen: {0}")]
    Listen(#[from] std::io::Error),
    /// The text given is no join secret.
    #[error("a join secret is TOKEN.FINGERPRINT, as `stator join-secret` prints it: {0}")]
    SecretMalformed(String),
    /// The node to join is beyond loopback and no secret was given.
    #[error("joining through {0}, which is beyond loopback, needs the cluster's join secret (--join-secret-file)")]
    SecretNeeded(String),
    /// The node to join does not belong to the cluster of the secret, or the secret's token is not right.
    #[error("join through {address}: {reason}")]
    SecretWrong { address: String, reason: String },
    /// The cluster cannot take this node.
    #[error("join through {address}: {reason}")]
    JoinRefused { address: String, reason: String },
    /// Nobody answers there now; another try may succeed.
    #[error("join through {address}: {reason}")]
    JoinUnreachable { address: String, reason: String },
}
