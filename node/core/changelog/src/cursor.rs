//! Cursors: how far each consumer has dealt with a change log, and which records nobody needs any more.

use crate::sequence::SequenceNumber;
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

/// The last record that may be dropped: `to` was asked for (its retention is over), but no cursor may lie below it.
pub fn trimmable(cursors: &Cursors, to: SequenceNumber) -> SequenceNumber {
    cursors.slowest().map_or(to, |slowest| slowest.min(to))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
