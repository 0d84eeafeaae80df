//! The space-saving sketch: the most frequent keys of a stream in bounded memory.
//!
//! Guarantees, for a stream of `n` keys: a count is never too low, it is too high by at most `too_many_by`, and that by at
//! most `n / KEYS_MAX`; every key that came more often than `n / KEYS_MAX` is counted.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Keys that one list counts.
pub const KEYS_MAX: usize = 256;

/// How often a key came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counted {
    pub requests: u64,
    /// Of these at most so many were other keys', whose place this one took.
    pub too_many_by: u64,
}

#[derive(Debug)]
pub(super) struct Sketch<K> {
    counted: BTreeMap<Arc<K>, Counted>,
    /// The same keys by their counts, to find the least.
    by_count: BTreeSet<(u64, Arc<K>)>,
}

impl<K> Default for Sketch<K> {
    fn default() -> Sketch<K> {
        Sketch { counted: BTreeMap::new(), by_count: BTreeSet::new() }
    }
}

impl<K: Ord + Clone> Sketch<K> {
    pub fn count(&mut self, key: &K) {
        let known = self.counted.get_key_value(key).map(|(key, counted)| (key.clone(), *counted));
        let (key, counted) = match known {
            Some((key, counted)) => {
                let place = (counted.requests, key);
                self.by_count.remove(&place);
                (place.1, counted)
            }
            None => (Arc::new(key.clone()), self.make_room()),
        };
        let counted = Counted { requests: counted.requests.saturating_add(1), ..counted };
        self.by_count.insert((counted.requests, key.clone()));
        self.counted.insert(key, counted);
    }

    /// The count with which a new key begins: that of the rarest one, whose place it takes where all are taken.
    fn make_room(&mut self) -> Counted {
        if self.counted.len() < KEYS_MAX {
            return Counted::default();
        }
        let Some((requests, rarest)) = self.by_count.pop_first() else { return Counted::default() };
        self.counted.remove(&rarest);
        Counted { requests, too_many_by: requests }
    }

    pub fn counted(&self) -> impl Iterator<Item = (&K, Counted)> {
        self.counted.iter().map(|(key, counted)| (&**key, *counted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn counts_keep_their_promises(
            stream in proptest::collection::vec(prop_oneof![0..20_u32, 0..2_000_u32], 0..4_000),
        ) {
            let mut sketch = Sketch::default();
            let mut exact = BTreeMap::<u32, u64>::new();
            for key in &stream {
                sketch.count(key);
                *exact.entry(*key).or_default() += 1;
            }
            let counted: BTreeMap<u32, Counted> = sketch.counted().map(|(key, counted)| (*key, counted)).collect();
            let error_max = (stream.len() / KEYS_MAX) as u64;
            prop_assert!(counted.len() <= KEYS_MAX);
            prop_assert_eq!(sketch.by_count.len(), counted.len());
            prop_assert_eq!(counted.values().map(|it| it.requests).sum::<u64>(), stream.len() as u64);
            for (key, Counted { requests, too_many_by }) in &counted {
                prop_assert!(*requests >= exact[key] && requests - too_many_by <= exact[key], "{key}");
                prop_assert!(*too_many_by <= error_max);
            }
            for (key, _) in exact.iter().filter(|(_, count)| **count > error_max) {
                prop_assert!(counted.contains_key(key), "{key}");
            }
        }
    }
}
