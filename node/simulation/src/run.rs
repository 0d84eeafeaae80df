//! One seed, one run: a cluster grows, is broken while clients work, heals, and is judged.

use crate::{
    client::Client,
    cluster::Cluster,
    faults::{Kind, Planned, heal, torment},
    network::{Weather, Wires},
    replicas::differences,
    swarm::{Mix, mix},
    world::World,
};
use stator_cluster::AllSettings;
use stator_workloads::{Counts, History, Session, Workload, judge, make_tables};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::runtime::{Builder, RngSeed, Runtime};

/// After all faults are healed everything must be readable, and replicas equal, within this time.
const HEALED_WITHIN: Duration = Duration::from_secs(60);

/// What a run is made of, beside its seed.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// `None`: as the seed has it.
    pub nodes_count: Option<usize>,
    /// None: those of the seed.
    pub workloads: Vec<&'static str>,
    /// How long faults go on, in simulated time.
    pub torment: Duration,
    /// Kinds of faults; none: those of the seed.
    pub kinds: Vec<Kind>,
    /// Which of the seed's faults happen, by their places; `None`: all.
    pub only_faults: Option<Vec<usize>>,
    pub keep_lines: bool,
    pub cluster: AllSettings,
}

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings {
            nodes_count: None,
            workloads: Vec::new(),
            torment: Duration::from_secs(30),
            kinds: Vec::new(),
            only_faults: None,
            keep_lines: false,
            cluster: AllSettings::default(),
        }
    }
}

/// What came of a run.
#[derive(Clone, PartialEq, Debug)]
pub struct Outcome {
    pub seed: u64,
    /// Why the run failed; empty where every check holds.
    pub violations: Vec<String>,
    pub workloads: Vec<&'static str>,
    pub faults: Vec<Planned>,
    pub counts: Counts,
    /// What was measured, by workload and name.
    pub figures: BTreeMap<String, f64>,
    /// Hash of all events and their number: the same in every run of the seed.
    pub fingerprint: (u64, u64),
    pub simulated: Duration,
    pub lines: Vec<String>,
}

/// Runs a seed to its end.
pub fn run(seed: u64, settings: &RunSettings) -> Outcome {
    runtime(seed).block_on(unfold(seed, settings))
}

/// One thread, whose time is simulated and whose choices come from the seed.
pub fn runtime(seed: u64) -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()
        .expect("a runtime without I/O can always be made")
}

/// Numbers that the sessions of one workload may have.
const SESSIONS_MAX: u64 = 100;
/// Whose session reads everything once more.
const LAST_READER: u64 = SESSIONS_MAX - 1;

/// A workload with its history.
struct Running {
    workload: Box<dyn Workload>,
    history: Arc<History>,
}

async fn unfold(seed: u64, settings: &RunSettings) -> Outcome {
    let world = World::new(seed, settings.keep_lines);
    let mut mix = mix(seed, settings);
    if let Some(only) = &settings.only_faults {
        mix.faults = only.iter().filter_map(|at| mix.faults.get(*at).copied()).collect();
    }
    let workloads: Vec<Arc<Running>> = mix
        .workloads
        .iter()
        .filter_map(|name| stator_workloads::by_name(name, ""))
        .map(|workload| Arc::new(Running { workload, history: Arc::default() }))
        .collect();
    let wires = Wires::new(world.clone(), Weather::default());
    let cluster = Cluster::with_flushes(world.clone(), wires, mix.cluster.clone(), mix.flush_most);
    let lived = live(&cluster, &mix, &workloads).await;
    let mut violations: Vec<String> = lived.err().into_iter().collect();
    violations.extend(world.panics());
    let (mut counts, mut figures) = (Counts::default(), BTreeMap::new());
    for running in &workloads {
        let of = running.history.counts();
        counts.succeeded += of.succeeded;
        counts.failed += of.failed;
        counts.unknown += of.unknown;
        condemn(running, &mut violations, &mut figures);
    }
    if violations.is_empty() && counts.succeeded == 0 {
        violations.push("no operation succeeded: nothing is known".to_owned());
    }
    cluster.dissolve();
    let (fingerprint, simulated, lines) = (world.fingerprint(), world.now(), world.lines());
    let Mix { workloads, faults, .. } = mix;
    Outcome { seed, violations, workloads, faults, counts, figures, fingerprint, simulated, lines }
}

/// Judges a workload's history.
fn condemn(running: &Running, violations: &mut Vec<String>, figures: &mut BTreeMap<String, f64>) {
    let name = running.workload.name();
    let events = running.history.events();
    let judgement = judge(&*running.workload, &events);
    for violation in judgement.violations {
        let seconds = |us: u64| us as f64 / 1e6;
        let witnesses = violation.witnesses.iter().filter_map(|at| events.get(*at)).map(|event| {
            let (began, ended) = (seconds(event.started_us), seconds(event.ended_us.unwrap_or(event.started_us)));
            format!("  {began:.6}..{ended:.6} client {}: {:?} -> {:?}", event.client, event.operation, event.outcome)
        });
        let lines = [format!("{name}: not true: {}: {}", violation.promise, violation.explanation)];
        violations.push(lines.into_iter().chain(witnesses).collect::<Vec<_>>().join("\n"));
    }
    violations.extend(judgement.undecided.into_iter().map(|why| format!("{name}: undecided: {why}")));
    figures.extend(judgement.figures.into_iter().map(|(figure, value)| (format!("{name} {figure}"), value)));
}

async fn live(cluster: &Arc<Cluster>, mix: &Mix, workloads: &[Arc<Running>]) -> Result<(), String> {
    let mut rates = mix.clock_rates.iter();
    cluster.add(*rates.next().unwrap_or(&1.0)).await?;
    let world = cluster.world.clone();
    for running in workloads {
        let client = Client { cluster: cluster.clone(), number: 0 };
        make_tables(&client, &*world, &running.workload.tables()).await?;
    }
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for (at, running) in workloads.iter().enumerate() {
        for number in 0..mix.clients_each {
            let session = session(cluster, running, at, 1 + number);
            clients.push(tokio::spawn(work(running.clone(), session, world.clone(), over.clone())));
        }
    }
    // The cluster grows under load, as one that is in use would.
    for rate in rates {
        cluster.add(*rate).await?;
    }
    torment(cluster.clone(), &mix.faults).await;
    over.store(true, Ordering::Relaxed);
    world.note(|| "everything heals".to_owned());
    heal(cluster);
    // What waits for its time does not wait for hours.
    cluster.set_clocks_right();
    for client in clients {
        client.await.map_err(|error| format!("a client ended: {error}"))?;
    }
    settle(cluster, workloads).await
}

/// How every replica stands, as its node tells it: for whoever reads of a cluster that does not come back.
async fn standing(cluster: &Cluster) -> String {
    let mut lines = Vec::new();
    for id in cluster.nodes() {
        let Some(node) = cluster.node(id) else {
            lines.push(format!("  node {id} does not run"));
            continue;
        };
        lines.push(format!(
            "  node {id} knows the catalog's revision {}, ready: {}",
            node.catalog().revision(),
            node.is_ready()
        ));
        for replica in node.report_of(id).await.unwrap_or_default().replicas {
            lines.push(format!("  node {id} {replica:?}"));
        }
    }
    lines.join("\n")
}

fn session(cluster: &Arc<Cluster>, running: &Running, at: usize, number: u64) -> Session {
    let number = number + SESSIONS_MAX * at as u64;
    Session {
        number,
        client: Arc::new(Client { cluster: cluster.clone(), number }),
        surroundings: cluster.world.clone(),
        history: running.history.clone(),
    }
}

async fn work(running: Arc<Running>, session: Session, world: Arc<World>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::Relaxed) {
        running.workload.turn(&session).await;
        let pause = world.throw(|dice| dice.between(Duration::ZERO, Duration::from_millis(60)));
        tokio::time::sleep(pause).await;
    }
}

/// Partitions that wait for the end of a transaction, on any node.
fn unfinished(cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.nodes().into_iter().filter_map(|id| Some((id, cluster.node(id)?)));
    let waiting = nodes.map(|(id, node)| (id, node.unfinished_transactions()));
    waiting.filter(|(_, partitions)| !partitions.is_empty()).map(|(id, p)| format!("node {id}: {p:?}")).collect()
}

/// When all is healed, everything acknowledged can be read, and replicas are the same.
async fn settle(cluster: &Arc<Cluster>, workloads: &[Arc<Running>]) -> Result<(), String> {
    let world = &cluster.world;
    for (at, running) in workloads.iter().enumerate() {
        let session = session(cluster, running, at, LAST_READER);
        let healed_by = world.now() + HEALED_WITHIN;
        while let Err(failure) = running.workload.last_reads(&session).await {
            if world.now() > healed_by {
                let name = running.workload.name();
                return Err(format!(
                    "{name}: not all could be read within a minute after everything healed: {failure:?}\n{}",
                    standing(cluster).await
                ));
            }
            heal(cluster);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
    let settled_by = world.now() + HEALED_WITHIN;
    loop {
        let (differences, unfinished) = (differences(cluster), unfinished(cluster));
        if differences.is_empty() && unfinished.is_empty() {
            return Ok(());
        }
        if world.now() > settled_by {
            let standing = standing(cluster).await;
            return Err(match differences.is_empty() {
                true => format!("transactions have no end: {}\n{standing}", unfinished.join("; ")),
                false => format!("replicas differ: {}\n{standing}", differences.join("; ")),
            });
        }
        // A node whose disk failed last may have stopped only now. And a replica that starts hears what it missed when its group wakes.
        heal(cluster);
        for (at, running) in workloads.iter().enumerate() {
            let _ = running.workload.last_reads(&session(cluster, running, at, LAST_READER)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
