//! Tables on their way: the catalog's leader brings descriptions to partitions, closes them, and tells the catalog.
//!
//! Every step may be done again: a description of a version that is known, a closing of what is closed and a change that is
//! made already change nothing. So a new leader of the catalog begins where it likes.

use crate::{
    door::{Consistency, Deadline, Door},
    router::Router,
};
use parking_lot::Mutex;
use stator_catalog::{Change, TableDescription, TableStatus};
use stator_item::TableId;
use stator_partition::{Command, Refusal};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long one round with one table may take.
const ROUND_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Lifecycle {
    pub router: Arc<Router>,
    /// Tables that a task works on.
    busy: Mutex<BTreeSet<TableId>>,
}

impl Lifecycle {
    pub fn new(router: Arc<Router>) -> Lifecycle {
        Lifecycle { router, busy: Mutex::new(BTreeSet::new()) }
    }

    /// Runs for as long as the node does; works only while this node leads the catalog.
    pub async fn run(self: Arc<Lifecycle>) {
        let client = self.router.client.clone();
        let mut changes = client.copy.subscribe();
        loop {
            if client.leads() {
                self.begin_all();
            }
            let look_every = self.router.host.settings.look_every;
            // A change, a table that failed before, or leadership: each is worth a look.
            if let Some(Err(_)) = client.environment.timeout(look_every, changes.changed()).await {
                return;
            }
        }
    }

    fn begin_all(self: &Arc<Lifecycle>) {
        let catalog = self.router.client.copy.catalog();
        for table in catalog.tables().filter(|table| table.status != TableStatus::Active) {
            if !self.busy.lock().insert(table.id) {
                continue;
            }
            let (lifecycle, table) = (self.clone(), table.clone());
            let advance = async move {
                if let Err(refusal) = lifecycle.advance(&table).await {
                    tracing::debug!(table = %table.name, %refusal, "the table is not there yet");
                }
                lifecycle.busy.lock().remove(&table.id);
            };
            self.router.client.environment.tasks.spawn("table", Box::pin(advance));
        }
    }

    /// One round: all partitions, then the catalog.
    async fn advance(&self, table: &Arc<TableDescription>) -> Result<(), Refusal> {
        let client = &self.router.client;
        let deadline = Deadline(client.environment.clock.elapsed() + ROUND_MAX);
        let command = match table.status {
            TableStatus::Deleting => Command::Close,
            _ => Command::Describe(Box::new(TableDescription::clone(table))),
        };
        let catalog = client.copy.catalog();
        let partitions = catalog.routing().partitions(table.id).map(|partition| {
            self.router.submit(table.id, partition.tokens.first, command.clone(), Consistency::Strong, deadline)
        });
        for outcome in futures::future::join_all(partitions).await {
            match outcome {
                // Closed before: it has nothing more to hear.
                Ok(_) | Err(Refusal::NoSuchTable) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        let change = match table.status {
            TableStatus::Deleting => Change::TableGone { id: table.id },
            _ => Change::TableReady { id: table.id, version: table.version },
        };
        client.change(change, deadline).await.map_err(|error| Refusal::Unavailable(error.to_string()))?;
        Ok(())
    }
}
