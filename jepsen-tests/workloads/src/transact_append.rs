//! Lists of several partitions and tables that transactions append to and read together, beside single appends and reads: strictly
//! serializable, all of them.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Operation, Shape, TransactItem, Value},
    history::Event,
    judging::{item, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use stator_cycles::{Fate, Isolation, Step, Transaction, check};
use std::collections::{BTreeMap, BTreeSet};

pub struct TransactAppends {
    tables: [String; 2],
    keys: Keys,
}

impl TransactAppends {
    pub fn new(table: &str) -> TransactAppends {
        TransactAppends { tables: [format!("{table}-a"), format!("{table}-b")], keys: Keys::new(5, 100) }
    }

    fn place(&self, key: u64) -> (String, crate::Item) {
        (self.tables[(key % 2) as usize].clone(), item([("pk", format!("list {key}").into())]))
    }

    fn append(value: i64) -> Expression {
        let values = [(":none", Value::List(Vec::new())), (":new", Value::List(vec![value]))];
        Expression::new("SET l = list_append(if_not_exists(l, :none), :new)", values)
    }

    /// Up to three keys, each with a value of its own.
    fn choose(&self, session: &Session) -> BTreeMap<u64, i64> {
        (0..1 + session.below(3)).map(|_| self.keys.choose(session)).collect()
    }

    fn transact_append(&self, session: &Session) -> Operation {
        let write = |(key, value)| {
            let (table, key) = self.place(key);
            TransactItem::Update { table, key, update: TransactAppends::append(value), condition: None }
        };
        Operation::TransactWrite { writes: self.choose(session).into_iter().map(write).collect(), token: None }
    }

    fn transact_read(&self, session: &Session) -> Operation {
        let keys: BTreeSet<u64> = self.choose(session).into_keys().collect();
        Operation::TransactGet { gets: keys.into_iter().map(|key| self.place(key)).collect() }
    }

    fn read(&self, key: u64) -> Operation {
        let (table, key) = self.place(key);
        Operation::Get { table, key, consistency: Consistency::Strong }
    }
}

impl Workload for TransactAppends {
    fn name(&self) -> &'static str {
        "transact-append"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        self.tables.iter().map(|table| (table.clone(), Shape::Hash)).collect()
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let operation = match session.below(10) {
                0..=3 => self.transact_append(session),
                4..=6 => self.transact_read(session),
                7 => {
                    let (key, value) = self.keys.choose(session);
                    let (table, key) = self.place(key);
                    Operation::Update { table, key, update: TransactAppends::append(value), condition: None }
                }
                _ => self.read(self.keys.choose(session).0),
            };
            // Its outcome is in the history.
            let _ = session.call(operation).await;
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.keys.read_used(session, |key| vec![self.read(key)]).await })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let (mut transactions, mut places) = (Vec::new(), Vec::new());
        for (at, event) in history.iter().enumerate() {
            if let Some(transaction) = transaction(event) {
                transactions.push(transaction);
                places.push(at);
            }
        }
        for anomaly in check(&transactions).iter().filter(|anomaly| Isolation::StrictSerializable.forbids(anomaly)) {
            let witnesses = anomaly.transactions.iter().map(|place| places[*place]).collect();
            judgement.violate("transactions are strictly serializable", anomaly.to_string(), witnesses);
        }
        judgement
    }
}

/// The number in a list's name.
fn key_of(item: &crate::Item) -> Option<u64> {
    text(item, "pk")?.strip_prefix("list ")?.parse().ok()
}

fn list_of(item: Option<&crate::Item>) -> Vec<u64> {
    let list = item.and_then(|item| item.get("l")?.list()).unwrap_or_default();
    list.iter().map(|value| *value as u64).collect()
}

fn appends(key: &crate::Item, update: &Expression) -> Option<Vec<Step>> {
    let key = key_of(key)?;
    let new = update.values.get(":new").and_then(Value::list)?;
    Some(new.iter().map(|value| Step::Append { key, value: *value as u64 }).collect())
}

/// An event as a transaction.
fn transaction(event: &Event) -> Option<Transaction> {
    let mut steps = Vec::new();
    let mut keys = Vec::new();
    match &event.operation {
        Operation::Update { key, update, .. } => {
            steps.extend(appends(key, update)?);
            keys.push(key_of(key)?);
        }
        Operation::Get { key, .. } => keys.push(key_of(key)?),
        Operation::TransactGet { gets } => keys.extend(gets.iter().filter_map(|(_, key)| key_of(key))),
        Operation::TransactWrite { writes, .. } => {
            for write in writes {
                let TransactItem::Update { key, update, .. } = write else { return None };
                steps.extend(appends(key, update)?);
            }
        }
        _ => return None,
    }
    let seen: Option<Vec<Option<&crate::Item>>> = match event.answer() {
        Some(Answer::Item(seen)) => Some(vec![seen.as_ref()]),
        Some(Answer::Items(seen)) => Some(seen.iter().map(Option::as_ref).collect()),
        Some(Answer::Written(seen)) => Some(seen.iter().map(Some).collect()),
        _ => None,
    };
    let fate = match seen {
        Some(seen) => {
            let read = |(key, item): (u64, Option<&crate::Item>)| Step::Read { key, list: list_of(item) };
            steps.extend(keys.into_iter().zip(seen).map(read));
            Fate::Committed
        }
        None if event.is_unknown() => Fate::Unknown,
        None => Fate::Aborted,
    };
    Some(Transaction { process: event.client, steps, fate, started: event.started_us, ended: event.effective_by_us() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, refused, sound, unknown};

    fn appends() -> TransactAppends {
        TransactAppends::new("t")
    }

    fn list(key: u64, list: &[i64]) -> Option<crate::Item> {
        (!list.is_empty()).then(|| item([("pk", format!("list {key}").into()), ("l", list.to_vec().into())]))
    }

    fn write(values: &[(u64, i64)]) -> Operation {
        let write = |(key, value): &(u64, i64)| {
            let (table, key) = appends().place(*key);
            TransactItem::Update { table, key, update: TransactAppends::append(*value), condition: None }
        };
        Operation::TransactWrite { writes: values.iter().map(write).collect(), token: None }
    }

    fn wrote(values: &[(u64, i64)]) -> (Operation, Answer) {
        (write(values), Answer::Written(None))
    }

    fn read(lists: &[(u64, &[i64])]) -> (Operation, Answer) {
        let gets = lists.iter().map(|(key, _)| appends().place(*key)).collect();
        (Operation::TransactGet { gets }, Answer::Items(lists.iter().map(|(key, seen)| list(*key, seen)).collect()))
    }

    #[test]
    fn one_order_is_accepted() {
        sound(
            &appends(),
            &[
                event(0, 9, wrote(&[(1, 1), (2, 2)])),
                event(5, 15, wrote(&[(1, 3)])),
                event(20, 29, read(&[(1, &[1, 3]), (2, &[2])])),
            ],
        );
        sound(&appends(), &[unknown(0, write(&[(1, 1), (2, 2)])), event(10, 19, read(&[(1, &[]), (2, &[])]))]);
        let cancelled = (write(&[(1, 1)]), Answer::Cancelled(vec!["TransactionConflict".to_owned()]));
        sound(&appends(), &[event(0, 9, cancelled), event(10, 19, read(&[(1, &[])]))]);
    }

    #[test]
    fn halves_of_transactions_are_refused() {
        refused(
            &appends(),
            &[
                event(0, 29, wrote(&[(1, 1), (2, 2)])),
                event(10, 19, read(&[(1, &[1]), (2, &[])])),
                event(30, 39, read(&[(1, &[1]), (2, &[2])])),
            ],
        );
        refused(&appends(), &[event(0, 9, wrote(&[(1, 1), (2, 2)])), event(10, 19, read(&[(1, &[1]), (2, &[])]))]);
        let cancelled = (write(&[(1, 1)]), Answer::Cancelled(vec!["TransactionConflict".to_owned()]));
        refused(&appends(), &[event(0, 9, cancelled), event(10, 19, read(&[(1, &[1])]))]);
    }
}
