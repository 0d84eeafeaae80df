//! What waits at a replica that leads: records for functions, and expired items for their deletion. Status and metrics tell of it.

use parking_lot::Mutex;
use stator_catalog::MappingId;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Waiting {
    /// Of each trigger that is at work, when the oldest record was made that it has read and its function has not taken: milliseconds
    /// since 1970. `None`: it has none.
    records: Mutex<BTreeMap<MappingId, Option<u64>>>,
    expired: Mutex<Option<Expired>>,
}

/// Items that have expired and are not deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Expired {
    pub count: u64,
    /// When the first of them expired, in seconds since 1970.
    pub oldest_s: u64,
}

impl Waiting {
    pub fn note_record(&self, mapping: MappingId, oldest_ms: Option<u64>) {
        self.records.lock().insert(mapping, oldest_ms);
    }

    /// The trigger works here no more.
    pub fn forget(&self, mapping: MappingId) {
        self.records.lock().remove(&mapping);
    }

    pub fn note_expired(&self, expired: Option<Expired>) {
        *self.expired.lock() = expired;
    }

    pub fn expired(&self) -> Option<Expired> {
        *self.expired.lock()
    }

    /// For how long the oldest record has waited; `None`: no trigger is at work.
    pub fn records_ms(&self, now_ms: u64) -> Option<u64> {
        let oldest_ms = |oldest_ms: &Option<u64>| oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
        self.records.lock().values().map(oldest_ms).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_record_of_all_triggers_is_told() {
        let (waiting, one, other) = (Waiting::default(), MappingId::of_random(1), MappingId::of_random(2));
        assert_eq!(waiting.records_ms(500), None);
        waiting.note_record(one, None);
        assert_eq!(waiting.records_ms(500), Some(0));
        waiting.note_record(one, Some(400));
        waiting.note_record(other, Some(300));
        assert_eq!((waiting.records_ms(500), waiting.records_ms(350)), (Some(200), Some(50)));
        waiting.forget(other);
        assert_eq!(waiting.records_ms(500), Some(100));
    }
}
