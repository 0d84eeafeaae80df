//! Items that expire: each is written with a few seconds to live and renewed for a day at about the moment in which it expires.
//! Either it had left by then, or it stays.
//!
//! A day is longer than clocks are set forward here, so that no clock excuses an item that left early.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Item, Operation, Shape},
    history::Event,
    judging::{item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use std::{collections::BTreeMap, time::Duration};

/// What an item is renewed for, in seconds.
const DAY_S: i64 = 24 * 60 * 60;
/// From when on an expiry counts as that of an item that was renewed, in seconds from the moment of looking.
const LONG_S: i64 = DAY_S / 2;
/// Of a deletion that is due: looks, and the time between them. Clocks that were set back make it late.
const LOOKS_MAX: u32 = 150;
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub struct Expiries {
    table: String,
    /// Each for one turn: nobody else writes the item.
    keys: Keys,
}

impl Expiries {
    pub fn new(table: String) -> Expiries {
        Expiries { table, keys: Keys::new(1, 1) }
    }

    fn put(&self, key: u64, expires: i64) -> Operation {
        let mut item = key_item(key);
        item.insert("expires".to_owned(), expires.into());
        Operation::Put { table: self.table.clone(), item, condition: None }
    }

    fn renew(&self, key: u64, expires: i64) -> Operation {
        let update = Expression::new("SET expires = :expires", [(":expires", expires.into())]);
        let condition = Some(Expression::new("attribute_exists(pk)", []));
        Operation::Update { table: self.table.clone(), key: key_item(key), update, condition }
    }

    fn read(&self, key: u64) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(key), consistency: Consistency::Strong }
    }
}

fn key_item(key: u64) -> Item {
    item([("pk", format!("session {key}").into())])
}

impl Workload for Expiries {
    fn name(&self) -> &'static str {
        "ttl"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Expiring)]
    }

    /// Outcomes are in the history.
    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, _) = self.keys.choose(session);
            let expires = session.surroundings.wall_s() + 1 + session.below(2) as i64;
            if session.call(self.put(key, expires)).await.is_err() {
                return;
            }
            if session.below(4) == 0 {
                return;
            }
            // Deletion comes within a second or so of it, and so does this.
            let until = (expires - session.surroundings.wall_s()).max(0) as u64 * 1_000 + session.below(1_200);
            session.surroundings.sleep(Duration::from_millis(until)).await;
            let _ = session.call(self.renew(key, session.surroundings.wall_s() + DAY_S)).await;
            for _ in 0..3 {
                session.surroundings.sleep(Duration::from_millis(session.below(600))).await;
                let _ = session.call(self.read(key)).await;
            }
        })
    }

    /// Every item once more. Those that were not renewed must have left.
    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            for key in self.keys.used() {
                for look in 0..=LOOKS_MAX {
                    let Answer::Item(Some(found)) = session.call(self.read(key)).await? else { break };
                    let now_s = session.surroundings.wall_s();
                    if number(&found, "expires").is_some_and(|expires| expires > now_s + LONG_S) {
                        break;
                    }
                    if look == LOOKS_MAX {
                        return Err(Failure::Unknown(format!("at second {now_s}, {found:?} has not left")));
                    }
                    session.surroundings.sleep(LOOK_EVERY).await;
                }
            }
            Ok(())
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let mut items: BTreeMap<&str, Life> = BTreeMap::new();
        for (at, event) in history.iter().enumerate() {
            let (Operation::Get { key, .. } | Operation::Update { key, .. } | Operation::Put { item: key, .. }) =
                &event.operation
            else {
                continue;
            };
            items.entry(text(key, "pk").unwrap_or_default()).or_default().live(at, event, &mut judgement);
        }
        let count = |is_so: fn(&Life) -> bool| items.values().filter(|life| is_so(life)).count() as f64;
        judgement.figures.insert("items renewed".to_owned(), count(|life| life.renewed.is_some()));
        judgement.figures.insert("items left".to_owned(), count(|life| life.left.is_some()));
        judgement
    }
}

const STAYS: &str = "an item that was renewed stays";
const LEAVES: &str = "an item that has left does not come back";

/// What is known of an item, which one client alone writes and reads, one operation after the other.
#[derive(Default)]
struct Life {
    /// When it was to expire at first.
    expires: i64,
    /// The event that put it.
    made: Option<usize>,
    /// The event that showed it to be renewed.
    renewed: Option<usize>,
    /// The event that showed that it is not there any more.
    left: Option<usize>,
}

impl Life {
    fn live(&mut self, at: usize, event: &Event, judgement: &mut Judgement) {
        if let Operation::Put { item, .. } = &event.operation {
            self.expires = number(item, "expires").unwrap_or_default();
        }
        match (&event.operation, event.answer()) {
            (Operation::Put { .. }, Some(Answer::Written(_))) => self.made = Some(at),
            (Operation::Update { .. }, Some(Answer::Written(_))) => self.is_there(true, at, judgement),
            (Operation::Update { .. }, Some(Answer::ConditionFailed)) => self.is_gone(at, judgement),
            (Operation::Get { .. }, Some(Answer::Item(found))) => match found {
                Some(found) => {
                    let expires = number(found, "expires").unwrap_or_default();
                    self.is_there(expires > self.expires + LONG_S, at, judgement);
                }
                None => self.is_gone(at, judgement),
            },
            _ => {}
        }
    }

    fn is_there(&mut self, is_renewed: bool, at: usize, judgement: &mut Judgement) {
        if let Some(left) = self.left {
            judgement.violate(LEAVES, "it left and came back".to_owned(), vec![left, at]);
        }
        if is_renewed {
            self.renewed.get_or_insert(at);
        }
    }

    fn is_gone(&mut self, at: usize, judgement: &mut Judgement) {
        if let Some(renewed) = self.renewed {
            judgement.violate(STAYS, "it was renewed for a day, and is gone".to_owned(), vec![renewed, at]);
        } else if self.made.is_some() {
            // One that may come late has not left.
            self.left.get_or_insert(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, failed, refused, sound, unknown};

    fn expiries() -> Expiries {
        Expiries::new("t".to_owned())
    }

    fn put() -> (Operation, Answer) {
        (expiries().put(1, 100), Answer::Written(None))
    }

    fn renewed(answer: Answer) -> (Operation, Answer) {
        (expiries().renew(1, 100 + DAY_S), answer)
    }

    fn read(expires: Option<i64>) -> (Operation, Answer) {
        let found = expires.map(|expires| item([("pk", "session 1".into()), ("expires", expires.into())]));
        (expiries().read(1), Answer::Item(found))
    }

    #[test]
    fn items_that_stay_or_leave_are_accepted() {
        let written = || renewed(Answer::Written(None));
        let stays = [event(0, 9, put()), event(10, 19, written()), event(20, 29, read(Some(100 + DAY_S)))];
        sound(&expiries(), &stays);
        let gone = || event(20, 29, read(None));
        sound(&expiries(), &[event(0, 9, put()), event(10, 19, renewed(Answer::ConditionFailed)), gone()]);
        // A renewal without an answer may not have happened, and neither has one that was refused.
        sound(&expiries(), &[event(0, 9, put()), unknown(10, expiries().renew(1, 9)), gone()]);
        sound(&expiries(), &[event(0, 9, put()), failed(10, 19, expiries().renew(1, 9)), gone()]);
        // A put without an answer may come late.
        sound(&expiries(), &[unknown(0, expiries().put(1, 100)), gone(), event(30, 39, read(Some(100)))]);
    }

    #[test]
    fn what_was_renewed_and_is_gone_is_refused() {
        let written = || renewed(Answer::Written(None));
        refused(&expiries(), &[event(0, 9, put()), event(10, 19, written()), event(20, 29, read(None))]);
        let lost = unknown(10, expiries().renew(1, 100 + DAY_S));
        let seen = event(20, 29, read(Some(100 + DAY_S)));
        refused(&expiries(), &[event(0, 9, put()), lost, seen, event(30, 39, read(None))]);
    }

    #[test]
    fn what_comes_back_is_refused() {
        refused(&expiries(), &[event(0, 9, put()), event(10, 19, read(None)), event(20, 29, read(Some(100)))]);
        let back = renewed(Answer::Written(None));
        refused(&expiries(), &[event(0, 9, put()), event(10, 19, read(None)), event(20, 29, back)]);
    }
}
