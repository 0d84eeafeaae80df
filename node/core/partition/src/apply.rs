//! Apply: a committed entry becomes row writes. Runs on every replica, for one entry after the other.
//!
//! Guarantees: the same entries give the same writes and the same state on every replica; an entry has no effect unless it was
//! evaluated in its log term and on top of the last entry that had effect; after `writes`, the stored rows of the state are
//! the state. Knows no condition and no expression: bytes in, bytes out.

#[cfg(test)]
mod tests;

use crate::{
    codec,
    effects::{CountChange, Effects, Entry, RowWrite, StateChange},
    keys,
    reply::IndexCount,
    rows::{FamilyKind, RowWrites},
    state::{PartitionState, RememberedId},
};
use stator_changelog::{ChangeRecord, SequenceNumber, encode_record, trimmable};
use stator_item::{Bounds, IndexNumber};
use stator_mutants::Mutant;
use std::sync::Arc;

/// Whether an entry had effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    HadEffect,
    /// It was evaluated in another term or on another entry: its commands have to be evaluated again.
    Nothing,
}

/// What applying an entry comes to. The replica writes its Raft position in the same batch, whatever the outcome.
#[derive(Clone, PartialEq, Debug)]
pub struct Applied {
    pub writes: RowWrites,
    pub outcome: Outcome,
}

/// Applies an entry that was committed in `log_term`.
///
/// # Panics
/// If the entry breaks an invariant that its evaluation must have kept: wrong data is worse than a stopped node.
pub fn apply(entry: &Entry, log_term: u64, state: &mut PartitionState) -> Applied {
    let is_of_term = entry.term == log_term || stator_mutants::is(Mutant::SkipTermGuard);
    let follows = entry.after == state.last_entry() || stator_mutants::is(Mutant::SkipPredecessorCheck);
    if !is_of_term || !follows {
        return Applied { writes: RowWrites::default(), outcome: Outcome::Nothing };
    }
    assert!(entry.timestamp > state.last_timestamp(), "a partition's timestamps only rise");
    assert!(entry.number > entry.after, "an entry follows the one that it names");
    let mut writes = RowWrites::default();
    let mut counted = false;
    for effects in &entry.effects {
        counted |= apply_effects(effects, entry, state, &mut writes);
    }
    if let Some(ids) = state.remembered.close_row(entry.number) {
        let row = codec::encode(&ids, ids.len() * 64);
        writes.put(FamilyKind::State, keys::remembered_key(state.partition, entry.number), row);
    }
    if counted {
        state.write_counts(&mut writes);
    }
    state.progress.last_entry = entry.number;
    state.progress.last_timestamp = entry.timestamp;
    state.write_progress(&mut writes);
    Applied { writes, outcome: Outcome::HadEffect }
}

/// Whether counters changed.
fn apply_effects(effects: &Effects, entry: &Entry, state: &mut PartitionState, writes: &mut RowWrites) -> bool {
    let writes_rows = !(effects.rows.is_empty() && effects.items.is_empty());
    assert!(!writes_rows || !state.is_closed(), "nothing is written to a table that is gone");
    let mut counted = false;
    for item in &effects.items {
        counted |= apply_item((&item.rows, &item.counts, item.change.as_ref()), entry, state, writes);
    }
    counted |= apply_item((&effects.rows, &effects.counts, effects.change.as_ref()), entry, state, writes);
    for change in &effects.transaction {
        state.transactions.apply(state.partition, change, writes);
    }
    if let Some(remembered) = &effects.remembered {
        state.remembered.insert(RememberedId::of(remembered));
    }
    if let Some(change) = &effects.state {
        change_state(change, entry.timestamp.physical_ms(), state, writes);
    }
    counted || effects.state == Some(StateChange::Close)
}

/// Whether counters changed.
fn apply_item(
    (rows, counts, change): (&[RowWrite], &[CountChange], Option<&ChangeRecord>),
    entry: &Entry,
    state: &mut PartitionState,
    writes: &mut RowWrites,
) -> bool {
    for row in rows {
        match &row.value {
            Some(value) => writes.put(FamilyKind::Items, row.key.clone(), value.clone()),
            None => writes.delete(FamilyKind::Items, row.key.clone()),
        }
    }
    for change in counts {
        count(change, state);
        if change.index == IndexNumber::ITEMS && change.items < 0 {
            state.progress.last_delete = entry.number;
        }
    }
    if let Some(change) = change {
        // Numbered here and not in evaluation, so that nothing in flight has to know how many are before it.
        let sequence = state.progress.last_change.next();
        state.progress.last_change = sequence;
        // Entries' timestamps rise, those of transactions' records need not.
        let created_ms = entry.timestamp.physical_ms();
        let record = encode_record(&ChangeRecord { sequence, created_ms, ..change.clone() });
        if let Some((before, bytes)) = state.log_size.write(sequence, state.progress.change_bytes) {
            writes.put(FamilyKind::State, keys::log_mark_key(state.partition, before), codec::encode(&bytes, 10));
        }
        state.progress.change_bytes += record.len() as u64;
        writes.put(FamilyKind::Changes, keys::change_key(state.partition, sequence), record);
    }
    !counts.is_empty()
}

fn count(change: &CountChange, state: &mut PartitionState) {
    let counted = state.counts.entry(change.index).or_default();
    let broken = "a counter is below zero: an effect was applied twice or not at all";
    *counted = IndexCount {
        index: change.index,
        items: counted.items.checked_add_signed(change.items).expect(broken),
        bytes: counted.bytes.checked_add_signed(change.bytes).expect(broken),
    };
}

fn change_state(change: &StateChange, now_ms: u64, state: &mut PartitionState, writes: &mut RowWrites) {
    let partition = state.partition;
    match change {
        StateChange::Describe(table) => {
            writes.put(FamilyKind::State, keys::description_key(partition), codec::encode(table, 512));
            let is_first = state.description.is_none();
            state.description = Some(Arc::new((**table).clone()));
            state.follow_indexes(table, is_first, writes);
            state.follow_streams(table, now_ms, writes);
            state.follow_expiries(table, is_first, writes);
            trim_unread(state, writes);
        }
        StateChange::Close => close(state, now_ms, writes),
        StateChange::MoveCursor { consumer, to } => {
            if state.cursors.advance(consumer, *to) {
                writes.put(FamilyKind::State, keys::cursor_key(partition, consumer), codec::encode(to, 9));
            }
        }
        StateChange::TrimChanges { to } => trim(*to, state, writes),
        StateChange::RaiseMark { birth_ms } => {
            state.progress.mark_ms = state.progress.mark_ms.max(*birth_ms);
            if let Some(last) = state.remembered.forget_below(*birth_ms) {
                writes.delete_range(FamilyKind::State, keys::remembered_up_to(partition, last));
            }
            state.transactions.forget_aborts_below(partition, *birth_ms, writes);
        }
        StateChange::Receive { source, up_to } => {
            for (first, known) in state.received.receive(*source, *up_to) {
                writes.put(FamilyKind::State, keys::received_key(partition, first), codec::encode(&known, 20));
            }
        }
        StateChange::MoveFeed { index, to, backfill } => {
            state.move_feed(*index, *to, backfill, writes);
            trim_unread(state, writes);
        }
        StateChange::Trigger(change) => state.change_trigger(change, writes),
        StateChange::KeepStreams { roll_before_ms, drop_before_ms } => {
            state.keep_streams(*roll_before_ms, *drop_before_ms, now_ms, writes);
            trim_unread(state, writes);
        }
        StateChange::IndexExpiries { attribute, backfill } => state.index_expiries(attribute, backfill, writes),
    }
}

/// What is still owed stays: the change log and its cursors, and decisions.
fn close(state: &mut PartitionState, now_ms: u64, writes: &mut RowWrites) {
    for bounds in state.items_bounds() {
        writes.delete_range(FamilyKind::Items, bounds);
    }
    writes.delete_range(FamilyKind::State, keys::remembered_bounds(state.partition));
    writes.delete_range(FamilyKind::State, keys::received_bounds(state.partition));
    state.remembered.clear();
    state.transactions.close(state.partition, writes);
    state.counts.clear();
    state.received.clear();
    state.end_feeds(writes);
    state.end_expiries(writes);
    state.close_streams(now_ms, writes);
    state.progress.closed = true;
    trim_unread(state, writes);
}

/// What every consumer has passed goes at once, up to the first record of a shard that is listed.
fn trim_unread(state: &mut PartitionState, writes: &mut RowWrites) {
    trim(state.progress.last_change, state, writes);
}

fn trim(to: SequenceNumber, state: &mut PartitionState, writes: &mut RowWrites) {
    let last = match stator_mutants::is(Mutant::TrimUnread) {
        true => to,
        false => [state.slowest_feed(), state.last_before_shards(), Some(trimmable(&state.cursors, to))]
            .into_iter()
            .flatten()
            .fold(to, SequenceNumber::min),
    };
    let last = last.min(state.progress.last_change);
    if last < state.progress.first_change {
        return;
    }
    let first_kept = last.next();
    let start = keys::change_key(state.partition, state.progress.first_change).to_vec();
    let bounds: Bounds = (start, Some(keys::change_key(state.partition, first_kept).to_vec()));
    writes.delete_range(FamilyKind::Changes, bounds);
    state.progress.first_change = first_kept;
    for record in state.log_size.trim(first_kept, state.progress.last_change) {
        writes.delete(FamilyKind::State, keys::log_mark_key(state.partition, record));
    }
}
