//! Bytes of what is sent between nodes or kept in a log: a format version, then postcard.
//!
//! Guarantees: what was encoded is decoded to the same value; an unknown version is named, not guessed at; any other bytes
//! are an error, never a panic.

#[cfg(test)]
mod tests;

use crate::{
    command::Command,
    effects::Entry,
    reply::{Refusal, Reply},
};
use serde::{Serialize, de::DeserializeOwned};

/// The version that is written.
pub const FORMAT_VERSION: u8 = 5;

/// Why bytes are not what they should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// Written by a newer release: a replica must stop at it, a receiver must refuse it.
    #[error("format version {version} of a {what} is not known to this release")]
    UnknownVersion { what: &'static str, version: u8 },
    /// No release has written this.
    #[error("a {what} is damaged: {reason}")]
    Damaged { what: &'static str, reason: String },
}

pub fn encode_entry(entry: &Entry) -> Vec<u8> {
    encode(entry, entry.effects.len() * 256)
}

pub fn decode_entry(bytes: &[u8]) -> Result<Entry, CodecError> {
    decode("log entry", bytes)
}

pub fn encode_command(command: &Command) -> Vec<u8> {
    encode(command, 256)
}

pub fn decode_command(bytes: &[u8]) -> Result<Command, CodecError> {
    decode("command", bytes)
}

/// What a command was answered.
pub fn encode_outcome(outcome: &Result<Reply, Refusal>) -> Vec<u8> {
    encode(outcome, 64)
}

pub fn decode_outcome(bytes: &[u8]) -> Result<Result<Reply, Refusal>, CodecError> {
    decode("reply", bytes)
}

pub(crate) fn encode<T: Serialize>(value: &T, bytes_expected: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + bytes_expected);
    out.push(FORMAT_VERSION);
    postcard::to_extend(value, out).expect("memory takes any value whose lengths are known")
}

pub(crate) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, CodecError> {
    let damaged = |reason: String| CodecError::Damaged { what, reason };
    let (&version, body) = bytes.split_first().ok_or_else(|| damaged("it is empty".to_owned()))?;
    if version != FORMAT_VERSION {
        return Err(CodecError::UnknownVersion { what, version });
    }
    let (value, rest) = postcard::take_from_bytes(body).map_err(|error| damaged(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(damaged("it goes on after its end".to_owned())) }
}
