//! The sweep: every leader looks whether transactions wait in its partitions for longer than any coordinator should need, and
//! brings them to their end.
//!
//! An intent's transaction has the decision that stands at its home; where none does, the sweep writes an abort there, so that a
//! slow coordinator cannot commit any more. A commit is finished everywhere, and forgotten.

use super::finishing::{finish_all, finish_one, forget, submit};
use crate::{
    door::{Deadline, Door},
    router::Router,
};
use parking_lot::Mutex;
use stator_item::PartitionId;
use stator_mutants::Mutant;
use stator_partition::{
    Command, Refusal, Reply,
    transaction::{Decide, Decision, Finish, Place, TransactionId, Unfinished, Verdict},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Transactions that one look at a partition takes up, of each kind.
const LOOK_AT_MOST: usize = 64;
/// Transactions that are brought to their end at once.
const AT_ONCE_MAX: usize = 64;
/// How long one attempt may take.
const ATTEMPT_MAX: Duration = Duration::from_secs(5);

/// A transaction in one partition: its intents there, or its commit.
type Case = (PartitionId, TransactionId, bool);

/// Brings abandoned transactions to their end.
pub(crate) struct Recovery {
    router: Arc<Router>,
    /// Since when this node has seen each, on its elapsed clock. No wall clock can make a transaction old.
    seen: Mutex<BTreeMap<Case, Duration>>,
    busy: Mutex<BTreeSet<Case>>,
}

impl Recovery {
    pub fn new(router: Arc<Router>) -> Recovery {
        Recovery { router, seen: Mutex::default(), busy: Mutex::default() }
    }

    /// Runs for as long as the node does.
    pub async fn run(self: Arc<Recovery>) {
        loop {
            let settings = &self.router.host.settings;
            self.router.client.environment.sleep(settings.transactions_look_every).await;
            self.look();
        }
    }

    fn look(self: &Arc<Recovery>) {
        let now = self.router.client.environment.clock.elapsed();
        let old_after = self.router.host.settings.transaction_old_after;
        let mut before = std::mem::take(&mut *self.seen.lock());
        let mut seen = BTreeMap::new();
        let hosted: Vec<_> =
            self.router.host.replicas.read().iter().map(|(id, hosted)| (*id, hosted.clone())).collect();
        for (partition, hosted) in hosted {
            if !hosted.replica.leadership().leads {
                continue;
            }
            let unfinished = hosted.replica.unfinished_transactions(LOOK_AT_MOST);
            if !unfinished.is_empty() {
                // A group must not fall asleep over them.
                hosted.replica.group().keep_awake();
            }
            for unfinished in unfinished {
                let is_commit = matches!(unfinished, Unfinished::Committed { .. });
                let case = (partition, unfinished.transaction(), is_commit);
                let since = before.remove(&case).unwrap_or(now);
                seen.insert(case, since);
                if now.saturating_sub(since) >= old_after {
                    self.begin(case, unfinished, hosted.place());
                }
            }
        }
        *self.seen.lock() = seen;
    }

    fn begin(self: &Arc<Recovery>, case: Case, unfinished: Unfinished, own: Place) {
        let mut busy = self.busy.lock();
        if busy.len() >= AT_ONCE_MAX || !busy.insert(case) {
            return;
        }
        let recovery = self.clone();
        let work = async move {
            match recovery.bring_to_end(unfinished, own).await {
                Ok(()) => recovery.router.metrics.transactions_recovered.inc(),
                Err(refusal) => {
                    tracing::debug!(%refusal, "a transaction could not be brought to its end yet");
                    0
                }
            };
            recovery.busy.lock().remove(&case);
        };
        self.router.client.environment.tasks.spawn("recovery", Box::pin(work));
    }

    async fn bring_to_end(&self, unfinished: Unfinished, own: Place) -> Result<(), Refusal> {
        let (door, environment) = (&*self.router as &dyn Door, &self.router.client.environment);
        let deadline = Deadline(environment.clock.elapsed() + ATTEMPT_MAX);
        match unfinished {
            Unfinished::Intent { transaction, home, place } => {
                let committed = self.decision(transaction, home, deadline).await?.committed();
                finish_one(door, environment, place, Finish { transaction, committed }, deadline).await
            }
            Unfinished::Committed { transaction, committed } => {
                let end = (transaction, Some(committed.timestamp));
                finish_all(door, environment, end, &committed.participants, deadline).await?;
                forget(door, environment, own, vec![transaction], deadline).await;
                Ok(())
            }
        }
    }

    /// The decision that stands, or an abort that stands from now on.
    async fn decision(&self, transaction: TransactionId, home: Place, deadline: Deadline) -> Result<Decision, Refusal> {
        if stator_mutants::is(Mutant::DropOldIntents) {
            return Ok(Decision::Aborted);
        }
        let (door, environment) = (&*self.router as &dyn Door, &self.router.client.environment);
        let decide = Command::Decide(Box::new(Decide { transaction, verdict: Verdict::Abort }));
        match submit(door, environment, (home, transaction.birth), decide, deadline).await {
            Ok(Reply::Decided(decision)) => Ok(decision),
            // A table goes only when all commits that were decided in it are finished; none is decided after that.
            Err(Refusal::NoSuchTable) => Ok(Decision::Aborted),
            Ok(_) => Err(Refusal::Unavailable("a decision was asked for and something answered".to_owned())),
            Err(refusal) => Err(refusal),
        }
    }
}
