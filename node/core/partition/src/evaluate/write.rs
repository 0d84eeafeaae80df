//! Put, update and delete: one flow, from the old item to the new one.
//!
//! Guarantees: either everything of a write is in its effects (row, index entries, collection size, counters, change record)
//! or it is refused; a write that leaves the item as it was changes nothing; the new row's version is above the old one's.

mod change;
mod collection;

mod returns;

pub(super) use change::Change;
pub(super) use collection::COLLECTION_BYTES_MAX;
pub(crate) use collection::encode_size;

use super::{
    Outcome, Turn,
    image::Image,
    indexes::{self, IndexChange},
    reading::Reading,
};
use crate::{
    command::WriteOptions,
    effects::{CountChange, Effects, RowWrite},
    expiry,
    global_index::entry::{Entry, entry},
    reply::{Refusal, Reply, Written},
    rows::ReadError,
    rows_needed::item_row_key,
};
use bytes::Bytes;
use stator_catalog::TableDescription;
use stator_changelog::{ChangeKind, ChangeRecord, ChangedBy, SequenceNumber};
use stator_item::{IndexNumber, Item, Key, RowHeader, TableId, Timestamp, row};
use stator_mutants::Mutant;

/// Both sides of a write.
pub(super) struct Images {
    pub old: Option<Image>,
    pub new: Option<Image>,
}

/// A write that may have its effects: nobody else's intent stands on the item, and its condition holds.
pub(super) struct Judged<'c, 't> {
    pub change: Change<'c>,
    pub table: &'t TableDescription,
    pub row_key: Vec<u8>,
    /// The version of the old item.
    pub replaced: Timestamp,
    pub images: Images,
}

/// Where a write has its effects, and since when.
pub(super) struct Target<'a> {
    pub table: &'a TableDescription,
    pub key: &'a Key,
    pub row_key: Vec<u8>,
    pub version: Timestamp,
    pub options: &'a WriteOptions,
    /// Whether item collection and change log may outgrow their limits: what was promised is kept.
    pub is_promised: bool,
}

/// What a write comes to.
pub(super) struct Settled {
    pub effects: Effects,
    changed: Vec<IndexChange>,
    collection_bytes: Option<u64>,
}

/// Why a write ends before it has effects.
pub(super) enum Stop {
    Refused(Refusal),
    Failed(ReadError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Stop {
        Stop::Failed(error)
    }
}

pub(super) fn evaluate(turn: &Turn<'_>, reading: &mut Reading<'_>, change: Change<'_>) -> Result<Outcome, ReadError> {
    match write(turn, reading, change) {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Refused(refusal)) => Ok(turn.refused(refusal)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn write(turn: &Turn<'_>, reading: &mut Reading<'_>, change: Change<'_>) -> Result<Outcome, Stop> {
    let judged = judge(reading, change)?;
    let version = judged.version(turn);
    match judged.settle(reading, version)? {
        (Some(effects), written) => Ok((Some(effects), version, Ok(Reply::Written(written)))),
        (None, written) => Ok((None, turn.timestamp, Ok(Reply::Written(written)))),
    }
}

/// Looks at the item as it is and makes the new one.
pub(super) fn judge<'c, 't>(reading: &mut Reading<'t>, change: Change<'c>) -> Result<Judged<'c, 't>, Stop> {
    let key = change.key();
    let table = reading.table_for(key.token())?;
    let row_key = item_row_key(table, key);
    if reading.intent(&row_key).is_some() && !stator_mutants::is(Mutant::WriteThroughIntent) {
        return Err(Refusal::TransactionConflict.into());
    }
    let (replaced, old) = old_image(reading, &row_key)?;
    check_condition(&change, old.as_ref())?;
    let new = change.new_image(table, old.as_ref())?;
    Ok(Judged { change, table, row_key, replaced, images: Images { old, new } })
}

/// The item as the commands before have left it, and its version.
pub(super) fn old_image(reading: &mut Reading<'_>, row_key: &[u8]) -> Result<(Timestamp, Option<Image>), ReadError> {
    Ok(match reading.row(row_key)? {
        Some(stored) => {
            let (header, image) = Image::of_row(&stored)?;
            (header.written, Some(image))
        }
        None => (Timestamp::MIN, None),
    })
}

impl Judged<'_, '_> {
    /// The new item's, above the old one's whatever the clocks say.
    pub fn version(&self, turn: &Turn<'_>) -> Timestamp {
        match turn.timestamp > self.replaced {
            true => turn.timestamp,
            false => self.replaced.next(turn.now.wall_ms, turn.now.node),
        }
    }

    /// The effects of the write, and its reply. No effects: it leaves the item as it is.
    pub fn settle(&self, reading: &mut Reading<'_>, version: Timestamp) -> Result<(Option<Effects>, Written), Stop> {
        let Judged { change, table, row_key, images, .. } = self;
        let (key, options) = (change.key(), change.options());
        if images.are_equal() {
            let collection_bytes = collection::size_asked(table, key, options, reading)?;
            return Ok((None, images.written(change, Vec::new(), collection_bytes)?));
        }
        let target = Target { table, key, row_key: row_key.clone(), version, options, is_promised: false };
        let Settled { effects, changed, collection_bytes } = images.settle(target, reading)?;
        let mut written = images.written(change, changed, collection_bytes)?;
        written.global_bytes = global_writes(table, images.old.as_ref(), images.new.as_ref())?;
        Ok((Some(effects), written))
    }
}

fn check_condition(change: &Change<'_>, old: Option<&Image>) -> Result<(), Stop> {
    let options = change.options();
    let Some(condition) = &options.condition else { return Ok(()) };
    let holds = match old {
        Some(image) => condition.evaluate(image.tree()?),
        None => condition.evaluate(&Item::new()),
    };
    if holds {
        return Ok(());
    }
    let shown = old.filter(|_| options.old_item_on_failure).map(|image| image.encoded().clone());
    Err(Refusal::ConditionFailed { old_item: shown }.into())
}

fn put_row(row_key: Vec<u8>, header: &RowHeader, (size, encoded_item): (usize, &Bytes)) -> RowWrite {
    RowWrite { key: row_key.into(), value: Some(row::encode_row_of(header, size, encoded_item).into()) }
}

fn delete_row(row_key: Vec<u8>) -> RowWrite {
    RowWrite { key: row_key.into(), value: None }
}

/// The old entry's row is deleted unless the new one takes its place.
fn index_writes(change: &IndexChange, header: &RowHeader) -> Vec<RowWrite> {
    let mut writes = Vec::with_capacity(2);
    if let Some(old) = &change.old
        && change.new.as_ref().is_none_or(|new| new.row_key != old.row_key)
    {
        writes.push(delete_row(old.row_key.clone()));
    }
    if let Some(new) = &change.new {
        writes.push(put_row(new.row_key.clone(), header, (new.size, &new.encoded)));
    }
    writes
}

impl Images {
    /// Makes the new item of the old one: row, index entries, counters, collection size, change record.
    pub fn settle(&self, target: Target<'_>, reading: &mut Reading<'_>) -> Result<Settled, Stop> {
        let Target { table, key, row_key, version, options, is_promised } = target;
        let changed = indexes::changes(table, key, self.old.as_ref(), self.new.as_ref())?;
        let mut effects = Effects::default();
        let header = RowHeader { written: version, origin: 0 };
        let (old, new) = (self.old.as_ref().map(Image::encoded), self.new.as_ref().map(Image::encoded));
        let expiries = expiry::row_writes(table, reading.state().tokens().first, &row_key, (old, new))?;
        effects.rows.push(match &self.new {
            Some(new) => put_row(row_key, &header, (new.size(), new.encoded())),
            None => delete_row(row_key),
        });
        for index in &changed {
            effects.rows.extend(index_writes(index, &header));
        }
        effects.rows.extend(expiries);
        effects.counts = self.counts(&changed);
        let bytes_max = if is_promised { u64::MAX } else { COLLECTION_BYTES_MAX };
        let collection_bytes = collection::change(table, key, (options, bytes_max), reading, &mut effects)?;
        effects.change = self.change_record(table, version, options.by);
        // Reads what is applied: what is in flight is bounded, and so is what it adds; and so is what was promised.
        if !is_promised && effects.change.is_some() {
            if reading.state().is_change_log_full() {
                return Err(Refusal::ChangeLogFull.into());
            }
            if reading.state().are_streams_full() {
                return Err(Refusal::StreamFull.into());
            }
        }
        Ok(Settled { effects, changed, collection_bytes })
    }

    pub fn are_equal(&self) -> bool {
        // Equal items have equal encodings.
        self.old.as_ref().map(Image::encoded) == self.new.as_ref().map(Image::encoded)
    }

    /// The size of the larger of both.
    pub fn larger(&self) -> u64 {
        let size = |image: &Option<Image>| image.as_ref().map_or(0, |image| image.size() as u64);
        size(&self.old).max(size(&self.new))
    }

    fn counts(&self, changed: &[IndexChange]) -> Vec<CountChange> {
        let size = |image: &Option<Image>| image.as_ref().map(Image::size);
        let items = count_change(IndexNumber::ITEMS, size(&self.old), size(&self.new));
        let entries = changed.iter().map(|change| {
            let size = |entry: &Option<indexes::IndexEntry>| entry.as_ref().map(|entry| entry.size);
            count_change(change.index, size(&change.old), size(&change.new))
        });
        std::iter::once(items).chain(entries).filter(|count| count.items != 0 || count.bytes != 0).collect()
    }

    fn change_record(&self, table: &TableDescription, version: Timestamp, by: ChangedBy) -> Option<ChangeRecord> {
        if !table.has_consumer() {
            return None;
        }
        if stator_mutants::is(Mutant::SkipChangeRecord) && self.old.is_some() && self.new.is_some() {
            return None;
        }
        Some(ChangeRecord {
            sequence: SequenceNumber::default(),
            kind: ChangeKind::between(self.old.as_ref(), self.new.as_ref())?,
            by,
            timestamp: version,
            created_ms: 0,
            origin: 0,
            old_image: self.old.as_ref().map(|image| image.encoded().clone()),
            new_image: self.new.as_ref().map(|image| image.encoded().clone()),
        })
    }

    fn written(
        &self,
        change: &Change<'_>,
        changed: Vec<IndexChange>,
        collection_bytes: Option<u64>,
    ) -> Result<Written, ReadError> {
        let size = |image: &Option<Image>| image.as_ref().map_or(0, |image| image.size() as u64);
        Ok(Written {
            attributes: returns::attributes(change, self.old.as_ref(), self.new.as_ref())?,
            old_bytes: size(&self.old),
            new_bytes: size(&self.new),
            index_bytes: changed.iter().flat_map(IndexChange::writes).collect(),
            collection_bytes,
            global_bytes: Vec::new(),
        })
    }
}

/// The writes of global indexes that this one will come to, as `Written::global_bytes` tells them.
fn global_writes(
    table: &TableDescription,
    old: Option<&Image>,
    new: Option<&Image>,
) -> Result<Vec<(TableId, u64, u64)>, ReadError> {
    let mut writes = Vec::new();
    for index in table.global_indexes.iter().filter(|index| index.is_fed()) {
        let entry = |image: Option<&Image>| -> Result<Option<Entry>, ReadError> {
            let entry = image.map(|image| entry(table, index, image.tree()?, image.encoded())).transpose()?;
            Ok(entry.flatten())
        };
        let (old, new) = (entry(old)?, entry(new)?);
        if old == new {
            continue;
        }
        let size = |entry: &Option<Entry>| entry.as_ref().map_or(0, |entry| entry.size as u64);
        match (&old, &new) {
            (Some(before), Some(after)) if before.row_key != after.row_key => {
                writes.push((index.id, size(&old), 0));
                writes.push((index.id, 0, size(&new)));
            }
            _ => writes.push((index.id, size(&old), size(&new))),
        }
    }
    Ok(writes)
}

fn count_change(index: IndexNumber, old: Option<usize>, new: Option<usize>) -> CountChange {
    let count = |side: Option<usize>| i64::from(side.is_some());
    let bytes = |side: Option<usize>| i64::try_from(side.unwrap_or(0)).expect("an item's size is small");
    CountChange { index, items: count(new) - count(old), bytes: bytes(new) - bytes(old) }
}

/// The key's attributes: what an update makes an item of where there is none.
fn key_item(table: &TableDescription, key: &Key) -> Item {
    let hash = (table.key.hash.name.clone(), key.hash.to_value());
    let range = table.key.range.iter().zip(&key.range).map(|(schema, part)| (schema.name.clone(), part.to_value()));
    std::iter::once(hash).chain(range).collect()
}
