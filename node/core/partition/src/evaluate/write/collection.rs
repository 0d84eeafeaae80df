//! Sizes of item collections: an item with all others of its hash key and all their index entries, in tables with local
//! indexes. One row each, beside the items.

use super::{super::reading::Reading, Stop};
use crate::{
    command::WriteOptions,
    effects::{Effects, RowWrite},
    reply::Refusal,
    rows::ReadError,
    rows_needed::collection_row_key,
};
use stator_catalog::TableDescription;
use stator_item::Key;

/// Largest item collection in a table with local indexes.
pub(crate) const COLLECTION_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;
const SIZE_VERSION: u8 = 1;

/// The collection's size, where the command asks for it.
pub(super) fn size_asked(
    table: &TableDescription,
    key: &Key,
    options: &WriteOptions,
    reading: &mut Reading<'_>,
) -> Result<Option<u64>, ReadError> {
    if table.local_indexes.is_empty() || !options.collection_size {
        return Ok(None);
    }
    read(reading, &collection_row_key(table, key)).map(Some)
}

/// Adds what the counters in `effects` say to the collection's size. Its size afterwards, where the command asks for it.
pub(super) fn change(
    table: &TableDescription,
    key: &Key,
    (options, bytes_max): (&WriteOptions, u64),
    reading: &mut Reading<'_>,
    effects: &mut Effects,
) -> Result<Option<u64>, Stop> {
    let change: i64 = effects.counts.iter().map(|count| count.bytes).sum();
    if table.local_indexes.is_empty() || change == 0 {
        return Ok(size_asked(table, key, options, reading)?);
    }
    let row_key = collection_row_key(table, key);
    let before = read(reading, &row_key)?;
    let after = before
        .checked_add_signed(change)
        .ok_or_else(|| ReadError::damaged("item collection's size", "it is smaller than one of its items"))?;
    if change > 0 && after > bytes_max {
        return Err(Refusal::CollectionFull.into());
    }
    let value = (after > 0).then(|| encode_size(after).into());
    effects.rows.push(RowWrite { key: row_key.into(), value });
    Ok(options.collection_size.then_some(after))
}

fn read(reading: &mut Reading<'_>, row_key: &[u8]) -> Result<u64, ReadError> {
    match reading.row(row_key)?.as_deref() {
        None => Ok(0),
        Some([SIZE_VERSION, size @ ..]) if size.len() == 8 => {
            Ok(size.iter().fold(0, |size, byte| size << 8 | u64::from(*byte)))
        }
        Some(_) => Err(ReadError::damaged("item collection's size", "it has another form")),
    }
}

pub(crate) fn encode_size(size: u64) -> Vec<u8> {
    let mut value = vec![SIZE_VERSION];
    value.extend_from_slice(&size.to_be_bytes());
    value
}
