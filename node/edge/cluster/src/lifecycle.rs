//! Tables on their way: the catalog's leader brings descriptions to partitions, closes them, and tells the catalog; and has it
//! forget old streams; and so with event source mappings.
//!
//! Every step may be done again: a description of a version that is known, a closing of what is closed and a change that is
//! made already change nothing. So a new leader of the catalog begins where it likes.

use crate::{
    door::{Consistency, Deadline, Door},
    router::Router,
};
use parking_lot::Mutex;
use stator_catalog::{
    Change, GlobalIndex, IndexStatus, Mapping, MappingChange, MappingId, MappingState, TableDescription, TableStatus,
    TimeToLive,
};
use stator_environment::Age;
use stator_item::TableId;
use stator_partition::{Backfill, Command, FeedStatus, Refusal, Reply, TriggerChange};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How long one round with one table may take.
const ROUND_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Lifecycle {
    pub router: Arc<Router>,
    /// Tables that a task works on.
    busy: Mutex<BTreeSet<TableId>>,
    busy_mappings: Mutex<BTreeSet<MappingId>>,
    /// Of streams that were disabled.
    age: Age,
}

impl Lifecycle {
    pub fn new(router: Arc<Router>) -> Lifecycle {
        let age = Age::new(router.client.environment.clock.clone());
        Lifecycle { router, busy: Mutex::default(), busy_mappings: Mutex::default(), age }
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
        let is_settled = |table: &TableDescription| {
            let is_changing = table.time_to_live.as_ref().is_some_and(TimeToLive::is_changing);
            table.status == TableStatus::Active && table.global_indexes.iter().all(GlobalIndex::serves) && !is_changing
        };
        for table in catalog.tables().filter(|table| !is_settled(table)) {
            if !self.busy.lock().insert(table.id) {
                continue;
            }
            let (lifecycle, table) = (self.clone(), table.clone());
            let advance = async move {
                let advanced = match table.status {
                    TableStatus::Active => lifecycle.advance_active(&table).await,
                    _ => lifecycle.advance(&table).await,
                };
                if let Err(refusal) = advanced {
                    tracing::debug!(table = %table.name, %refusal, "the table is not there yet");
                }
                lifecycle.busy.lock().remove(&table.id);
            };
            self.router.client.environment.tasks.spawn("table", Box::pin(advance));
        }
        let is_settled = |mapping: &Mapping| matches!(mapping.state, MappingState::Enabled | MappingState::Disabled);
        for mapping in catalog.mappings().filter(|mapping| !is_settled(mapping)) {
            if !self.busy_mappings.lock().insert(mapping.id) {
                continue;
            }
            let (lifecycle, mapping) = (self.clone(), mapping.clone());
            let advance = async move {
                if let Err(refusal) = lifecycle.advance_mapping(&mapping).await {
                    tracing::debug!(mapping = %mapping.id, %refusal, "the event source mapping is not there yet");
                }
                lifecycle.busy_mappings.lock().remove(&mapping.id);
            };
            self.router.client.environment.tasks.spawn("mapping", Box::pin(advance));
        }
        let now_ms = self.age.now_ms();
        for table in catalog.tables_with_old_streams(now_ms) {
            if !self.busy.lock().insert(table) {
                continue;
            }
            let lifecycle = self.clone();
            let forget = async move {
                if let Err(refusal) = lifecycle.change(Change::ForgetStreams { table, now_ms }).await {
                    tracing::debug!(%table, %refusal, "old streams are not forgotten yet");
                }
                lifecycle.busy.lock().remove(&table);
            };
            self.router.client.environment.tasks.spawn("old streams", Box::pin(forget));
        }
    }

    /// One round: all partitions, those of indexes too, then the catalog.
    async fn advance(&self, table: &Arc<TableDescription>) -> Result<(), Refusal> {
        let command = match table.status {
            TableStatus::Deleting => Command::Close,
            _ => Command::Describe(Box::new(TableDescription::clone(table))),
        };
        // Indexes first: then whatever the table's partitions send them finds them ready.
        let indexes =
            table.global_indexes.iter().filter(|index| index.is_fed() || table.status == TableStatus::Deleting);
        for rows in indexes.map(|index| index.id).chain([table.id]) {
            self.tell_all(rows, &command).await?;
        }
        self.change(match table.status {
            TableStatus::Deleting => Change::TableGone { id: table.id },
            _ => Change::TableReady { id: table.id, version: table.version },
        })
        .await
    }

    /// One round with what of an ACTIVE table is on its way.
    async fn advance_active(&self, table: &Arc<TableDescription>) -> Result<(), Refusal> {
        let (time_to_live, indexes) =
            futures::future::join(self.advance_time_to_live(table), self.advance_indexes(table)).await;
        time_to_live.and(indexes)
    }

    /// Has all partitions follow a change of time to live; they have when all items, or none, are in the order of expiry.
    async fn advance_time_to_live(&self, table: &Arc<TableDescription>) -> Result<(), Refusal> {
        let Some(changing) = table.time_to_live.as_ref().filter(|time_to_live| time_to_live.is_changing()) else {
            return Ok(());
        };
        self.tell_all(table.id, &Command::Describe(Box::new(TableDescription::clone(table)))).await?;
        let wanted = table.expiry_attribute();
        for reply in self.tell_all(table.id, &Command::ShowExpiries).await? {
            match reply {
                Some(Reply::Expiries(status)) if status.attribute.as_deref() == wanted => {
                    if wanted.is_some() && !status.is_filled {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
        self.change(Change::TimeToLiveReady { table: table.id, changed_ms: changing.changed_ms }).await
    }

    /// One round with the indexes of an ACTIVE table that are being filled or taken away.
    async fn advance_indexes(&self, table: &Arc<TableDescription>) -> Result<(), Refusal> {
        for index in &table.global_indexes {
            let (table, index_id) = (table.id, index.id);
            match index.status {
                IndexStatus::Backfilling if self.is_filled(table, index_id).await? => {
                    self.change(Change::IndexFilled { table, index: index_id }).await?;
                }
                // All partitions of the table have forgotten it, or the table would not be ACTIVE.
                IndexStatus::Deleting => {
                    self.tell_all(index_id, &Command::Close).await?;
                    self.change(Change::IndexGone { table, index: index_id }).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether all partitions of the table have brought the index what was there before it.
    async fn is_filled(&self, table: TableId, index: TableId) -> Result<bool, Refusal> {
        let is_done = |feed: &FeedStatus| feed.index == index && feed.backfill == Backfill::Done;
        for reply in self.tell_all(table, &Command::ShowFeeds).await? {
            match reply {
                Some(Reply::Feeds(feeds)) if feeds.iter().any(is_done) => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    /// One round with a mapping: all partitions of its stream, then the catalog.
    async fn advance_mapping(&self, mapping: &Mapping) -> Result<(), Refusal> {
        let (id, stream, starting) = (mapping.id, mapping.stream, mapping.starting);
        match mapping.state {
            MappingState::Creating => {
                let is_resting = !mapping.enabled;
                let begin = TriggerChange::Begin { mapping: id, stream, starting, is_resting };
                self.tell_all(mapping.table, &Command::ChangeTrigger(begin)).await?;
            }
            MappingState::Deleting => {
                self.tell_all(mapping.table, &Command::ChangeTrigger(TriggerChange::End { mapping: id })).await?;
            }
            // Whoever works on it hears of it by the catalog, finishes what it has begun, and says so.
            MappingState::Disabling => {
                let rests = |reply: Option<Reply>| match reply {
                    Some(Reply::Trigger(trigger)) => trigger.is_none_or(|trigger| trigger.is_resting),
                    _ => true,
                };
                let replies = self.tell_all(mapping.table, &Command::ShowTrigger { mapping: id }).await?;
                if !replies.into_iter().all(rests) {
                    return Ok(());
                }
            }
            MappingState::Enabling | MappingState::Updating | MappingState::Enabled | MappingState::Disabled => {}
        }
        let ready = MappingChange::Ready { id, version: mapping.version };
        self.change(Change::Mapping(Box::new(ready))).await
    }

    /// Sends all partitions of a table or index the same. `None`: it was closed before and has nothing more to hear.
    async fn tell_all(&self, rows: TableId, command: &Command) -> Result<Vec<Option<Reply>>, Refusal> {
        let client = &self.router.client;
        let deadline = Deadline(client.environment.clock.elapsed() + ROUND_MAX);
        let catalog = client.copy.catalog();
        let partitions = catalog.routing().partitions(rows).map(|partition| {
            self.router.submit(rows, partition.tokens.first, command.clone(), Consistency::Strong, deadline)
        });
        let mut replies = Vec::new();
        for outcome in futures::future::join_all(partitions).await {
            match outcome {
                Ok(reply) => replies.push(Some(reply)),
                Err(Refusal::NoSuchTable) => replies.push(None),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(replies)
    }

    async fn change(&self, change: Change) -> Result<(), Refusal> {
        let client = &self.router.client;
        let deadline = Deadline(client.environment.clock.elapsed() + ROUND_MAX);
        let changed = client.change(change, deadline).await;
        changed.map(|_| ()).map_err(|error| Refusal::Unavailable(error.to_string()))
    }
}
