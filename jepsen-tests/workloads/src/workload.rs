//! What a workload is, and what an instrument does with it:
//!
//! 1. [`make_tables`],
//! 2. several clients, each with a [`Session`] of its own, take [`Workload::turn`]s while faults come and go,
//! 3. everything heals; [`Workload::last_reads`] until it succeeds,
//! 4. [`Workload::check`] judges the history. It needs the history only, so one from a file can be judged as well.

use crate::{
    client::{Answer, BoxFuture, Client, Failure, Operation, Outcome, Shape, TableStatus},
    history::{Event, History},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub trait Workload: Send + Sync {
    fn name(&self) -> &'static str;

    /// The tables that must be there before the first turn.
    fn tables(&self) -> Vec<(String, Shape)>;

    /// Whether it makes and deletes tables: then one that is not there is not odd.
    fn changes_tables(&self) -> bool {
        false
    }

    /// One turn of one client: an operation, or a few that belong together. Failures are in the history.
    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()>;

    /// Reads everything once more when all faults are healed. An error: not everything could be read, so try again later.
    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>>;

    /// Judges a history of this workload alone.
    fn check(&self, history: &[Event]) -> Judgement;
}

/// What is asked of a client's surroundings.
pub trait Surroundings: Send + Sync {
    /// A random number below `end`; 0 if that is 0.
    fn random_below(&self, end: u64) -> u64;
    /// Time since some fixed moment, the same clock for all clients.
    fn now_us(&self) -> u64;
    /// Seconds since 1970, as a clock has them that is right.
    fn wall_s(&self) -> i64;
    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()>;
}

/// One client at work.
#[derive(Clone)]
pub struct Session {
    pub number: u64,
    pub client: Arc<dyn Client>,
    pub surroundings: Arc<dyn Surroundings>,
    pub history: Arc<History>,
}

impl Session {
    /// Carries out one operation that belongs to no others, recorded.
    pub async fn call(&self, operation: Operation) -> Outcome {
        self.call_in(0, operation).await
    }

    /// Carries out one operation of a group, recorded.
    pub async fn call_in(&self, group: u64, operation: Operation) -> Outcome {
        let id = self.history.begin(self.number, group, self.surroundings.now_us(), operation.clone());
        let outcome = self.client.call(operation).await;
        self.history.end(id, self.surroundings.now_us(), outcome.clone());
        outcome
    }

    pub fn below(&self, end: u64) -> u64 {
        self.surroundings.random_below(end)
    }
}

/// What a history says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Judgement {
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// What could not be decided, and why. Must count as a failure.
    pub undecided: Vec<String>,
    /// What was measured, by name with unit.
    pub figures: BTreeMap<String, f64>,
}

/// A broken promise.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// What is promised.
    pub promise: &'static str,
    /// What happened instead.
    pub explanation: String,
    /// The few events that contradict it or one another, by their places in the history.
    pub witnesses: Vec<usize>,
}

impl Judgement {
    pub fn violate(&mut self, promise: &'static str, explanation: String, witnesses: Vec<usize>) {
        self.violations.push(Violation { promise, explanation, witnesses });
    }

    pub fn holds(&self) -> bool {
        self.violations.is_empty() && self.undecided.is_empty()
    }
}

/// Attempts to make a table, or to see it active, half a second apart.
const TABLE_TRIES_MAX: u32 = 120;

/// Makes tables and waits until they are active. Not recorded.
pub async fn make_tables(
    client: &dyn Client,
    surroundings: &dyn Surroundings,
    tables: &[(String, Shape)],
) -> Result<(), String> {
    for (table, shape) in tables {
        let mut last = None;
        for _ in 0..TABLE_TRIES_MAX {
            let described = client.call(Operation::DescribeTable { table: table.clone() }).await;
            match described {
                Ok(Answer::Table(TableStatus::Active)) => {
                    last = match shape {
                        Shape::Expiring => {
                            let enabled = client.call(Operation::EnableTimeToLive { table: table.clone() }).await;
                            Some(enabled).filter(|enabled| !matches!(enabled, Ok(Answer::Written(_))))
                        }
                        _ => None,
                    };
                    if last.is_none() {
                        break;
                    }
                }
                Ok(Answer::NoSuchTable) => {
                    last = Some(client.call(Operation::CreateTable { table: table.clone(), shape: *shape }).await);
                }
                other => last = Some(other),
            }
            surroundings.sleep(Duration::from_millis(500)).await;
        }
        if let Some(outcome) = last {
            return Err(format!("table {table} did not become active; the last answer was {outcome:?}"));
        }
    }
    Ok(())
}
