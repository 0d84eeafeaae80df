//! Holds a stored partition against what must be true of it: each row by itself, and all of them against the counters.
//!
//! Guarantees: nothing is changed; what is found is told in sentences, of which the first [`FINDINGS_MAX`] are kept.

mod across;
mod global;
#[cfg(test)]
mod tests;

pub use across::{Compared, Stored, compare_index};

use crate::{
    evaluate::{encode_collection_size, index_entry_of_row},
    expiry,
    global_index::Backfill,
    keys::{change_sequence, changes_bounds},
    reply::IndexCount,
    rows::{COLLECTION_SIZES, Direction, EXPIRIES, FamilyKind, ReadError, ReadRows, items_bounds, visit_all},
    rows_needed::collection_row_key,
    state::PartitionState,
};
use bytes::Bytes;
use stator_catalog::{LocalIndex, TableDescription};
use stator_changelog::decode_record;
use stator_item::{IndexNumber, Item, Key, KeyPart, KeyType, key, row, size};
use std::{collections::BTreeMap, ops::ControlFlow};

/// What is found in one partition beyond these is only counted.
pub const FINDINGS_MAX: usize = 20;

/// What was looked at, and what was wrong.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checked {
    pub items: u64,
    pub index_entries: u64,
    /// Rows in the order of expiry.
    pub expiries: u64,
    pub changes: u64,
    pub findings: Vec<String>,
    /// All of them, also those beyond [`FINDINGS_MAX`].
    pub findings_count: u64,
}

impl Checked {
    /// Tells one more thing that is wrong.
    pub fn find(&mut self, finding: impl FnOnce() -> String) {
        self.findings_count += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding());
        }
    }
}

/// Reads all rows of a partition. An error: they could not be read to the end.
pub fn check(state: &PartitionState, rows: &dyn ReadRows) -> Result<Checked, ReadError> {
    let mut checked = Checked::default();
    match state.description() {
        Some(table) if !state.is_closed() && state.global_index().is_some() => {
            global::check_entries(state, table, rows, &mut checked)?;
        }
        Some(table) if !state.is_closed() => {
            let counted = check_items(state, table, rows, &mut checked)?;
            check_indexes(state, table, counted.collections, rows, &mut checked)?;
            check_expiries(state, table, counted.expiries, rows, &mut checked)?;
            check_counts(state, &counted, &mut checked);
        }
        // Before its first description, and after its end, a partition has no rows.
        _ => check_empty(state, rows, &mut checked)?,
    }
    check_changes(state, rows, &mut checked)?;
    Ok(checked)
}

/// Items and bytes as they lie there, and the sizes of the item collections.
#[derive(Default)]
struct Counted {
    by_index: BTreeMap<IndexNumber, IndexCount>,
    collection: Option<(Vec<u8>, u64)>,
    collections: u64,
    /// Items that have their row in the order of expiry.
    expiries: u64,
}

impl Counted {
    fn add(&mut self, index: IndexNumber, bytes: u64) {
        let count = self.by_index.entry(index).or_insert(IndexCount { index, ..IndexCount::default() });
        count.items += 1;
        count.bytes += bytes;
    }
}

fn check_items(
    state: &PartitionState,
    table: &TableDescription,
    rows: &dyn ReadRows,
    checked: &mut Checked,
) -> Result<Counted, ReadError> {
    let tokens = state.tokens();
    let bounds = key::token_bounds(table.id, IndexNumber::ITEMS, tokens.first, tokens.last);
    let mut counted = Counted::default();
    visit_all(rows, FamilyKind::Items, &bounds, |row_key, stored| {
        checked.items += 1;
        check_item((row_key, stored), table, rows, &mut counted, checked)?;
        check_expiry((row_key, stored), state, rows, &mut counted, checked)
    })?;
    end_collection(&mut counted, rows, checked)?;
    Ok(counted)
}

fn check_item(
    (row_key, stored): (&[u8], &[u8]),
    table: &TableDescription,
    rows: &dyn ReadRows,
    counted: &mut Counted,
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let (item_key, item) = match read_item(row_key, stored, table) {
        Ok(read) => read,
        Err(reason) => {
            checked.find(|| format!("item at {}: {reason}", hex(row_key)));
            return Ok(());
        }
    };
    let mut collection_bytes = size::item_size(&item) as u64;
    counted.add(IndexNumber::ITEMS, collection_bytes);
    for index in &table.local_indexes {
        let stored = Bytes::copy_from_slice(stored);
        let Some((entry_key, entry, entry_bytes)) = index_entry_of_row(table, index, &item_key, &stored)? else {
            continue;
        };
        counted.add(index.number, entry_bytes);
        collection_bytes += entry_bytes;
        if rows.get(&entry_key)?.as_deref().and_then(without_header) != Some((entry_bytes as usize, &entry[..])) {
            checked.find(|| format!("item at {}: its entry in the index {} is not its own", hex(row_key), index.name));
        }
    }
    if table.local_indexes.is_empty() {
        return Ok(());
    }
    let collection = collection_row_key(table, &item_key);
    match &mut counted.collection {
        Some((current, bytes)) if *current == collection => *bytes += collection_bytes,
        _ => {
            end_collection(counted, rows, checked)?;
            counted.collection = Some((collection, collection_bytes));
        }
    }
    Ok(())
}

/// An item that no backfill has come to yet may have its row.
fn check_expiry(
    (row_key, stored): (&[u8], &[u8]),
    state: &PartitionState,
    rows: &dyn ReadRows,
    counted: &mut Counted,
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let Some(expiries) = &state.expiries else { return Ok(()) };
    let Ok(row::Row { encoded_item, .. }) = row::split_row(stored) else { return Ok(()) };
    let Some(due) = expiry::row_of(&expiries.attribute, state.tokens().first, row_key, encoded_item)? else {
        return Ok(());
    };
    let is_indexed = match &expiries.backfill {
        Backfill::Done => true,
        Backfill::UpTo(last) => row_key <= &last[..],
    };
    match rows.get(&due.key)? {
        Some(found) if due.value.as_ref() == Some(&found) => counted.expiries += 1,
        None if !is_indexed => {}
        _ => checked.find(|| format!("item at {}: it has no place in the order of expiry", hex(row_key))),
    }
    Ok(())
}

/// The key that the row stands under and the item that it holds, which must name that key.
fn read_item(row_key: &[u8], stored: &[u8], table: &TableDescription) -> Result<(Key, Item), String> {
    let types: Vec<KeyType> =
        [&table.key.hash].into_iter().chain(&table.key.range).map(|attribute| attribute.key_type).collect();
    let decoded = key::decode_row_key(row_key, &types).map_err(|error| error.to_string())?;
    let (_, item) = row::decode_row(stored).map_err(|error| error.to_string())?;
    let names = [&table.key.hash].into_iter().chain(&table.key.range).map(|attribute| &attribute.name);
    for (name, part) in names.zip(&decoded.parts) {
        if item.get(name).and_then(KeyPart::from_value).as_ref() != Some(part) {
            return Err(format!("its attribute {name} is not what its key says"));
        }
    }
    let mut parts = decoded.parts.into_iter();
    let hash = parts.next().ok_or("its key has no parts")?;
    Ok((Key { hash, range: parts.next() }, item))
}

/// An entry is compared without its header: that of an entry that stayed the same is older than its item's.
fn without_header(stored: &[u8]) -> Option<(usize, &[u8])> {
    row::split_row(stored).ok().map(|row| (row.item_bytes, row.encoded_item))
}

fn end_collection(counted: &mut Counted, rows: &dyn ReadRows, checked: &mut Checked) -> Result<(), ReadError> {
    let Some((row_key, bytes)) = counted.collection.take() else { return Ok(()) };
    counted.collections += 1;
    let stored = rows.get(&row_key)?;
    if stored.as_deref() != Some(&encode_collection_size(bytes)[..]) {
        checked.find(|| format!("item collection {}: its size is not the {bytes} bytes of its items", hex(&row_key)));
    }
    Ok(())
}

/// Every entry that an item must have was found; so there are too many exactly if their number is another.
fn check_indexes(
    state: &PartitionState,
    table: &TableDescription,
    collections: u64,
    rows: &dyn ReadRows,
    checked: &mut Checked,
) -> Result<(), ReadError> {
    for LocalIndex { number, name, .. } in &table.local_indexes {
        let stored = count_rows(state, table, *number, rows)?;
        checked.index_entries += stored;
        let told = state.counts().iter().find(|count| count.index == *number).map_or(0, |count| count.items);
        if stored != told {
            checked.find(|| format!("index {name} has {stored} entries, and its counter says {told}"));
        }
    }
    let sizes = count_rows(state, table, COLLECTION_SIZES, rows)?;
    if sizes != collections && !table.local_indexes.is_empty() {
        checked.find(|| format!("{collections} item collections have items, {sizes} have a size"));
    }
    Ok(())
}

/// Every item's own row was found; so others are there exactly if their number is another.
fn check_expiries(
    state: &PartitionState,
    table: &TableDescription,
    of_items: u64,
    rows: &dyn ReadRows,
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let stored = count_rows(state, table, EXPIRIES, rows)?;
    checked.expiries += stored;
    if stored != of_items {
        checked.find(|| format!("{of_items} items have a place in the order of expiry, which has {stored} places"));
    }
    Ok(())
}

fn check_counts(state: &PartitionState, counted: &Counted, checked: &mut Checked) {
    for told in state.counts() {
        let index = told.index;
        let found = counted.by_index.get(&index).copied().unwrap_or(IndexCount { index, ..IndexCount::default() });
        if told != found {
            checked.find(|| {
                format!(
                    "index number {}: the counters say {} items of {} bytes, the items {} of {}",
                    index.0, told.items, told.bytes, found.items, found.bytes
                )
            });
        }
    }
}

fn count_rows(
    state: &PartitionState,
    table: &TableDescription,
    index: IndexNumber,
    rows: &dyn ReadRows,
) -> Result<u64, ReadError> {
    let tokens = state.tokens();
    let bounds = key::token_bounds(table.id, index, tokens.first, tokens.last);
    let mut count = 0;
    rows.scan(FamilyKind::Items, &bounds, Direction::Forward, &mut |_, _| {
        count += 1;
        ControlFlow::Continue(())
    })?;
    Ok(count)
}

fn check_empty(state: &PartitionState, rows: &dyn ReadRows, checked: &mut Checked) -> Result<(), ReadError> {
    let mut found = None;
    for bounds in items_bounds(state.table(), state.tokens(), &[], true) {
        rows.scan(FamilyKind::Items, &bounds, Direction::Forward, &mut |row_key, _| {
            found = Some(hex(row_key));
            ControlFlow::Break(())
        })?;
    }
    if let Some(row_key) = found {
        checked.find(|| format!("the partition has no table, and a row at {row_key}"));
    }
    Ok(())
}

fn check_changes(state: &PartitionState, rows: &dyn ReadRows, checked: &mut Checked) -> Result<(), ReadError> {
    let told = state.changes();
    let mut expected = told.map_or(0, |(first, _)| first.0);
    let bounds = changes_bounds(state.partition());
    rows.scan(FamilyKind::Changes, &bounds, Direction::Forward, &mut |row_key, stored| {
        checked.changes += 1;
        let sequence = change_sequence(row_key);
        if sequence.map(|sequence| sequence.0) != Some(expected) {
            checked.find(|| format!("change record at {}: number {expected} is due there", hex(row_key)));
        }
        if let Some(sequence) = sequence {
            expected = sequence.0 + 1;
            if let Err(error) = decode_record(sequence, stored) {
                checked.find(|| format!("change record {}: {error}", sequence.0));
            }
        }
        ControlFlow::Continue(())
    })?;
    let kept = told.map_or(0, |(first, last)| last.0 - first.0 + 1);
    if kept != checked.changes {
        let found = checked.changes;
        checked.find(|| format!("the change log has {found} records, and its counters say {kept}"));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
