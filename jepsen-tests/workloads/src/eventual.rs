//! Eventually consistent reads: they see only what was written, and how old it was is measured.

use crate::{
    client::{Answer, BoxFuture, Consistency, Failure, Operation, Shape},
    history::Event,
    judging::{item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use std::collections::BTreeMap;

pub struct Eventual {
    table: String,
    keys: Keys,
}

impl Eventual {
    pub fn new(table: String) -> Eventual {
        Eventual { table, keys: Keys::new(3, 200) }
    }

    fn write(&self, key: u64, value: i64) -> Operation {
        let mut item = key_item(key);
        item.insert("v".to_owned(), value.into());
        Operation::Put { table: self.table.clone(), item, condition: None }
    }

    fn read(&self, key: u64, consistency: Consistency) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(key), consistency }
    }
}

fn key_item(key: u64) -> crate::Item {
    item([("pk", format!("page {key}").into())])
}

impl Workload for Eventual {
    fn name(&self) -> &'static str {
        "eventual"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Hash)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, value) = self.keys.choose(session);
            let operation = match session.below(3) {
                0 => self.write(key, value),
                _ => self.read(key, Consistency::Eventual),
            };
            // Its outcome is in the history.
            let _ = session.call(operation).await;
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            // The strong one wakes a partition that sleeps, so that replicas which were down hear what they missed.
            let reads = |key| vec![self.read(key, Consistency::Strong), self.read(key, Consistency::Eventual)];
            self.keys.read_used(session, reads).await
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let (mut judgement, mut ages_ms) = (Judgement::default(), Vec::new());
        let writes = writes(history);
        for (at, event) in history.iter().enumerate() {
            let (Operation::Get { key, .. }, Some(Answer::Item(seen))) = (&event.operation, event.answer()) else {
                continue;
            };
            let of_key = text(key, "pk").and_then(|key| writes.get(key));
            match seen.as_ref().map(|item| number(item, "v").unwrap_or(-1)) {
                // The item was not there at first: as old as the first write that was surely done.
                None => ages_ms.push(age_ms(of_key.map_or(&[][..], Vec::as_slice), None, event)),
                Some(value) => {
                    let write = of_key.and_then(|writes| writes.iter().find(|write| write.value == value));
                    match write.filter(|write| event.ended_us.is_none_or(|ended| write.began_us <= ended)) {
                        Some(write) => ages_ms.push(age_ms(of_key.map_or(&[][..], Vec::as_slice), Some(write), event)),
                        None => {
                            let explanation = format!("{value} was read, which nobody had written");
                            judgement.violate("an eventual read sees what was written", explanation, vec![at]);
                        }
                    }
                }
            }
        }
        measure(ages_ms, &mut judgement);
        judgement
    }
}

struct Write {
    value: i64,
    began_us: u64,
    /// `None`: nobody was told that it was done.
    ended_us: Option<u64>,
}

fn writes(history: &[Event]) -> BTreeMap<&str, Vec<Write>> {
    let mut writes: BTreeMap<&str, Vec<Write>> = BTreeMap::new();
    for event in history.iter().filter(|event| event.answer().is_some() || event.is_unknown()) {
        let Operation::Put { item, .. } = &event.operation else { continue };
        let (Some(key), Some(value)) = (text(item, "pk"), number(item, "v")) else { continue };
        let ended_us = event.effective_by_us();
        writes.entry(key).or_default().push(Write { value, began_us: event.started_us, ended_us });
    }
    writes
}

/// For how long, at least, what was read had been overwritten when the reading began.
fn age_ms(writes: &[Write], seen: Option<&Write>, read: &Event) -> f64 {
    let is_later = |write: &&Write| seen.is_none_or(|seen| seen.ended_us.is_some_and(|ended| write.began_us > ended));
    let overwritten_us = writes.iter().filter(is_later).filter_map(|write| write.ended_us).min();
    let age_us = overwritten_us.map_or(0, |overwritten| read.started_us.saturating_sub(overwritten));
    age_us as f64 / 1_000.0
}

fn measure(mut ages_ms: Vec<f64>, judgement: &mut Judgement) {
    ages_ms.sort_by(f64::total_cmp);
    let stale = ages_ms.iter().filter(|age| **age > 0.0).count();
    let at =
        |per_mille: usize| ages_ms.get(ages_ms.len().saturating_sub(1) * per_mille / 1_000).copied().unwrap_or(0.0);
    judgement.figures.insert("eventual_reads".to_owned(), ages_ms.len() as f64);
    judgement.figures.insert("stale_reads".to_owned(), stale as f64);
    judgement.figures.insert("staleness_p99_ms".to_owned(), at(990));
    judgement.figures.insert("staleness_max_ms".to_owned(), at(1_000));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, failed, refused, sound, unknown};

    fn eventual() -> Eventual {
        Eventual::new("t".to_owned())
    }

    fn write(value: i64) -> (Operation, Answer) {
        (eventual().write(1, value), Answer::Written(None))
    }

    fn read(value: i64) -> (Operation, Answer) {
        let mut item = key_item(1);
        item.insert("v".to_owned(), value.into());
        (eventual().read(1, Consistency::Eventual), Answer::Item(Some(item)))
    }

    #[test]
    fn old_values_are_accepted_and_measured() {
        let history = [event(0, 9, write(1)), event(10, 19, write(2)), event(5_019, 5_029, read(1))];
        sound(&eventual(), &history);
        let judgement = eventual().check(&history);
        assert_eq!(judgement.figures["stale_reads"], 1.0);
        assert_eq!(judgement.figures["staleness_max_ms"], 5.0);
        sound(&eventual(), &[unknown(0, write(1).0), event(10, 19, read(1))]);
    }

    #[test]
    fn what_nobody_wrote_is_refused() {
        refused(&eventual(), &[event(0, 9, read(1))]);
        refused(&eventual(), &[event(0, 9, read(1)), event(10, 19, write(1))]);
        refused(&eventual(), &[failed(0, 9, write(1).0), event(10, 19, read(1))]);
    }
}
