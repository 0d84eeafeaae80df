//! Contents of deleted groups and streams are cleared away, by the node that leads the list of what was deleted.
//!
//! A node may write to what it does not know to be deleted for a short time. So what was deleted stays in the list for longer than
//! that, and is looked at again.

use super::{
    Logs,
    store::{DELETED, Deleted},
};
use crate::system_items::SystemItems;
use stator_logs::LogsError;
use std::{sync::Arc, time::Duration};

const SWEEP_EVERY: Duration = Duration::from_secs(10);
const SWEEP_MAX: Duration = Duration::from_secs(60);
/// How long nodes may write to what was deleted, with a wide margin: what they know of a group is 30 s old at most, and a try to
/// put events takes 5 s.
const WRITTEN_FOR_MS: u64 = 10 * 60 * 1_000;
/// Batches that are removed before others get their turn.
const BATCHES: u64 = 32;

impl Logs {
    /// Runs for as long as the node does.
    pub(super) async fn sweep(self: Arc<Logs>) {
        loop {
            self.environment.sleep(SWEEP_EVERY).await;
            if let Err(error) = self.sweep_once().await {
                tracing::debug!(%error, "deleted logs are not cleared away yet");
            }
        }
    }

    async fn sweep_once(&self) -> Result<(), LogsError> {
        let Some(table) = self.store.table() else { return Ok(()) };
        if !self.tables.leads(table, SystemItems::token(DELETED)) {
            return Ok(());
        }
        let deadline = self.deadline(SWEEP_MAX);
        for (deleted, at_ms) in self.store.deleted(deadline).await? {
            // It was noted first: the one that deletes may have failed after that.
            let is_there = match &deleted {
                Deleted::Group { id, name } => {
                    self.store.group(name, deadline).await?.is_some_and(|group| group.id == *id)
                }
                Deleted::Stream { id, group_id, name } => {
                    self.store.stream(group_id, name, deadline).await?.is_some_and(|stream| stream.id == *id)
                }
            };
            let is_old = at_ms.saturating_add(WRITTEN_FOR_MS) < self.environment.clock.wall_ms();
            if !is_there {
                match &deleted {
                    Deleted::Group { id, .. } => {
                        for stream in self.store.streams(id, None, deadline).await? {
                            while self.store.clear_events(&stream.id, BATCHES, deadline).await? {}
                            self.store.clear_stream(id, &stream.name, deadline).await?;
                        }
                    }
                    Deleted::Stream { id, .. } => while self.store.clear_events(id, BATCHES, deadline).await? {},
                }
            }
            if is_old {
                self.store.forget(&deleted, deadline).await?;
            }
        }
        Ok(())
    }
}
