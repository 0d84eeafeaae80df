//! Carries one index's changes from one partition, while its replica here leads.

use super::Indexer;
use crate::{
    door::{Consistency, Deadline, Door},
    host::Hosted,
};
use futures::future::join_all;
use stator_changelog::SequenceNumber;
use stator_item::{PartitionId, TableId};
use stator_mutants::Mutant;
use stator_partition::{
    Command, Refusal, Reply,
    global_index::{Delivery, Receiver, Session, SessionError},
};
use stator_replica::Feeding;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// Stored bytes of records that are read at once.
const READ_BYTES_MAX: u64 = 256 * 1024;
/// How long one command may take.
const COMMAND_MAX: Duration = Duration::from_secs(5);
/// The cursor moves no more often: each move is an entry of the source's log.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// After a session that failed: at first, and at most.
const RETRY_LEAST: Duration = Duration::from_millis(20);
const RETRY_MOST: Duration = Duration::from_secs(2);

/// Why a session is over, other than by its leader's end.
#[derive(Debug, thiserror::Error)]
enum CarryError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Session(#[from] SessionError),
    #[error("the index has no partitions yet")]
    NoReceivers,
    #[error("a partition answered another question")]
    UnexpectedReply,
}

pub(super) struct Carrier {
    indexer: Arc<Indexer>,
    hosted: Arc<Hosted>,
    index: TableId,
    feeding: watch::Receiver<Feeding>,
    leadership: watch::Receiver<stator_consensus::Leadership>,
}

impl Carrier {
    pub fn new(indexer: Arc<Indexer>, hosted: Arc<Hosted>, index: TableId) -> Carrier {
        let (feeding, leadership) = (hosted.replica.feeding(), hosted.replica.group().leadership());
        Carrier { indexer, hosted, index, feeding, leadership }
    }

    /// Runs until the index is fed from here no more, or the replica is closed.
    pub async fn run(mut self) {
        let mut wait = RETRY_LEAST;
        while self.is_fed() {
            let leadership = *self.leadership.borrow_and_update();
            if !leadership.leads {
                self.hosted.lags.lock().forget(self.index);
                if !self.changed().await {
                    break;
                }
                continue;
            }
            let begun = self.elapsed();
            self.indexer.metrics.index_sessions_begun.inc();
            if let Err(error) = self.serve(leadership.term).await {
                tracing::debug!(partition = %self.hosted.replica.group().partition(), index = self.index.0, %error,
                    "a session with an index is over");
                // One that worked for a while was no failure in a row.
                wait = if self.elapsed() >= begun + RETRY_MOST { RETRY_LEAST } else { (wait * 2).min(RETRY_MOST) };
                self.indexer.router.host.parts.environment.sleep(wait).await;
            }
        }
        self.hosted.lags.lock().forget(self.index);
    }

    fn elapsed(&self) -> Duration {
        self.indexer.router.host.parts.environment.clock.elapsed()
    }

    fn is_fed(&self) -> bool {
        let feeding = self.feeding.borrow();
        !feeding.closed && feeding.indexes.contains(&self.index)
    }

    /// Waits for news of the log or of leadership. `false`: there will be none.
    async fn changed(&mut self) -> bool {
        tokio::select! {
            changed = self.feeding.changed() => changed.is_ok(),
            changed = self.leadership.changed() => changed.is_ok(),
        }
    }

    /// One session, of one term.
    async fn serve(&mut self, term: u64) -> Result<(), CarryError> {
        let Reply::Feeds(feeds) = self.ask(Command::ShowFeeds).await? else { return Err(CarryError::UnexpectedReply) };
        let Some(status) = feeds.into_iter().find(|status| status.index == self.index) else { return Ok(()) };
        let mut session = Session::new(self.hosted.tokens(), status);
        let mut saved_at = self.elapsed();
        loop {
            let more = self.carry(&mut session).await?;
            let now = self.elapsed();
            if session.is_just_filled() || session.is_ahead() && now >= saved_at + SAVE_EVERY {
                self.save(&mut session).await?;
                saved_at = self.elapsed();
            }
            if !more && !self.wait(term, &mut session, &mut saved_at).await? {
                return Ok(());
            }
        }
    }

    /// Waits until there is more to carry; saves meanwhile. `false`: the session's leader, or its index, is at its end.
    async fn wait(&mut self, term: u64, session: &mut Session, saved_at: &mut Duration) -> Result<bool, CarryError> {
        loop {
            let leadership = *self.leadership.borrow_and_update();
            let last_change = self.feeding.borrow_and_update().last_change;
            if !leadership.leads || leadership.term != term || !self.is_fed() {
                return Ok(false);
            }
            if last_change > session.position() {
                return Ok(true);
            }
            let environment = self.indexer.router.host.parts.environment.clone();
            let until_save = (*saved_at + SAVE_EVERY).saturating_sub(self.elapsed());
            let is_ahead = session.is_ahead();
            tokio::select! {
                is_there = self.changed() => if !is_there { return Ok(false) },
                () = environment.sleep(until_save), if is_ahead => {
                    self.save(session).await?;
                    *saved_at = self.elapsed();
                }
            }
        }
    }

    /// Brings the next of it to the index. Whether there is more.
    async fn carry(&self, session: &mut Session) -> Result<bool, CarryError> {
        let Reply::Feed(feed) = self.ask(session.read(READ_BYTES_MAX)).await? else {
            return Err(CarryError::UnexpectedReply);
        };
        let (oldest, more) = (feed.oldest.map(|oldest| oldest.physical_ms()), feed.more);
        self.note(session.position(), oldest);
        let receivers = self.receivers()?;
        let deliveries = session.deliver(*feed, &receivers)?;
        if stator_mutants::is(Mutant::MoveCursorEarly)
            && let Some(command) = session.save(&receivers)
        {
            self.ask(command).await?;
            session.saved();
        }
        self.deliver(session, deliveries).await?;
        self.note(session.position(), None);
        if let Some(oldest_ms) = oldest {
            let now_ms = self.indexer.router.host.parts.environment.clock.wall_ms();
            let took = Duration::from_millis(now_ms.saturating_sub(oldest_ms));
            self.indexer.metrics.index_delivery_seconds.observe(took.as_secs_f64());
        }
        Ok(more)
    }

    /// Moves the cursor to where every partition of the index has everything.
    async fn save(&self, session: &mut Session) -> Result<(), CarryError> {
        let receivers = self.receivers()?;
        let others = session.tell_others(&receivers);
        self.deliver(session, others).await?;
        if let Some(command) = session.save(&receivers) {
            self.ask(command).await?;
            session.saved();
        }
        Ok(())
    }

    async fn deliver(&self, session: &mut Session, deliveries: Vec<(PartitionId, Delivery)>) -> Result<(), CarryError> {
        let router = &self.indexer.router;
        let catalog = router.client.copy.catalog();
        let deadline = Deadline(self.elapsed() + COMMAND_MAX);
        let sent = deliveries.into_iter().map(|(receiver, delivery)| {
            let partition = catalog.partition(receiver).cloned();
            async move {
                let first = partition.ok_or(CarryError::NoReceivers)?.tokens.first;
                let command = Command::Deliver(Box::new(delivery));
                match router.submit(self.index, first, command, Consistency::Strong, deadline).await? {
                    Reply::Delivered { up_to } => Ok((receiver, up_to)),
                    _ => Err(CarryError::UnexpectedReply),
                }
            }
        });
        for answer in join_all(sent).await {
            let (receiver, up_to): (PartitionId, SequenceNumber) = answer?;
            self.indexer.metrics.index_deliveries.inc();
            session.confirm(receiver, up_to)?;
        }
        Ok(())
    }

    fn receivers(&self) -> Result<Vec<Receiver>, CarryError> {
        let catalog = self.indexer.router.client.copy.catalog();
        let receivers: Vec<Receiver> = catalog
            .routing()
            .partitions(self.index)
            .map(|partition| Receiver { partition: partition.id, tokens: partition.tokens })
            .collect();
        if receivers.is_empty() { Err(CarryError::NoReceivers) } else { Ok(receivers) }
    }

    fn note(&self, position: SequenceNumber, oldest_ms: Option<u64>) {
        let last = self.feeding.borrow().last_change;
        self.hosted.lags.lock().note(self.index, last.0.saturating_sub(position.0), oldest_ms);
    }

    /// Only as the partition's leader may this task go on.
    async fn ask(&self, command: Command) -> Result<Reply, Refusal> {
        self.indexer.router.host.ask(&self.hosted, command).await
    }
}
