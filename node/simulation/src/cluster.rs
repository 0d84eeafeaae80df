//! A cluster of simulated nodes: the product's own code between a simulated network and simulated disks.

use crate::{
    client::NODE_WAIT,
    clock::SimulatedClock,
    disk::{Disk, Loss},
    functions::Functions,
    network::{Weather, Wires},
    tasks::Life,
    world::World,
};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use stator_catalog::{Catalog, Change, ClusterIdentity, FIRST_NODE, NodeStart, Outcome, Secret};
use stator_cluster::{AllSettings, Node, NodeParts};
use stator_environment::{DiskError, Environment};
use stator_gateway::{Authentication, Gateway, GatewayParts};
use stator_item::NodeId;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{oneshot, watch};

/// One machine: what outlives its processes.
struct Machine {
    disk: Disk,
    clock: Arc<SimulatedClock>,
    directory: u128,
    starts: u64,
    process: Option<Process>,
}

/// One process on it.
#[derive(Clone)]
struct Process {
    life: Arc<Life>,
    environment: Environment,
    /// Set once the node has started.
    node: Arc<Mutex<Option<Started>>>,
}

#[derive(Clone)]
struct Started {
    node: Arc<Node>,
    gateway: Arc<Gateway>,
}

pub struct Cluster {
    pub world: Arc<World>,
    pub wires: Arc<Wires>,
    settings: AllSettings,
    /// How long rows stay unflushed at most.
    flush_most: Duration,
    /// Whether any node may have been taken out.
    removes: AtomicBool,
    machines: Mutex<BTreeMap<NodeId, Machine>>,
}

impl Cluster {
    pub fn new(world: Arc<World>, wires: Arc<Wires>, settings: AllSettings) -> Arc<Cluster> {
        Cluster::with_flushes(world, wires, settings, Duration::from_secs(5))
    }

    /// One whose network loses nothing and is never very late: what breaks is somebody else's business.
    pub fn calm(seed: u64, settings: AllSettings) -> Arc<Cluster> {
        let world = World::new(seed, false);
        let weather = Weather { loss_per_mille: 0, has_stragglers: false, ..Weather::default() };
        Cluster::new(world.clone(), Wires::new(world, weather), settings)
    }

    /// One whose nodes keep rows in memory for `flush_most` at most.
    pub fn with_flushes(
        world: Arc<World>,
        wires: Arc<Wires>,
        settings: AllSettings,
        flush_most: Duration,
    ) -> Arc<Cluster> {
        let removes = AtomicBool::new(false);
        Arc::new(Cluster { world, wires, settings, flush_most, removes, machines: Mutex::default() })
    }

    /// Adds a machine and starts a node on it: the first makes the cluster, the others join through it. `rate` is its clock's speed.
    pub async fn add(self: &Arc<Cluster>, rate: f64) -> Result<NodeId, String> {
        let directory = u128::from(self.world.throw(crate::world::Dice::throw));
        let machine = Machine {
            disk: Disk::new(self.world.clone(), self.flush_most),
            clock: Arc::new(SimulatedClock::new(rate)),
            directory,
            starts: 0,
            process: None,
        };
        let id = match self.nodes().into_iter().find(|node| self.node(*node).is_some()) {
            None if self.nodes().is_empty() => FIRST_NODE,
            None => return Err("there is no node to join through".to_owned()),
            Some(through) => self.admit(through, directory).await?,
        };
        self.machines.lock().insert(id, machine);
        self.start(id).await?;
        Ok(id)
    }

    async fn admit(&self, through: NodeId, directory: u128) -> Result<NodeId, String> {
        let node = self.node(through).ok_or("the node to join through is down")?;
        let start = node_start(directory, 0);
        let change = stator_catalog::Change::AddNode { node: start, token: None };
        match node.change(change, node.deadline(Duration::from_secs(30))).await.map_err(|error| error.to_string())? {
            Outcome::Node(id) => Ok(id),
            other => Err(format!("the catalog answered a node with {other:?}")),
        }
    }

    pub fn nodes(&self) -> Vec<NodeId> {
        self.machines.lock().keys().copied().collect()
    }

    /// The node, if its process runs and has started.
    pub fn node(&self, id: NodeId) -> Option<Arc<Node>> {
        self.started(id).map(|started| started.node)
    }

    /// Where the node takes requests, if its process runs and has started.
    pub fn gateway(&self, id: NodeId) -> Option<Arc<Gateway>> {
        self.started(id).map(|started| started.gateway)
    }

    fn started(&self, id: NodeId) -> Option<Started> {
        let process = self.machines.lock().get(&id)?.process.clone()?;
        let started = process.node.lock().clone();
        started.filter(|_| process.life.is_alive())
    }

    /// The environment of the node's process.
    pub fn environment(&self, id: NodeId) -> Option<Environment> {
        Some(self.machines.lock().get(&id)?.process.as_ref()?.environment.clone())
    }

    /// Starts a process on a machine that has none, and waits until it serves, for a minute at most.
    pub async fn start(self: &Arc<Cluster>, id: NodeId) -> Result<(), String> {
        let started = self.launch(id)?;
        match tokio::time::timeout(Duration::from_secs(120), started).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err("the process died while it started".to_owned()),
            Err(_) => Err(format!("node {id} did not start within two minutes")),
        }
    }

    /// Starts a process and lets it come up by itself.
    pub fn launch(self: &Arc<Cluster>, id: NodeId) -> Result<oneshot::Receiver<Result<(), String>>, String> {
        let mut machines = self.machines.lock();
        let others: Vec<NodeId> = machines.keys().copied().filter(|other| *other != id).collect();
        let machine = machines.get_mut(&id).ok_or("there is no such machine")?;
        let (life, environment) = self.world.begin_life(id, machine.clock.clone());
        machine.starts += 1;
        machine.disk.attach(environment.clone());
        let network = self.wires.plug(id, environment.clone());
        let founder = (id == FIRST_NODE).then(identity);
        let failure = Arc::new(watch::Sender::new(None));
        self.stop_on(id, life.clone(), failure.subscribe());
        let parts = NodeParts {
            node: id,
            start: node_start(machine.directory, machine.starts),
            founder: founder.filter(|_| machine.starts == 1),
            contacts: others,
            environment: environment.clone(),
            network,
            rows: machine.disk.rows.clone(),
            log: machine.disk.log.clone(),
            settings: self.settings.clone(),
            failure: failure.clone(),
        };
        let process = Process { life, environment: environment.clone(), node: Arc::default() };
        machine.process = Some(process.clone());
        let (sender, receiver) = oneshot::channel();
        let world = self.world.clone();
        environment.tasks.spawn(
            "node",
            Box::pin(async move {
                let result = start(parts, world.clone()).await.map(|started| *process.node.lock() = Some(started));
                world.note(|| format!("node {id} has started: {result:?}"));
                if let Err(reason) = &result {
                    failure.send_replace(Some(reason.clone()));
                }
                // Nobody waits for a process that comes up by itself.
                let _ = sender.send(result);
            }),
        );
        Ok(receiver)
    }

    /// The machine loses power.
    pub fn crash(&self, id: NodeId) {
        self.end(id, Loss::Power);
    }

    /// kill -9.
    pub fn kill(&self, id: NodeId) {
        self.end(id, Loss::Process);
    }

    fn end(&self, id: NodeId, loss: Loss) {
        let mut machines = self.machines.lock();
        let Some(machine) = machines.get_mut(&id) else { return };
        self.world.kill(id);
        self.wires.unplug(id);
        machine.process = None;
        machine.disk.crash(loss);
    }

    /// A process that cannot trust its disk ends, as the binary's does.
    fn stop_on(self: &Arc<Cluster>, id: NodeId, life: Arc<Life>, mut failure: watch::Receiver<Option<String>>) {
        let cluster = Arc::downgrade(self);
        tokio::spawn(async move {
            let failed = failure.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
            let (Some(reason), Some(cluster)) = (failed, cluster.upgrade()) else { return };
            if life.is_alive() {
                cluster.world.note(|| format!("node {id} stops: {reason}"));
                cluster.kill(id);
            }
        });
    }

    /// Stops a process as SIGTERM does: leaderships are handed over first. It is down afterwards.
    pub async fn stop(&self, id: NodeId) {
        if let Some(node) = self.node(id) {
            let life = self.world.life(id);
            // One that hangs is killed, as an operator would.
            let _ = tokio::time::timeout(Duration::from_secs(5), node.close()).await;
            if self.world.life(id).is_some_and(|now| life.is_some_and(|then| Arc::ptr_eq(&now, &then))) {
                self.kill(id);
            }
        }
    }

    /// The nodes that were not taken out, as the newest catalog that a node knows has them.
    pub fn staying(&self) -> Vec<NodeId> {
        let nodes = self.nodes();
        if !self.removes.load(Ordering::Relaxed) {
            return nodes;
        }
        let Some(newest) = self.newest_catalog() else { return nodes };
        let is_joined = |id: &NodeId| newest.joined_nodes().any(|node| node.id == *id);
        nodes.into_iter().filter(is_joined).collect()
    }

    /// The newest catalog that a node knows; `None`: no node is up.
    pub fn newest_catalog(&self) -> Option<Arc<Catalog>> {
        let catalogs = self.nodes().into_iter().filter_map(|id| self.node(id)).map(|node| node.catalog());
        catalogs.max_by_key(|catalog| catalog.revision())
    }

    /// Takes a node out of the cluster for good; its machine goes on until the end.
    pub async fn remove(&self, id: NodeId) -> Result<(), String> {
        let through = self.nodes().into_iter().find(|node| *node != id && self.node(*node).is_some());
        let node = through.and_then(|through| self.node(through)).ok_or("no node is up")?;
        self.removes.store(true, Ordering::Relaxed);
        let change = Change::RemoveNode { id };
        node.change(change, node.deadline(Duration::from_secs(10))).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// A node's disk answers with an error until its process ends.
    pub fn fail_disk(&self, id: NodeId, failure: &DiskError) {
        if let Some(machine) = self.machines.lock().get(&id) {
            machine.disk.fail(failure);
        }
    }

    /// Whether its disk answers with an error.
    pub fn has_failed_disk(&self, id: NodeId) -> bool {
        self.machines.lock().get(&id).is_some_and(|machine| machine.disk.has_failed())
    }

    /// Ends everything, so that the memory of a run goes with it.
    pub fn dissolve(&self) {
        for id in self.nodes() {
            self.kill(id);
        }
        self.machines.lock().clear();
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.machines.lock().get(&id).is_some_and(|machine| machine.process.is_some())
    }

    pub fn pause(&self, id: NodeId) {
        if let Some(life) = self.world.life(id) {
            life.pause();
        }
    }

    pub fn resume(&self, id: NodeId) {
        if let Some(life) = self.world.life(id) {
            life.resume();
        }
    }

    /// Moves a node's wall clock.
    pub fn jump(&self, id: NodeId, by_ms: i64) {
        if let Some(machine) = self.machines.lock().get(&id) {
            machine.clock.jump(by_ms);
        }
    }

    /// Sets all wall clocks right.
    pub fn set_clocks_right(&self) {
        self.machines.lock().values().for_each(|machine| machine.clock.set_right());
    }

    /// From now on a node's clock ticks so many times as fast as simulated time.
    pub fn set_clock_rate(&self, id: NodeId, rate: f64) {
        if let Some(machine) = self.machines.lock().get(&id) {
            machine.clock.set_rate(rate);
        }
    }

    pub fn set_disk_speed(&self, id: NodeId, most: Duration) {
        if let Some(machine) = self.machines.lock().get(&id) {
            machine.disk.set_speed(most);
        }
    }

    /// Somebody removes the files of a node's Raft log. The node must be down.
    pub fn remove_log(&self, id: NodeId) {
        if let Some(machine) = self.machines.lock().get(&id) {
            machine.disk.log.wipe();
        }
    }

    /// The rows on a node's disk.
    pub fn rows(&self, id: NodeId) -> Option<Arc<dyn stator_environment::Rows>> {
        Some(self.machines.lock().get(&id)?.disk.rows.clone())
    }
}

/// A node with its way in.
async fn start(parts: NodeParts, world: Arc<World>) -> Result<Started, String> {
    let environment = parts.environment.clone();
    let functions = Arc::new(Functions::new(world));
    let registry = Arc::new(Mutex::new(Registry::default()));
    let node = Node::start(parts, &mut Registry::default()).await.map_err(|error| error.to_string())?;
    node.run_triggers(functions);
    let settings = stator_gateway::Settings {
        authentication: Authentication::Anyone,
        request_time_max: NODE_WAIT,
        ..stator_gateway::Settings::default()
    };
    let ready: stator_gateway::Ready = Arc::new(|| Ok(()));
    let (door, tables) = (node.door(), node.clone());
    let gateway = Gateway::new(GatewayParts {
        environment,
        door,
        tables,
        ready,
        registry,
        settings,
        functions: None,
        logs: None,
    });
    Ok(Started { node, gateway })
}

fn identity() -> ClusterIdentity {
    ClusterIdentity {
        cluster_id: 1,
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        authority: Secret(bytes::Bytes::new()),
    }
}

fn node_start(directory: u128, start_counter: u64) -> NodeStart {
    NodeStart {
        directory,
        start_counter,
        peer_address: String::new(),
        client_address: String::new(),
        zone: String::new(),
        version: String::new(),
        format: 1,
    }
}
