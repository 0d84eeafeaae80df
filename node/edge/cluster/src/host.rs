//! The replicas on this node: opened, founded and removed as the catalog says.

use crate::{catalog::CatalogClient, indexer::Lags, settings::Settings, waiting::Waiting};
use parking_lot::{Mutex, RwLock};
use stator_catalog::{Catalog, Change, InsightsMode, Member, PartitionDescription, Role, TokenRange};
use stator_consensus::ConsensusError;
use stator_environment::{RaftLog, ReplicaLogState};
use stator_item::{NodeId, PartitionId, ReplicaId, TableId, Timestamp};
use stator_partition::{
    Attempt, Command, CommandId, Refusal, Reply,
    insights::{self, AskedKey, Contributor, Insights},
    transaction::Place,
};
use stator_replica::{Consistency, Parts, Replica, Request, StoredState, remove, stored_state};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How long one attempt to found a group may take.
const FOUND_MAX: Duration = Duration::from_secs(10);
/// Keys of each list that are told of a table.
const CONTRIBUTORS_MAX: usize = 100;
const RETRY_AFTER: Duration = Duration::from_millis(200);
/// How long a command of this node's own may take.
const ASK_MAX: Duration = Duration::from_secs(5);

/// A replica that runs here.
pub(crate) struct Hosted {
    pub replica: Arc<Replica>,
    pub id: ReplicaId,
    description: Arc<PartitionDescription>,
    /// Counts requests by key while the table has Contributor Insights enabled.
    insights: RwLock<Option<Mutex<Insights>>>,
    /// How far the indexes that it feeds are behind, while it leads.
    pub lags: Mutex<Lags>,
    pub waiting: Waiting,
}

impl Hosted {
    pub fn tokens(&self) -> TokenRange {
        self.replica.tokens()
    }

    /// A place in the partition.
    pub fn place(&self) -> Place {
        Place { table: self.description.table, token: self.description.tokens.first }
    }

    /// Begins or ends counting, as the catalog says.
    fn count(&self, mode: Option<InsightsMode>, elapsed: Duration) {
        let counted = self.insights.read().as_ref().map(|insights| insights.lock().mode());
        if counted != mode {
            *self.insights.write() = mode.map(|mode| Mutex::new(Insights::new(mode, elapsed)));
        }
    }
}

pub(crate) struct Host {
    pub node: NodeId,
    pub parts: Parts,
    pub log: Arc<dyn RaftLog>,
    pub client: Arc<CatalogClient>,
    pub settings: Settings,
    pub replicas: RwLock<BTreeMap<PartitionId, Arc<Hosted>>>,
    /// The catalog's revision that the replicas here have followed.
    pub followed: AtomicU64,
    /// Rises when replicas were opened or dropped.
    pub hosting: watch::Sender<u64>,
}

impl Host {
    pub fn replica(&self, partition: PartitionId) -> Option<Arc<Hosted>> {
        self.replicas.read().get(&partition).cloned()
    }

    /// Has a replica here carry a command out.
    pub async fn submit(&self, hosted: &Hosted, request: Request) -> Result<Reply, Refusal> {
        let is_counted = hosted.insights.read().is_some();
        let asked = if is_counted { AskedKey::of(&request.command) } else { None };
        let outcome = hosted.replica.submit(request).await;
        if let Some(asked) = asked
            && let Some(insights) = hosted.insights.read().as_ref()
        {
            insights.lock().count(&asked, &outcome, self.parts.environment.clock.elapsed());
        }
        outcome
    }

    /// Asks a partition itself, through its replica here: only if that leads does it answer.
    pub async fn ask(&self, hosted: &Hosted, command: Command) -> Result<Reply, Refusal> {
        let environment = &self.parts.environment;
        let request = Request {
            id: CommandId(environment.random.next_u128()),
            birth: Timestamp { wall_ms: environment.clock.wall_ms(), counter: 0, node: self.node.0 as u32 },
            attempt: Attempt::First,
            // It asks the replica that it stands beside, whatever its epoch.
            epoch: u64::MAX,
            deadline: environment.clock.elapsed() + ASK_MAX,
            consistency: Consistency::Strong,
            command,
        };
        hosted.replica.submit(request).await
    }

    /// The keys of a table that are asked for most, as the replicas here have counted.
    pub fn insights(&self, table: TableId) -> Vec<Contributor> {
        let elapsed = self.parts.environment.clock.elapsed();
        let replicas = self.replicas.read();
        let counted = replicas.values().filter(|hosted| hosted.description.table == table).flat_map(|hosted| {
            let insights = hosted.insights.read();
            insights.as_ref().map(|insights| insights.lock().tell(elapsed)).unwrap_or_default()
        });
        insights::top(counted, CONTRIBUTORS_MAX)
    }

    /// Runs for as long as the node does.
    pub async fn run(self: Arc<Host>) {
        let mut changes = self.client.copy.subscribe();
        loop {
            let catalog = self.client.copy.catalog();
            match self.follow(&catalog).await {
                Ok(lost) => {
                    self.followed.store(catalog.revision(), Ordering::Release);
                    self.hosting.send_replace(catalog.revision());
                    if !self.give_up(&lost).await {
                        self.parts.environment.sleep(RETRY_AFTER).await;
                    } else if changes.changed().await.is_err() {
                        return;
                    }
                }
                // A disk that failed once is not to be trusted again: the node stops.
                Err(ConsensusError::Disk(error)) => {
                    let reason = format!("the replicas of this node cannot follow the catalog: {error}");
                    self.parts.failure.send_replace(Some(reason));
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, "the replicas of this node cannot follow the catalog");
                    self.parts.environment.sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    /// Opens and closes replicas as the catalog says; returns those whose log is gone.
    async fn follow(self: &Arc<Host>, catalog: &Catalog) -> Result<Vec<ReplicaId>, ConsensusError> {
        let mut lost = Vec::new();
        if catalog.identity().is_none() {
            return Ok(lost);
        }
        let hosted: Vec<(PartitionId, Arc<Hosted>)> =
            self.replicas.read().iter().map(|(id, hosted)| (*id, hosted.clone())).collect();
        for (partition, hosted) in hosted {
            if catalog.member_on(partition, self.node).map(|member| member.replica) != Some(hosted.id) {
                self.drop_replica(partition, &hosted).await?;
            }
        }
        for partition in catalog.partitions().filter(|partition| partition.id != PartitionId::CATALOG) {
            if let Some(member) = catalog.member_on(partition.id, self.node)
                && self.replica(partition.id).is_none()
            {
                match stored_state(&*self.parts.rows, partition.id, member.replica)? {
                    // A replica with state and no log at all may have forgotten a vote: it must not come back under its id.
                    StoredState::Own if self.log.state(member.replica) == ReplicaLogState::default() => {
                        lost.push(member.replica);
                        continue;
                    }
                    // Of one that this one replaces. Not before that: it may be the last that is left.
                    StoredState::Others => remove(&*self.parts.rows, partition)?,
                    StoredState::Own | StoredState::Nothing => {}
                }
                self.open(partition, member).await?;
            }
        }
        self.parts.meters.retain(|rows| catalog.table_of_rows(rows).is_some());
        self.parts.metrics.retain_tables(|name| catalog.table(name).is_some());
        let elapsed = self.parts.environment.clock.elapsed();
        for hosted in self.replicas.read().values() {
            hosted.count(catalog.insights(hosted.description.table).and_then(|insights| insights.mode), elapsed);
        }
        Ok(lost)
    }

    /// Tells the catalog that these replicas are gone, so that others come in their places; `false`: not all could be told yet.
    async fn give_up(&self, lost: &[ReplicaId]) -> bool {
        for replica in lost {
            tracing::error!(%replica, "the replica's log is gone; it gives up its place");
            let deadline = crate::door::Deadline(self.parts.environment.clock.elapsed() + FOUND_MAX);
            if let Err(error) = self.client.change(Change::ReplicaLost { replica: *replica }, deadline).await {
                tracing::warn!(%replica, %error, "the loss of a replica could not be told yet");
                return false;
            }
        }
        true
    }

    async fn open(
        self: &Arc<Host>,
        partition: &Arc<PartitionDescription>,
        member: Member,
    ) -> Result<(), ConsensusError> {
        let description = PartitionDescription::clone(partition);
        let replica = Arc::new(Replica::open(&self.parts, description, member.replica).await?);
        let hosted = Arc::new(Hosted {
            replica: replica.clone(),
            id: member.replica,
            description: partition.clone(),
            insights: RwLock::new(None),
            lags: Mutex::default(),
            waiting: Waiting::default(),
        });
        self.replicas.write().insert(partition.id, hosted);
        if partition.epoch == 1 && partition.members.iter().any(|founder| founder.replica == member.replica) {
            self.found(partition.clone(), replica);
        }
        Ok(())
    }

    /// Makes the group with its first members, of which this replica is one. All of them do this; one succeeds.
    fn found(self: &Arc<Host>, partition: Arc<PartitionDescription>, replica: Arc<Replica>) {
        let environment = self.parts.environment.clone();
        let retry = environment.clone();
        environment.tasks.spawn(
            "found",
            Box::pin(async move {
                let voters: Vec<(ReplicaId, NodeId)> = voters(&partition.members).collect();
                loop {
                    match replica.group().initialize(&voters, FOUND_MAX).await {
                        Ok(()) | Err(ConsensusError::Stopped) => return,
                        Err(error) => {
                            tracing::debug!(partition = %partition.id, %error, "the group is not founded yet")
                        }
                    }
                    retry.sleep(RETRY_AFTER).await;
                }
            }),
        );
    }

    async fn drop_replica(&self, partition: PartitionId, hosted: &Hosted) -> Result<(), ConsensusError> {
        self.replicas.write().remove(&partition);
        hosted.replica.close().await;
        remove(&*self.parts.rows, &hosted.description)?;
        self.parts.groups.remove(hosted.id).await
    }

    /// Stops all replicas; data and logs stay.
    pub async fn close(&self) {
        let hosted = std::mem::take(&mut *self.replicas.write());
        for hosted in hosted.values() {
            hosted.replica.close().await;
        }
    }
}

pub(crate) fn voters(members: &[Member]) -> impl Iterator<Item = (ReplicaId, NodeId)> {
    members.iter().filter(|member| member.role == Role::Voter).map(|member| (member.replica, member.node))
}

pub(crate) fn learners(members: &[Member]) -> impl Iterator<Item = (ReplicaId, NodeId)> {
    members.iter().filter(|member| member.role == Role::Learner).map(|member| (member.replica, member.node))
}
