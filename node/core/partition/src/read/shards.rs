//! Reading streams: their shards, places in them, and records as they show them.

use super::changes;
use crate::{
    command::Command,
    keys::change_key,
    reply::{Refusal, Reply},
    rows::{Direction, FamilyKind, ReadError, ReadRows},
    state::ReadState,
    stream::{RECORDS_BYTES_MAX, RECORDS_MAX, ReadShard, RecordPlace, ShardRecords, StreamRecord},
};
use bytes::Bytes;
use stator_catalog::{KeySchema, StreamLabel, StreamView};
use stator_changelog::{ChangeRecord, SequenceNumber, Shard, ShardId};
use stator_item::{Item, RowError, row, size};
use stator_mutants::{Mutant, is};
use std::ops::ControlFlow;

/// Stored bytes that one read goes through at most: a view may show little of what is stored.
const SCANNED_BYTES_MAX: usize = 8 << 20;
/// Most shards of one reply.
const SHARDS_MAX: u64 = 1_000;

type Answer<T> = Result<Result<T, Refusal>, ReadError>;

pub(super) fn read(command: &Command, state: &ReadState, rows: &dyn ReadRows) -> Answer<Reply> {
    match command {
        Command::ShowShards { stream, after, shards_max } => {
            Ok(Ok(Reply::Shards(listed(state, *stream, *after, *shards_max))))
        }
        Command::FindRecord { stream, shard, place } => match state.shard(*stream, *shard) {
            Some(shard) => find(shard, *place, state, rows).map(|found| found.map(Reply::Place)),
            None => Ok(Err(Refusal::NoSuchShard)),
        },
        Command::ReadShard(read) => {
            records(read, state, rows).map(|records| records.map(|records| Reply::ShardRecords(Box::new(records))))
        }
        _ => Ok(Err(Refusal::Invalid("this reads no stream".to_owned()))),
    }
}

impl ReadState {
    fn shard(&self, stream: StreamLabel, shard: ShardId) -> Option<&Shard> {
        self.streams.get(&stream)?.get(shard)
    }

    /// The last record of a shard, or the place before its first one.
    fn last_of(&self, shard: &Shard) -> SequenceNumber {
        shard.closed.map_or(self.progress.last_change, |closed| closed.ending)
    }
}

fn listed(state: &ReadState, stream: StreamLabel, after: Option<ShardId>, shards_max: u64) -> Vec<Shard> {
    let shards = state.streams.get(&stream).map(|lineage| lineage.shards()).unwrap_or_default();
    let behind = shards.iter().filter(|shard| after.is_none_or(|after| shard.id > after));
    let mut listed: Vec<Shard> = behind.take(shards_max.min(SHARDS_MAX) as usize).cloned().collect();
    if is(Mutant::ChildBeforeParentClosed) {
        let parents: Vec<ShardId> = shards.iter().filter_map(|shard| shard.parent).collect();
        listed.iter_mut().filter(|shard| parents.contains(&shard.id)).for_each(|shard| shard.closed = None);
    }
    listed
}

fn find(shard: &Shard, place: RecordPlace, state: &ReadState, rows: &dyn ReadRows) -> Answer<SequenceNumber> {
    let last = state.last_of(shard);
    // What DescribeStream shows of a shard may be named, though it have no record.
    let is_there = |sequence: SequenceNumber| {
        if sequence < shard.starting {
            Err(Refusal::Trimmed)
        } else if sequence > last.max(shard.starting) {
            Err(Refusal::Invalid("Invalid SequenceNumber: it is not in the shard".to_owned()))
        } else {
            Ok(sequence)
        }
    };
    Ok(match place {
        RecordPlace::First => Ok(shard.starting),
        RecordPlace::End => Ok(last.next()),
        RecordPlace::At(sequence) => is_there(sequence),
        RecordPlace::After(sequence) => is_there(sequence).map(SequenceNumber::next),
        RecordPlace::Since { created_ms } => Ok(since(created_ms, shard.starting, last, state, rows)?),
    })
}

/// The first record of a stretch that was applied then or later, the place behind the last one if none was. Creation times never
/// fall along a log.
fn since(
    created_ms: u64,
    first: SequenceNumber,
    last: SequenceNumber,
    state: &ReadState,
    rows: &dyn ReadRows,
) -> Result<SequenceNumber, ReadError> {
    let (mut low, mut high) = (first.0, last.next().0.max(first.0));
    while low < high {
        let middle = low + (high - low) / 2;
        if record_at(SequenceNumber(middle), state, rows)?.created_ms < created_ms {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(SequenceNumber(low))
}

fn record_at(sequence: SequenceNumber, state: &ReadState, rows: &dyn ReadRows) -> Result<ChangeRecord, ReadError> {
    let mut found = None;
    each(sequence, sequence, state, rows, &mut |record, _| {
        found = Some(record);
        Ok(ControlFlow::Break(()))
    })?;
    found.ok_or_else(|| ReadError::damaged("change log", "a record is missing"))
}

/// Visits the records of a stretch in order, with the sizes of their stored forms. None may be missing.
fn each(
    first: SequenceNumber,
    last: SequenceNumber,
    state: &ReadState,
    rows: &dyn ReadRows,
    visit: &mut dyn FnMut(ChangeRecord, usize) -> Result<ControlFlow<()>, ReadError>,
) -> Result<(), ReadError> {
    let start = change_key(state.partition, first).to_vec();
    let bounds = (start, Some(change_key(state.partition, last.next()).to_vec()));
    let (mut expected, mut failed) = (first, None);
    rows.scan(FamilyKind::Changes, &bounds, Direction::Forward, &mut |key, stored| {
        let visited = changes::record(key, stored).and_then(|record| {
            if record.sequence != expected {
                return Err(ReadError::damaged("change log", "a record is missing"));
            }
            expected = expected.next();
            visit(record, stored.len())
        });
        visited.unwrap_or_else(|error| {
            failed = Some(error);
            ControlFlow::Break(())
        })
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn records(read: &ReadShard, state: &ReadState, rows: &dyn ReadRows) -> Answer<ShardRecords> {
    let Some(shard) = state.shard(read.stream, read.shard) else { return Ok(Err(Refusal::NoSuchShard)) };
    if read.from < shard.starting {
        return Ok(Err(Refusal::Trimmed));
    }
    // The description stays when the table goes.
    let table = state.description.as_deref();
    let Some((table, view)) = table.and_then(|table| Some((table, table.stream_labelled(read.stream)?.view))) else {
        return Ok(Err(Refusal::NoSuchShard));
    };
    let last = state.last_of(shard);
    let (mut shown, mut next) = (Vec::new(), read.from);
    let (mut shown_bytes, mut scanned_bytes) = (0, 0);
    let records_max = read.records_max.clamp(1, RECORDS_MAX) as usize;
    if read.from <= last {
        each(read.from, last, state, rows, &mut |record, stored_bytes| {
            let record = stream_record(record, &table.key, view)?;
            scanned_bytes += stored_bytes;
            shown_bytes += record.size_bytes;
            if !shown.is_empty() && shown_bytes > RECORDS_BYTES_MAX {
                return Ok(ControlFlow::Break(()));
            }
            next = record.sequence.next();
            shown.push(record);
            let is_full = shown.len() >= records_max || scanned_bytes >= SCANNED_BYTES_MAX;
            Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if shown.is_empty() {
            return Err(ReadError::damaged("change log", "a record is missing"));
        }
    }
    let is_end = shard.closed.is_some() && next > last;
    Ok(Ok(ShardRecords { records: shown, next: (!is_end).then_some(next) }))
}

fn stream_record(record: ChangeRecord, key: &KeySchema, view: StreamView) -> Result<StreamRecord, ReadError> {
    let ChangeRecord { sequence, kind, by, created_ms, old_image, new_image, .. } = record;
    let image = new_image.as_ref().or(old_image.as_ref());
    let keys = keys_of(image.ok_or_else(|| ReadError::damaged("change record", "it has no image"))?, key)?;
    let (shows_old, shows_new) = match view {
        StreamView::KeysOnly => (false, false),
        StreamView::NewImage => (false, true),
        StreamView::OldImage => (true, false),
        StreamView::NewAndOldImages => (true, true),
    };
    let (old_image, new_image) = (old_image.filter(|_| shows_old), new_image.filter(|_| shows_new));
    let mut size_bytes = 0;
    for shown in [Some(&keys), old_image.as_ref(), new_image.as_ref()].into_iter().flatten() {
        size_bytes += size::item_size_encoded(shown)? as u64;
    }
    Ok(StreamRecord { sequence, kind, by, created_ms, keys, old_image, new_image, size_bytes })
}

/// The key's attributes of an item.
fn keys_of(image: &Bytes, key: &KeySchema) -> Result<Bytes, RowError> {
    let mut item = Item::new();
    for attribute in [Some(&key.hash), key.range.as_ref()].into_iter().flatten() {
        if let Some(value) = row::get_item_attribute(image, &attribute.name)? {
            item.insert(attribute.name.clone(), value);
        }
    }
    Ok(row::item_encoding(&item).into())
}
