//! Bytes of changes in the catalog's log and of its snapshots: a format's version, then postcard.

use crate::{Catalog, Change, Stamp};
use serde::{Serialize, de::DeserializeOwned};

/// Version of both formats. Earlier ones were never released.
pub const FORMAT: u8 = 6;

/// Bytes that are no catalog's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodecError {
    /// Written by a newer version of the program: this one must stop.
    #[error("catalog data has format {0}, which this version cannot read")]
    UnknownFormat(u8),
    #[error("catalog data is damaged")]
    Damaged,
}

/// A change as the log holds it.
pub fn encode_change(change: &Change, at: &Stamp) -> Vec<u8> {
    encode(&(change, at))
}

pub fn decode_change(bytes: &[u8]) -> Result<(Change, Stamp), CodecError> {
    decode(bytes)
}

impl Catalog {
    /// The whole catalog, for snapshots and for nodes that watch it. Holds secrets.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    pub fn decode(bytes: &[u8]) -> Result<Catalog, CodecError> {
        let mut catalog: Catalog = decode(bytes)?;
        catalog.derive();
        Ok(catalog)
    }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT]).expect("memory takes whatever is written")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (&format, rest) = bytes.split_first().ok_or(CodecError::Damaged)?;
    if format != FORMAT {
        return Err(CodecError::UnknownFormat(format));
    }
    match postcard::take_from_bytes(rest) {
        Ok((value, [])) => Ok(value),
        _ => Err(CodecError::Damaged),
    }
}
