//! The coordinator of one transaction: prepare everywhere, decide once, finish everywhere, reply.
//!
//! It runs as a task of its own, so that a client that goes away does not leave a transaction half way.

use super::{
    finishing::{finish_all, forget, submit},
    parts::{Part, in_order, parts},
};
use crate::door::{Deadline, Door};
use futures::future::join_all;
use stator_environment::Environment;
use stator_item::Timestamp;
use stator_mutants::Mutant;
use stator_partition::{
    Command, Refusal, Reply,
    reply::Written,
    transaction::{
        CancellationReason, Cancelled, Committed, Decide, Decision, Place, PlacedWrite, Prepare, Prepared, Repeated,
        RequestToken, TRANSACTION_BYTES_MAX, TransactOne, TransactionId, TransactionWrite, Verdict,
    },
};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How long participants are told of an abort before the client is. Who does not hear of it finds out.
const ABORT_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long a coordinator tries to finish what is decided, whoever waits. Then the sweep does it.
const FINISH_MAX: Duration = Duration::from_secs(5);

/// What a transaction of writes came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Transacted {
    /// For each write, in order.
    Written(Vec<Written>),
    /// The request was carried out before.
    Repeated,
}

/// Carries transactions out, over a Door.
#[derive(Clone)]
pub struct Coordinator {
    pub door: Arc<dyn Door>,
    pub environment: Environment,
}

/// A transaction on its way.
struct Journey {
    transaction: TransactionId,
    home: Place,
    parts: Vec<Part<TransactionWrite>>,
    request: Option<RequestToken>,
    deadline: Deadline,
}

/// What all participants have prepared.
struct AllPrepared {
    /// The highest timestamp of all.
    timestamp: Timestamp,
    written: Vec<Written>,
}

/// Why a transaction is not decided.
enum Stop {
    Refused(Refusal),
    Repeated(Repeated),
}

impl Coordinator {
    /// Carries writes out, all or none. `DeadlinePassed`: it is not known which, and either is so for good soon.
    pub async fn write(
        &self,
        writes: Vec<PlacedWrite>,
        request: Option<RequestToken>,
        deadline: Deadline,
    ) -> Result<Transacted, Refusal> {
        let home = writes.first().ok_or_else(|| Refusal::Invalid("a transaction has items".to_owned()))?.place;
        let parts = parts(&*self.door, writes.into_iter().map(|write| (write.place, write.write)))?;
        if let [part] = &parts[..] {
            match self.write_one(part, &request, deadline).await {
                Err(Refusal::TooLargeForOne) => {}
                outcome => return outcome,
            }
        }
        let transaction = TransactionId { birth: self.birth(), number: self.environment.random.next_u128() };
        let journey = Journey { transaction, home, parts, request, deadline };
        let (reply_to, reply) = oneshot::channel();
        let coordinator = self.clone();
        let working = async move { coordinator.go(journey, reply_to).await };
        self.environment.tasks.spawn("transaction", Box::pin(working));
        let left = deadline.0.saturating_sub(self.environment.clock.elapsed());
        match self.environment.timeout(left, reply).await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(Refusal::DeadlinePassed),
        }
    }

    fn birth(&self) -> Timestamp {
        Timestamp { wall_ms: self.environment.clock.wall_ms(), counter: 0, node: 0 }
    }

    fn soon(&self, within: Duration) -> Deadline {
        Deadline(self.environment.clock.elapsed() + within)
    }

    /// A transaction in one partition.
    async fn write_one(
        &self,
        part: &Part<TransactionWrite>,
        request: &Option<RequestToken>,
        deadline: Deadline,
    ) -> Result<Transacted, Refusal> {
        let one = TransactOne { writes: part.items.clone(), request: request.clone() };
        let command = Command::TransactOne(Box::new(one));
        let done = self.door.submit_born(part.place.table, part.place.token, command, self.birth(), deadline).await;
        let done = done.map_err(|refusal| match refusal {
            Refusal::Throttled(throttled) => {
                Refusal::Cancelled(vec![Some(CancellationReason::of_throttled(&throttled)); part.items.len()])
            }
            other => other,
        })?;
        match done {
            Reply::Transacted(written) => Ok(Transacted::Written(written)),
            Reply::Repeated(repeated) => self.repeated(part.place, repeated, deadline).await,
            _ => Err(unexpected()),
        }
    }

    /// A request that was carried out before is brought to its end, if it is not there yet.
    async fn repeated(&self, home: Place, repeated: Repeated, deadline: Deadline) -> Result<Transacted, Refusal> {
        let Some((transaction, Committed { timestamp, participants })) = repeated.unfinished else {
            return Ok(Transacted::Repeated);
        };
        let (door, environment) = (&*self.door, &self.environment);
        let end = (transaction, Some(timestamp));
        if finish_all(door, environment, end, &participants, deadline).await.is_err() {
            return Err(Refusal::TransactionInProgress);
        }
        forget(door, environment, home, transaction, deadline).await;
        Ok(Transacted::Repeated)
    }

    /// From prepare to the end. The reply is sent when every participant has applied its part; then the commit is forgotten.
    async fn go(self, journey: Journey, reply_to: oneshot::Sender<Result<Transacted, Refusal>>) {
        let outcome = match self.prepare_all(&journey).await {
            Ok(prepared) => self.commit(&journey, prepared).await,
            Err(stop) => {
                self.abort(&journey).await;
                match stop {
                    Stop::Refused(refusal) => Err(refusal),
                    Stop::Repeated(repeated) => self.repeated(journey.home, repeated, journey.deadline).await,
                }
            }
        };
        let is_done = matches!(outcome, Ok(Transacted::Written(_)));
        // Nobody waits any more: the deadline has passed, or the client is gone.
        let _ = reply_to.send(outcome);
        if is_done {
            let deadline = self.soon(FINISH_MAX);
            forget(&*self.door, &self.environment, journey.home, journey.transaction, deadline).await;
        }
    }

    async fn prepare_all(&self, journey: &Journey) -> Result<AllPrepared, Stop> {
        let each = journey.parts.iter().enumerate().map(|(number, part)| {
            let prepare = Prepare {
                transaction: journey.transaction,
                home: journey.home,
                writes: part.items.clone(),
                // The first part is that of the first item, and so of the home.
                request: journey.request.clone().filter(|_| number == 0),
            };
            let command = Command::Prepare(Box::new(prepare));
            let Place { table, token } = part.place;
            self.door.submit_born(table, token, command, journey.transaction.birth, journey.deadline)
        });
        judge(journey, join_all(each).await)
    }

    /// All have prepared: the transaction happens with the decision, and with nothing else.
    async fn commit(&self, journey: &Journey, prepared: AllPrepared) -> Result<Transacted, Refusal> {
        let transaction = journey.transaction;
        if stator_mutants::is(Mutant::FinishBeforeDecision) {
            let end = (transaction, Some(prepared.timestamp));
            let _ = finish_all(&*self.door, &self.environment, end, &journey.participants(), journey.deadline).await;
        }
        let verdict = Verdict::Commit {
            prepared: prepared.timestamp,
            participants: journey.participants(),
            request: journey.request.clone(),
        };
        let decide = Command::Decide(Box::new(Decide { transaction, verdict }));
        let at = (journey.home, transaction.birth);
        let decided = submit(&*self.door, &self.environment, at, decide, journey.deadline).await;
        let timestamp = match decided {
            Ok(Reply::Decided(Decision::Committed(committed))) => committed.timestamp,
            Ok(Reply::Decided(Decision::Aborted)) => {
                self.abort(journey).await;
                return Err(Refusal::Cancelled(journey.conflict()));
            }
            Err(refusal @ (Refusal::TokenMismatch | Refusal::TransactionInProgress | Refusal::NoSuchTable)) => {
                self.abort(journey).await;
                return Err(refusal);
            }
            // It is so old that its abort may be forgotten: nobody can commit it.
            Err(Refusal::TooOld) => {
                self.abort(journey).await;
                return Err(nothing_done());
            }
            // The decision may stand, or will never.
            Ok(_) | Err(_) => return Err(Refusal::DeadlinePassed),
        };
        if stator_mutants::is(Mutant::ForgetBeforeFinished) {
            forget(&*self.door, &self.environment, journey.home, transaction, journey.deadline).await;
        }
        let end = (transaction, Some(timestamp));
        let participants = journey.participants();
        finish_all(&*self.door, &self.environment, end, &participants, self.soon(FINISH_MAX))
            .await
            .map_err(|_| Refusal::DeadlinePassed)?;
        Ok(Transacted::Written(prepared.written))
    }

    /// Nobody else commits the transaction, so that it has no effect is certain, whoever hears of it.
    async fn abort(&self, journey: &Journey) {
        let end = (journey.transaction, None);
        let deadline = self.soon(ABORT_WAIT_MAX);
        let told = finish_all(&*self.door, &self.environment, end, &journey.participants(), deadline).await;
        if let Err(refusal) = told {
            tracing::debug!(%refusal, "not all participants have heard of an abort; their leaders will find out");
        }
    }
}

impl Journey {
    /// The places of all items, each once.
    fn participants(&self) -> Vec<Place> {
        let of_part = |part: &Part<TransactionWrite>| {
            let table = part.place.table;
            part.items.iter().map(move |write| Place { table, token: write.key().token() }).collect::<Vec<_>>()
        };
        let mut places: Vec<Place> = self.parts.iter().flat_map(of_part).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn writes_count(&self) -> usize {
        self.parts.iter().map(|part| part.items.len()).sum()
    }

    /// Somebody took the transaction for abandoned.
    fn conflict(&self) -> Cancelled {
        let mut reasons = vec![None; self.writes_count()];
        if let Some(first) = reasons.first_mut() {
            *first = Some(CancellationReason::Conflict);
        }
        reasons
    }
}

/// Whether all have prepared. Nothing is decided, so whatever is refused has no effect for certain.
fn judge(journey: &Journey, outcomes: Vec<Result<Reply, Refusal>>) -> Result<AllPrepared, Stop> {
    let (mut prepared, mut reasons, mut refused) = (Vec::new(), Vec::new(), None);
    for (part, outcome) in journey.parts.iter().zip(outcomes) {
        let none = || vec![None; part.items.len()];
        let of_part = match outcome {
            Ok(Reply::Prepared(of_part)) => {
                prepared.push((part, of_part));
                none()
            }
            Ok(Reply::Repeated(repeated)) => return Err(Stop::Repeated(repeated)),
            Err(Refusal::Cancelled(of_part)) => of_part,
            Err(Refusal::Overloaded) => vec![Some(CancellationReason::Throttled); part.items.len()],
            Err(Refusal::Throttled(throttled)) => {
                vec![Some(CancellationReason::of_throttled(&throttled)); part.items.len()]
            }
            Err(refusal) => {
                refused = Some(graver(refused, refusal));
                none()
            }
            Ok(_) => {
                refused = Some(graver(refused, unexpected()));
                none()
            }
        };
        reasons.push((part.at.clone(), of_part));
    }
    let is_cancelled = reasons.iter().any(|(_, of_part)| of_part.iter().any(Option::is_some));
    match refused {
        // What is wrong with the request as a whole is told first; what could not be found out, last.
        Some(refusal) if rank(&refusal) > 0 || !is_cancelled => return Err(Stop::Refused(refusal)),
        _ if is_cancelled => return Err(Stop::Refused(Refusal::Cancelled(in_order(reasons)))),
        _ => {}
    }
    if prepared.iter().map(|(_, of_part)| of_part.bytes).sum::<u64>() > TRANSACTION_BYTES_MAX {
        return Err(Stop::Refused(Refusal::TransactionTooLarge));
    }
    let timestamp = prepared.iter().map(|(_, of_part)| of_part.timestamp).max().unwrap_or_default();
    let written = prepared.into_iter().map(|(part, Prepared { written, .. })| (part.at.clone(), written)).collect();
    Ok(AllPrepared { timestamp, written: in_order(written) })
}

fn rank(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::TokenMismatch => 4,
        Refusal::TransactionInProgress => 3,
        Refusal::NoSuchTable => 2,
        Refusal::TransactionTooLarge | Refusal::Invalid(_) => 1,
        _ => 0,
    }
}

/// The one of two refusals that is told.
fn graver(one: Option<Refusal>, other: Refusal) -> Refusal {
    // That a participant did not answer leaves nothing open: nothing was decided.
    let other = if rank(&other) == 0 { nothing_done() } else { other };
    one.filter(|one| rank(one) >= rank(&other)).unwrap_or(other)
}

fn nothing_done() -> Refusal {
    Refusal::Unavailable("not all participants have prepared".to_owned())
}

fn unexpected() -> Refusal {
    Refusal::Unavailable("a participant answered another question".to_owned())
}
