//! A global index against its table, where partitions of both lie on one node: every item has its entry, and every entry its item.
//!
//! What is on its way is allowed for: an item that was changed after what the index's partition has of its source says nothing, nor
//! does an item that a backfill has not come to. Where one of two replicas is behind the other, so that they cannot be compared, the
//! pair is left out, and counted.
//!
//! Bounds: one row is held at a time, and of each item that is on its way a hash; of more than [`ON_THE_WAY_MAX`] of one source
//! that source is left out.

use super::{Checked, hex, without_header};
use crate::{
    global_index::{
        Backfill, IndexFeed,
        entry::{self, Entry},
    },
    keys::{change_key, change_sequence, changes_bounds},
    rows::{Direction, FamilyKind, ReadError, ReadRows, visit_all},
    rows_needed::item_row_key,
    state::PartitionState,
};
use bytes::Bytes;
use stator_catalog::{GlobalIndex, TableDescription};
use stator_changelog::{ChangeRecord, SequenceNumber, decode_record};
use stator_item::{IndexNumber, Item, Key, KeyPart, TableId, key, row};
use std::{collections::HashMap, ops::ControlFlow};
use xxhash_rust::xxh3::xxh3_64;

/// Items of one source that may be on their way, beyond which it is not compared.
const ON_THE_WAY_MAX: usize = 1 << 18;

/// A partition, and the rows that it lies in.
#[derive(Clone, Copy)]
pub struct Stored<'s> {
    pub state: &'s PartitionState,
    pub rows: &'s dyn ReadRows,
}

/// What came of comparing an index with its table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Compared {
    /// Items that were held against the index, its entries that were held against items, and what is wrong.
    pub checked: Checked,
    /// Pairs of a partition of the table and one of the index that could not be compared.
    pub left_out: u64,
}

/// A partition of the table, and how far each partition of the index has it.
struct Source<'s> {
    stored: Stored<'s>,
    table: &'s TableDescription,
    index: &'s GlobalIndex,
    feed: &'s IndexFeed,
    /// For each receiver: up to where it has everything; `None`: the two cannot be compared.
    positions: Vec<Option<SequenceNumber>>,
    /// Where items behind the lowest position were changed last, by the hash of their row key.
    on_the_way: HashMap<u64, SequenceNumber>,
}

/// Holds partitions of a table and of one of its global indexes against each other, as far as they are given. Closed ones, and those
/// that do not know the index, say nothing.
pub fn compare_index(index: TableId, sources: &[Stored<'_>], receivers: &[Stored<'_>]) -> Result<Compared, ReadError> {
    let mut compared = Compared::default();
    let receivers: Vec<Stored<'_>> = receivers.iter().copied().filter(|receiver| !receiver.state.is_closed()).collect();
    let mut known = Vec::new();
    for source in sources {
        known.extend(Source::of(*source, index, &receivers)?);
    }
    compared.left_out =
        known.iter().flat_map(|source| &source.positions).filter(|position| position.is_none()).count() as u64;
    for source in &known {
        source.check_items(&receivers, &mut compared.checked)?;
    }
    for (number, receiver) in receivers.iter().enumerate() {
        check_entries(&known, (number, receiver), &mut compared.checked)?;
    }
    Ok(compared)
}

impl<'s> Source<'s> {
    fn of(stored: Stored<'s>, index: TableId, receivers: &[Stored<'_>]) -> Result<Option<Source<'s>>, ReadError> {
        let state = stored.state;
        let Some(table) = state.description().filter(|_| !state.is_closed()) else { return Ok(None) };
        let (Some(index), Some(feed)) = (table.global_index_by_id(index), state.feeds.get(&index)) else {
            return Ok(None);
        };
        let first = state.progress.first_change;
        let last = state.progress.last_change;
        let position = |receiver: &Stored<'_>| {
            let position = receiver.state.received.position(state.tokens()).unwrap_or(feed.begun);
            // This replica of the source lacks what the receiver has; or that of the receiver lacks what is dropped here already.
            (position <= last && position.next() >= first).then_some(position)
        };
        let positions = receivers.iter().map(position).collect();
        let mut source = Source { stored, table, index, feed, positions, on_the_way: HashMap::new() };
        if !source.find_changes()? {
            source.on_the_way.clear();
            source.positions.fill(None);
        }
        Ok(Some(source))
    }

    /// Remembers which items have changed behind the lowest position. `false`: they are too many.
    fn find_changes(&mut self) -> Result<bool, ReadError> {
        let Some(lowest) = self.positions.iter().flatten().min() else { return Ok(true) };
        let (state, table) = (self.stored.state, self.table);
        let mut bounds = changes_bounds(state.partition());
        bounds.0 = change_key(state.partition(), lowest.next()).to_vec();
        let (on_the_way, mut failed) = (&mut self.on_the_way, None);
        self.stored.rows.scan(FamilyKind::Changes, &bounds, Direction::Forward, &mut |row_key, stored| {
            // Damaged records are told by the check of the partition itself.
            let Some(sequence) = change_sequence(row_key) else { return ControlFlow::Continue(()) };
            let Ok(record) = decode_record(sequence, stored) else { return ControlFlow::Continue(()) };
            match changed_item(table, &record) {
                Ok(Some(item)) => {
                    on_the_way.insert(item, sequence);
                }
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
            if failed.is_some() || on_the_way.len() > ON_THE_WAY_MAX {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(self.on_the_way.len() <= ON_THE_WAY_MAX),
        }
    }

    /// Whether the receiver must have the item as it stands here.
    fn must_agree(&self, receiver: usize, row_key: &[u8]) -> bool {
        let Some(position) = self.positions[receiver] else { return false };
        self.on_the_way.get(&xxh3_64(row_key)).is_none_or(|changed| *changed <= position)
    }

    fn is_filled(&self, row_key: &[u8]) -> bool {
        match &self.feed.backfill {
            Backfill::Done => true,
            Backfill::UpTo(last) => row_key <= &last[..],
        }
    }

    fn entry(&self, stored: &[u8]) -> Result<Option<Entry>, ReadError> {
        let encoded = Bytes::copy_from_slice(row::split_row(stored)?.encoded_item);
        entry::entry(self.table, self.index, &row::decode_item(&encoded)?, &encoded)
    }

    /// Every item that is in the index has its entry there, and as it shall be.
    fn check_items(&self, receivers: &[Stored<'_>], checked: &mut Checked) -> Result<(), ReadError> {
        let tokens = self.stored.state.tokens();
        let bounds = key::token_bounds(self.table.id, IndexNumber::ITEMS, tokens.first, tokens.last);
        visit_all(self.stored.rows, FamilyKind::Items, &bounds, |row_key, stored| {
            self.check_item((row_key, stored), receivers, checked)
        })
    }

    fn check_item(
        &self,
        (row_key, stored): (&[u8], &[u8]),
        receivers: &[Stored<'_>],
        checked: &mut Checked,
    ) -> Result<(), ReadError> {
        // A row that is none is told by the check of the partition itself.
        let Ok(Some(entry)) = self.entry(stored) else { return Ok(()) };
        let (_, token) = key::row_key_token(&entry.row_key).map_err(|error| ReadError::damaged("row key", error))?;
        let Some(number) = receivers.iter().position(|receiver| receiver.state.tokens().contains(token)) else {
            return Ok(());
        };
        if !self.must_agree(number, row_key) || !self.is_filled(row_key) {
            return Ok(());
        }
        checked.items += 1;
        let found = receivers[number].rows.get(&entry.row_key)?;
        let finding = match found.as_deref().map(without_header) {
            Some(Some(found)) if found == (entry.size, &entry.encoded[..]) => return Ok(()),
            Some(_) => "is not what it projects",
            None => "is missing",
        };
        checked.find(|| format!("item at {}: its entry in the index {} {finding}", hex(row_key), self.index.name));
        Ok(())
    }
}

/// Every entry is that of an item.
fn check_entries(
    sources: &[Source<'_>],
    (number, receiver): (usize, &Stored<'_>),
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let Some(source) = sources.first() else { return Ok(()) };
    let tokens = receiver.state.tokens();
    let bounds = key::token_bounds(source.index.id, IndexNumber::ITEMS, tokens.first, tokens.last);
    visit_all(receiver.rows, FamilyKind::Items, &bounds, |row_key, _| check_entry(sources, number, row_key, checked))
}

fn check_entry(
    sources: &[Source<'_>],
    receiver: usize,
    row_key: &[u8],
    checked: &mut Checked,
) -> Result<(), ReadError> {
    let Some(first) = sources.first() else { return Ok(()) };
    // A key that cannot be read is told by the check of the partition itself.
    let Ok((_, item_key)) = entry::parse_row_key(first.table, first.index, row_key) else { return Ok(()) };
    let token = item_key.token();
    let Some(source) = sources.iter().find(|source| source.stored.state.tokens().contains(token)) else {
        return Ok(());
    };
    let item = item_row_key(source.table, &item_key);
    if !source.must_agree(receiver, &item) {
        return Ok(());
    }
    checked.index_entries += 1;
    let stored = source.stored.rows.get(&item)?;
    let entry = stored.map(|stored| source.entry(&stored)).transpose()?.flatten();
    if entry.is_none_or(|entry| entry.row_key != row_key) {
        let name = &source.index.name;
        checked.find(|| format!("index {name}: the entry at {} is that of no item", hex(row_key)));
    }
    Ok(())
}

/// The item that a record changes, as a hash of its row key.
fn changed_item(table: &TableDescription, record: &ChangeRecord) -> Result<Option<u64>, ReadError> {
    let Some(image) = record.new_image.as_ref().or(record.old_image.as_ref()) else { return Ok(None) };
    let item = row::decode_item(image)?;
    Ok(key_of(table, &item).map(|key| xxh3_64(&item_row_key(table, &key))))
}

fn key_of(table: &TableDescription, item: &Item) -> Option<Key> {
    let part = |name: &str| item.get(name).and_then(KeyPart::from_value);
    let hash = part(&table.key.hash.name)?;
    let range = match &table.key.range {
        Some(attribute) => Some(part(&attribute.name)?),
        None => None,
    };
    Some(Key { hash, range })
}
