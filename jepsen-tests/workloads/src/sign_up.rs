//! Sign-up: many want one name, `attribute_not_exists` lets one have it.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Operation, Shape},
    history::Event,
    judging::{PerObject, item},
    keys::Keys,
    registers::call,
    workload::{Judgement, Session, Workload},
};
use stator_linearizability::register::Register;
use std::collections::BTreeMap;

pub struct SignUps {
    table: String,
    names: Keys,
}

impl SignUps {
    pub fn new(table: String) -> SignUps {
        SignUps { table, names: Keys::new(2, 12) }
    }

    fn claim(&self, name: u64, owner: i64) -> Operation {
        let mut item = key_item(name);
        item.insert("v".to_owned(), owner.into());
        let condition = Some(Expression::new("attribute_not_exists(pk)", []));
        Operation::Put { table: self.table.clone(), item, condition }
    }

    fn read(&self, name: u64) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(name), consistency: Consistency::Strong }
    }
}

fn key_item(name: u64) -> crate::Item {
    item([("pk", format!("name {name}").into())])
}

impl Workload for SignUps {
    fn name(&self) -> &'static str {
        "unique"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Hash)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (name, owner) = self.names.choose(session);
            let operation = if session.below(4) == 0 { self.read(name) } else { self.claim(name, owner) };
            // Its outcome is in the history.
            let _ = session.call(operation).await;
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.names.read_used(session, |name| vec![self.read(name)]).await })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let (mut names, mut winners) = (PerObject::new(), BTreeMap::new());
        for (at, event) in history.iter().enumerate() {
            let Some((name, call)) = call(event) else { continue };
            if let (Operation::Put { .. }, Some(Answer::Written(_))) = (&event.operation, event.answer())
                && let Some(other) = winners.insert(name.to_owned(), at)
            {
                judgement.violate("one gets the name", format!("two were given {name}"), vec![other, at]);
            }
            names.add(name, at, event, call);
        }
        names.check(&Register, "who has the name keeps it, and only who was refused has not", &mut judgement);
        judgement
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, refused, sound, unknown};

    fn names() -> SignUps {
        SignUps::new("t".to_owned())
    }

    fn won(owner: i64) -> (Operation, Answer) {
        (names().claim(1, owner), Answer::Written(None))
    }

    fn lost(owner: i64) -> (Operation, Answer) {
        (names().claim(1, owner), Answer::ConditionFailed)
    }

    fn read(owner: i64) -> (Operation, Answer) {
        let mut item = key_item(1);
        item.insert("v".to_owned(), owner.into());
        (names().read(1), Answer::Item(Some(item)))
    }

    #[test]
    fn one_winner_is_accepted() {
        sound(&names(), &[event(0, 9, won(1)), event(5, 15, lost(2)), event(20, 29, read(1))]);
        sound(&names(), &[unknown(0, won(1).0), event(5, 15, lost(2)), event(20, 29, read(1))]);
        sound(&names(), &[unknown(0, won(1).0), event(5, 15, won(2)), event(20, 29, read(2))]);
    }

    #[test]
    fn two_winners_none_and_another_owner_are_refused() {
        refused(&names(), &[event(0, 9, won(1)), event(10, 19, won(2))]);
        refused(&names(), &[event(0, 9, lost(1))]);
        refused(&names(), &[event(0, 9, won(1)), event(10, 19, read(2))]);
        refused(&names(), &[event(0, 9, won(1)), event(10, 19, (names().read(1), Answer::Item(None)))]);
    }
}
