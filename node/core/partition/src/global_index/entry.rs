//! An item's entry in a global index, and what a change record changes there. Nothing but arithmetic.
//!
//! Guarantees: an item is in an index exactly if it has every attribute of the index's key, of the right type, not empty and
//! not too long; an entry holds the keys of index and table and what the index projects; an entry that stays the same is not
//! written.

use crate::rows::ReadError;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::{GlobalIndex, IndexProjection, KeyAttribute, TableDescription};
use stator_changelog::{ChangeRecord, SequenceNumber};
use stator_item::{
    Item, Key, KeyPart, KeyType, RowHeader, key, row,
    size::{self, HASH_KEY_BYTES_MAX, RANGE_KEY_BYTES_MAX},
};

/// A row of an index that is put or, without a value, deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IndexRow {
    /// The place in the source's change log at which this is so.
    pub sequence: SequenceNumber,
    pub key: Bytes,
    pub value: Option<Bytes>,
}

impl IndexRow {
    /// About how many bytes it takes in a message.
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len) + 16
    }
}

/// What an item leaves in an index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub row_key: Vec<u8>,
    pub encoded: Bytes,
    pub size: usize,
}

/// The parts of an item's key in the index, hash parts first; `None`: it is not in the index.
fn index_key(index: &GlobalIndex, item: &Item) -> Option<Vec<KeyPart>> {
    let part = |attribute: &KeyAttribute| {
        let part = item.get(&attribute.name).and_then(KeyPart::from_value)?;
        (part.key_type() == attribute.key_type && !part.is_empty()).then_some(part)
    };
    let parts = index.key().map(part).collect::<Option<Vec<KeyPart>>>()?;
    let bytes = |parts: &[KeyPart]| parts.iter().map(KeyPart::size).sum::<usize>();
    let (hash, range) = parts.split_at(index.hash.len());
    // A write with such a key is refused; an older item may have it.
    (bytes(hash) <= HASH_KEY_BYTES_MAX && bytes(range) <= RANGE_KEY_BYTES_MAX).then_some(parts)
}

/// An item's entry; `None`: it is not in the index. `encoded` is the item in its encoding.
pub(crate) fn entry(
    table: &TableDescription,
    index: &GlobalIndex,
    item: &Item,
    encoded: &Bytes,
) -> Result<Option<Entry>, ReadError> {
    let Some(parts) = index_key(index, item) else { return Ok(None) };
    let item_key = [&table.key.hash].into_iter().chain(&table.key.range);
    let item_key = item_key
        .map(|attribute| item.get(&attribute.name).and_then(KeyPart::from_value))
        .collect::<Option<Vec<KeyPart>>>()
        .ok_or_else(|| ReadError::damaged("item", "it lacks its key"))?;
    let (hash, range) = parts.split_at(index.hash.len());
    let rest: Vec<&KeyPart> = range.iter().chain(&item_key).collect();
    let row_key = key::compound_row_key(index.id, hash, &rest);
    let included: &[String] = match &index.projection {
        IndexProjection::All => {
            return Ok(Some(Entry { row_key, encoded: encoded.clone(), size: size::item_size(item) }));
        }
        IndexProjection::KeysOnly => &[],
        IndexProjection::Include(names) => names,
    };
    let keys = index.key().chain([&table.key.hash]).chain(&table.key.range).map(|attribute| &attribute.name);
    let kept = keys.chain(included).filter_map(|name| item.get_key_value(name));
    let kept: Item = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Some(Entry { row_key, encoded: row::item_encoding(&kept).into(), size: size::item_size(&kept) }))
}

fn entry_of_image(
    table: &TableDescription,
    index: &GlobalIndex,
    image: Option<&Bytes>,
) -> Result<Option<Entry>, ReadError> {
    let Some(encoded) = image else { return Ok(None) };
    entry(table, index, &row::decode_item(encoded)?, encoded)
}

/// What a change record changes in an index: first what goes, then what comes.
pub(crate) fn changes(
    table: &TableDescription,
    index: &GlobalIndex,
    record: &ChangeRecord,
) -> Result<Vec<IndexRow>, ReadError> {
    let old = entry_of_image(table, index, record.old_image.as_ref())?;
    let new = entry_of_image(table, index, record.new_image.as_ref())?;
    let mut changes = Vec::new();
    if old.as_ref().map(|entry| (&entry.row_key, &entry.encoded))
        == new.as_ref().map(|entry| (&entry.row_key, &entry.encoded))
    {
        return Ok(changes);
    }
    let sequence = record.sequence;
    if let Some(old) = old
        && new.as_ref().is_none_or(|new| new.row_key != old.row_key)
    {
        changes.push(IndexRow { sequence, key: old.row_key.into(), value: None });
    }
    if let Some(new) = new {
        let header = RowHeader { written: record.timestamp, origin: record.origin };
        changes.push(put(sequence, &header, new));
    }
    Ok(changes)
}

/// The row of an entry; `None`: the item of that stored row is not in the index.
pub(crate) fn row_of_item(
    table: &TableDescription,
    index: &GlobalIndex,
    sequence: SequenceNumber,
    stored: &[u8],
) -> Result<Option<IndexRow>, ReadError> {
    let row = row::split_row(stored)?;
    let encoded = Bytes::copy_from_slice(row.encoded_item);
    let entry = entry_of_image(table, index, Some(&encoded))?;
    Ok(entry.map(|entry| put(sequence, &row.header, entry)))
}

fn put(sequence: SequenceNumber, header: &RowHeader, entry: Entry) -> IndexRow {
    let value = row::encode_row_of(header, entry.size, &entry.encoded).into();
    IndexRow { sequence, key: entry.row_key.into(), value: Some(value) }
}

/// The types of the parts of a row key of the index, in their order.
pub(crate) fn key_types(table: &TableDescription, index: &GlobalIndex) -> Vec<KeyType> {
    let item_key = [&table.key.hash].into_iter().chain(&table.key.range);
    index.key().chain(item_key).map(|attribute| attribute.key_type).collect()
}

/// A row key of the index taken apart: the parts of the index's key, and the item's key.
pub(crate) fn parse_row_key(
    table: &TableDescription,
    index: &GlobalIndex,
    row_key: &[u8],
) -> Result<(Vec<KeyPart>, Key), ReadError> {
    let damaged = |error: &dyn std::fmt::Display| ReadError::damaged("row key", error);
    let decoded = key::decode_compound_row_key(row_key, &key_types(table, index), index.hash.len());
    let mut parts = decoded.map_err(|error| damaged(&error))?.parts;
    let mut item_key = parts.split_off(index.key().count()).into_iter();
    let hash = item_key.next().ok_or_else(|| damaged(&"it has too few parts"))?;
    Ok((parts, Key { hash, range: item_key.next() }))
}
