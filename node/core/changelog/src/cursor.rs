//! Cursors: how far each consumer has dealt with a change log, and which records nobody needs any more.

use crate::{record::ChangeRecord, sequence::SequenceNumber};
use std::collections::BTreeMap;

/// The durable positions of all consumers of one change log.
///
/// Guarantees: a cursor never moves backwards.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Cursors {
    by_consumer: BTreeMap<String, SequenceNumber>,
}

impl Cursors {
    /// The consumer has dealt with everything up to `to`. Whether that moved its cursor, a new consumer's included.
    pub fn advance(&mut self, consumer: &str, to: SequenceNumber) -> bool {
        match self.by_consumer.get_mut(consumer) {
            Some(cursor) if *cursor >= to => false,
            Some(cursor) => {
                *cursor = to;
                true
            }
            None => {
                self.by_consumer.insert(consumer.to_owned(), to);
                true
            }
        }
    }

    pub fn get(&self, consumer: &str) -> Option<SequenceNumber> {
        self.by_consumer.get(consumer).copied()
    }

    /// The cursor that is furthest behind; `None` without consumers.
    pub fn slowest(&self) -> Option<SequenceNumber> {
        self.by_consumer.values().min().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, SequenceNumber)> {
        self.by_consumer.iter().map(|(consumer, cursor)| (consumer.as_str(), *cursor))
    }

    pub fn len(&self) -> usize {
        self.by_consumer.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_consumer.is_empty()
    }
}

/// How long records stay readable after everyone has dealt with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    pub age_ms_min: u64,
}

impl Retention {
    /// A stream's 24 hours.
    pub const STREAM: Retention = Retention { age_ms_min: 24 * 60 * 60 * 1000 };

    /// Whether the record is old enough to be dropped.
    pub fn is_over(self, record: &ChangeRecord, now_ms: u64) -> bool {
        record.timestamp.physical_ms().saturating_add(self.age_ms_min) <= now_ms
    }
}

/// The last record that may be dropped: `to` was asked for (its retention is over), but no cursor may lie below it.
pub fn trimmable(cursors: &Cursors, to: SequenceNumber) -> SequenceNumber {
    cursors.slowest().map_or(to, |slowest| slowest.min(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ChangeKind;
    use stator_item::Timestamp;

    #[test]
    fn cursors_only_rise() {
        let mut cursors = Cursors::default();
        assert_eq!(cursors.slowest(), None);
        for (consumer, to, moved, after, slowest) in [
            ("a", 0, true, 0, 0),
            ("b", 5, true, 5, 0),
            ("a", 3, true, 3, 3),
            ("a", 3, false, 3, 3),
            ("a", 1, false, 3, 3),
        ] {
            assert_eq!(cursors.advance(consumer, SequenceNumber(to)), moved);
            assert_eq!(cursors.get(consumer), Some(SequenceNumber(after)));
            assert_eq!(cursors.slowest(), Some(SequenceNumber(slowest)));
        }
    }

    #[test]
    fn nothing_is_trimmed_that_a_consumer_has_not_seen() {
        let mut cursors = Cursors::default();
        assert_eq!(trimmable(&cursors, SequenceNumber(9)), SequenceNumber(9));
        cursors.advance("a", SequenceNumber(4));
        cursors.advance("b", SequenceNumber(7));
        assert_eq!(trimmable(&cursors, SequenceNumber(9)), SequenceNumber(4));
        assert_eq!(trimmable(&cursors, SequenceNumber(2)), SequenceNumber(2));
    }

    #[test]
    fn retention_counts_from_the_write() {
        let record = ChangeRecord {
            sequence: SequenceNumber(1),
            kind: ChangeKind::Insert,
            timestamp: Timestamp { wall_ms: 1_000, counter: 0, node: 0 },
            origin: 0,
            old_image: None,
            new_image: Some(bytes::Bytes::new()),
        };
        let retention = Retention { age_ms_min: 500 };
        assert!(!retention.is_over(&record, 1_499));
        assert!(retention.is_over(&record, 1_500));
        assert!(!Retention { age_ms_min: u64::MAX }.is_over(&record, u64::MAX - 1));
    }
}
