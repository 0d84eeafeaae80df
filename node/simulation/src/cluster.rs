//! A cluster of simulated nodes: the product's own code between a simulated network and simulated disks.

use crate::{clock::SimulatedClock, disk::Disk, network::Wires, tasks::Life, world::World};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use stator_catalog::{ClusterIdentity, FIRST_NODE, NodeStart, Outcome, Secret};
use stator_cluster::{AllSettings, Node, NodeParts};
use stator_environment::Environment;
use stator_item::NodeId;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
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
    node: Arc<Mutex<Option<Arc<Node>>>>,
}

pub struct Cluster {
    pub world: Arc<World>,
    pub wires: Arc<Wires>,
    settings: AllSettings,
    machines: Mutex<BTreeMap<NodeId, Machine>>,
}

impl Cluster {
    pub fn new(world: Arc<World>, wires: Arc<Wires>, settings: AllSettings) -> Arc<Cluster> {
        Arc::new(Cluster { world, wires, settings, machines: Mutex::default() })
    }

    /// Adds a machine and starts a node on it: the first makes the cluster, the others join through it. `rate` is its clock's speed.
    pub async fn add(self: &Arc<Cluster>, rate: f64) -> Result<NodeId, String> {
        let directory = u128::from(self.world.throw(crate::world::Dice::throw));
        let machine = Machine {
            disk: Disk::new(self.world.clone()),
            clock: Arc::new(SimulatedClock::new(rate)),
            directory,
            starts: 0,
            process: None,
        };
        let id = match self.nodes().first() {
            None => FIRST_NODE,
            Some(first) => self.admit(*first, directory).await?,
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
        let process = self.machines.lock().get(&id)?.process.clone()?;
        let node = process.node.lock().clone();
        node.filter(|_| process.life.is_alive())
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
            failure: Arc::new(watch::Sender::new(None)),
        };
        let process = Process { life, environment: environment.clone(), node: Arc::default() };
        machine.process = Some(process.clone());
        let (sender, receiver) = oneshot::channel();
        let world = self.world.clone();
        environment.tasks.spawn(
            "node",
            Box::pin(async move {
                let started = Node::start(parts, &mut Registry::default()).await;
                let result = started.map(|node| *process.node.lock() = Some(node)).map_err(|error| error.to_string());
                world.note(|| format!("node {id} has started: {result:?}"));
                // Nobody waits for a process that comes up by itself.
                let _ = sender.send(result);
            }),
        );
        Ok(receiver)
    }

    /// kill -9, and the machine loses power.
    pub fn crash(&self, id: NodeId) {
        let mut machines = self.machines.lock();
        let Some(machine) = machines.get_mut(&id) else { return };
        self.world.kill(id);
        self.wires.unplug(id);
        machine.process = None;
        machine.disk.crash();
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

    pub fn set_disk_speed(&self, id: NodeId, most: Duration) {
        if let Some(machine) = self.machines.lock().get(&id) {
            machine.disk.set_speed(most);
        }
    }

    /// The rows on a node's disk.
    pub fn rows(&self, id: NodeId) -> Option<Arc<dyn stator_environment::Rows>> {
        Some(self.machines.lock().get(&id)?.disk.rows.clone())
    }
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
