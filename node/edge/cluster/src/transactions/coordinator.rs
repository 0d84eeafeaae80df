//! The coordinator of one transaction: prepare everywhere but at its home, decide there, together with what is written there,
//! finish elsewhere, reply.
//!
//! It runs as a task of its own, so that a client that goes away does not leave a transaction half way.

use super::{
    finishing::{finish_all, forget, submit},
    forgetting::Forgetting,
    parts::{Part, in_order, parts},
};
use crate::{
    door::{Deadline, Door},
    tables::Tables,
};
use futures::future::{join, join_all};
use stator_environment::Environment;
use stator_item::Timestamp;
use stator_mutants::Mutant;
use stator_partition::{
    Command, Refusal, Reply,
    reply::Written,
    throttle::Throttled,
    transaction::{
        CancellationReason, Cancelled, Committed, Decide, Decision, Elsewhere, Place, PlacedWrite, Prepare, Prepared,
        Repeated, RequestToken, TRANSACTION_BYTES_MAX, TransactOne, TransactionId, TransactionWrite, Verdict,
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
    pub(super) door: Arc<dyn Door>,
    pub(super) tables: Arc<dyn Tables>,
    pub(super) environment: Environment,
    pub(super) forgetting: Forgetting,
}

/// A transaction on its way.
struct Journey {
    transaction: TransactionId,
    /// Where the first item lies, and the decision.
    home: Place,
    /// The first is that of the home.
    parts: Vec<Part<TransactionWrite>>,
    request: Option<RequestToken>,
    /// The request's token is claimed, or it has none.
    is_claimed: bool,
    deadline: Deadline,
}

/// What several participants have prepared.
struct AllPrepared {
    /// The highest timestamp of all.
    timestamp: Timestamp,
    bytes: u64,
    /// For each part, its items' places in the request, and what each write comes to.
    written: Vec<(Vec<usize>, Vec<Written>)>,
}

/// Why a transaction is not done.
enum Stop {
    /// It is not decided, and never will be.
    Refused(Refusal),
    Repeated(Repeated),
    /// It may be decided, or will never.
    Unknown,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl Coordinator {
    pub fn new(door: Arc<dyn Door>, tables: Arc<dyn Tables>, environment: Environment) -> Coordinator {
        Coordinator { door, tables, environment, forgetting: Forgetting::default() }
    }

    /// Carries writes out, all or none. `DeadlinePassed`: it is not known which, and either is so for good soon.
    pub async fn write(
        &self,
        writes: Vec<PlacedWrite>,
        request: Option<RequestToken>,
        deadline: Deadline,
    ) -> Result<Transacted, Refusal> {
        let home = writes.first().ok_or_else(|| Refusal::Invalid("a transaction has items".to_owned()))?.place;
        let parts = parts(&*self.door, writes.into_iter().map(|write| (write.place, write.write)))?;
        let mut is_claimed = request.is_none();
        if let [part] = &parts[..] {
            // Its one command decides: the claim has to be there before.
            self.claim(request.as_ref(), deadline).await?;
            is_claimed = true;
            match self.write_one(part, &request, deadline).await {
                Err(Refusal::TooLargeForOne) => {}
                outcome => return outcome,
            }
        }
        let transaction = TransactionId { birth: self.birth(), number: self.environment.random.next_u128() };
        let journey = Journey { transaction, home, parts, request, is_claimed, deadline };
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

    pub(super) fn soon(&self, within: Duration) -> Deadline {
        Deadline(self.environment.clock.elapsed() + within)
    }

    /// A transaction in one partition.
    async fn write_one(
        &self,
        part: &Part<TransactionWrite>,
        request: &Option<RequestToken>,
        deadline: Deadline,
    ) -> Result<Transacted, Refusal> {
        let one = TransactOne { writes: part.items.clone(), request: request.clone(), elsewhere: None };
        let command = Command::TransactOne(Box::new(one));
        let done = self.door.submit_born(part.place.table, part.place.token, command, self.birth(), deadline).await;
        let done = done.map_err(|refusal| match refusal {
            Refusal::Throttled(throttled) => Refusal::Cancelled(part.throttled(&throttled)),
            other => other,
        })?;
        match done {
            Reply::Transacted(done) => Ok(Transacted::Written(done.written)),
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
        self.forget_soon(home, transaction);
        Ok(Transacted::Repeated)
    }

    /// From prepare to the end. The reply is sent when every participant has applied its part; then the commit is forgotten.
    async fn go(self, journey: Journey, reply_to: oneshot::Sender<Result<Transacted, Refusal>>) {
        let outcome = self.carry_out(&journey).await;
        let is_done = matches!(outcome, Ok(Transacted::Written(_)));
        // Nobody waits any more: the deadline has passed, or the client is gone.
        let _ = reply_to.send(outcome);
        if is_done {
            self.forget_soon(journey.home, journey.transaction);
        }
    }

    async fn carry_out(&self, journey: &Journey) -> Result<Transacted, Refusal> {
        let (home, elsewhere) = journey.parts.split_at(1);
        // A claim costs a transaction over several partitions a command, and no time.
        let unclaimed = journey.request.as_ref().filter(|_| !journey.is_claimed);
        let claim = self.claim(unclaimed, journey.deadline);
        let (claimed, prepared) = join(claim, self.prepare(journey, elsewhere)).await;
        if let Err(refusal) = claimed {
            return self.ended(journey, elsewhere, Err(refusal.into())).await;
        }
        let is_prepared = |outcome: &Result<Reply, Refusal>| matches!(outcome, Ok(Reply::Prepared(_)));
        if !elsewhere.is_empty() && prepared.iter().all(is_prepared) {
            match self.decide_with_writes(journey, &prepared).await {
                // They are more than fit one entry: prepared as well, they are finished in several.
                Err(Stop::Refused(Refusal::TooLargeForOne)) => {}
                outcome => return self.ended(journey, elsewhere, outcome).await,
            }
        }
        // If it is cancelled elsewhere, the reasons against what is written at home are told as well.
        let mut outcomes = self.prepare(journey, home).await;
        outcomes.extend(prepared);
        let outcome = match judge(journey, outcomes) {
            Ok(prepared) => self.commit(journey, prepared).await,
            Err(stop) => Err(stop),
        };
        self.ended(journey, &journey.parts, outcome).await
    }

    /// Takes the intents away where nothing was decided. Nobody else commits the transaction, so that it has no effect is certain.
    async fn ended(
        &self,
        journey: &Journey,
        prepared: &[Part<TransactionWrite>],
        outcome: Result<Transacted, Stop>,
    ) -> Result<Transacted, Refusal> {
        let stop = match outcome {
            Ok(transacted) => return Ok(transacted),
            Err(stop) => stop,
        };
        if !matches!(stop, Stop::Unknown) {
            let end = (journey.transaction, None);
            let deadline = self.soon(ABORT_WAIT_MAX);
            let told = finish_all(&*self.door, &self.environment, end, &places(prepared), deadline).await;
            if let Err(refusal) = told {
                tracing::debug!(%refusal, "not all participants have heard of an abort; their leaders will find out");
            }
        }
        match stop {
            Stop::Refused(refusal) => Err(refusal),
            Stop::Repeated(repeated) => self.repeated(journey.home, repeated, journey.deadline).await,
            Stop::Unknown => Err(Refusal::DeadlinePassed),
        }
    }

    async fn prepare(&self, journey: &Journey, parts: &[Part<TransactionWrite>]) -> Vec<Result<Reply, Refusal>> {
        let each = parts.iter().map(|part| {
            let prepare = Prepare {
                transaction: journey.transaction,
                home: journey.home,
                writes: part.items.clone(),
                request: journey.request.clone(),
            };
            let command = Command::Prepare(Box::new(prepare));
            let Place { table, token } = part.place;
            self.door.submit_born(table, token, command, journey.transaction.birth, journey.deadline)
        });
        join_all(each).await
    }

    /// All others have prepared: the transaction happens with what is written at its home, in the entry of the decision.
    async fn decide_with_writes(
        &self,
        journey: &Journey,
        prepared: &[Result<Reply, Refusal>],
    ) -> Result<Transacted, Stop> {
        let transaction = journey.transaction;
        let (home, others) = journey.parts.split_first().ok_or_else(unexpected)?;
        let AllPrepared { timestamp, bytes, written } = all_prepared(others, prepared);
        let participants = places(others);
        if stator_mutants::is(Mutant::FinishBeforeDecision) {
            let end = (transaction, Some(timestamp));
            let _ = finish_all(&*self.door, &self.environment, end, &participants, journey.deadline).await;
        }
        let elsewhere = Elsewhere { transaction, prepared: timestamp, bytes, participants: participants.clone() };
        let one =
            TransactOne { writes: home.items.clone(), request: journey.request.clone(), elsewhere: Some(elsewhere) };
        let command = Command::TransactOne(Box::new(one));
        let Place { table, token } = home.place;
        let decided = self.door.submit_born(table, token, command, transaction.birth, journey.deadline).await;
        let of_home = |reasons: Cancelled| {
            let none = others.iter().map(|part| (part.at.clone(), vec![None; part.items.len()]));
            Refusal::Cancelled(in_order(std::iter::once((home.at.clone(), reasons)).chain(none).collect()))
        };
        let done = match decided {
            Ok(Reply::Transacted(done)) => done,
            Ok(Reply::Repeated(repeated)) => return Err(Stop::Repeated(repeated)),
            Ok(Reply::Decided(Decision::Aborted)) => return Err(Refusal::Cancelled(journey.conflict()).into()),
            Err(Refusal::Cancelled(reasons)) => return Err(of_home(reasons).into()),
            Err(Refusal::Throttled(throttled)) => return Err(of_home(home.throttled(&throttled)).into()),
            Err(Refusal::Overloaded) => {
                return Err(of_home(vec![Some(CancellationReason::Throttled); home.items.len()]).into());
            }
            // An attempt whose answer was lost may have decided it, and is forgotten by now.
            Err(Refusal::TooOld) | Ok(_) => return Err(Stop::Unknown),
            Err(refusal) => return Err(undecided(refusal)),
        };
        self.finish(journey, &participants, done.timestamp).await?;
        let written = written.into_iter().chain([(home.at.clone(), done.written)]).collect();
        Ok(Transacted::Written(in_order(written)))
    }

    /// All have prepared, the home as well: the transaction happens with the decision, and with nothing else.
    async fn commit(&self, journey: &Journey, prepared: AllPrepared) -> Result<Transacted, Stop> {
        let transaction = journey.transaction;
        let participants = places(&journey.parts);
        let verdict = Verdict::Commit {
            prepared: prepared.timestamp,
            participants: participants.clone(),
            request: journey.request.clone(),
        };
        let decide = Command::Decide(Box::new(Decide { transaction, verdict }));
        let at = (journey.home, transaction.birth);
        let decided = submit(&*self.door, &self.environment, at, decide, journey.deadline).await;
        let timestamp = match decided {
            Ok(Reply::Decided(Decision::Committed(committed))) => committed.timestamp,
            Ok(Reply::Decided(Decision::Aborted)) => return Err(Refusal::Cancelled(journey.conflict()).into()),
            Err(refusal) => return Err(undecided(refusal)),
            Ok(_) => return Err(Stop::Unknown),
        };
        self.finish(journey, &participants, timestamp).await?;
        Ok(Transacted::Written(in_order(prepared.written)))
    }

    async fn finish(&self, journey: &Journey, participants: &[Place], timestamp: Timestamp) -> Result<(), Stop> {
        if stator_mutants::is(Mutant::ForgetBeforeFinished) {
            let forgotten = vec![journey.transaction];
            forget(&*self.door, &self.environment, journey.home, forgotten, journey.deadline).await;
        }
        let end = (journey.transaction, Some(timestamp));
        let finished = finish_all(&*self.door, &self.environment, end, participants, self.soon(FINISH_MAX)).await;
        // It has happened, and somebody will finish it; the client cannot be told that it has.
        finished.map_err(|_| Stop::Unknown)
    }
}

/// The places of all items, each once.
fn places(parts: &[Part<TransactionWrite>]) -> Vec<Place> {
    let of_part = |part: &Part<TransactionWrite>| {
        let table = part.place.table;
        part.items.iter().map(move |write| Place { table, token: write.key().token() }).collect::<Vec<_>>()
    };
    let mut places: Vec<Place> = parts.iter().flat_map(of_part).collect();
    places.sort_unstable();
    places.dedup();
    places
}

impl Part<TransactionWrite> {
    fn throttled(&self, throttled: &Throttled) -> Cancelled {
        vec![Some(CancellationReason::of_throttled(throttled)); self.items.len()]
    }
}

impl Journey {
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
    let (mut reasons, mut refused) = (Vec::new(), None);
    for (part, outcome) in journey.parts.iter().zip(&outcomes) {
        let none = || vec![None; part.items.len()];
        let of_part = match outcome {
            Ok(Reply::Prepared(_)) => none(),
            Ok(Reply::Repeated(repeated)) => return Err(Stop::Repeated(repeated.clone())),
            Err(Refusal::Cancelled(of_part)) => of_part.clone(),
            Err(Refusal::Overloaded) => vec![Some(CancellationReason::Throttled); part.items.len()],
            Err(Refusal::Throttled(throttled)) => part.throttled(throttled),
            Err(refusal) => {
                refused = Some(graver(refused, refusal.clone()));
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
    let prepared = all_prepared(&journey.parts, &outcomes);
    if prepared.bytes > TRANSACTION_BYTES_MAX {
        return Err(Stop::Refused(Refusal::TransactionTooLarge));
    }
    Ok(prepared)
}

fn all_prepared(parts: &[Part<TransactionWrite>], outcomes: &[Result<Reply, Refusal>]) -> AllPrepared {
    let mut all = AllPrepared { timestamp: Timestamp::MIN, bytes: 0, written: Vec::with_capacity(parts.len()) };
    for (part, outcome) in parts.iter().zip(outcomes) {
        let Ok(Reply::Prepared(Prepared { timestamp, bytes, written })) = outcome else { continue };
        all.timestamp = all.timestamp.max(*timestamp);
        all.bytes += bytes;
        all.written.push((part.at.clone(), written.clone()));
    }
    all
}

/// What the home has said instead of deciding.
fn undecided(refusal: Refusal) -> Stop {
    match refusal {
        Refusal::TokenMismatch
        | Refusal::TransactionInProgress
        | Refusal::NoSuchTable
        | Refusal::TransactionTooLarge
        | Refusal::TooLargeForOne => Stop::Refused(refusal),
        // It is so old that its abort may be forgotten: nobody can commit it.
        Refusal::TooOld => Stop::Refused(nothing_done()),
        _ => Stop::Unknown,
    }
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
