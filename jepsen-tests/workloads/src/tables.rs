//! Tables that are made, used, deleted and made again: a table that is active is there until somebody deletes it, and one that
//! was made again has nothing of the one before.
//!
//! DescribeTable is eventually consistent: just after a table was made again it may show the one before. So only in a name's
//! first life does a look that shows it as active prove anything; later lives are checked for what is in them.
//!
//! A name belongs to one client, and is given up once an outcome of its making or deletion is unknown: that could still happen.

use crate::{
    client::{Answer, BoxFuture, Consistency, Failure, Operation, Outcome, PageOf, Shape, TableStatus},
    history::Event,
    judging::{item, number},
    workload::{Judgement, Session, Workload},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Lives of one name.
const LIVES_MAX: u64 = 3;
/// Looks at a table on its way, a quarter of a second apart.
const LOOKS_MAX: u32 = 40;
/// How long a table may be on its way when nothing is broken any more.
const WAY_MAX: Duration = Duration::from_secs(60);

pub struct Tables {
    prefix: String,
    /// Per client: how many names it has used, and lives of the present one.
    names: Mutex<BTreeMap<u64, (u64, u64)>>,
}

impl Tables {
    pub fn new(prefix: String) -> Tables {
        Tables { prefix, names: Mutex::default() }
    }

    /// The client's table, and the number of the life that begins now.
    fn begin_life(&self, client: u64) -> (String, u64) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, lives) = names.entry(client).or_default();
        *lives += 1;
        (format!("{}-{client}-{name}", self.prefix), *lives)
    }

    fn give_up_name(&self, client: u64) {
        if let Some((name, lives)) = self.names.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&client) {
            (*name, *lives) = (*name + 1, 0);
        }
    }

    /// One life of a table. `None`: how it stands is not known.
    async fn live(&self, session: &Session, table: &str, life: u64) -> Option<()> {
        let group = session.history.new_group();
        let call = async |operation: Operation| session.call_in(group, operation).await;
        let named = || table.to_owned();
        match call(Operation::CreateTable { table: named(), shape: Shape::HashAndRange }).await {
            Ok(Answer::Table(_)) => {}
            _ => return None,
        }
        self.wait(session, group, table, |outcome| *outcome == Ok(Answer::Table(TableStatus::Active))).await?;
        for number in 0..1 + session.below(4) {
            let item = item([
                ("pk", format!("life {life}").into()),
                ("sk", (number as i64).into()),
                ("v", (life as i64).into()),
            ]);
            // Its outcome is in the history.
            let _ = call(Operation::Put { table: named(), item, condition: None }).await;
        }
        let (of, consistency) = (PageOf::Scan, Consistency::Strong);
        let _ = call(Operation::Page { table: named(), of, consistency, limit: None, after: None }).await;
        match call(Operation::DeleteTable { table: named() }).await {
            Ok(Answer::Table(_)) => {}
            _ => return None,
        }
        self.wait(session, group, table, |outcome| *outcome == Ok(Answer::NoSuchTable)).await
    }

    /// Looks at a table until it is so; `None`: it was not for long.
    async fn wait(
        &self,
        session: &Session,
        group: u64,
        table: &str,
        is_so: impl Fn(&Outcome) -> bool + Send,
    ) -> Option<()> {
        for _ in 0..LOOKS_MAX {
            let look = session.call_in(group, Operation::DescribeTable { table: table.to_owned() }).await;
            if is_so(&look) {
                return Some(());
            }
            session.surroundings.sleep(Duration::from_millis(250)).await;
        }
        None
    }
}

impl Workload for Tables {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        Vec::new()
    }

    fn changes_tables(&self) -> bool {
        true
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (table, life) = self.begin_life(session.number);
            if self.live(session, &table, life).await.is_none() || life >= LIVES_MAX {
                self.give_up_name(session.number);
            }
        })
    }

    /// When all is healed, a table can be made and deleted, and none is on its way for ever.
    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (table, life) = self.begin_life(session.number);
            let by_us = session.surroundings.now_us() + WAY_MAX.as_micros() as u64;
            if self.live(session, &table, life).await.is_none() {
                self.give_up_name(session.number);
                return Err(Failure::Unknown(format!("table {table} was not made and deleted")));
            }
            loop {
                let mut on_its_way = None;
                for table in self.names_of_all() {
                    let look = session.call(Operation::DescribeTable { table: table.clone() }).await?;
                    if matches!(look, Answer::Table(status) if status != TableStatus::Active) {
                        on_its_way = Some(table);
                    }
                }
                let Some(table) = on_its_way else { return Ok(()) };
                if session.surroundings.now_us() > by_us {
                    return Err(Failure::Unknown(format!("table {table} is on its way for too long")));
                }
                session.surroundings.sleep(Duration::from_millis(500)).await;
            }
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        let mut names: BTreeMap<&str, Name> = BTreeMap::new();
        for (at, event) in history.iter().enumerate() {
            // Only the name's own client: it does one thing after the other. Group 0 are looks of anybody.
            if event.group > 0 {
                names.entry(event.operation.table()).or_default().step(at, event, &mut judgement);
            }
        }
        judgement
    }
}

impl Tables {
    fn names_of_all(&self) -> Vec<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(client, (last, _)): (&u64, &(u64, u64))| {
            let client = *client;
            (0..=*last).map(move |name| (client, name))
        };
        names.iter().flat_map(of).map(|(client, name)| format!("{}-{client}-{name}", self.prefix)).collect()
    }
}

/// What is known of a name.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Known {
    /// Never made, or deleted to the end.
    #[default]
    Absent,
    /// Made, or being made.
    Made,
    Active,
    /// Being deleted.
    Deleted,
    /// Its making or deletion may or may not happen.
    Open,
}

#[derive(Default)]
struct Name {
    known: Known,
    since: usize,
    lives: u64,
    /// Items that must, and may, be there.
    written: BTreeMap<(String, i64), bool>,
}

impl Name {
    fn become_known(&mut self, known: Known, at: usize) {
        (self.known, self.since) = (known, at);
    }

    /// Whether what a look shows may be of an earlier table.
    fn looks_may_be_old(&self) -> bool {
        self.lives > 1
    }

    fn step(&mut self, at: usize, event: &Event, judgement: &mut Judgement) {
        let witnesses = vec![self.since, at];
        match (&event.operation, &event.outcome) {
            (_, Some(Err(Failure::Definite(_)))) => {}
            (Operation::CreateTable { .. }, Some(Ok(answer))) => match (self.known, answer) {
                (Known::Absent, Answer::Table(_)) => {
                    self.written.clear();
                    self.lives += 1;
                    self.become_known(Known::Made, at);
                }
                (Known::Open, _) => {}
                (known, answer) => judgement.violate(
                    "a free name can be had",
                    format!("CreateTable of a name that is {known:?} said {answer:?}"),
                    witnesses,
                ),
            },
            (Operation::DeleteTable { .. }, Some(Ok(answer))) => match (self.known, answer) {
                (Known::Active, Answer::Table(_)) => self.become_known(Known::Deleted, at),
                (Known::Open, _) => {}
                (Known::Active, _) if self.looks_may_be_old() => self.become_known(Known::Open, at),
                (known, answer) => judgement.violate(
                    "an active table can be deleted",
                    format!("DeleteTable of a table that is {known:?} said {answer:?}"),
                    witnesses,
                ),
            },
            (Operation::CreateTable { .. } | Operation::DeleteTable { .. }, _) => self.become_known(Known::Open, at),
            (Operation::DescribeTable { .. }, Some(Ok(answer))) => self.see(at, answer, judgement),
            (Operation::Put { item, .. }, outcome) => {
                let is_done = matches!(outcome, Some(Ok(Answer::Written(_))));
                let key = (format!("{:?}", item.get("pk")), number(item, "sk").unwrap_or_default());
                self.written.insert(key, is_done);
                self.must_be_there(outcome.as_ref(), witnesses, judgement);
            }
            (Operation::Page { .. }, outcome) => {
                self.must_be_there(outcome.as_ref(), witnesses, judgement);
                if let Some(Ok(Answer::Page { items, next: None })) = outcome {
                    self.compare(at, items, judgement);
                }
            }
            _ => {}
        }
    }

    /// A look at the table.
    fn see(&mut self, at: usize, answer: &Answer, judgement: &mut Judgement) {
        let (Answer::Table(_) | Answer::NoSuchTable) = answer else { return };
        let status = if let Answer::Table(status) = answer { Some(*status) } else { None };
        match (self.known, status) {
            (Known::Made, Some(TableStatus::Active)) => self.become_known(Known::Active, at),
            (Known::Deleted, None) => self.become_known(Known::Absent, at),
            (Known::Made, Some(TableStatus::Creating))
            | (Known::Active, Some(TableStatus::Active))
            | (Known::Deleted, Some(TableStatus::Deleting))
            | (Known::Absent, None)
            | (Known::Open, _) => {}
            _ if self.looks_may_be_old() => {}
            // DescribeTable is eventually consistent: just after a change another node may not know of it.
            (Known::Made, None) | (Known::Deleted, Some(TableStatus::Active)) => {}
            (known, status) => judgement.violate(
                "a table's status goes one way",
                format!("a table that is {known:?} was seen as {status:?}"),
                vec![self.since, at],
            ),
        }
    }

    fn must_be_there(&self, outcome: Option<&Outcome>, witnesses: Vec<usize>, judgement: &mut Judgement) {
        let is_gone = outcome == Some(&Ok(Answer::NoSuchTable));
        if self.known == Known::Active && is_gone && !self.looks_may_be_old() {
            let explanation = "an active table was not found".to_owned();
            judgement.violate("an active table is there", explanation, witnesses);
        }
    }

    fn compare(&self, at: usize, items: &[crate::Item], judgement: &mut Judgement) {
        let key = |item: &crate::Item| (format!("{:?}", item.get("pk")), number(item, "sk").unwrap_or_default());
        for item in items.iter().filter(|item| !self.written.contains_key(&key(item))) {
            let explanation = format!("{item:?} was never written to this table");
            judgement.violate("a new table is empty", explanation, vec![self.since, at]);
        }
        for (missing, _) in self.written.iter().filter(|(_, is_done)| **is_done) {
            if !items.iter().any(|item| key(item) == *missing) {
                let explanation = format!("{missing:?} is gone");
                judgement.violate("a table keeps its items", explanation, vec![self.since, at]);
            }
        }
    }
}

#[cfg(test)]
mod tests;
