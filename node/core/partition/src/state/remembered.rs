//! Ids of commands that had their effect, with their outcomes, so that a repeat has no second effect.
//!
//! Kept by birth: what is forgotten is everything born below a mark, and whoever is born below it is refused.

use crate::{
    codec,
    command::CommandId,
    effects::{EntryNumber, Remembered},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_item::Timestamp;
use std::collections::{BTreeMap, VecDeque};

/// Ids above this count make the mark due.
pub const REMEMBERED_COUNT_MAX: usize = 65_536;
/// Encoded outcomes above this size make the mark due.
pub const REMEMBERED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an id is kept at least, unless there are too many; at twice this age the mark is due. Far above any deadline.
pub const REMEMBERED_AGE_MS_MAX: u64 = 120_000;

/// A command that had its effect, with its encoded outcome.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RememberedId {
    pub birth: Timestamp,
    pub id: CommandId,
    pub outcome: Bytes,
}

impl RememberedId {
    pub fn of(remembered: &Remembered) -> RememberedId {
        let outcome = codec::encode_outcome(&remembered.outcome).into();
        RememberedId { birth: remembered.birth, id: remembered.id, outcome }
    }
}

/// Remembered ids and the encoded outcomes of their commands.
///
/// The ids of one entry share a row. Rows go in the order of their entries, each once all of its ids are below the mark.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RememberedIds {
    outcomes: BTreeMap<(Timestamp, CommandId), Bytes>,
    outcomes_bytes: usize,
    /// The rows that stand, with the latest birth (milliseconds) in each.
    rows: VecDeque<(EntryNumber, u64)>,
    /// Ids of the entry that is being applied.
    open_row: Vec<RememberedId>,
}

impl RememberedIds {
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    pub(crate) fn get(&self, birth: Timestamp, id: CommandId) -> Option<&Bytes> {
        self.outcomes.get(&(birth, id))
    }

    /// Remembers an id of the entry that is being applied.
    pub(crate) fn insert(&mut self, remembered: RememberedId) {
        self.open_row.push(remembered.clone());
        self.keep(remembered);
    }

    fn keep(&mut self, RememberedId { birth, id, outcome }: RememberedId) {
        self.outcomes_bytes += outcome.len();
        if let Some(replaced) = self.outcomes.insert((birth, id), outcome) {
            self.outcomes_bytes -= replaced.len();
        }
    }

    /// The ids for the row of an entry that is applied, if there are any.
    pub(crate) fn close_row(&mut self, entry: EntryNumber) -> Option<Vec<RememberedId>> {
        let ids = std::mem::take(&mut self.open_row);
        let latest = latest_birth_ms(&ids)?;
        self.rows.push_back((entry, latest));
        Some(ids)
    }

    /// Takes a stored row. Rows come in the order of their entries.
    pub(crate) fn load_row(&mut self, entry: EntryNumber, ids: Vec<RememberedId>, mark_ms: u64) {
        self.rows.extend(latest_birth_ms(&ids).map(|latest| (entry, latest)));
        // A row is kept for its latest id.
        ids.into_iter().filter(|remembered| remembered.birth.wall_ms >= mark_ms).for_each(|id| self.keep(id));
    }

    /// Forgets everything born before this millisecond. Rows up to the entry that is given back are needed no more.
    pub(crate) fn forget_below(&mut self, birth_ms: u64) -> Option<EntryNumber> {
        let mark = Timestamp { wall_ms: birth_ms, counter: 0, node: 0 };
        let kept = self.outcomes.split_off(&(mark, CommandId(0)));
        let forgotten = std::mem::replace(&mut self.outcomes, kept);
        self.outcomes_bytes -= forgotten.values().map(Bytes::len).sum::<usize>();
        let mut last = None;
        while let Some((entry, _)) = self.rows.pop_front_if(|(_, latest)| *latest < birth_ms) {
            last = Some(entry);
        }
        last
    }

    pub(crate) fn clear(&mut self) {
        *self = RememberedIds::default();
    }

    /// The mark that brings count and bytes to three quarters of their bounds, or forgets what is too old.
    pub(crate) fn mark_due(&self, now_ms: u64) -> Option<u64> {
        if self.outcomes.len() > REMEMBERED_COUNT_MAX || self.outcomes_bytes > REMEMBERED_BYTES_MAX {
            let (mut count, mut bytes) = (self.outcomes.len(), self.outcomes_bytes);
            for ((birth, _), outcome) in &self.outcomes {
                count -= 1;
                bytes -= outcome.len();
                if count <= REMEMBERED_COUNT_MAX / 4 * 3 && bytes <= REMEMBERED_BYTES_MAX / 4 * 3 {
                    return birth.wall_ms.checked_add(1);
                }
            }
        }
        let ((oldest, _), _) = self.outcomes.first_key_value()?;
        let too_old = oldest.wall_ms.saturating_add(2 * REMEMBERED_AGE_MS_MAX) <= now_ms;
        too_old.then(|| now_ms - REMEMBERED_AGE_MS_MAX)
    }
}

fn latest_birth_ms(ids: &[RememberedId]) -> Option<u64> {
    ids.iter().map(|remembered| remembered.birth.wall_ms).max()
}
