//! What a runner does from when it opened a session until its term, or the mapping as it is, is over.

use super::{Invoke, InvokeError, Invoked, Kept, Triggers, runner::Runner, telling};
use crate::door::Deadline;
use futures::stream::{FuturesUnordered, StreamExt};
use stator_api::arn::Owner;
use stator_catalog::{Change, Mapping, MappingChange, ProcessingResult};
use stator_changelog::{SequenceNumber, ShardId};
use stator_environment::BoxFuture;
use stator_partition::{Command, ReadShard, Refusal, Reply, ShardRecords, TriggerChange, TriggerPosition};
use stator_trigger::{Action, Answer, Batches, Discard, Filter, FilterError, Now, Source};
use std::{sync::Arc, time::Duration};

/// A function has 900 seconds at most; then nobody answers any more.
const CALL_MAX: Duration = Duration::from_secs(960);
/// The position moves no more often: each move is an entry of the partition's log.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// After a read or a save that was refused for now.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// What became of calls is told to the catalog no more often.
const RESULT_EVERY: Duration = Duration::from_secs(10);
/// How long telling the catalog may take.
const RESULT_MAX: Duration = Duration::from_secs(5);

/// How a session ended, other than by a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SessionEnd {
    /// Something changed: look again.
    Stopped,
    /// There is nothing more to do.
    Settled,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("the partition does not know the mapping")]
    Unknown,
    #[error("another session was opened")]
    Superseded,
    #[error("the stream is not known here")]
    NoStream,
    #[error("{0}")]
    Filter(#[from] FilterError),
    #[error("a record cannot be read: {0}")]
    Record(String),
    #[error("a partition answered another question")]
    UnexpectedReply,
}

/// What a session waits for.
enum News {
    Called { lane: usize, answer: Answer },
    Told { lane: usize, records: usize, is_taken: bool },
    Read(Result<Reply, Refusal>),
    Saved { position: TriggerPosition, outcome: Result<Reply, Refusal> },
    ResultNoted,
}

/// How a shard was left.
enum ShardEnd {
    /// All of it is dealt with, or the stream has it no more.
    Done,
    Stopped,
}

pub(super) struct Session<'r> {
    runner: &'r mut Runner,
    mapping: Arc<Mapping>,
    source: Arc<Source>,
    term: u64,
    number: u64,
    shard: ShardId,
    batches: Batches,
    kept: Kept,
    saved: TriggerPosition,
    saved_at: Duration,
    /// After a save that failed.
    save_after: Duration,
    is_saving: bool,
    is_reading: bool,
    read_after: Duration,
    result: Option<ProcessingResult>,
    result_noted_at: Option<Duration>,
    waiting: FuturesUnordered<BoxFuture<'static, News>>,
}

impl Session<'_> {
    /// Brings records as long as the replica leads in that term and the mapping stays as it is.
    pub async fn serve(runner: &mut Runner, mapping: &Arc<Mapping>, term: u64) -> Result<SessionEnd, SessionError> {
        let environment = runner.triggers.router.host.parts.environment.clone();
        // 0 stands for nobody.
        let number = (environment.random.next_u128() as u64).max(1);
        runner.change(TriggerChange::Open { mapping: mapping.id, session: number }).await?;
        let trigger = runner.show().await?;
        if trigger.session != number {
            return Err(SessionError::Superseded);
        }
        let source = Arc::new(source(runner, mapping)?);
        let filter = Arc::new(Filter::parse(mapping.settings.filters.iter().map(String::as_str))?);
        let settings = Arc::new(mapping.settings.clone());
        let mut position = trigger.position;
        while let Some(shard) = position.shard {
            let place = (shard, position.clone());
            let batches = Batches::new(settings.clone(), filter.clone(), source.clone(), place);
            let mut session = Session {
                mapping: mapping.clone(),
                source: source.clone(),
                term,
                number,
                shard,
                batches,
                kept: runner.triggers.keep(),
                saved: position,
                saved_at: runner.elapsed(),
                save_after: Duration::ZERO,
                is_saving: false,
                is_reading: false,
                read_after: Duration::ZERO,
                result: None,
                result_noted_at: None,
                waiting: FuturesUnordered::new(),
                runner: &mut *runner,
            };
            match session.bring().await? {
                ShardEnd::Stopped => return Ok(SessionEnd::Stopped),
                ShardEnd::Done => position = session.next_shard().await?,
            }
        }
        runner.note_oldest(None);
        Ok(SessionEnd::Settled)
    }

    fn now(&self) -> Now {
        let environment = &self.runner.triggers.router.host.parts.environment;
        Now {
            elapsed: environment.clock.elapsed(),
            wall_ms: self.runner.triggers.age.now_ms(),
            last_change: self.runner.feeding.borrow().last_change,
            dice: environment.random.next_u128() as u64,
        }
    }

    /// Brings one shard's records.
    async fn bring(&mut self) -> Result<ShardEnd, SessionError> {
        loop {
            self.runner.feeding.borrow_and_update();
            self.runner.leadership.borrow_and_update();
            self.runner.catalog.borrow_and_update();
            if !self.runner.leads_in(self.term) {
                return Ok(ShardEnd::Stopped);
            }
            match self.runner.current() {
                None => return Ok(ShardEnd::Stopped),
                Some(now) if !now.runs() || now.settings != self.mapping.settings => self.batches.stop(),
                Some(_) => {}
            }
            let now = self.now();
            for action in self.batches.poll(&now) {
                self.act(action);
            }
            self.kept.set(self.batches.kept_bytes());
            self.runner.note_oldest(self.batches.oldest_ms());
            self.read(&now);
            self.note_result(&now);
            if self.batches.is_done() && !self.is_saving {
                return Ok(ShardEnd::Done);
            }
            let is_stopped = self.batches.is_stopped() && !self.batches.is_waiting();
            let save_due = if is_stopped { now.elapsed } else { self.saved_at + SAVE_EVERY };
            let save_due = save_due.max(self.save_after);
            // To look costs as much as records are open: once a second, and at the end.
            let is_ahead = !self.is_saving && save_due <= now.elapsed && self.save();
            if is_stopped && !is_ahead && !self.is_saving && save_due <= now.elapsed {
                return Ok(ShardEnd::Stopped);
            }
            if !self.wait(&now).await? {
                return Ok(ShardEnd::Stopped);
            }
        }
    }

    /// Waits for news, or until something is due. `false`: the replica or the catalog is gone.
    async fn wait(&mut self, now: &Now) -> Result<bool, SessionError> {
        let save_due = (!self.is_saving && self.batches.has_moved()).then_some(self.saved_at + SAVE_EVERY);
        let read_due = (self.read_after > now.elapsed).then_some(self.read_after);
        let again_due = (self.save_after > now.elapsed).then_some(self.save_after);
        let due = [self.batches.wake_at(now), save_due, read_due, again_due].into_iter().flatten().min();
        let left = due.map(|due| due.saturating_sub(now.elapsed).max(Duration::from_millis(1)));
        let environment = self.runner.triggers.router.host.parts.environment.clone();
        tokio::select! {
            news = self.waiting.next(), if !self.waiting.is_empty() => {
                if let Some(news) = news {
                    self.hear(news)?;
                }
            }
            changed = self.runner.feeding.changed() => return Ok(changed.is_ok()),
            changed = self.runner.leadership.changed() => return Ok(changed.is_ok()),
            changed = self.runner.catalog.changed() => return Ok(changed.is_ok()),
            () = environment.sleep(left.unwrap_or_default()), if left.is_some() => {}
        }
        Ok(true)
    }

    fn act(&mut self, action: Action) {
        let (triggers, mapping) = (self.runner.triggers.clone(), self.mapping.clone());
        match action {
            Action::Call { lane, event, hops, .. } => {
                self.waiting.push(Box::pin(async move {
                    let answer = call(&triggers, &mapping.settings.function, event, hops).await;
                    News::Called { lane, answer }
                }));
            }
            Action::Tell { lane, discard } => {
                let source = self.source.clone();
                let records = discard.records.len();
                self.waiting.push(Box::pin(async move {
                    let is_taken = tell(&triggers, &mapping, &source, &discard).await;
                    News::Told { lane, records, is_taken }
                }));
            }
        }
    }

    /// Reads on, if there is something to read and room for it.
    fn read(&mut self, now: &Now) {
        let Some((from, records_max)) = self.batches.wants().filter(|_| self.kept.may_grow()) else { return };
        if self.is_reading || now.last_change < from || self.read_after > now.elapsed {
            return;
        }
        self.is_reading = true;
        let (stream, shard) = (self.mapping.stream, self.shard);
        self.ask(Command::ReadShard(Box::new(ReadShard { stream, shard, from, records_max, wait_ms: 0 })), News::Read);
    }

    /// Saves the position if it has moved. Whether it is on its way.
    fn save(&mut self) -> bool {
        self.saved_at = self.runner.elapsed();
        let position = self.batches.position();
        if position == self.saved {
            self.batches.saved();
            return false;
        }
        self.is_saving = true;
        self.batches.saved();
        let (mapping, session) = (self.mapping.id, self.number);
        let change = TriggerChange::Move { mapping, session, position: Box::new(position.clone()) };
        self.ask(Command::ChangeTrigger(change), |outcome| News::Saved { position, outcome });
        true
    }

    fn ask(&mut self, command: Command, news: impl FnOnce(Result<Reply, Refusal>) -> News + Send + 'static) {
        let (triggers, hosted) = (self.runner.triggers.clone(), self.runner.hosted.clone());
        self.waiting.push(Box::pin(async move { news(triggers.router.host.ask(&hosted, command).await) }));
    }

    fn hear(&mut self, news: News) -> Result<(), SessionError> {
        let now = self.now();
        let metrics = self.runner.triggers.router.metrics.clone();
        match news {
            News::Called { lane, answer } => {
                metrics.trigger_calls.inc();
                let is_answered = matches!(answer, Answer::Answered(_));
                if !is_answered {
                    metrics.trigger_failures.inc();
                }
                self.result = Some(if is_answered { ProcessingResult::Ok } else { ProcessingResult::Problem });
                self.batches.answered(lane, answer, &now);
            }
            News::Told { lane, records, is_taken } => {
                let is_lost = self.batches.told(lane, is_taken, &now);
                if is_taken || is_lost {
                    metrics.trigger_records_discarded.inc_by(records as u64);
                }
                if is_lost {
                    tracing::warn!(mapping = %self.mapping.id, records, "the destination of a trigger took nothing");
                    metrics.trigger_records_lost.inc_by(records as u64);
                }
            }
            News::Read(outcome) => {
                self.is_reading = false;
                self.take(outcome, &now)?;
            }
            News::Saved { position, outcome } => {
                self.is_saving = false;
                match outcome {
                    Ok(_) => self.saved = position,
                    // This session's time is over.
                    Err(refusal @ (Refusal::Invalid(_) | Refusal::NotLeader { .. })) => return Err(refusal.into()),
                    // What is saved next has all that this had.
                    Err(_) => {
                        self.batches.not_saved();
                        self.save_after = now.elapsed + AGAIN_AFTER;
                    }
                }
            }
            News::ResultNoted => {}
        }
        Ok(())
    }

    fn take(&mut self, outcome: Result<Reply, Refusal>, now: &Now) -> Result<(), SessionError> {
        let ShardRecords { records, next } = match outcome {
            Ok(Reply::ShardRecords(read)) => *read,
            Ok(_) => return Err(SessionError::UnexpectedReply),
            Err(Refusal::NoSuchShard) => {
                tracing::warn!(mapping = %self.mapping.id, shard = %self.shard,
                    "a shard went before its records were brought to the function: they were older than a day");
                self.batches.take(Vec::new(), true, now);
                return Ok(());
            }
            Err(refusal @ Refusal::NotLeader { .. }) => return Err(refusal.into()),
            Err(_) => {
                self.read_after = now.elapsed + AGAIN_AFTER;
                return Ok(());
            }
        };
        let taken = records.iter().map(|record| self.source.take(record, self.shard));
        let taken = taken.collect::<Result<Vec<_>, _>>().map_err(|error| SessionError::Record(format!("{error:?}")))?;
        self.batches.take(taken, next.is_none(), now);
        Ok(())
    }

    /// The beginning of the shard behind this one, saved; of none if there is none.
    async fn next_shard(&mut self) -> Result<TriggerPosition, SessionError> {
        let (stream, after) = (self.mapping.stream, Some(self.shard));
        let Reply::Shards(shards) = self.runner.ask(Command::ShowShards { stream, after, shards_max: 1 }).await? else {
            return Err(SessionError::UnexpectedReply);
        };
        let position = match shards.first() {
            Some(shard) => {
                let done = SequenceNumber(shard.starting.0.saturating_sub(1));
                TriggerPosition::at(Some(shard.id), done.max(self.saved.done))
            }
            None => TriggerPosition::at(None, self.batches.taken().max(self.saved.done)),
        };
        let (mapping, session) = (self.mapping.id, self.number);
        self.runner.change(TriggerChange::Move { mapping, session, position: Box::new(position.clone()) }).await?;
        Ok(position)
    }

    /// Tells the catalog what becomes of calls, if it believes otherwise.
    fn note_result(&mut self, now: &Now) {
        let Some(result) = self.result else { return };
        let is_known = self.runner.current().is_none_or(|mapping| mapping.result == result);
        if is_known || self.result_noted_at.is_some_and(|at| at + RESULT_EVERY > now.elapsed) {
            return;
        }
        self.result_noted_at = Some(now.elapsed);
        let (client, id) = (self.runner.triggers.router.client.clone(), self.mapping.id);
        let deadline = Deadline(now.elapsed + RESULT_MAX);
        self.waiting.push(Box::pin(async move {
            let change = Change::Mapping(Box::new(MappingChange::Result { id, result }));
            if let Err(error) = client.change(change, deadline).await {
                tracing::debug!(mapping = %id, %error, "the catalog does not know what became of a trigger's calls");
            }
            News::ResultNoted
        }));
    }
}

fn source(runner: &Runner, mapping: &Mapping) -> Result<Source, SessionError> {
    let catalog = runner.triggers.router.client.copy.catalog();
    let identity = catalog.identity().ok_or(SessionError::NoStream)?;
    let owner = Owner { region: identity.region.clone(), account_id: identity.account_id.clone() };
    // Of a table that is gone, too, as long as it is remembered.
    let stream = catalog.stream_of(mapping.table, mapping.stream, 0).ok_or(SessionError::NoStream)?;
    Ok(Source::new(owner, (mapping.table, &mapping.table_name), mapping.stream, stream.1.view))
}

async fn call(triggers: &Triggers, function: &str, event: bytes::Bytes, hops: u8) -> Answer {
    match invoke(triggers, function, event, hops).await {
        Ok(Invoked::Answered(answer)) => Answer::Answered(answer),
        Ok(Invoked::Failed { .. }) => Answer::Failed,
        Err(InvokeError::Throttled) => Answer::Throttled,
        Err(InvokeError::Looped) => Answer::Looped,
        Err(error @ (InvokeError::NoSuchFunction | InvokeError::Unavailable(_) | InvokeError::DeadlinePassed)) => {
            // Not often: who waits for its next turn waits longer and longer.
            tracing::warn!(function, %error, "a trigger's function could not be called");
            Answer::NotCalled
        }
    }
}

/// Calls a function when it is its turn. Bounded, whatever the service does.
async fn invoke(triggers: &Triggers, function: &str, event: bytes::Bytes, hops: u8) -> Result<Invoked, InvokeError> {
    let closed = |_| InvokeError::Unavailable("the node stops".to_owned());
    let _permit = triggers.calls.acquire().await.map_err(closed)?;
    let environment = &triggers.router.host.parts.environment;
    let service: &dyn Invoke = &*triggers.invoke;
    let called = service.invoke(function, event, hops, Deadline(environment.clock.elapsed() + CALL_MAX));
    environment.timeout(CALL_MAX, called).await.unwrap_or(Err(InvokeError::DeadlinePassed))
}

/// Tells a mapping's destination of what was given up. Whether it took all of it.
async fn tell(triggers: &Triggers, mapping: &Mapping, source: &Source, discard: &Discard) -> bool {
    let telling = telling::Telling { triggers, mapping, source };
    match telling.tell(discard, |function, event, hops| invoke(triggers, function, event, hops)).await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(mapping = %mapping.id, %error, "the destination of a trigger took nothing");
            false
        }
    }
}
