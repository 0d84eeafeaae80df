//! Why a run cannot begin, or cannot go on. Each text says what to do where something can be done.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Correct the command line.
    #[error("{0}")]
    Usage(String),
    /// A node or the cluster is not as it must be for the run to go on.
    #[error("{0}")]
    Cluster(String),
    /// This machine lacks something.
    #[error("{action}: {source}")]
    Machine { action: String, source: io::Error },
}

impl Error {
    /// For `map_err`, told as a verb phrase: "read FILE".
    pub fn machine(action: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let action = action.into();
        move |source| Error::Machine { action, source }
    }
}
