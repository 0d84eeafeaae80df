//! One mapping at one partition, for as long as both are there.

use super::{
    Triggers,
    session::{Session, SessionEnd, SessionError},
};
use crate::host::Hosted;
use stator_catalog::{Mapping, MappingId, MappingState};
use stator_consensus::Leadership;
use stator_partition::{Command, Refusal, Reply, Trigger, TriggerChange};
use stator_replica::Feeding;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// After a session that failed: at first, and at most.
const RETRY_LEAST: Duration = Duration::from_millis(20);
const RETRY_MOST: Duration = Duration::from_secs(2);

pub(super) struct Runner {
    pub triggers: Arc<Triggers>,
    pub hosted: Arc<Hosted>,
    pub mapping: MappingId,
    pub feeding: watch::Receiver<Feeding>,
    pub leadership: watch::Receiver<Leadership>,
    /// Told whenever this node's copy of the catalog changes.
    pub catalog: watch::Receiver<u64>,
}

impl Runner {
    pub fn new(triggers: Arc<Triggers>, hosted: Arc<Hosted>, mapping: MappingId) -> Runner {
        let (feeding, leadership) = (hosted.replica.feeding(), hosted.replica.group().leadership());
        let catalog = triggers.router.client.copy.subscribe();
        Runner { triggers, hosted, mapping, feeding, leadership, catalog }
    }

    /// Runs until the mapping is deleted, or the replica is closed.
    pub async fn run(mut self) {
        self.work().await;
        self.hosted.waiting.forget(self.mapping);
    }

    async fn work(&mut self) {
        let mut wait = RETRY_LEAST;
        while let Some(mapping) = self.current() {
            let leadership = *self.leadership.borrow_and_update();
            if !leadership.leads {
                self.hosted.waiting.forget(self.mapping);
                if !self.news().await {
                    return;
                }
                continue;
            }
            let begun = self.elapsed();
            let served = match mapping.runs() {
                true => Session::serve(self, &mapping, leadership.term).await,
                false => self.rest().await,
            };
            let outcome = match served {
                Ok(SessionEnd::Stopped) => None,
                // Until something changes there is nothing to do.
                Ok(SessionEnd::Settled) if !self.news().await => return,
                Ok(SessionEnd::Settled) => None,
                Err(error) => Some(error),
            };
            if let Some(error) = outcome {
                tracing::debug!(partition = %self.hosted.replica.group().partition(), mapping = %self.mapping, %error,
                    "a session of a trigger is over");
                // One that worked for a while was no failure in a row.
                wait = if self.elapsed() >= begun + RETRY_MOST { RETRY_LEAST } else { (wait * 2).min(RETRY_MOST) };
                self.triggers.router.host.parts.environment.sleep(wait).await;
            }
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.triggers.router.host.parts.environment.clock.elapsed()
    }

    pub fn note_oldest(&self, oldest_ms: Option<u64>) {
        self.hosted.waiting.note_record(self.mapping, oldest_ms);
    }

    /// The mapping as it is now; `None`: it is to have no runner here.
    pub fn current(&self) -> Option<Arc<Mapping>> {
        let is_closed = self.feeding.borrow().closed;
        let catalog = self.triggers.router.client.copy.catalog();
        let mapping = catalog.mapping(self.mapping).filter(|mapping| mapping.state != MappingState::Deleting);
        mapping.filter(|_| !is_closed).cloned()
    }

    /// Whether the replica leads in that term.
    pub fn leads_in(&self, term: u64) -> bool {
        let leadership = *self.leadership.borrow();
        leadership.leads && leadership.term == term
    }

    /// Waits for news of leadership or mappings. `false`: there will be none.
    async fn news(&mut self) -> bool {
        let mut feeding = self.feeding.clone();
        tokio::select! {
            changed = self.leadership.changed() => changed.is_ok(),
            changed = self.catalog.changed() => changed.is_ok(),
            _ = feeding.wait_for(|feeding| feeding.closed) => false,
        }
    }

    /// A disabled mapping: the partition is to know that nobody works on it.
    async fn rest(&self) -> Result<SessionEnd, SessionError> {
        self.note_oldest(None);
        if !self.show().await?.is_resting {
            self.change(TriggerChange::Rest { mapping: self.mapping }).await?;
        }
        Ok(SessionEnd::Settled)
    }

    /// What the partition remembers of the mapping.
    pub async fn show(&self) -> Result<Trigger, SessionError> {
        match self.ask(Command::ShowTrigger { mapping: self.mapping }).await? {
            Reply::Trigger(Some(trigger)) => Ok(*trigger),
            Reply::Trigger(None) => Err(SessionError::Unknown),
            _ => Err(SessionError::UnexpectedReply),
        }
    }

    pub async fn change(&self, change: TriggerChange) -> Result<(), SessionError> {
        self.ask(Command::ChangeTrigger(change)).await?;
        Ok(())
    }

    /// Only as the partition's leader may this task go on.
    pub async fn ask(&self, command: Command) -> Result<Reply, Refusal> {
        self.triggers.router.host.ask(&self.hosted, command).await
    }
}
