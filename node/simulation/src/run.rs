//! One seed, one run: a cluster grows to three nodes, is broken while clients work, heals, and is judged.

use crate::{
    client::{Client, create_table},
    cluster::Cluster,
    faults::{heal, torment},
    network::{Weather, Wires},
    replicas::differences,
    world::World,
};
use stator_cluster::AllSettings;
use stator_workloads::register::{Counts, RegisterWorkload, Settings as RegisterSettings, Surroundings};
use std::{sync::Arc, time::Duration};
use tokio::runtime::{Builder, RngSeed};

/// What a run is made of, beside its seed.
#[derive(Clone, Debug)]
pub struct RunSettings {
    pub nodes_count: usize,
    pub clients_count: u64,
    /// How long faults go on, in simulated time.
    pub torment: Duration,
    pub keep_lines: bool,
    pub cluster: AllSettings,
}

impl Default for RunSettings {
    fn default() -> RunSettings {
        RunSettings {
            nodes_count: 3,
            clients_count: 5,
            torment: Duration::from_secs(30),
            keep_lines: false,
            cluster: AllSettings::default(),
        }
    }
}

/// What came of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub seed: u64,
    /// Why the run failed; empty where every check holds.
    pub violations: Vec<String>,
    pub counts: Counts,
    /// Hash of all events and their number: the same in every run of the seed.
    pub fingerprint: (u64, u64),
    pub simulated: Duration,
    pub lines: Vec<String>,
}

struct ClientSurroundings(Arc<World>);

impl Surroundings for ClientSurroundings {
    fn random_below(&self, end: u64) -> u64 {
        self.0.throw(|dice| dice.below(end))
    }

    fn now_us(&self) -> u64 {
        self.0.now().as_micros() as u64
    }
}

/// Runs a seed to its end.
pub fn run(seed: u64, settings: &RunSettings) -> Outcome {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()
        .expect("a runtime without I/O can always be made");
    runtime.block_on(unfold(seed, settings))
}

async fn unfold(seed: u64, settings: &RunSettings) -> Outcome {
    let world = World::new(seed, settings.keep_lines);
    let workload = Arc::new(RegisterWorkload::new(RegisterSettings::default()));
    let judged = live(&world, settings, &workload).await;
    let mut violations: Vec<String> = judged.err().into_iter().collect();
    for (key, verdict, history) in workload.violations() {
        violations.push(format!("register {key} is not linearizable: {verdict:?}\n{history:#?}"));
    }
    let counts = workload.counts();
    if violations.is_empty() && counts.succeeded == 0 {
        violations.push("no operation succeeded: nothing is known".to_owned());
    }
    let (fingerprint, simulated, lines) = (world.fingerprint(), world.now(), world.lines());
    Outcome { seed, violations, counts, fingerprint, simulated, lines }
}

/// Every seed has numbers of its own: tiny logs make snapshots, short rests make groups sleep, tiny batches make many entries.
fn vary(world: &World, settings: &RunSettings) -> AllSettings {
    let mut varied = settings.cluster.clone();
    world.throw(|dice| {
        if dice.chance(500) {
            varied.consensus.log_entries_kept = 1 + dice.below(50);
            varied.consensus.purge_every_ms = 200 + dice.below(2_000);
            varied.consensus.snapshot_piece_bytes = 256 + dice.below(8_192) as usize;
        }
        if dice.chance(500) {
            varied.consensus.sleep_after_ms = Some(500 + dice.below(2_000));
        }
        if dice.chance(300) {
            varied.replica.entries_in_flight_max = 1 + dice.below(8) as usize;
        }
        if dice.chance(200) {
            varied.replica.lease_reads = false;
        }
    });
    varied
}

async fn live(world: &Arc<World>, settings: &RunSettings, workload: &Arc<RegisterWorkload>) -> Result<(), String> {
    let wires = Wires::new(world.clone(), Weather::default());
    let cluster = Cluster::new(world.clone(), wires, vary(world, settings));
    let first = cluster.add(1.0).await?;
    let table = create_table(&cluster, first, "registers").await?;
    let until = world.now() + settings.torment;
    let clients: Vec<_> = (0..settings.clients_count)
        .map(|number| {
            let client = Client { cluster: cluster.clone(), table, number };
            tokio::spawn(work(client, workload.clone(), world.clone(), until))
        })
        .collect();
    // The cluster grows under load, as one that is in use would.
    for _ in 1..settings.nodes_count {
        cluster.add(1.0).await?;
    }
    torment(cluster.clone(), until).await;
    for client in clients {
        client.await.map_err(|error| format!("a client ended: {error}"))?;
    }
    heal(&cluster);
    judge(&cluster, table, workload, world).await
}

async fn work(client: Client, workload: Arc<RegisterWorkload>, world: Arc<World>, until: Duration) {
    let surroundings = ClientSurroundings(world.clone());
    while world.now() < until {
        workload.step(&client, &surroundings).await;
        let pause = world.throw(|dice| dice.between(Duration::ZERO, Duration::from_millis(60)));
        tokio::time::sleep(pause).await;
    }
}

/// When all is healed, everything acknowledged can be read, and replicas are the same.
async fn judge(
    cluster: &Arc<Cluster>,
    table: stator_item::TableId,
    workload: &RegisterWorkload,
    world: &Arc<World>,
) -> Result<(), String> {
    let client = Client { cluster: cluster.clone(), table, number: u64::MAX };
    let healed_by = world.now() + Duration::from_secs(60);
    while workload.read_all(&client, &ClientSurroundings(world.clone())).await.is_err() {
        if world.now() > healed_by {
            return Err("the cluster did not serve within a minute after all faults were healed".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let settled_by = world.now() + Duration::from_secs(60);
    loop {
        let differences = differences(cluster);
        if differences.is_empty() {
            return Ok(());
        }
        if world.now() > settled_by {
            return Err(format!("replicas differ: {}", differences.join("; ")));
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
