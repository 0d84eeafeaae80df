//! Counters: `ADD n 1`, tried again after definite failures only. Counts exactly what was acknowledged, and of what nobody
//! answered at most all.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Operation, Shape},
    history::Event,
    judging::{item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use std::collections::BTreeMap;

/// Attempts at one addition.
const TRIES_MAX: u32 = 5;

pub struct Counters {
    table: String,
    keys: Keys,
}

impl Counters {
    pub fn new(table: String) -> Counters {
        Counters { table, keys: Keys::new(3, 400) }
    }

    fn add(&self, key: u64) -> Operation {
        let update = Expression::new("ADD n :one", [(":one", 1.into())]);
        Operation::Update { table: self.table.clone(), key: key_item(key), update, condition: None }
    }

    fn read(&self, key: u64) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(key), consistency: Consistency::Strong }
    }
}

fn key_item(key: u64) -> crate::Item {
    item([("pk", format!("counter {key}").into())])
}

impl Workload for Counters {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Hash)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, _) = self.keys.choose(session);
            if session.below(4) == 0 {
                // Its outcome is in the history.
                let _ = session.call(self.read(key)).await;
                return;
            }
            for _ in 0..TRIES_MAX {
                if !matches!(session.call(self.add(key)).await, Err(Failure::Definite(_))) {
                    return;
                }
            }
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.keys.read_used(session, |key| vec![self.read(key)]).await })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        for (name, counter) in counters(history) {
            counter.check(&name, &mut judgement);
        }
        judgement
    }
}

/// A count that somebody saw.
#[derive(Clone, Copy)]
struct Sight {
    at: usize,
    started_us: u64,
    ended_us: u64,
    count: i64,
    /// Whether it is the reply to an addition, which it includes.
    adds: bool,
}

/// What is known of one counter.
#[derive(Default)]
struct Counter {
    sights: Vec<Sight>,
    /// When each addition began that may have had an effect.
    begun_us: Vec<u64>,
}

fn counters(history: &[Event]) -> BTreeMap<String, Counter> {
    let mut counters: BTreeMap<String, Counter> = BTreeMap::new();
    for (at, event) in history.iter().enumerate() {
        let (Operation::Get { key, .. } | Operation::Update { key, .. }) = &event.operation else { continue };
        let counter = counters.entry(text(key, "pk").unwrap_or_default().to_owned()).or_default();
        let adds = event.operation.is_write();
        if adds && (event.answer().is_some() || event.is_unknown()) {
            counter.begun_us.push(event.started_us);
        }
        if let (Some(Answer::Item(seen) | Answer::Written(seen)), Some(ended_us)) = (event.answer(), event.ended_us) {
            let count = seen.as_ref().and_then(|item| number(item, "n")).unwrap_or(0);
            counter.sights.push(Sight { at, started_us: event.started_us, ended_us, count, adds });
        }
    }
    counters
}

impl Counter {
    fn check(mut self, name: &str, judgement: &mut Judgement) {
        self.check_once(name, judgement);
        self.check_order(name, judgement);
        self.begun_us.sort_unstable();
        for sight in &self.sights {
            let begun = self.begun_us.partition_point(|begun| *begun <= sight.ended_us) as i64;
            if sight.count > begun {
                let explanation = format!("{name} was {} when only {begun} additions had begun", sight.count);
                judgement.violate("an addition counts once", explanation, vec![sight.at]);
            }
        }
    }

    /// Every addition makes another number.
    fn check_once(&self, name: &str, judgement: &mut Judgement) {
        let mut made: BTreeMap<i64, usize> = BTreeMap::new();
        for sight in self.sights.iter().filter(|sight| sight.adds) {
            if let Some(other) = made.insert(sight.count, sight.at) {
                let explanation = format!("two additions made {name} {}", sight.count);
                judgement.violate("an acknowledged addition counts", explanation, vec![other, sight.at]);
            }
        }
    }

    /// What ended before another began saw no more than it, and less if the other is an addition. With the above this means
    /// that every read sees all acknowledged additions.
    fn check_order(&self, name: &str, judgement: &mut Judgement) {
        let (mut by_start, mut by_end) = (self.sights.clone(), self.sights.clone());
        by_start.sort_by_key(|sight| sight.started_us);
        by_end.sort_by_key(|sight| sight.ended_us);
        let (mut ended, mut most): (usize, Option<Sight>) = (0, None);
        for sight in by_start {
            while let Some(before) = by_end.get(ended).filter(|before| before.ended_us < sight.started_us) {
                most = most.filter(|most| most.count >= before.count).or(Some(*before));
                ended += 1;
            }
            let Some(most) = most else { continue };
            if sight.count < most.count || sight.adds && sight.count == most.count {
                let explanation = format!("{name} was {}, and later {}", most.count, sight.count);
                judgement.violate("an acknowledged addition counts", explanation, vec![most.at, sight.at]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, failed, refused, sound, unknown};

    fn counters() -> Counters {
        Counters::new("t".to_owned())
    }

    fn saw(count: i64) -> Option<crate::Item> {
        Some(item([("pk", "counter 1".into()), ("n", count.into())]))
    }

    fn add(count: i64) -> (Operation, Answer) {
        (counters().add(1), Answer::Written(saw(count)))
    }

    fn read(count: i64) -> (Operation, Answer) {
        (counters().read(1), Answer::Item(if count == 0 { None } else { saw(count) }))
    }

    #[test]
    fn exact_counts_are_accepted() {
        sound(&counters(), &[event(0, 9, read(0)), event(0, 9, add(1)), event(0, 9, add(2)), event(10, 19, read(2))]);
        // One without an answer may count, or not, or later.
        let lost = unknown(0, counters().add(1));
        sound(&counters(), &[lost.clone(), event(10, 19, add(2)), event(20, 29, read(2))]);
        sound(&counters(), &[lost.clone(), event(10, 19, add(1)), event(20, 29, read(1))]);
        sound(&counters(), &[lost, event(10, 19, add(1)), event(20, 29, read(1)), event(30, 39, read(2))]);
    }

    #[test]
    fn lost_and_doubled_additions_are_refused() {
        refused(&counters(), &[event(0, 9, add(1)), event(10, 19, add(1))]);
        refused(&counters(), &[event(0, 9, add(1)), event(10, 19, read(0))]);
        refused(&counters(), &[event(0, 9, add(1)), event(10, 19, read(2))]);
        refused(&counters(), &[event(0, 9, add(2))]);
        refused(&counters(), &[failed(0, 9, counters().add(1)), event(10, 19, read(1))]);
        refused(&counters(), &[unknown(0, counters().add(1)), event(10, 19, read(2))]);
        refused(
            &counters(),
            &[event(0, 9, add(1)), event(0, 9, add(2)), event(10, 19, read(2)), event(20, 29, read(1))],
        );
    }
}
