//! Ids of commands that had their effect, with their outcomes, so that a repeat has no second effect.
//!
//! Kept by birth: what is forgotten is everything born below a mark, and whoever is born below it is refused.

use crate::command::CommandId;
use bytes::Bytes;
use stator_item::Timestamp;
use std::collections::BTreeMap;

/// Ids above this count make the mark due.
pub const REMEMBERED_COUNT_MAX: usize = 65_536;
/// Encoded outcomes above this size make the mark due.
pub const REMEMBERED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long an id is kept at least, unless there are too many; at twice this age the mark is due. Far above any deadline.
pub const REMEMBERED_AGE_MS_MAX: u64 = 120_000;

/// Remembered ids and the encoded outcomes of their commands.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RememberedIds {
    outcomes: BTreeMap<(Timestamp, CommandId), Bytes>,
    outcomes_bytes: usize,
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

    pub(crate) fn insert(&mut self, birth: Timestamp, id: CommandId, outcome: Bytes) {
        self.outcomes_bytes += outcome.len();
        if let Some(replaced) = self.outcomes.insert((birth, id), outcome) {
            self.outcomes_bytes -= replaced.len();
        }
    }

    /// Forgets everything born before this millisecond.
    pub(crate) fn forget_below(&mut self, birth_ms: u64) {
        let mark = Timestamp { wall_ms: birth_ms, counter: 0, node: 0 };
        let kept = self.outcomes.split_off(&(mark, CommandId(0)));
        let forgotten = std::mem::replace(&mut self.outcomes, kept);
        self.outcomes_bytes -= forgotten.values().map(Bytes::len).sum::<usize>();
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
