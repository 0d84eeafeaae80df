//! Contributor Insights: which keys of a partition are asked for most, and which are throttled most.
//!
//! Each list is a space-saving sketch (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements
//! in Data Streams", 2005), so it takes bounded memory however many keys there are. What is counted are requests, of this
//! hour and the one before.

mod sketch;

pub use sketch::{Counted, KEYS_MAX};

use crate::{Command, PageRange, Refusal, Reply};
use serde::{Deserialize, Serialize};
use sketch::Sketch;
use stator_catalog::InsightsMode;
use stator_item::{Key, KeyPart};
use std::time::Duration;

/// After that long counting begins anew; the counts before are kept for as long again.
const WINDOW: Duration = Duration::from_secs(3_600);

/// Whose key a command names: an item's, or with `range` absent that of all items with a partition key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskedKey(Key);

impl AskedKey {
    /// `None`: the command asks for no particular key.
    pub fn of(command: &Command) -> Option<AskedKey> {
        let key = match command {
            Command::Put(put) => put.key.clone(),
            Command::Update(update) => update.key.clone(),
            Command::Delete(delete) => delete.key.clone(),
            Command::Get(get) => get.key.clone(),
            Command::Page(page) => match &page.range {
                PageRange::Hash { hash, .. } => Key { hash: hash.clone(), range: None },
                // Keys of an index are not keys of the table.
                PageRange::Tokens(_) | PageRange::Compound { .. } => return None,
            },
            _ => return None,
        };
        Some(AskedKey(key))
    }
}

/// The lists that a table has: `PKC`, `SKC`, `PKT` and `SKT` in the names of DynamoDB's rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum List {
    AccessedPartitionKeys,
    AccessedItems,
    ThrottledPartitionKeys,
    ThrottledItems,
}

/// A key with its count in one list. Keys of partitions have no range key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contributor {
    pub list: List,
    pub key: Key,
    pub counted: Counted,
}

/// Partition keys, and items of tables that have a sort key.
#[derive(Debug, Default)]
struct Requests {
    partition_keys: Sketch<KeyPart>,
    items: Sketch<Key>,
}

impl Requests {
    fn count(&mut self, key: &Key) {
        self.partition_keys.count(&key.hash);
        if key.range.is_some() {
            self.items.count(key);
        }
    }

    fn tell(&self, [hashes, items]: [List; 2], told: &mut Vec<Contributor>) {
        let of_hash = |(hash, counted): (&KeyPart, Counted)| {
            let key = Key { hash: hash.clone(), range: None };
            Contributor { list: hashes, key, counted }
        };
        told.extend(self.partition_keys.counted().map(of_hash));
        let of_item = |(key, counted): (&Key, Counted)| Contributor { list: items, key: key.clone(), counted };
        told.extend(self.items.counted().map(of_item));
    }
}

#[derive(Debug, Default)]
struct Counts {
    accessed: Requests,
    throttled: Requests,
}

/// What one replica counts while it is enabled.
#[derive(Debug)]
pub struct Insights {
    mode: InsightsMode,
    /// On the node's elapsed clock.
    began: Duration,
    now: Counts,
    before: Counts,
}

impl Insights {
    pub fn new(mode: InsightsMode, elapsed: Duration) -> Insights {
        Insights { mode, began: elapsed, now: Counts::default(), before: Counts::default() }
    }

    pub fn mode(&self) -> InsightsMode {
        self.mode
    }

    /// Counts a request by what came of it. One that did not get as far as the rows counts only if it was throttled.
    pub fn count(&mut self, AskedKey(key): &AskedKey, outcome: &Result<Reply, Refusal>, elapsed: Duration) {
        self.turn(elapsed);
        match outcome {
            Err(Refusal::Overloaded | Refusal::Throttled(_)) => self.now.throttled.count(key),
            Ok(_) | Err(Refusal::ConditionFailed { .. }) if self.mode == InsightsMode::AccessedAndThrottledKeys => {
                self.now.accessed.count(key);
            }
            _ => {}
        }
    }

    fn turn(&mut self, elapsed: Duration) {
        let age = elapsed.saturating_sub(self.began);
        if age >= WINDOW {
            let ended = std::mem::take(&mut self.now);
            self.before = if age < 2 * WINDOW { ended } else { Counts::default() };
            self.began = elapsed;
        }
    }

    /// Everything that is counted; a key that both hours know is told twice.
    pub fn tell(&mut self, elapsed: Duration) -> Vec<Contributor> {
        self.turn(elapsed);
        let mut told = Vec::new();
        for counts in [&self.now, &self.before] {
            counts.accessed.tell([List::AccessedPartitionKeys, List::AccessedItems], &mut told);
            counts.throttled.tell([List::ThrottledPartitionKeys, List::ThrottledItems], &mut told);
        }
        told
    }
}

/// The most counted of each list, from what replicas told: lists in their order, the highest counts first.
pub fn top(told: impl IntoIterator<Item = Contributor>, most: usize) -> Vec<Contributor> {
    let mut sums = std::collections::BTreeMap::<(List, Key), Counted>::new();
    for Contributor { list, key, counted } in told {
        let sum = sums.entry((list, key)).or_default();
        sum.requests = sum.requests.saturating_add(counted.requests);
        sum.too_many_by = sum.too_many_by.saturating_add(counted.too_many_by);
    }
    let mut all: Vec<Contributor> =
        sums.into_iter().map(|((list, key), counted)| Contributor { list, key, counted }).collect();
    all.sort_by_key(|contributor| (contributor.list, std::cmp::Reverse(contributor.counted.requests)));
    let mut place = (None, 0);
    all.retain(|contributor| {
        place = if place.0 == Some(contributor.list) { (place.0, place.1 + 1) } else { (Some(contributor.list), 1) };
        place.1 <= most
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Get, Page};
    use bytes::Bytes;
    use stator_catalog::TokenRange;
    use stator_item::IndexNumber;

    fn key(hash: &str, range: Option<&str>) -> Key {
        Key {
            hash: KeyPart::String(hash.into()),
            range: range.map(|range| KeyPart::Binary(Bytes::from(range.to_owned()))),
        }
    }

    fn page(range: PageRange) -> Command {
        Command::Page(Page {
            index: IndexNumber::ITEMS,
            range,
            after: None,
            backward: false,
            items_max: None,
            bytes_max: 1,
            filter: None,
            projection: None,
            fetch_items: false,
            count_only: false,
        })
    }

    fn asked(hash: &str, range: Option<&str>) -> AskedKey {
        AskedKey::of(&Command::Get(Get { key: key(hash, range), projection: None })).expect("a get names a key")
    }

    fn shown(told: Vec<Contributor>) -> Vec<(List, Key, u64)> {
        top(told, 2).into_iter().map(|it| (it.list, it.key, it.counted.requests)).collect()
    }

    #[test]
    fn commands_name_keys_or_none() {
        let of_query = page(PageRange::Hash { hash: KeyPart::String("a".into()), range: None });
        assert_eq!(AskedKey::of(&of_query), Some(AskedKey(key("a", None))));
        assert_eq!(AskedKey::of(&page(PageRange::Tokens(TokenRange::ALL))), None);
        assert_eq!(AskedKey::of(&Command::Count), None);
    }

    #[test]
    fn accessed_and_throttled_keys_are_counted_apart() {
        let ok = Ok(Reply::Done);
        let overloaded = Err(Refusal::Overloaded);
        let mut insights = Insights::new(InsightsMode::AccessedAndThrottledKeys, Duration::ZERO);
        for (hash, range, outcome) in [
            ("a", Some("1"), &ok),
            ("a", Some("2"), &ok),
            ("a", Some("2"), &Err(Refusal::ConditionFailed { old_item: None })),
            ("b", None, &ok),
            ("c", Some("1"), &overloaded),
            ("d", Some("1"), &Err(Refusal::NoSuchTable)),
        ] {
            insights.count(&asked(hash, range), outcome, Duration::ZERO);
        }
        let expected = vec![
            (List::AccessedPartitionKeys, key("a", None), 3),
            (List::AccessedPartitionKeys, key("b", None), 1),
            (List::AccessedItems, key("a", Some("2")), 2),
            (List::AccessedItems, key("a", Some("1")), 1),
            (List::ThrottledPartitionKeys, key("c", None), 1),
            (List::ThrottledItems, key("c", Some("1")), 1),
        ];
        assert_eq!(shown(insights.tell(Duration::ZERO)), expected);

        let mut throttled = Insights::new(InsightsMode::ThrottledKeys, Duration::ZERO);
        throttled.count(&asked("a", None), &ok, Duration::ZERO);
        throttled.count(&asked("c", None), &overloaded, Duration::ZERO);
        assert_eq!(shown(throttled.tell(Duration::ZERO)), vec![(List::ThrottledPartitionKeys, key("c", None), 1)]);
    }

    #[test]
    fn counts_last_for_two_hours() {
        let mut insights = Insights::new(InsightsMode::AccessedAndThrottledKeys, Duration::ZERO);
        let mut at = |hours: f64, hash: &str| {
            let elapsed = WINDOW.mul_f64(hours);
            insights.count(&asked(hash, None), &Ok(Reply::Done), elapsed);
            shown(insights.tell(elapsed)).into_iter().map(|(_, key, count)| (key, count)).collect::<Vec<_>>()
        };
        assert_eq!(at(0.5, "a"), vec![(key("a", None), 1)]);
        assert_eq!(at(1.0, "a"), vec![(key("a", None), 2)]);
        assert_eq!(at(2.0, "b"), vec![(key("a", None), 1), (key("b", None), 1)]);
        assert_eq!(at(4.0, "c"), vec![(key("c", None), 1)]);
    }
}
