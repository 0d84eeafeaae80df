//! The overlay: effects evaluated but not yet applied, one per partition, on its leader.
//!
//! Guarantees: a read through it sees every effect this leader has evaluated, and nothing else; each answer names the entry
//! that carries what was seen, as a reply must wait for it. Never persisted. Begun anew with each term and after a refused
//! or lost proposal. Bound: [`OVERLAY_BYTES_MAX`], which the replica asks for before it evaluates
//! ([`is_full`](Overlay::is_full)). Grown by evaluated effects, shrunk by applied entries, touched by nobody else.

#[cfg(test)]
mod tests;

use crate::{
    command::CommandId,
    effects::{Effects, EntryNumber, StateChange},
    reply::{Refusal, Reply},
    state::PartitionState,
    transaction::TransactionsInFlight,
};
use bytes::Bytes;
use stator_catalog::{TableDescription, TokenRange};
use stator_changelog::SequenceNumber;
use stator_item::Timestamp;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// Above this size of effects in flight nothing more is evaluated, until some are applied.
pub const OVERLAY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Something in flight, and the entry that carries it.
#[derive(Clone, Debug)]
struct InFlight<T> {
    value: T,
    entry: EntryNumber,
}

/// What one entry brought into the overlay.
#[derive(Debug)]
struct Carried {
    entry: EntryNumber,
    rows: Vec<Bytes>,
    ids: Vec<(Timestamp, CommandId)>,
    bytes: usize,
}

/// Effects in flight.
#[derive(Debug)]
pub struct Overlay {
    term: u64,
    applied_entry: EntryNumber,
    last_entry: EntryNumber,
    /// The highest number given out in this term, also by overlays that were dropped.
    last_number: EntryNumber,
    last_timestamp: Timestamp,
    rows: BTreeMap<Bytes, InFlight<Option<Bytes>>>,
    remembered: BTreeMap<(Timestamp, CommandId), InFlight<Result<Reply, Refusal>>>,
    description: Option<InFlight<Arc<TableDescription>>>,
    closed: Option<EntryNumber>,
    mark_ms: Option<InFlight<u64>>,
    /// In the order of their entries.
    received: VecDeque<InFlight<(TokenRange, SequenceNumber)>>,
    transactions: TransactionsInFlight,
    carried: VecDeque<Carried>,
    bytes: usize,
}

impl Overlay {
    /// Nothing in flight, on top of what is applied. The leader has applied an entry of its own term by then. `last_number` is
    /// that of the overlay before this one, if it was of the same term; else any that is not above the state's last entry.
    pub fn new(term: u64, state: &PartitionState, last_number: EntryNumber) -> Overlay {
        Overlay {
            term,
            applied_entry: state.last_entry(),
            last_entry: state.last_entry(),
            last_number: state.last_entry().max(last_number),
            last_timestamp: state.last_timestamp(),
            rows: BTreeMap::new(),
            remembered: BTreeMap::new(),
            description: None,
            closed: None,
            mark_ms: None,
            received: VecDeque::new(),
            transactions: TransactionsInFlight::default(),
            carried: VecDeque::new(),
            bytes: 0,
        }
    }

    /// The term whose effects these are.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// The last entry let go of or, if there is none, the one on which it was begun.
    pub fn applied_entry(&self) -> EntryNumber {
        self.applied_entry
    }

    /// The last entry with effects in here or, if there is none, the one on which it was begun.
    pub fn last_entry(&self) -> EntryNumber {
        self.last_entry
    }

    /// The highest number given out in this term.
    pub fn last_number(&self) -> EntryNumber {
        self.last_number
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= OVERLAY_BYTES_MAX
    }

    pub fn is_empty(&self) -> bool {
        self.carried.is_empty()
    }

    /// Takes in the effects of one command, evaluated at `timestamp`, which entry `entry` will carry.
    ///
    /// # Panics
    /// If entries or timestamps do not rise: the caller packs for another overlay.
    pub fn add(&mut self, entry: EntryNumber, effects: &Effects, timestamp: Timestamp) {
        assert!(timestamp > self.last_timestamp, "a partition's timestamps only rise");
        assert!(
            entry > self.last_number || entry == self.last_entry && !self.is_empty(),
            "effects of entry {} follow those of entry {}: the number was used before",
            entry.0,
            self.last_number.0,
        );
        (self.last_entry, self.last_number, self.last_timestamp) = (entry, entry, timestamp);
        if self.carried.back().is_none_or(|last| last.entry != entry) {
            self.carried.push_back(Carried { entry, rows: Vec::new(), ids: Vec::new(), bytes: 0 });
        }
        let carried = self.carried.back_mut().expect("an entry's list was just made");
        for write in effects.items.iter().flat_map(|item| &item.rows).chain(&effects.rows) {
            self.rows.insert(write.key.clone(), InFlight { value: write.value.clone(), entry });
            carried.rows.push(write.key.clone());
        }
        for change in &effects.transaction {
            self.transactions.add(entry, change);
        }
        if let Some(remembered) = &effects.remembered {
            let key = (remembered.birth, remembered.id);
            self.remembered.insert(key, InFlight { value: remembered.outcome.clone(), entry });
            carried.ids.push(key);
        }
        match &effects.state {
            Some(StateChange::Describe(table)) => {
                self.description = Some(InFlight { value: Arc::new((**table).clone()), entry });
            }
            Some(StateChange::Close) => self.closed = Some(entry),
            Some(StateChange::RaiseMark { birth_ms }) => self.mark_ms = Some(InFlight { value: *birth_ms, entry }),
            Some(StateChange::Receive { source, up_to }) => {
                self.received.push_back(InFlight { value: (*source, *up_to), entry });
            }
            Some(
                StateChange::MoveCursor { .. }
                | StateChange::TrimChanges { .. }
                | StateChange::MoveFeed { .. }
                | StateChange::KeepStreams { .. }
                | StateChange::Trigger(_)
                | StateChange::IndexExpiries { .. },
            )
            | None => {}
        }
        let bytes = effects.bytes();
        carried.bytes += bytes;
        self.bytes += bytes;
    }

    /// Lets go of what the entries up to `entry` carried. They are applied, and no row read before that is still to be used.
    pub fn release(&mut self, entry: EntryNumber) {
        debug_assert!(entry <= self.last_entry, "an entry was applied that this overlay has not seen");
        self.applied_entry = self.applied_entry.max(entry);
        while let Some(carried) = self.carried.pop_front_if(|carried| carried.entry <= entry) {
            for key in carried.rows {
                if self.rows.get(&key).is_some_and(|row| row.entry <= entry) {
                    self.rows.remove(&key);
                }
            }
            for key in carried.ids {
                self.remembered.remove(&key);
            }
            self.bytes -= carried.bytes;
        }
        while self.received.pop_front_if(|received| received.entry <= entry).is_some() {}
        self.description.take_if(|description| description.entry <= entry);
        self.closed.take_if(|closed| *closed <= entry);
        self.mark_ms.take_if(|mark| mark.entry <= entry);
        self.transactions.release(entry);
    }

    /// The newest value of a row in flight (`None` inside: deleted); `None`: no effect in flight touches it.
    pub(crate) fn row(&self, key: &[u8]) -> Option<(Option<Bytes>, EntryNumber)> {
        self.rows.get(key).map(|row| (row.value.clone(), row.entry))
    }

    pub(crate) fn outcome(&self, birth: Timestamp, id: CommandId) -> Option<(&Result<Reply, Refusal>, EntryNumber)> {
        self.remembered.get(&(birth, id)).map(|outcome| (&outcome.value, outcome.entry))
    }

    pub(crate) fn description(&self) -> Option<(&Arc<TableDescription>, EntryNumber)> {
        self.description.as_ref().map(|description| (&description.value, description.entry))
    }

    pub(crate) fn closed(&self) -> Option<EntryNumber> {
        self.closed
    }

    pub(crate) fn mark_ms(&self) -> Option<(u64, EntryNumber)> {
        self.mark_ms.as_ref().map(|mark| (mark.value, mark.entry))
    }

    /// What the newest delivery in flight of a source, or of the one that it was split from, brought it to.
    pub(crate) fn received(&self, source: TokenRange) -> Option<(SequenceNumber, EntryNumber)> {
        let covers = |range: &TokenRange| range.first <= source.first && source.last <= range.last;
        let newest = self.received.iter().rev().find(|received| covers(&received.value.0))?;
        Some((newest.value.1, newest.entry))
    }

    pub(crate) fn transactions(&self) -> &TransactionsInFlight {
        &self.transactions
    }

    pub(crate) fn last_timestamp(&self) -> Timestamp {
        self.last_timestamp
    }
}
