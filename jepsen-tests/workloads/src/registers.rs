//! Registers: reads, writes, deletes, and writes on condition of single items, which must be linearizable key by key.
//!
//! A key is used for a bounded number of operations, then a fresh one: what the checker pays grows with what overlaps.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Operation, Shape, Value},
    history::Event,
    judging::{PerObject, item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use stator_linearizability::register::{Call, Register};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

pub struct Registers {
    table: String,
    keys: Keys,
    /// Values that were seen last: likely ones for a condition.
    likely: Mutex<BTreeMap<u64, Option<i64>>>,
}

impl Registers {
    pub fn new(table: String) -> Registers {
        Registers { table, keys: Keys::new(4, 60), likely: Mutex::default() }
    }

    fn read(&self, key: u64) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(key), consistency: Consistency::Strong }
    }

    fn put(&self, key: u64, value: i64, condition: Option<Expression>) -> Operation {
        let mut item = key_item(key);
        item.insert("v".to_owned(), value.into());
        Operation::Put { table: self.table.clone(), item, condition }
    }
}

fn key_item(key: u64) -> crate::Item {
    item([("pk", format!("register {key}").into())])
}

/// "The register holds this".
fn holds(value: Option<i64>) -> Expression {
    match value {
        None => Expression::new("attribute_not_exists(pk)", []),
        Some(value) => Expression::new("v = :v", [(":v", value.into())]),
    }
}

impl Workload for Registers {
    fn name(&self) -> &'static str {
        "register"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Hash)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, value) = self.keys.choose(session);
            let likely = self.likely.lock().unwrap_or_else(PoisonError::into_inner).get(&key).copied().flatten();
            let table = self.table.clone();
            let (operation, then) = match session.below(20) {
                0..10 => (self.read(key), None),
                10..15 => (self.put(key, value, None), Some(value)),
                15..19 => (self.put(key, value, Some(holds(likely))), Some(value)),
                _ => (Operation::Delete { table, key: key_item(key), condition: None }, None),
            };
            let now = match session.call(operation).await {
                Ok(Answer::Item(item)) => item.and_then(|item| number(&item, "v")),
                Ok(Answer::Written(_)) => then,
                _ => return,
            };
            self.likely.lock().unwrap_or_else(PoisonError::into_inner).insert(key, now);
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.keys.read_used(session, |key| vec![self.read(key)]).await })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let mut registers = PerObject::new();
        for (at, event) in history.iter().enumerate() {
            if let Some((object, call)) = call(event) {
                registers.add(object, at, event, call);
            }
        }
        registers.check(&Register, "an item is linearizable", &mut judgement);
        judgement
    }
}

/// What an event says of its register; `None`: nothing.
pub(crate) fn call(event: &Event) -> Option<(&str, Call)> {
    if event.answer().is_none() && !event.is_unknown() {
        return None;
    }
    let unsigned = |value: Option<&Value>| value.and_then(Value::number).and_then(|value| u64::try_from(value).ok());
    match (&event.operation, event.answer()) {
        (Operation::Get { key, consistency: Consistency::Strong, .. }, Some(Answer::Item(seen))) => {
            Some((text(key, "pk")?, Call::Read(seen.as_ref().and_then(|item| unsigned(item.get("v"))))))
        }
        (Operation::Put { item, condition: None, .. }, _) => {
            Some((text(item, "pk")?, Call::Write(unsigned(item.get("v")))))
        }
        (Operation::Put { item, condition: Some(condition), .. }, answer) => {
            let succeeded = answer.map(|answer| matches!(answer, Answer::Written(_)));
            let (from, to) = (unsigned(condition.values.get(":v")), unsigned(item.get("v")));
            Some((text(item, "pk")?, Call::CompareAndSet { from, to, succeeded }))
        }
        (Operation::Delete { key, condition: None, .. }, _) => Some((text(key, "pk")?, Call::Write(None))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, refused, sound, unknown};

    fn registers() -> Registers {
        Registers::new("t".to_owned())
    }

    fn read(seen: Option<i64>) -> (Operation, Answer) {
        let seen = seen.map(|value| item([("pk", "register 1".into()), ("v", value.into())]));
        (registers().read(1), Answer::Item(seen))
    }

    fn write(value: i64) -> (Operation, Answer) {
        (registers().put(1, value, None), Answer::Written(None))
    }

    #[test]
    fn what_fits_one_order_is_accepted() {
        let swap = registers().put(1, 8, Some(holds(Some(7))));
        sound(
            &registers(),
            &[
                event(0, 9, read(None)),
                event(10, 19, write(7)),
                event(20, 29, (swap.clone(), Answer::Written(None))),
                event(30, 39, (swap, Answer::ConditionFailed)),
                event(40, 49, read(Some(8))),
            ],
        );
        // A write without an answer may come late, or never.
        sound(&registers(), &[unknown(0, write(7).0), event(10, 19, read(None)), event(20, 29, read(Some(7)))]);
    }

    #[test]
    fn stale_reads_and_lost_writes_are_refused() {
        refused(&registers(), &[event(0, 9, write(7)), event(10, 19, read(None))]);
        refused(&registers(), &[event(0, 9, write(7)), event(10, 19, write(8)), event(20, 29, read(Some(7)))]);
        let swap = registers().put(1, 8, Some(holds(Some(7))));
        refused(&registers(), &[event(0, 9, write(6)), event(10, 19, (swap, Answer::Written(None)))]);
    }

    #[test]
    fn odd_answers_are_refused() {
        refused(&registers(), &[event(0, 9, (registers().read(1), Answer::NoSuchTable))]);
        let mut absurd = unknown(0, registers().read(1));
        absurd.outcome = Some(Err(Failure::Absurd("400".to_owned())));
        refused(&registers(), &[absurd]);
    }
}
