//! The clients: each takes its turns in one workload, at a pace, until it is told to stop.

use crate::dice::Dice;
use stator_workloads::{
    client::{BoxFuture, Client},
    history::{Event, History},
    workload::{Judgement, Session, Surroundings, Workload},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::watch, task::JoinSet};

/// Real time and random numbers.
pub struct Outside {
    pub started: Instant,
    pub dice: Dice,
}

impl Surroundings for Outside {
    fn random_below(&self, end: u64) -> u64 {
        self.dice.below(end)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn wall_s(&self) -> i64 {
        // A clock before 1970 is not right: then everything has expired.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A workload, and where its tables' names begin.
pub struct Part {
    pub name: String,
    pub prefix: String,
    pub workload: Arc<dyn Workload>,
}

/// How fast and how much.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Of each workload.
    pub clients: u64,
    /// Turns a second, all clients together.
    pub turns_per_second: u64,
    /// In all: the history must fit into memory.
    pub turns_max: i64,
}

pub struct Drive {
    clients: JoinSet<()>,
    stop: watch::Sender<bool>,
    is_full: Arc<AtomicBool>,
}

/// A session for somebody who is none of the clients.
pub fn session(number: u64, client: &Arc<dyn Client>, outside: &Arc<Outside>, history: &Arc<History>) -> Session {
    Session { number, client: client.clone(), surroundings: outside.clone(), history: history.clone() }
}

impl Drive {
    pub fn begin(
        parts: &[Part],
        pace: Pace,
        client: &Arc<dyn Client>,
        outside: &Arc<Outside>,
        history: &Arc<History>,
    ) -> Drive {
        let stop = watch::Sender::new(false);
        let is_full = Arc::new(AtomicBool::new(false));
        let turns_left = Arc::new(AtomicI64::new(pace.turns_max));
        let mut clients = JoinSet::new();
        let all = (pace.clients * parts.len() as u64).max(1);
        let between = Duration::from_secs_f64(all as f64 / pace.turns_per_second.max(1) as f64);
        for (place, part) in parts.iter().enumerate() {
            for number in 0..pace.clients {
                let session = session(place as u64 * pace.clients + number, client, outside, history);
                let turns = Turns {
                    workload: part.workload.clone(),
                    session,
                    between,
                    turns_left: turns_left.clone(),
                    is_full: is_full.clone(),
                };
                clients.spawn(turns.take(stop.subscribe()));
            }
        }
        Drive { clients, stop, is_full }
    }

    /// Whether it has ended by itself.
    pub fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Waits until every client has heard what became of its last operation.
    pub async fn end(mut self) {
        self.stop.send_replace(true);
        while self.clients.join_next().await.is_some() {}
    }
}

struct Turns {
    workload: Arc<dyn Workload>,
    session: Session,
    between: Duration,
    turns_left: Arc<AtomicI64>,
    is_full: Arc<AtomicBool>,
}

impl Turns {
    async fn take(self, stop: watch::Receiver<bool>) {
        let mut before = Instant::now();
        while !*stop.borrow() {
            self.workload.turn(&self.session).await;
            if self.turns_left.fetch_sub(1, Ordering::Relaxed) <= 0 {
                self.is_full.store(true, Ordering::Relaxed);
                return;
            }
            // Spread around the pace, so that clients do not march in step.
            let jitter =
                Duration::from_micros(self.session.below(u64::try_from(self.between.as_micros()).unwrap_or(0)));
            let due = before + self.between / 2 + jitter;
            let early = due.saturating_duration_since(Instant::now());
            tokio::time::sleep(early).await;
            before = Instant::now();
        }
    }
}

/// Judges each workload's share of a history, which it knows by its tables. Witnesses are places in the whole.
pub fn judge(part: &Part, events: &[Event]) -> Judgement {
    let own: Vec<(usize, Event)> = events
        .iter()
        .enumerate()
        .filter(|(_, event)| event.operation.table().starts_with(&part.prefix))
        .map(|(place, event)| (place, event.clone()))
        .collect();
    let (places, own): (Vec<usize>, Vec<Event>) = own.into_iter().unzip();
    let mut judgement = stator_workloads::judge(&*part.workload, &own);
    for violation in &mut judgement.violations {
        violation.witnesses = violation.witnesses.iter().filter_map(|place| places.get(*place).copied()).collect();
    }
    judgement
}
