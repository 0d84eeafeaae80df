//! What can go wrong at a client.

use crate::Address;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Correct the address.
    #[error("{text:?} is no address of a node: {reason}")]
    Address { text: String, reason: &'static str },
    /// Correct the command line.
    #[error("{0}")]
    Arguments(String),
    /// Nobody is there: start a node, or name another address.
    #[error("no node answers at {asked}: {reason}")]
    NoNode { asked: String, reason: String },
    /// The connection broke, or the reply did not come in time: another node may answer.
    #[error("{address} does not answer: {reason}")]
    Unreachable { address: Address, reason: String },
    /// The node refused the request, and would again.
    #[error("{request} was refused by {address} with status {status}: {body}")]
    Refused { address: Address, request: &'static str, status: u16, body: String },
    /// This machine lacks something: a file, a process, a thread.
    #[error("{doing}: {source}")]
    Machine { doing: String, source: io::Error },
}

impl Error {
    pub(crate) fn unreachable(address: &Address, reason: impl ToString) -> Error {
        Error::Unreachable { address: address.clone(), reason: reason.to_string() }
    }

    /// For `map_err`, told as a verb phrase: "read FILE".
    pub(crate) fn machine(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let doing = doing.into();
        move |source| Error::Machine { doing, source }
    }
}
