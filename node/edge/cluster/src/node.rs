//! A node in its cluster: starts everything in order, and stops it in the other.

use crate::{
    catalog::{CatalogClient, Copy, Report, Watching},
    door::{Deadline, Door},
    error::{ChangeError, ClusterError},
    expiry::Expiry,
    forward::ForwardHandler,
    heartbeat::Heartbeats,
    host::Host,
    indexer::Indexer,
    leftovers::remove_leftovers,
    lending::Lending,
    lifecycle::Lifecycle,
    metrics::Metrics,
    placement::Placement,
    reporting::{CatalogHandler, ReplicaDigest, digests, report},
    router::Router,
    scaling::AutoScaling,
    settings::Settings,
    streams::Streams,
    transactions::Recovery,
    triggers::{Invoke, Triggers},
};
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use stator_catalog::{Catalog, CatalogRefusal, Change, ClusterIdentity, FIRST_NODE, FIRST_REPLICA, NodeStart, Outcome};
use stator_consensus::{ConsensusError, Failure, Groups, Wakefulness};
use stator_environment::{BoxFuture, DiskError, Environment, Network, RaftLog, Rows, Service, Task};
use stator_item::{NodeId, PartitionId, TableId, Token};
use stator_partition::insights::Contributor;
use stator_replica::Meters;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;

/// How long founding a cluster may take.
const BEGIN_MAX: Duration = Duration::from_secs(60);
/// How often a node that its cluster does not know yet under this start says so.
const BEGIN_TELL_EVERY: Duration = Duration::from_secs(10);
/// How long handing one leadership over may take when the node stops.
const HAND_OVER_MAX: Duration = Duration::from_secs(2);

/// Numbers of the three crates that make a node.
#[derive(Clone, Debug)]
pub struct AllSettings {
    pub cluster: Settings,
    pub replica: stator_replica::Settings,
    pub consensus: stator_consensus::Settings,
}

impl Default for AllSettings {
    fn default() -> AllSettings {
        let consensus = stator_consensus::Settings {
            // The largest effects of one command fit an entry.
            entry_bytes_max: stator_partition::pack::ENTRY_BYTES_MAX,
            ..stator_consensus::Settings::default()
        };
        AllSettings { cluster: Settings::default(), replica: stator_replica::Settings::default(), consensus }
    }
}

/// What a node is made of.
pub struct NodeParts {
    pub node: NodeId,
    /// What the node says of itself to the cluster at this start.
    pub start: NodeStart,
    /// Given at the first start of a cluster's first node, which makes the cluster.
    pub founder: Option<ClusterIdentity>,
    /// Nodes to ask as long as the catalog is not known here. The network knows their addresses.
    pub contacts: Vec<NodeId>,
    pub environment: Environment,
    pub network: Arc<dyn Network>,
    pub rows: Arc<dyn Rows>,
    pub log: Arc<dyn RaftLog>,
    pub settings: AllSettings,
    /// Told why the process must stop, when its disk cannot be trusted any more.
    pub failure: Arc<watch::Sender<Option<String>>>,
}

/// A running node.
pub struct Node {
    client: Arc<CatalogClient>,
    host: Arc<Host>,
    router: Arc<Router>,
    heartbeats: Arc<Heartbeats>,
    placement: Arc<Placement>,
    tasks: Mutex<Vec<Task>>,
}

impl Node {
    /// Starts a node. Returns when it is known to its cluster under this start; replicas open behind that.
    pub async fn start(parts: NodeParts, registry: &mut Registry) -> Result<Arc<Node>, ClusterError> {
        let NodeParts { node, start, founder, contacts, environment, network, rows, log, settings, failure } = parts;
        let metrics = Arc::new(Metrics::new(registry));
        let groups = Groups::new(settings.consensus, node, environment.clone(), network.clone(), log.clone(), registry);
        environment.tasks.spawn("failure", Box::pin(tell_failure(groups.failure(), failure.clone())));
        let client = Arc::new(CatalogClient {
            node,
            environment: environment.clone(),
            network: network.clone(),
            copy: Copy::new(),
            seat: RwLock::new(None),
            contacts,
        });
        let replica_metrics = Arc::new(stator_replica::Metrics::new(registry));
        let replica_parts = stator_replica::Parts {
            groups: groups.clone(),
            rows: rows.clone(),
            environment: environment.clone(),
            meters: Meters::new(settings.replica.throttling, replica_metrics.clone()),
            settings: settings.replica,
            metrics: replica_metrics,
            failure: failure.clone(),
        };
        let host = Arc::new(Host {
            node,
            parts: replica_parts,
            log: log.clone(),
            client: client.clone(),
            settings: settings.cluster.clone(),
            replicas: RwLock::new(BTreeMap::new()),
            followed: AtomicU64::new(0),
            hosting: watch::Sender::new(0),
        });
        let router = Arc::new(Router {
            host: host.clone(),
            client: client.clone(),
            metrics: metrics.clone(),
            leaders: RwLock::new(BTreeMap::new()),
        });
        network.serve(Service::Catalog, Arc::new(CatalogHandler { client: client.clone(), host: host.clone() }));
        network.serve(Service::Forward, Arc::new(ForwardHandler { host: host.clone() }));
        let watching = Watching { client: client.clone(), groups: groups.clone(), rows, log, failure };
        watching.begin().await?;
        let heartbeats = Arc::new(Heartbeats::new(client.clone(), groups, metrics, settings.cluster));
        let placement = Arc::new(Placement::new(router.clone(), heartbeats.clone()));
        let node = Arc::new(Node { client, host, router, heartbeats, placement, tasks: Mutex::new(Vec::new()) });
        node.spawn_all(watching);
        node.begin(start, founder).await?;
        Ok(node)
    }

    fn spawn_all(self: &Arc<Node>, watching: Watching) {
        let lifecycle = Arc::new(Lifecycle::new(self.router.clone()));
        self.spawn("catalog", Box::pin(watching.run()));
        self.spawn("addresses", Box::pin(introduce_all(self.client.clone())));
        self.spawn("replicas", Box::pin(self.host.clone().run()));
        self.spawn("leftovers", Box::pin(remove_leftovers(self.host.clone())));
        self.spawn("heartbeats", Box::pin(self.heartbeats.clone().run()));
        self.spawn("tables", Box::pin(lifecycle.run()));
        let indexer = Arc::new(Indexer { router: self.router.clone(), metrics: self.router.metrics.clone() });
        self.spawn("indexes", Box::pin(indexer.run()));
        self.spawn("streams", Box::pin(Arc::new(Streams { router: self.router.clone() }).run()));
        self.spawn("expiry", Box::pin(Arc::new(Expiry::new(self.router.clone(), self.heartbeats.clone())).run()));
        self.spawn("lending", Box::pin(Arc::new(Lending { router: self.router.clone() }).run()));
        self.spawn("transactions", Box::pin(Arc::new(Recovery::new(self.router.clone())).run()));
        let scaling = AutoScaling::new(self.router.clone(), self.heartbeats.clone(), self.placement.clone());
        self.spawn("scaling", Box::pin(scaling.run()));
        self.spawn("placement", Box::pin(self.placement.clone().run()));
    }

    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) {
        let task = self.client.environment.tasks.spawn(name, future);
        self.tasks.lock().push(task);
    }

    /// Makes the cluster, or tells it of this start.
    async fn begin(&self, start: NodeStart, founder: Option<ClusterIdentity>) -> Result<(), ClusterError> {
        let deadline = self.deadline(BEGIN_MAX);
        if let Some(identity) = founder
            && self.client.node == FIRST_NODE
        {
            if let Some(seat) = self.client.seat() {
                seat.group.initialize(&[(FIRST_REPLICA, FIRST_NODE)], BEGIN_MAX).await?;
            }
            match self.client.change(Change::InitCluster { identity, node: start.clone() }, deadline).await {
                Ok(_) => return Ok(()),
                // An earlier start made the cluster, and ended before it could remember that.
                Err(ChangeError::Refused(CatalogRefusal::AlreadyInitialised)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Without end: the others may come later, and a node that gave up would be missing then.
        loop {
            let change = Change::UpdateNode { id: self.client.node, node: start.clone() };
            match self.client.change(change, self.deadline(BEGIN_TELL_EVERY)).await {
                Ok(_) => return Ok(()),
                Err(ChangeError::DeadlinePassed) => {
                    tracing::warn!(
                        "the catalog has no leader: more than half of the nodes that hold it must be up; waiting"
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Has event source mappings call their functions from now on. Once: the node's tasks stop with it.
    pub fn run_triggers(&self, invoke: Arc<dyn Invoke>) {
        let triggers = Arc::new(Triggers::new(self.router.clone(), invoke));
        self.spawn("triggers", Box::pin(triggers.run()));
    }

    /// The way in for commands.
    pub fn door(&self) -> Arc<dyn Door> {
        self.router.clone()
    }

    /// The catalog as this node knows it.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.client.copy.catalog()
    }

    /// The catalog as its leader has it; if none answers in time, as this node knows it.
    pub async fn newest_catalog(&self, deadline: Deadline) -> Arc<Catalog> {
        self.router.refresh_soon(deadline).await;
        self.catalog()
    }

    /// The catalog as its leader has it; `None`: no leader answers in time.
    pub async fn fresh_catalog(&self, deadline: Deadline) -> Option<Arc<Catalog>> {
        self.client.refresh(deadline).await.ok()?;
        Some(self.catalog())
    }

    /// Whether the partition of a token is led by its replica on this node.
    pub fn leads(&self, table: TableId, token: Token) -> bool {
        let catalog = self.catalog();
        let partition = catalog.routing().partition(table, token);
        let hosted = partition.and_then(|partition| self.host.replica(partition.id));
        hosted.is_some_and(|hosted| hosted.replica.leadership().leads)
    }

    /// Makes a change of the catalog and waits until this node's copy shows it.
    pub async fn change(&self, change: Change, deadline: Deadline) -> Result<Outcome, ChangeError> {
        let partitions_of_new = self.host.settings.partitions_of_new_table;
        let change = match change {
            Change::CreateTable { table, partitions, tables_max, avoid } => {
                let tables_max = tables_max.or(self.host.settings.tables_max);
                let (partitions, avoid) = (partitions.or(partitions_of_new), self.avoid(avoid));
                Change::CreateTable { table, partitions, tables_max, avoid }
            }
            Change::UpdateTable { name, update, partitions, avoid } => {
                let (partitions, avoid) = (partitions.or(partitions_of_new), self.avoid(avoid));
                Change::UpdateTable { name, update, partitions, avoid }
            }
            Change::ChangeTimeToLive { table, attribute, enabled, at_any_time } => {
                let at_any_time = at_any_time || self.host.settings.time_to_live_at_any_time;
                Change::ChangeTimeToLive { table, attribute, enabled, at_any_time }
            }
            Change::CreateSystemTable { table, avoid } => Change::CreateSystemTable { table, avoid: self.avoid(avoid) },
            other => other,
        };
        self.client.change(change, deadline).await
    }

    /// Nodes for new replicas to avoid; where none are named, those that were not heard of lately.
    fn avoid(&self, named: Vec<NodeId>) -> Vec<NodeId> {
        if !named.is_empty() {
            return named;
        }
        let alive = self.heartbeats.alive();
        self.catalog().joined_nodes().map(|node| node.id).filter(|node| !alive.contains(node)).collect()
    }

    /// Waits until the catalog, as this node knows it, satisfies `is_so`; `false`: not by the deadline.
    pub async fn catalog_becomes(&self, is_so: impl Fn(&Catalog) -> bool, deadline: Deadline) -> bool {
        let mut changes = self.client.copy.subscribe();
        let wait = async {
            while !is_so(&self.catalog()) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        let left = deadline.0.saturating_sub(self.client.environment.clock.elapsed());
        self.client.environment.timeout(left, wait).await.unwrap_or(false)
    }

    /// That long from now.
    pub fn deadline(&self, within: Duration) -> Deadline {
        Deadline(self.client.environment.clock.elapsed() + within)
    }

    pub fn id(&self) -> NodeId {
        self.client.node
    }

    /// Whether this node serves: it knows the catalog, and its replicas have followed it at least once.
    pub fn is_ready(&self) -> bool {
        self.catalog().identity().is_some() && self.host.followed.load(Ordering::Acquire) > 0
    }

    /// Nodes heard of lately, this one included.
    pub fn alive(&self) -> BTreeSet<NodeId> {
        self.heartbeats.alive()
    }

    /// How long ago each other node was heard of.
    pub fn heard_ago(&self) -> BTreeMap<NodeId, Duration> {
        self.heartbeats.heard_ago()
    }

    /// What a node says of itself; `None`: it does not answer.
    pub async fn report_of(&self, node: NodeId) -> Option<Report> {
        if node == self.client.node {
            return Some(report(&self.client, &self.host));
        }
        self.placement.report(node).await
    }

    /// Which keys of a table a node was asked for most; `None`: it does not answer.
    pub async fn insights_of(&self, node: NodeId, table: TableId) -> Option<Vec<Contributor>> {
        if node == self.client.node {
            return Some(self.host.insights(table));
        }
        self.placement.insights(node, table).await
    }

    /// The partitions whose replicas here, as applied, wait for the end of a transaction.
    pub fn unfinished_transactions(&self) -> Vec<PartitionId> {
        let replicas = self.host.replicas.read();
        let waiting = replicas.iter().filter(|(_, hosted)| !hosted.replica.unfinished_transactions(1).is_empty());
        waiting.map(|(partition, _)| *partition).collect()
    }

    /// What the replicas on this node hold now. Reads all of them, and blocks on the disk.
    pub fn digests(&self) -> Result<Vec<ReplicaDigest>, DiskError> {
        digests(&self.client, &self.host)
    }

    /// Stops in order: leaderships are handed over, then replicas close. What waits is answered "try again".
    pub async fn close(&self) {
        for task in self.tasks.lock().drain(..) {
            task.stop();
        }
        let alive = self.heartbeats.alive();
        let led: Vec<_> = self.host.replicas.read().values().map(|hosted| hosted.replica.group().clone()).collect();
        let catalog = self.client.seat().map(|seat| seat.group);
        // Whoever wants a sleeping group later has it elect another leader: to wake thousands now would take longer than anybody waits.
        let awake = led.into_iter().filter(|group| group.wakefulness() == Wakefulness::Awake);
        let groups = awake.chain(catalog.clone()).filter(|group| group.leadership().borrow().leads);
        let hand_overs = groups.map(|group| {
            let alive = &alive;
            async move { hand_over_to_any(&group, self.client.node, alive).await }
        });
        futures::future::join_all(hand_overs).await;
        self.host.close().await;
        if let Some(group) = catalog {
            group.close().await;
        }
    }
}

/// A single voter keeps what it leads: there is nobody else.
async fn hand_over_to_any(group: &stator_consensus::Group, from: NodeId, alive: &BTreeSet<NodeId>) {
    let voters = group.members().voters;
    let Some((replica, _)) = voters.into_iter().find(|(_, node)| *node != from && alive.contains(node)) else { return };
    match group.transfer(replica, HAND_OVER_MAX).await {
        Ok(()) | Err(ConsensusError::NotLeader { .. }) => {}
        Err(error) => tracing::warn!(partition = %group.partition(), %error, "leadership could not be handed over"),
    }
}

/// A replica whose Raft core died ends the node.
async fn tell_failure(mut died: watch::Receiver<Option<Failure>>, failure: Arc<watch::Sender<Option<String>>>) {
    // An error says only that the groups are gone: the node is closing.
    if let Ok(died) = died.wait_for(Option::is_some).await
        && let Some(Failure { replica, reason }) = died.as_ref()
    {
        failure.send_replace(Some(format!("replica {replica} cannot go on: {reason}")));
    }
}

/// Keeps the network's address book.
async fn introduce_all(client: Arc<CatalogClient>) {
    let mut changes = client.copy.subscribe();
    loop {
        for node in client.copy.catalog().joined_nodes().filter(|node| node.id != client.node) {
            client.network.introduce(node.id, &node.start.peer_address);
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}
