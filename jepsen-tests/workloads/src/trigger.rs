//! Items that count, and a function that is called with every count: it sees all of them, each for the first time in its order,
//! however often the function fails, the leader dies or the mapping is changed.

use crate::{
    client::{Answer, BoxFuture, Consistency, Delivery, Expression, Failure, MappingShape, Operation, Shape},
    history::Event,
    judging::{item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use std::collections::BTreeMap;

pub struct Triggers {
    table: String,
    keys: Keys,
}

impl Triggers {
    pub fn new(table: String) -> Triggers {
        Triggers { table, keys: Keys::new(6, 100) }
    }

    fn count(&self, key: u64) -> Operation {
        let update = Expression::new("ADD v :one", [(":one", 1.into())]);
        Operation::Update { table: self.table.clone(), key: key_item(key), update, condition: None }
    }

    fn read(&self, key: u64) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(key), consistency: Consistency::Strong }
    }

    fn map(&self, session: &Session, enabled: bool) -> Operation {
        let mapping = MappingShape {
            enabled,
            batch_size: 1 + session.below(12) as u32,
            parallelization: 1 + session.below(4) as u32,
            bisects: session.below(2) == 0,
        };
        Operation::Map { table: self.table.clone(), mapping }
    }

    async fn deliveries(&self, session: &Session) -> Result<Vec<Delivery>, Failure> {
        match session.call(Operation::Deliveries { table: self.table.clone() }).await? {
            Answer::Deliveries(deliveries) => Ok(deliveries),
            other => Err(Failure::Unknown(format!("deliveries were expected, not {other:?}"))),
        }
    }
}

fn key_item(key: u64) -> crate::Item {
    item([("pk", format!("item {key}").into())])
}

impl Workload for Triggers {
    fn name(&self) -> &'static str {
        "trigger"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Streamed)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, value) = self.keys.choose(session);
            // Outcomes are in the history. The mapping is made early, and changed now and then.
            let _ = match session.below(60) {
                0 => session.call(self.map(session, session.below(3) > 0)).await,
                _ if value <= 5 => session.call(self.map(session, true)).await,
                _ => session.call(self.count(key)).await,
            };
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            match session.call(self.map(session, true)).await? {
                Answer::Mapped => {}
                other => return Err(Failure::Unknown(format!("the mapping is not enabled: {other:?}"))),
            }
            let mut wanted = BTreeMap::new();
            for key in self.keys.used() {
                if let Answer::Item(Some(found)) = session.call(self.read(key)).await? {
                    wanted.insert(format!("item {key}"), number(&found, "v").unwrap_or_default());
                }
            }
            // The function is called as fast as it answers, and sometimes it fails.
            for _ in 0..40 {
                let last = last_counts(&self.deliveries(session).await?);
                if wanted.iter().all(|(pk, count)| last.get(pk).is_some_and(|last| last >= count)) {
                    return Ok(());
                }
                session.surroundings.sleep(std::time::Duration::from_millis(500)).await;
            }
            Err(Failure::Unknown("the function was not called with everything".to_owned()))
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        for (at, event) in history.iter().enumerate() {
            if let Some(Answer::Deliveries(deliveries)) = event.answer() {
                check_order(at, deliveries, &mut judgement);
            }
        }
        check_counts(history, &mut judgement);
        judgement
    }
}

const ORDER: &str = "a function sees an item's records for the first time in their order, and leaves none out";
const WRITTEN: &str = "a function sees what was written";

/// The highest count of each item.
fn last_counts(deliveries: &[Delivery]) -> BTreeMap<String, i64> {
    let mut last = BTreeMap::new();
    for delivery in deliveries {
        let known = last.entry(delivery.pk.clone()).or_insert(delivery.v);
        *known = delivery.v.max(*known);
    }
    last
}

fn check_order(at: usize, deliveries: &[Delivery], judgement: &mut Judgement) {
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for Delivery { pk, v } in deliveries {
        let known = last.entry(pk).or_default();
        if *v > *known + 1 {
            judgement.violate(ORDER, format!("{pk} was {known}, and then {v}"), vec![at]);
        }
        *known = (*v).max(*known);
    }
}

/// No delivery shows more than there are writes.
fn check_counts(history: &[Event], judgement: &mut Judgement) {
    let mut begun: BTreeMap<&str, i64> = BTreeMap::new();
    for event in history {
        if let Operation::Update { key, .. } = &event.operation
            && (event.answer().is_some() || event.is_unknown())
        {
            *begun.entry(text(key, "pk").unwrap_or_default()).or_default() += 1;
        }
    }
    let mut all = history.iter().enumerate().filter_map(|(at, event)| match event.answer() {
        Some(Answer::Deliveries(deliveries)) => Some((at, last_counts(deliveries))),
        _ => None,
    });
    if let Some((at, last)) = all.next_back() {
        for (pk, count) in last {
            let most = begun.get(pk.as_str()).copied().unwrap_or_default();
            if count > most {
                judgement.violate(WRITTEN, format!("{pk} was {count}, with {most} writes"), vec![at]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(deliveries: &[(&str, i64)]) -> bool {
        let deliveries: Vec<Delivery> =
            deliveries.iter().map(|(pk, v)| Delivery { pk: (*pk).to_owned(), v: *v }).collect();
        let mut judgement = Judgement::default();
        check_order(0, &deliveries, &mut judgement);
        !judgement.holds()
    }

    #[test]
    fn repeats_are_allowed_and_gaps_are_not() {
        assert!(!broken(&[("a", 1), ("b", 1), ("a", 2), ("a", 1), ("a", 2), ("a", 3)]));
        assert!(broken(&[("a", 1), ("a", 3), ("a", 2)]), "out of order");
        assert!(broken(&[("a", 2)]), "the first is missing");
    }
}
