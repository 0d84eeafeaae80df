//! An item collection: a few items under one partition key, read whole in two orders, as a table and its local index show it.

use crate::Model;
use std::collections::BTreeMap;

/// An item without its keys: its place in the index, if it has one, and its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Content {
    pub rank: Option<i64>,
    pub value: i64,
}

/// What was done to the collection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    Put {
        sort: i64,
        content: Content,
    },
    /// The rank of an item that is there is set; where there is none, nothing happens. `None`: no answer came.
    Rerank {
        sort: i64,
        rank: Option<i64>,
        was_there: Option<bool>,
    },
    Delete {
        sort: i64,
    },
    /// All items in the order of their sort keys.
    ReadItems(Vec<(i64, Content)>),
    /// All items that have a rank, in the order of rank and sort key.
    ReadIndex(Vec<(i64, Content)>),
}

/// The collection, empty at first.
pub struct Collection;

impl Model for Collection {
    type Call = Call;
    type State = BTreeMap<i64, Content>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, call: &Call) -> Option<Self::State> {
        let mut after = state.clone();
        match call {
            Call::Put { sort, content } => {
                after.insert(*sort, *content);
            }
            Call::Rerank { sort, rank, was_there } => {
                let item = after.get_mut(sort);
                if was_there.is_some_and(|was_there| was_there != item.is_some()) {
                    return None;
                }
                if let Some(item) = item {
                    item.rank = *rank;
                }
            }
            Call::Delete { sort } => {
                after.remove(sort);
            }
            Call::ReadItems(seen) => {
                let items = state.iter().map(|(sort, content)| (*sort, *content));
                return items.eq(seen.iter().copied()).then_some(after);
            }
            Call::ReadIndex(seen) => {
                let ranked = state.iter().filter_map(|(sort, content)| Some((content.rank?, *sort, *content)));
                let mut ranked: Vec<_> = ranked.collect();
                ranked.sort_unstable();
                let entries = ranked.into_iter().map(|(_, sort, content)| (sort, content));
                return entries.eq(seen.iter().copied()).then_some(after);
            }
        }
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{History, Verdict, check};

    #[track_caller]
    fn judge(calls: &[(Call, u64, u64)], is_sound: bool) {
        let mut history = History::default();
        for (call, started, ended) in calls {
            history.answered(call.clone(), *started, *ended);
        }
        let verdict = check(&Collection, &history, 10_000);
        assert_eq!(matches!(verdict, Verdict::Linearizable(_)), is_sound, "{verdict:?}");
    }

    const ONE: Content = Content { rank: Some(5), value: 1 };
    const TWO: Content = Content { rank: None, value: 2 };
    const THREE: Content = Content { rank: Some(1), value: 3 };

    fn put(sort: i64, content: Content) -> Call {
        Call::Put { sort, content }
    }

    #[test]
    fn the_index_has_what_the_items_have() {
        let writes = [(put(1, ONE), 0, 1), (put(2, TWO), 2, 3), (put(3, THREE), 4, 5)];
        let with = |call: Call| [&writes[..], &[(call, 6, 7)]].concat();
        judge(&with(Call::ReadItems(vec![(1, ONE), (2, TWO), (3, THREE)])), true);
        judge(&with(Call::ReadIndex(vec![(3, THREE), (1, ONE)])), true);
        // In another order, an entry too few, one of an item without a rank, old content.
        judge(&with(Call::ReadIndex(vec![(1, ONE), (3, THREE)])), false);
        judge(&with(Call::ReadIndex(vec![(3, THREE)])), false);
        judge(&with(Call::ReadIndex(vec![(2, TWO), (3, THREE), (1, ONE)])), false);
        judge(&with(Call::ReadIndex(vec![(3, Content { value: 1, ..THREE }), (1, ONE)])), false);
    }

    #[test]
    fn a_read_beside_a_write_sees_one_of_two_states() {
        let beside = |seen: Vec<(i64, Content)>| [(put(1, ONE), 0, 9), (Call::ReadIndex(seen), 1, 8)];
        judge(&beside(vec![]), true);
        judge(&beside(vec![(1, ONE)]), true);
    }

    #[test]
    fn an_item_that_is_moved_or_gone_is_so_in_the_index() {
        let rerank = Call::Rerank { sort: 1, rank: None, was_there: Some(true) };
        judge(&[(put(1, ONE), 0, 1), (rerank.clone(), 2, 3), (Call::ReadIndex(vec![]), 4, 5)], true);
        judge(&[(put(1, ONE), 0, 1), (rerank.clone(), 2, 3), (Call::ReadIndex(vec![(1, ONE)]), 4, 5)], false);
        judge(&[(rerank, 2, 3)], false);
        judge(&[(put(1, ONE), 0, 1), (Call::Delete { sort: 1 }, 2, 3), (Call::ReadIndex(vec![(1, ONE)]), 4, 5)], false);
    }
}
