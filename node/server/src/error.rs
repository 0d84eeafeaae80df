//! Why the program ends without success. Each text says what to do where something can be done.

use crate::identity::IdentityError;
use stator_cluster::{ChangeError, ClusterError};
use stator_environment::DiskError;
use stator_gateway::GatewayError;
use stator_storage::DirectoryError;
use stator_transport::TransportError;
use std::{error::Error, fmt::Write, io, net::SocketAddr};

/// Variants by the exit code and by who can do something.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The command line, environment or settings file is wrong.
    #[error("{0}")]
    Usage(String),
    /// The same, as clap says it (or the help that was asked for).
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    #[error("{address} is in use by another program: stop it, or choose another address with {flag}")]
    AddressInUse { address: SocketAddr, flag: &'static str },
    #[error("listen on {address} ({flag})")]
    Listen { address: SocketAddr, flag: &'static str, source: io::Error },
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("open the data")]
    Storage(#[from] DiskError),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error("take part in the cluster")]
    Cluster(#[from] ClusterError),
    #[error("change the catalog")]
    Change(#[from] ChangeError),
    /// What a command asks a running node for, and what came of it.
    #[error("{0}")]
    Administration(String),
    #[error("{action}")]
    Io { action: String, source: io::Error },
    /// A running node must not go on.
    #[error("the node stops: {0}")]
    Stopped(String),
}

impl ServerError {
    pub fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError {
        let action = action.into();
        move |source| ServerError::Io { action, source }
    }

    /// 2: how the program was called; 1: anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            ServerError::Usage(_) => 2,
            ServerError::CommandLine(error) => error.exit_code() as u8,
            _ => 1,
        }
    }

    /// The error and what caused it, in one sentence a line.
    pub fn explain(&self) -> String {
        let mut text = format!("error: {self}");
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(text, "\n  caused by: {error}").expect("memory takes whatever is written");
            cause = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_with_its_causes() {
        let disk = DiskError::Damaged("the log".to_owned());
        let error = ServerError::Cluster(ClusterError::Disk(disk));
        assert_eq!(error.explain(), "error: take part in the cluster\n  caused by: the data is damaged: the log");
        assert_eq!((error.exit_code(), ServerError::Usage(String::new()).exit_code()), (1, 2));
    }
}
