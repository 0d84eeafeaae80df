//! Nodes, and the network between them.

use crate::{log::MemoryLog, state::ListState};
use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use stator_consensus::{ConsensusError, Group, Groups, Leadership, Member, Settings};
use stator_environment::{BoxFuture, Clock, Environment, Handler, Network, NetworkError, Random, Service, Task, Tasks};
use stator_item::{NodeId, PartitionId, ReplicaId};
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hasher},
    sync::Arc,
    time::Duration,
};
use tokio::{task::AbortHandle, time::Instant};

pub const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Wires {
    handlers: BTreeMap<(NodeId, Service), Arc<dyn Handler>>,
    cut: BTreeSet<NodeId>,
    random: u64,
    trace: DefaultHasher,
    start: Option<Instant>,
    messages: u64,
    /// Snapshot messages that get through before the rest is lost.
    snapshot_messages_left: Option<u64>,
}

impl Wires {
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}

/// Delays are drawn from the world's seed.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<Wires>>);

impl Wire {
    /// One way of a message: its delay, or `None` if it is lost.
    fn hop(&self, a: NodeId, b: NodeId, service: Service, body: &Bytes) -> Option<Duration> {
        let mut wires = self.0.lock();
        wires.messages += 1;
        let delay = Duration::from_micros(200 + wires.draw() % 2_000);
        let start = *wires.start.get_or_insert_with(Instant::now);
        let at = start.elapsed();
        wires.trace.write(format!("{a} {b} {service:?} {at:?}").as_bytes());
        wires.trace.write(body);
        if service == Service::Snapshot
            && let Some(left) = &mut wires.snapshot_messages_left
        {
            *left = left.checked_sub(1)?;
        }
        let is_cut = a != b && (wires.cut.contains(&a) || wires.cut.contains(&b));
        (!is_cut).then_some(delay)
    }
}

struct Port {
    node: NodeId,
    wire: Wire,
}

impl Network for Port {
    fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let (from, wire) = (self.node, self.wire.clone());
        let call = async move {
            let lost = || std::future::pending::<()>();
            match wire.hop(from, to, service, &body) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => lost().await,
            }
            let handler = wire.0.lock().handlers.get(&(to, service)).cloned();
            let Some(handler) = handler else {
                return Err(NetworkError::Unreachable(to, "nobody listens".to_owned()));
            };
            let answer = handler.handle(from, body).await.map_err(|reason| NetworkError::Refused(to, reason))?;
            match wire.hop(to, from, service, &answer) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => lost().await,
            }
            Ok(answer)
        };
        Box::pin(async move { tokio::time::timeout(deadline, call).await.unwrap_or(Err(NetworkError::TimedOut(to))) })
    }

    fn serve(&self, service: Service, handler: Arc<dyn Handler>) {
        self.wire.0.lock().handlers.insert((self.node, service), handler);
    }

    fn introduce(&self, _node: NodeId, _address: &str) {}
}

/// Runs `percent` as fast as the world.
struct SkewedClock {
    start: Instant,
    percent: u32,
}

impl Clock for SkewedClock {
    fn wall_ms(&self) -> u64 {
        self.elapsed().as_millis() as u64
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(1_000) + self.start.elapsed() * self.percent / 100
    }

    fn real_duration(&self, duration: Duration) -> Duration {
        duration * 100 / self.percent
    }
}

struct SeededRandom(Mutex<u64>);

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock();
        for byte in bytes {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (*state >> 56) as u8;
        }
    }
}

#[derive(Default)]
struct NodeTasks(Mutex<Vec<AbortHandle>>);

impl Tasks for NodeTasks {
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        let handle = tokio::spawn(future);
        let mut handles = self.0.lock();
        handles.retain(|handle| !handle.is_finished());
        handles.push(handle.abort_handle());
        Task::new(handle)
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move { work() })
    }
}

/// What lives on one node.
struct Machine {
    groups: Option<Arc<Groups>>,
    tasks: Arc<NodeTasks>,
    log: MemoryLog,
    states: BTreeMap<ReplicaId, ListState>,
}

pub struct World {
    pub settings: Settings,
    wire: Wire,
    start: Instant,
    seed: u64,
    machines: BTreeMap<NodeId, Machine>,
    percents: BTreeMap<NodeId, u32>,
}

/// Fast enough for tests, and no group sleeps unless a test wants it.
pub fn settings() -> Settings {
    Settings { sleep_after_ms: None, ..Settings::default() }
}

pub fn node(number: u64) -> NodeId {
    NodeId(number)
}

/// The replica of the first group on a node.
pub fn replica(number: u64) -> ReplicaId {
    ReplicaId(100 + number)
}

pub fn members(numbers: impl IntoIterator<Item = u64>) -> Vec<Member> {
    numbers.into_iter().map(|number| (replica(number), node(number))).collect()
}

pub fn payload(number: u64) -> Bytes {
    Bytes::from(number.to_le_bytes().to_vec())
}

/// Runs a test on simulated time, all its randomness from one seed.
pub fn simulate<T>(seed: u64, test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    builder.build().expect("a runtime").block_on(test)
}

impl World {
    pub fn new(seed: u64, settings: Settings) -> World {
        settings.check().expect("valid settings");
        let wire = Wire::default();
        wire.0.lock().random = seed;
        World { settings, wire, start: Instant::now(), seed, machines: BTreeMap::new(), percents: BTreeMap::new() }
    }

    /// The speed of a node's clock, before it is booted.
    pub fn skew(&mut self, number: u64, percent: u32) {
        self.percents.insert(node(number), percent);
    }

    /// Starts a node's process; its disk is what it was.
    pub fn boot(&mut self, number: u64) -> Arc<Groups> {
        let id = node(number);
        self.seed += 1;
        let tasks = Arc::new(NodeTasks::default());
        let environment = Environment {
            clock: Arc::new(SkewedClock { start: self.start, percent: self.percents.get(&id).copied().unwrap_or(100) }),
            random: Arc::new(SeededRandom(Mutex::new(self.seed * 7_919 + number))),
            tasks: tasks.clone(),
        };
        let machine = self.machines.entry(id).or_insert_with(|| Machine {
            groups: None,
            tasks: tasks.clone(),
            log: MemoryLog::default(),
            states: BTreeMap::new(),
        });
        let network = Arc::new(Port { node: id, wire: self.wire.clone() });
        let log = Arc::new(machine.log.clone());
        let groups = Groups::new(self.settings.clone(), id, environment, network, log, &mut Registry::default());
        machine.groups = Some(groups.clone());
        machine.tasks = tasks;
        groups
    }

    /// Ends a node's process without a word; what was not durable is lost.
    pub fn crash(&mut self, number: u64) {
        let machine = self.machines.get_mut(&node(number)).expect("a node that was booted");
        machine.groups = None;
        for task in machine.tasks.0.lock().drain(..) {
            task.abort();
        }
        machine.log.crash();
        machine.states.values().for_each(ListState::crash);
        let mut wires = self.wire.0.lock();
        wires.handlers.retain(|(id, _), _| *id != node(number));
    }

    pub fn cut(&self, number: u64) {
        self.wire.0.lock().cut.insert(node(number));
    }

    pub fn heal(&self) {
        let mut wires = self.wire.0.lock();
        wires.cut.clear();
        wires.snapshot_messages_left = None;
    }

    /// Takes a node back in; snapshots may still be broken.
    pub fn heal_only(&self, number: u64) {
        self.wire.0.lock().cut.remove(&node(number));
    }

    pub fn break_snapshots_after(&self, messages: u64) {
        self.wire.0.lock().snapshot_messages_left = Some(messages);
    }

    pub fn messages(&self) -> u64 {
        self.wire.0.lock().messages
    }

    pub fn trace(&self) -> u64 {
        self.wire.0.lock().trace.finish()
    }

    pub fn groups(&self, number: u64) -> Arc<Groups> {
        self.machines.get(&node(number)).and_then(|machine| machine.groups.clone()).expect("a node that runs")
    }

    pub fn group(&self, number: u64) -> Group {
        self.groups(number).group(replica(number)).expect("an open replica")
    }

    /// The group on a node that may be down.
    pub fn try_group(&self, number: u64) -> Option<Group> {
        self.machines.get(&node(number))?.groups.as_ref()?.group(replica(number))
    }

    pub fn log(&self, number: u64) -> MemoryLog {
        self.machines.get(&node(number)).expect("a node").log.clone()
    }

    pub fn state(&self, number: u64) -> ListState {
        self.state_of(number, replica(number))
    }

    fn state_of(&self, number: u64, replica: ReplicaId) -> ListState {
        self.machines.get(&node(number)).and_then(|machine| machine.states.get(&replica).cloned()).expect("a state")
    }

    pub async fn open(&mut self, number: u64) -> Group {
        self.open_replica(number, PartitionId(1), replica(number)).await
    }

    pub async fn open_replica(&mut self, number: u64, partition: PartitionId, id: ReplicaId) -> Group {
        self.opening_of(number, partition, id).await.expect("an open replica")
    }

    /// Opens the first group's replica without holding the world meanwhile.
    pub fn opening(&mut self, number: u64) -> impl Future<Output = Result<Group, ConsensusError>> + use<> {
        self.opening_of(number, PartitionId(1), replica(number))
    }

    fn opening_of(
        &mut self,
        number: u64,
        partition: PartitionId,
        id: ReplicaId,
    ) -> impl Future<Output = Result<Group, ConsensusError>> + use<> {
        let machine = self.machines.get_mut(&node(number)).expect("a node that was booted");
        let state = machine.states.entry(id).or_default().clone();
        let groups = machine.groups.clone().expect("a node that runs");
        async move { groups.open(partition, id, Arc::new(state)).await }
    }

    /// Nodes 1 to `count` with one group over all of them, and its leader.
    pub async fn cluster(seed: u64, settings: Settings, count: u64) -> (World, u64) {
        let mut world = World::new(seed, settings);
        for number in 1..=count {
            world.boot(number);
            world.open(number).await;
        }
        world.initialize(1..=count).await;
        let leader = world.leader(1..=count).await;
        (world, leader)
    }

    pub async fn initialize(&self, numbers: impl IntoIterator<Item = u64> + Clone) {
        let voters = members(numbers.clone());
        let all = numbers.into_iter().map(|number| {
            let (group, voters) = (self.group(number), voters.clone());
            async move { group.initialize(&voters, DEADLINE).await.expect("an initialized group") }
        });
        futures::future::join_all(all).await;
    }

    /// Waits until one of these nodes leads with a lease.
    pub async fn leader(&self, numbers: impl IntoIterator<Item = u64> + Clone) -> u64 {
        wait("a leader with a lease", || {
            numbers.clone().into_iter().find(|number| self.group(*number).lease().is_some())
        })
        .await
    }

    /// Waits until these nodes have applied the same payloads, so many.
    pub async fn applied(&self, numbers: impl IntoIterator<Item = u64> + Clone, count: usize) -> Vec<Bytes> {
        wait("all replicas to apply", || {
            let mut lists = numbers.clone().into_iter().map(|number| self.state(number).payloads());
            let first = lists.next()?;
            (first.len() == count && lists.all(|list| list == first)).then_some(first)
        })
        .await
    }

    pub fn leadership(&self, number: u64) -> Leadership {
        *self.group(number).leadership().borrow()
    }
}

/// Looks every few milliseconds of simulated time.
pub async fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..20_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("waited in vain for {what}")
}
