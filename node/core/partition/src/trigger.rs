//! Triggers as a partition knows them: how far each event source mapping has brought a stream's records to its function. What is
//! brought when is decided elsewhere; here is only what must outlive the leader.
//!
//! Guarantees: a position never moves backwards, and only as the session asks that was opened last; what a deposed leader, or
//! an earlier task of the same one, sends late moves nothing.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::{MappingId, StartingPosition, StreamLabel};
use stator_changelog::{SequenceNumber, ShardId};

/// Most stretches of records that were dealt with ahead of others: a position is written again and again.
pub const FINISHED_MAX: usize = 1_000;
/// Most batches that failed and are tried again: one a lane, and what a change of their number leaves.
pub const RETRIES_MAX: usize = 1_000;
/// Most bytes of a tumbling window's state (Lambda Developer Guide, "Tumbling windows": 1 MB a shard).
pub const WINDOW_STATE_BYTES_MAX: usize = 1 << 20;

/// Records from the first one to the last, both included.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Stretch {
    pub first: SequenceNumber,
    pub last: SequenceNumber,
}

/// How far a mapping has come in this partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TriggerPosition {
    /// Where it reads; `None`: it is at the end of the last shard.
    pub shard: Option<ShardId>,
    /// All records up to there are dealt with: taken by the function, filtered out or discarded.
    pub done: SequenceNumber,
    /// Those beyond that are dealt with as well, in order, apart from one another.
    pub finished: Vec<Stretch>,
    /// Batches that failed, in order.
    pub retries: Vec<Retry>,
    pub window: Option<TriggerWindow>,
}

/// A batch that failed so often.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retry {
    /// Its records are among these.
    pub records: Stretch,
    pub attempts: u32,
}

/// The tumbling window that is open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TriggerWindow {
    /// Milliseconds since 1970.
    pub start_ms: u64,
    /// As the function answered it last: JSON.
    pub state: Bytes,
}

/// What a partition remembers of a mapping.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Trigger {
    pub stream: StreamLabel,
    /// Who may move it; 0: nobody.
    pub session: u64,
    /// It is disabled: nobody waits for it.
    pub is_resting: bool,
    pub position: TriggerPosition,
}

/// What is told a partition about a mapping. Each may come twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TriggerChange {
    /// The mapping was made: it begins at that place, as it is now.
    Begin { mapping: MappingId, stream: StreamLabel, starting: StartingPosition, is_resting: bool },
    /// Whoever bears that number, not 0, moves it from now on, and nobody else.
    Open { mapping: MappingId, session: u64 },
    /// As far as the session has come.
    Move { mapping: MappingId, session: u64, position: Box<TriggerPosition> },
    /// The mapping is disabled, and its session at an end.
    Rest { mapping: MappingId },
    /// The mapping is deleted.
    End { mapping: MappingId },
}

impl TriggerChange {
    pub fn mapping(&self) -> MappingId {
        match self {
            TriggerChange::Begin { mapping, .. }
            | TriggerChange::Open { mapping, .. }
            | TriggerChange::Move { mapping, .. }
            | TriggerChange::Rest { mapping }
            | TriggerChange::End { mapping } => *mapping,
        }
    }

    /// About how many bytes it takes in a log entry.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            TriggerChange::Move { position, .. } => position.bytes(),
            _ => 0,
        }
    }
}

impl TriggerPosition {
    /// The beginning of a shard.
    pub fn at(shard: Option<ShardId>, done: SequenceNumber) -> TriggerPosition {
        TriggerPosition { shard, done, finished: Vec::new(), retries: Vec::new(), window: None }
    }

    /// Whether the record is dealt with.
    pub fn has(&self, sequence: SequenceNumber) -> bool {
        sequence <= self.done || self.finished.iter().any(|of| (of.first..=of.last).contains(&sequence))
    }

    /// Where it stands when all records up to `up_to` are dealt with, but for those that are open, which are in order.
    pub fn new(
        shard: Option<ShardId>,
        up_to: SequenceNumber,
        open: impl IntoIterator<Item = SequenceNumber>,
    ) -> TriggerPosition {
        let mut stretches = Vec::new();
        let mut from = SequenceNumber(0);
        for sequence in open {
            debug_assert!(from <= sequence && sequence <= up_to, "open records are in order, and were taken");
            // The first stretch reaches to the first open record, and may be empty.
            if stretches.is_empty() || from < sequence {
                stretches.push(Stretch { first: from, last: SequenceNumber(sequence.0.saturating_sub(1)) });
            }
            from = sequence.next();
        }
        if stretches.is_empty() || from <= up_to {
            stretches.push(Stretch { first: from, last: up_to });
        }
        let mut stretches = stretches.into_iter();
        let done = stretches.next().map_or(up_to, |first| first.last);
        // What is beyond the bound would be brought once more after the leader's end.
        let finished = stretches.take(FINISHED_MAX).collect();
        TriggerPosition { finished, ..TriggerPosition::at(shard, done) }
    }

    /// Whether it is what a partition may store after `before`.
    pub(crate) fn follows(&self, before: &TriggerPosition) -> bool {
        let state_bytes = self.window.as_ref().map_or(0, |window| window.state.len());
        let mut last = self.done;
        let in_order = self.finished.iter().all(|of| {
            let is_apart = of.first.0 > last.0.saturating_add(1) && of.first <= of.last;
            last = of.last;
            is_apart
        });
        self.done >= before.done
            && in_order
            && self.finished.len() <= FINISHED_MAX
            && self.retries.len() <= RETRIES_MAX
            && state_bytes <= WINDOW_STATE_BYTES_MAX
    }

    fn bytes(&self) -> usize {
        let state_bytes = self.window.as_ref().map_or(0, |window| window.state.len());
        64 + state_bytes + 20 * self.finished.len() + 25 * self.retries.len()
    }
}
