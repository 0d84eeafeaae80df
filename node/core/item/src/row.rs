//! Rows: what is stored of an item under its row key.
//!
//! A row is a version byte, its header (when and where it was last written), the item's size as DynamoDB counts it, so that a
//! page of a query need not count again, then the encoded item. An encoded item also travels alone, in replies and overlays;
//! the version of what bears it covers it.
//!
//! Guarantees: equal items have equal encodings; the decoders take hostile bytes, accept only what the encoders write,
//! and neither recurse nor allocate beyond what the input's length allows.

pub(crate) mod decode;
mod encode;
mod serde;
#[cfg(test)]
mod tests;
pub(crate) mod view;

pub use decode::{decode_item, get_item_attribute};
pub use encode::{encode_item_into, item_encoding};

use crate::size::{item_size, item_size_encoded};
use crate::timestamp::Timestamp;
use crate::value::{Item, NESTING_LEVELS_MAX, Value};

/// The version that is written.
pub const ROW_VERSION: u8 = 2;
/// Bytes before the encoded item.
pub const ROW_HEADER_BYTES: usize = 1 + Timestamp::BYTES + 1 + size_of::<u32>();
/// Deepest nesting that decoders follow. Above what an item may have, so that no limit of a request can make a row unreadable.
pub const DECODED_LEVELS_MAX: usize = 2 * NESTING_LEVELS_MAX;

/// When and where an item was last written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RowHeader {
    /// The item's version: grows with every write.
    pub written: Timestamp,
    /// The region that wrote it; 0 is this one.
    pub origin: u8,
}

/// A row whose item is not looked at yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row<'a> {
    pub header: RowHeader,
    /// The item's size in bytes, as DynamoDB counts it.
    pub item_bytes: usize,
    pub encoded_item: &'a [u8],
}

/// Why bytes are no row.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RowError {
    /// Written by a newer release: the replica must stop, not guess.
    #[error("row version {0} is not known to this release")]
    UnknownVersion(u8),
    /// No release has written this.
    #[error("the row is damaged: {0}")]
    Damaged(&'static str),
}

/// The row of an item.
pub fn encode_row(header: &RowHeader, item: &Item) -> Vec<u8> {
    let mut row = Vec::with_capacity(ROW_HEADER_BYTES + 256);
    write_header(header, item_size(item), &mut row);
    encode_item_into(item, &mut row);
    row
}

/// The row of an item that is encoded already and takes `item_bytes` as DynamoDB counts.
pub fn encode_row_of(header: &RowHeader, item_bytes: usize, encoded_item: &[u8]) -> Vec<u8> {
    debug_assert_eq!(item_size_encoded(encoded_item), Ok(item_bytes), "a row tells its item's size");
    let mut row = Vec::with_capacity(ROW_HEADER_BYTES + encoded_item.len());
    write_header(header, item_bytes, &mut row);
    row.extend_from_slice(encoded_item);
    row
}

fn write_header(header: &RowHeader, item_bytes: usize, row: &mut Vec<u8>) {
    row.push(ROW_VERSION);
    row.extend_from_slice(&header.written.to_bytes());
    row.push(header.origin);
    let item_bytes = u32::try_from(item_bytes).expect("an item is far below four gigabytes");
    row.extend_from_slice(&item_bytes.to_be_bytes());
}

/// What stands in a row. The encoded item is not looked at, and its size is believed.
pub fn split_row(row: &[u8]) -> Result<Row<'_>, RowError> {
    const SHORT: RowError = RowError::Damaged("it ends within its header");
    let (&version, rest) = row.split_first().ok_or(SHORT)?;
    if version != ROW_VERSION {
        return Err(RowError::UnknownVersion(version));
    }
    let (written, rest) = rest.split_first_chunk().ok_or(SHORT)?;
    let (&origin, rest) = rest.split_first().ok_or(SHORT)?;
    let (item_bytes, encoded_item) = rest.split_first_chunk().ok_or(SHORT)?;
    let header = RowHeader { written: Timestamp::from_bytes(*written), origin };
    Ok(Row { header, item_bytes: u32::from_be_bytes(*item_bytes) as usize, encoded_item })
}

pub fn decode_row(row: &[u8]) -> Result<(RowHeader, Item), RowError> {
    let Row { header, item_bytes, encoded_item } = split_row(row)?;
    let item = decode_item(encoded_item)?;
    if item_size(&item) != item_bytes {
        return Err(RowError::Damaged("it tells another size than its item has"));
    }
    Ok((header, item))
}

/// One top-level attribute of a row. The rest is skipped, and not checked.
pub fn get_attribute(row: &[u8], name: &str) -> Result<Option<Value>, RowError> {
    get_item_attribute(split_row(row)?.encoded_item, name)
}
