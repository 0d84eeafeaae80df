//! A partition of a global index: each entry by itself, and all of them against the counters. Whether they are the items is
//! known only together with the table's partitions.

use super::{Checked, hex};
use crate::{
    global_index::entry::parse_row_key,
    reply::IndexCount,
    rows::{Direction, FamilyKind, ReadError, ReadRows},
    state::PartitionState,
};
use stator_catalog::{GlobalIndex, TableDescription};
use stator_item::{IndexNumber, KeyPart, key, row, size};
use std::ops::ControlFlow;

pub(super) fn check_entries(
    state: &PartitionState,
    table: &TableDescription,
    rows: &dyn ReadRows,
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let Some(index) = state.global_index() else { return Ok(()) };
    let tokens = state.tokens();
    let bounds = key::token_bounds(index.id, IndexNumber::ITEMS, tokens.first, tokens.last);
    let mut found = IndexCount::default();
    rows.scan(FamilyKind::Items, &bounds, Direction::Forward, &mut |row_key, stored| {
        checked.index_entries += 1;
        found.items += 1;
        match entry_bytes(row_key, stored, table, index) {
            Ok(bytes) => found.bytes += bytes,
            Err(reason) => checked.find(|| format!("entry at {}: {reason}", hex(row_key))),
        }
        ControlFlow::Continue(())
    })?;
    let told = state.counts().into_iter().find(|count| count.index == IndexNumber::ITEMS).unwrap_or_default();
    if told != found {
        checked.find(|| {
            format!(
                "index {}: the counters say {} entries of {} bytes, there are {} of {}",
                index.name, told.items, told.bytes, found.items, found.bytes
            )
        });
    }
    Ok(())
}

/// The entry's size, if its attributes are what its key says.
fn entry_bytes(row_key: &[u8], stored: &[u8], table: &TableDescription, index: &GlobalIndex) -> Result<u64, String> {
    let (index_key, item_key) = parse_row_key(table, index, row_key).map_err(|error| error.to_string())?;
    let (_, entry) = row::decode_row(stored).map_err(|error| error.to_string())?;
    let parts = index_key.iter().chain([&item_key.hash]).chain(&item_key.range);
    let attributes = index.key().chain([&table.key.hash]).chain(&table.key.range);
    for (attribute, part) in attributes.zip(parts) {
        if entry.get(&attribute.name).and_then(KeyPart::from_value).as_ref() != Some(part) {
            return Err(format!("its attribute {} is not what its key says", attribute.name));
        }
    }
    Ok(size::item_size(&entry) as u64)
}
