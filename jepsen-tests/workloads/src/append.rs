//! Lists that are appended to, each append answered with the whole list: strictly serializable.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Operation, Shape, Value},
    history::Event,
    judging::{item, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use stator_cycles::{Fate, Isolation, Step, Transaction, check};
use std::collections::BTreeMap;

pub struct Appends {
    table: String,
    keys: Keys,
}

impl Appends {
    pub fn new(table: String) -> Appends {
        Appends { table, keys: Keys::new(4, 100) }
    }

    fn append(&self, key: u64, value: i64) -> Operation {
        let values = [(":none", Value::List(Vec::new())), (":new", Value::List(vec![value]))];
        let update = Expression::new("SET l = list_append(if_not_exists(l, :none), :new)", values);
        Operation::Update { table: self.table.clone(), key: key_item(key), update, condition: None }
    }

    fn read(&self, key: u64) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(key), consistency: Consistency::Strong }
    }
}

fn key_item(key: u64) -> crate::Item {
    item([("pk", format!("list {key}").into())])
}

impl Workload for Appends {
    fn name(&self) -> &'static str {
        "append"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Hash)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, value) = self.keys.choose(session);
            let operation = if session.below(3) == 0 { self.read(key) } else { self.append(key, value) };
            // Its outcome is in the history.
            let _ = session.call(operation).await;
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.keys.read_used(session, |key| vec![self.read(key)]).await })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let (mut transactions, mut places, mut keys) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (at, event) in history.iter().enumerate() {
            if let Some(transaction) = transaction(event, &mut keys) {
                transactions.push(transaction);
                places.push(at);
            }
        }
        for anomaly in check(&transactions).iter().filter(|anomaly| Isolation::StrictSerializable.forbids(anomaly)) {
            let witnesses = anomaly.transactions.iter().map(|place| places[*place]).collect();
            judgement.violate("appends are strictly serializable", anomaly.to_string(), witnesses);
        }
        judgement
    }
}

/// An event as a transaction. Lists get numbers as they come.
fn transaction(event: &Event, keys: &mut BTreeMap<String, u64>) -> Option<Transaction> {
    let (Operation::Get { key, .. } | Operation::Update { key, .. }) = &event.operation else { return None };
    let fresh = keys.len() as u64;
    let key = *keys.entry(text(key, "pk")?.to_owned()).or_insert(fresh);
    let mut steps = Vec::new();
    if let Operation::Update { update, .. } = &event.operation {
        let new = update.values.get(":new").and_then(Value::list)?;
        steps.extend(new.iter().map(|value| Step::Append { key, value: *value as u64 }));
    }
    let fate = match event.answer() {
        Some(Answer::Item(seen) | Answer::Written(seen)) => {
            let list = seen.as_ref().and_then(|item| item.get("l")?.list()).unwrap_or_default();
            steps.push(Step::Read { key, list: list.iter().map(|value| *value as u64).collect() });
            Fate::Committed
        }
        _ if event.is_unknown() => Fate::Unknown,
        _ => Fate::Aborted,
    };
    let (started, ended) = (event.started_us, event.effective_by_us());
    Some(Transaction { process: event.client, steps, fate, started, ended })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, failed, refused, sound, unknown};

    fn appends() -> Appends {
        Appends::new("t".to_owned())
    }

    fn saw(list: &[i64]) -> Option<crate::Item> {
        Some(item([("pk", "list 1".into()), ("l", list.to_vec().into())]))
    }

    fn append(value: i64, list: &[i64]) -> (Operation, Answer) {
        (appends().append(1, value), Answer::Written(saw(list)))
    }

    fn read(list: &[i64]) -> (Operation, Answer) {
        (appends().read(1), Answer::Item(saw(list)))
    }

    #[test]
    fn one_order_of_appends_is_accepted() {
        sound(
            &appends(),
            &[event(0, 9, append(1, &[1])), event(5, 15, append(2, &[1, 2])), event(20, 29, read(&[1, 2]))],
        );
        sound(&appends(), &[unknown(0, append(1, &[]).0), event(10, 19, read(&[])), event(20, 29, read(&[1]))]);
        sound(&appends(), &[failed(0, 9, append(1, &[]).0), event(10, 19, read(&[]))]);
    }

    #[test]
    fn lost_doubled_reordered_and_stale_ones_are_refused() {
        refused(&appends(), &[event(0, 9, append(1, &[1])), event(10, 19, append(2, &[2]))]);
        refused(&appends(), &[event(0, 9, append(1, &[1])), event(10, 19, read(&[1, 1]))]);
        refused(
            &appends(),
            &[event(0, 9, append(1, &[1])), event(0, 9, append(2, &[2, 1])), event(10, 19, read(&[1, 2]))],
        );
        refused(&appends(), &[event(0, 9, append(1, &[1])), event(10, 19, read(&[]))]);
        refused(&appends(), &[failed(0, 9, append(1, &[]).0), event(10, 19, read(&[1]))]);
    }
}
