//! What an index's partition has of each source: the fence.

use serde::{Deserialize, Serialize};
use stator_catalog::TokenRange;
use stator_changelog::SequenceNumber;
use stator_item::Token;
use std::collections::BTreeMap;

/// Up to where a receiver has everything, by token range of the source.
///
/// Guarantees: ranges do not overlap; a position never falls. A part of a range, which a split of the source makes, begins
/// where the whole stood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Received {
    /// By the range's first token: its last one, and the position.
    by_first: BTreeMap<Token, ReceivedUpTo>,
}

/// The stored form of one range's position; its first token is in the row's key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ReceivedUpTo {
    pub last: Token,
    pub up_to: SequenceNumber,
}

impl Received {
    /// Up to where everything of that source is here; `None`: nothing has come from it.
    pub fn position(&self, source: TokenRange) -> Option<SequenceNumber> {
        let (_, known) = self.by_first.range(..=source.first).next_back()?;
        (source.last <= known.last).then_some(known.up_to)
    }

    /// Everything of that source up to there has come. Which ranges have another position now, by their first token.
    pub(crate) fn receive(&mut self, source: TokenRange, up_to: SequenceNumber) -> Vec<(Token, ReceivedUpTo)> {
        let around = self.by_first.range(..=source.first).next_back().map(|(first, known)| (*first, *known));
        let mut changed = vec![(source.first, ReceivedUpTo { last: source.last, up_to })];
        if let Some((first, known)) = around.filter(|(_, known)| source.last <= known.last) {
            debug_assert!(known.up_to <= up_to, "a position never falls");
            let before = source.first.0.checked_sub(1).filter(|before| *before >= first.0);
            let behind = source.last.0.checked_add(1).filter(|behind| *behind <= known.last.0);
            changed.extend(before.map(|last| (first, ReceivedUpTo { last: Token(last), ..known })));
            changed.extend(behind.map(|first| (Token(first), known)));
        }
        self.by_first.extend(changed.iter().copied());
        changed
    }

    pub(crate) fn load(&mut self, first: Token, known: ReceivedUpTo) {
        self.by_first.insert(first, known);
    }

    pub(crate) fn clear(&mut self) {
        self.by_first.clear();
    }

    pub fn is_empty(&self) -> bool {
        self.by_first.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: u64, last: u64) -> TokenRange {
        TokenRange { first: Token(first), last: Token(last) }
    }

    #[test]
    fn a_part_begins_where_the_whole_stood() {
        let mut received = Received::default();
        assert_eq!(received.position(range(0, 99)), None);
        assert_eq!(received.receive(range(0, 99), SequenceNumber(5)).len(), 1);
        assert_eq!(received.position(range(0, 99)), Some(SequenceNumber(5)));
        for (part, changed) in [(range(50, 99), 2), (range(10, 19), 3)] {
            assert_eq!(received.position(part), Some(SequenceNumber(5)));
            assert_eq!(received.receive(part, SequenceNumber(8)).len(), changed);
            assert_eq!(received.position(part), Some(SequenceNumber(8)));
        }
        for (part, up_to) in [(range(0, 9), 5), (range(20, 49), 5), (range(60, 70), 8), (range(10, 12), 8)] {
            assert_eq!(received.position(part), Some(SequenceNumber(up_to)), "{part:?}");
        }
        assert_eq!(received.position(range(0, 19)), None, "its parts do not stand at one place");
        assert_eq!(received.position(range(90, 100)), None);
    }
}
