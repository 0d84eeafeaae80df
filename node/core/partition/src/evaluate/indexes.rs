//! Entries of local secondary indexes: what an item leaves in each, and what a write changes there.
//!
//! Guarantees: an item is in an index exactly if it has the index's range attribute; an entry holds the keys of table and
//! index and what the index projects, in the item encoding; an entry that stays the same is not written.

use super::image::Image;
use crate::{reply::Refusal, rows::ReadError};
use bytes::Bytes;
use stator_catalog::{IndexProjection, KeyAttribute, LocalIndex, TableDescription};
use stator_item::{IndexNumber, Item, Key, KeyPart, key, row, size};

/// An item's row in an index.
#[derive(PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub row_key: Vec<u8>,
    pub encoded: Bytes,
    pub size: usize,
}

/// How a write changes an index. The entries differ.
pub(super) struct IndexChange {
    pub index: IndexNumber,
    pub old: Option<IndexEntry>,
    pub new: Option<IndexEntry>,
}

impl IndexChange {
    /// The writes that the change costs, as `Written::index_bytes` tells them.
    pub(super) fn writes(&self) -> Vec<(IndexNumber, u64, u64)> {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old.row_key != new.row_key => {
                vec![(self.index, old.size as u64, 0), (self.index, 0, new.size as u64)]
            }
            (old, new) => {
                let size = |entry: &Option<IndexEntry>| entry.as_ref().map_or(0, |entry| entry.size as u64);
                vec![(self.index, size(old), size(new))]
            }
        }
    }
}

/// What a value that no index can take is blamed on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    Put,
    Update,
}

/// The changes of all local indexes when one image of an item takes the place of the other.
pub(super) fn changes(
    table: &TableDescription,
    item_key: &Key,
    old: Option<&Image>,
    new: Option<&Image>,
) -> Result<Vec<IndexChange>, ReadError> {
    let mut changes = Vec::new();
    for index in &table.local_indexes {
        let entry = |image: Option<&Image>| image.map(|image| entry(table, index, item_key, image)).transpose();
        let (old, new) = (entry(old)?.flatten(), entry(new)?.flatten());
        if old != new {
            let old = old.filter(|_| !stator_mutants::is(stator_mutants::Mutant::LeaveIndexEntry));
            changes.push(IndexChange { index: index.number, old, new });
        }
    }
    Ok(changes)
}

fn entry(
    table: &TableDescription,
    index: &LocalIndex,
    item_key: &Key,
    image: &Image,
) -> Result<Option<IndexEntry>, ReadError> {
    let item = image.tree()?;
    let Some(index_range) = item.get(&index.range.name).and_then(KeyPart::from_value) else { return Ok(None) };
    let Some(base_range) = &item_key.range else {
        return Err(ReadError::damaged("table description", "it has a local index but no range key"));
    };
    let row_key = key::index_row_key(table.id, index.number, &item_key.hash, &index_range, base_range);
    let (encoded, size) = match &index.projection {
        IndexProjection::All => (image.encoded().clone(), image.size()),
        IndexProjection::KeysOnly => projected(table, index, item, &[]),
        IndexProjection::Include(names) => projected(table, index, item, names),
    };
    Ok(Some(IndexEntry { row_key, encoded, size }))
}

/// The row key, the encoded entry and its size that a stored item must have in an index; `None`: it is not in it.
pub(crate) fn index_entry_of_row(
    table: &TableDescription,
    index: &LocalIndex,
    item_key: &Key,
    stored: &Bytes,
) -> Result<Option<(Vec<u8>, Bytes, u64)>, ReadError> {
    let (_, image) = Image::of_row(stored)?;
    let entry = entry(table, index, item_key, &image)?;
    Ok(entry.map(|entry| (entry.row_key, entry.encoded, entry.size as u64)))
}

fn projected(table: &TableDescription, index: &LocalIndex, item: &Item, included: &[String]) -> (Bytes, usize) {
    let range = table.key.range.iter().map(|range| &range.name);
    let names = [&table.key.hash.name, &index.range.name].into_iter().chain(range).chain(included);
    let kept: Item = names.filter_map(|name| item.get_key_value(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
    (row::item_encoding(&kept).into(), size::item_size(&kept))
}

/// Refuses an item that has an attribute of an index's key with a value that no key may have.
pub(super) fn check_keys(table: &TableDescription, item: &Item, writer: Writer) -> Result<(), Refusal> {
    for index in &table.local_indexes {
        let range = key_bytes(&index.name, std::slice::from_ref(&index.range), item, writer)?;
        check_range_bytes(range)?;
    }
    for index in table.global_indexes.iter().filter(|index| index.is_fed()) {
        let hash = key_bytes(&index.name, &index.hash, item, writer)?;
        let range = key_bytes(&index.name, &index.range, item, writer)?;
        if hash > size::HASH_KEY_BYTES_MAX {
            return Err(Refusal::Invalid(format!(
                "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of{} bytes",
                size::HASH_KEY_BYTES_MAX,
            )));
        }
        check_range_bytes(range)?;
    }
    Ok(())
}

fn check_range_bytes(bytes: usize) -> Result<(), Refusal> {
    if bytes <= size::RANGE_KEY_BYTES_MAX {
        return Ok(());
    }
    Err(Refusal::Invalid(format!(
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of {} bytes",
        size::RANGE_KEY_BYTES_MAX,
    )))
}

/// Bytes of those of the attributes that the item has.
fn key_bytes(index_name: &str, attributes: &[KeyAttribute], item: &Item, writer: Writer) -> Result<usize, Refusal> {
    let mut bytes = 0;
    for attribute in attributes {
        let Some(value) = item.get(&attribute.name) else { continue };
        let Some(part) = KeyPart::from_value(value).filter(|part| part.key_type() == attribute.key_type) else {
            return Err(Refusal::Invalid(format!(
                "One or more parameter values were invalid: Type mismatch for Index Key {} Expected: {} Actual: {} \
                 IndexName: {index_name}",
                attribute.name,
                attribute.key_type.name(),
                value.type_name(),
            )));
        };
        if part.is_empty() {
            return Err(Refusal::Invalid(empty_key(index_name, &attribute.name, &part, writer)));
        }
        bytes += part.size();
    }
    Ok(bytes)
}

fn empty_key(index_name: &str, attribute: &str, part: &KeyPart, writer: Writer) -> String {
    let kind = if matches!(part, KeyPart::Binary(_)) { "binary" } else { "string" };
    match writer {
        Writer::Put => format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
             The AttributeValue for a key attribute cannot contain an empty {kind} value. IndexName: {index_name}, \
             IndexKey: {attribute}"
        ),
        Writer::Update => format!(
            "One or more parameter values are not valid. The update expression attempted to update a secondary index key \
             to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty {kind} value."
        ),
    }
}
