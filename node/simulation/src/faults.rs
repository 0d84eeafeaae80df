//! What goes wrong. A run's faults are a list that is made from the seed beforehand, so that one can see which of them matter.

use crate::{cluster::Cluster, network::Weather, world::Dice};
use stator_environment::DiskError;
use stator_item::NodeId;
use std::{fmt, sync::Arc, time::Duration};

/// Nodes of a cluster at most.
const NODES_MAX: usize = 7;
/// Nodes that must stay: with fewer a partition has no three places.
const NODES_MIN: usize = 3;

/// One kind of trouble. Numbers choose among the nodes that there are then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Power is lost on one node, on two, on all.
    Crash(u64),
    CrashTwo(u64),
    CrashAll,
    /// kill -9: what the operating system has survives.
    Kill(u64),
    /// SIGTERM, and a new start: leaderships move first.
    Restart(u64),
    /// A process stands still.
    Pause(u64),
    /// A node hears nobody and nobody hears it.
    Isolate(u64),
    /// The second node does not hear the first.
    Cut(u64, u64),
    /// Each node hears only its neighbours.
    Ring,
    /// A node's syncs take long; or longer than anybody waits.
    SlowDisk(u64),
    HangingDisk(u64),
    /// A node's disk gives errors, has no space, is damaged.
    FailingDisk(u64),
    FullDisk(u64),
    DamagedDisk(u64),
    /// A node's wall clock jumps.
    Jump(u64, i64),
    /// Many messages are lost and doubled; all are late, and overtake one another.
    Storm,
    Delay,
    /// A node joins; one is taken out.
    Join,
    Remove(u64),
}

/// A fault with its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Since the one before was over.
    pub after: Duration,
    pub fault: Fault,
    pub lasts: Duration,
    /// Whether the next one comes while this one lasts.
    pub overlaps: bool,
}

impl fmt::Display for Planned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (after, lasts) = (self.after.as_secs_f64(), self.lasts.as_secs_f64());
        let overlaps = if self.overlaps { ", and goes on beside the next" } else { "" };
        write!(formatter, "after {after:.3} s {:?} for {lasts:.3} s{overlaps}", self.fault)
    }
}

/// Which trouble, without whose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Kind {
    Crash,
    CrashTwo,
    CrashAll,
    Kill,
    Restart,
    Pause,
    Isolate,
    Cut,
    Ring,
    SlowDisk,
    HangingDisk,
    FailingDisk,
    FullDisk,
    DamagedDisk,
    Jump,
    Storm,
    Delay,
    Join,
    Remove,
}

/// The more often, the likelier: those that depose leaders come first.
const KINDS: [Kind; 25] = [
    Kind::Crash,
    Kind::Crash,
    Kind::CrashTwo,
    Kind::CrashAll,
    Kind::Kill,
    Kind::Restart,
    Kind::Pause,
    Kind::Pause,
    Kind::Isolate,
    Kind::Isolate,
    Kind::Isolate,
    Kind::Isolate,
    Kind::Cut,
    Kind::Cut,
    Kind::Ring,
    Kind::SlowDisk,
    Kind::HangingDisk,
    Kind::FailingDisk,
    Kind::FullDisk,
    Kind::DamagedDisk,
    Kind::Jump,
    Kind::Storm,
    Kind::Delay,
    Kind::Join,
    Kind::Remove,
];

/// Which kinds a run has: each seed has a few, as troubles that are rare together must meet often in some run.
fn kinds(dice: &mut Dice) -> Vec<Kind> {
    (0..1 + dice.below(6)).map(|_| KINDS[dice.below(KINDS.len() as u64) as usize]).collect()
}

fn fault(kind: Kind, dice: &mut Dice) -> Fault {
    let (one, other) = (dice.throw(), dice.throw());
    match kind {
        Kind::Crash => Fault::Crash(one),
        Kind::CrashTwo => Fault::CrashTwo(one),
        Kind::CrashAll => Fault::CrashAll,
        Kind::Kill => Fault::Kill(one),
        Kind::Restart => Fault::Restart(one),
        Kind::Pause => Fault::Pause(one),
        Kind::Isolate => Fault::Isolate(one),
        Kind::Cut => Fault::Cut(one, other),
        Kind::Ring => Fault::Ring,
        Kind::SlowDisk => Fault::SlowDisk(one),
        Kind::HangingDisk => Fault::HangingDisk(one),
        Kind::FailingDisk => Fault::FailingDisk(one),
        Kind::FullDisk => Fault::FullDisk(one),
        Kind::DamagedDisk => Fault::DamagedDisk(one),
        Kind::Jump => Fault::Jump(one, dice.below(240_000) as i64 - 120_000),
        Kind::Storm => Fault::Storm,
        Kind::Delay => Fault::Delay,
        Kind::Join => Fault::Join,
        Kind::Remove => Fault::Remove(one),
    }
}

/// The faults of a seed, for about so long; of these kinds only, if any are given.
pub fn plan(dice: &mut Dice, torment: Duration, only: &[Kind]) -> Vec<Planned> {
    let own = kinds(dice);
    let kinds = if only.is_empty() { &own[..] } else { only };
    let mut planned = Vec::new();
    let mut time = Duration::ZERO;
    // Right after the nodes have joined, when nothing of them is flushed.
    if dice.chance(300) {
        let lasts = dice.between(Duration::from_millis(50), Duration::from_secs(2));
        planned.push(Planned { after: Duration::ZERO, fault: Fault::CrashAll, lasts, overlaps: false });
        time += lasts;
    }
    while time < torment {
        let after = dice.between(Duration::from_millis(100), Duration::from_secs(3));
        let kind = kinds[dice.below(kinds.len() as u64) as usize];
        let fault = fault(kind, dice);
        // An election takes two seconds: half of the faults last longer.
        let lasts = dice.between(Duration::from_millis(50), Duration::from_secs(5));
        let overlaps = dice.chance(250);
        planned.push(Planned { after, fault, lasts, overlaps });
        time += after + if overlaps { Duration::ZERO } else { lasts };
    }
    planned
}

impl Fault {
    async fn inject(self, cluster: &Arc<Cluster>) {
        let nodes = cluster.nodes();
        let choose = |number: u64| nodes[(number % nodes.len() as u64) as usize];
        let cut_both = |one: NodeId, other: NodeId| {
            cluster.wires.cut(one, other);
            cluster.wires.cut(other, one);
        };
        match self {
            Fault::Crash(number) => cluster.crash(choose(number)),
            Fault::CrashTwo(number) => {
                cluster.crash(choose(number));
                cluster.crash(choose(number.wrapping_add(1)));
            }
            Fault::CrashAll => nodes.iter().for_each(|node| cluster.crash(*node)),
            Fault::Kill(number) => cluster.kill(choose(number)),
            Fault::Restart(number) => cluster.stop(choose(number)).await,
            Fault::Pause(number) => cluster.pause(choose(number)),
            Fault::Isolate(number) => {
                let one = choose(number);
                nodes.iter().filter(|other| **other != one).for_each(|other| cut_both(one, *other));
            }
            Fault::Cut(from, to) => cluster.wires.cut(choose(from), choose(to)),
            Fault::Ring => {
                for (at, one) in nodes.iter().enumerate() {
                    let far = |other: &usize| at.abs_diff(*other) > 1 && at.abs_diff(*other) + 1 < nodes.len();
                    (0..nodes.len()).filter(far).for_each(|other| cluster.wires.cut(*one, nodes[other]));
                }
            }
            Fault::SlowDisk(number) => cluster.set_disk_speed(choose(number), Duration::from_millis(400)),
            Fault::HangingDisk(number) => cluster.set_disk_speed(choose(number), Duration::from_secs(20)),
            Fault::FailingDisk(number) => {
                let reason = "an input/output error".to_owned();
                cluster.fail_disk(choose(number), &DiskError::Failed { action: "sync", reason });
            }
            Fault::FullDisk(number) => cluster.fail_disk(choose(number), &DiskError::Full { action: "write" }),
            Fault::DamagedDisk(number) => {
                cluster.fail_disk(choose(number), &DiskError::Damaged("a checksum is wrong".to_owned()));
            }
            Fault::Jump(number, by_ms) => cluster.jump(choose(number), by_ms),
            Fault::Storm => cluster.wires.set_weather(Weather {
                loss_per_mille: 200,
                duplicate_per_mille: 100,
                ..Weather::default()
            }),
            Fault::Delay => cluster.wires.set_weather(Weather {
                delay_least: Duration::from_millis(5),
                delay_most: Duration::from_millis(250),
                ..Weather::default()
            }),
            Fault::Join if nodes.len() < NODES_MAX => join(cluster).await,
            Fault::Remove(number) if cluster.staying().len() > NODES_MIN => {
                let staying = cluster.staying();
                let node = staying[(number % staying.len() as u64) as usize];
                let removed = tokio::time::timeout(Duration::from_secs(10), cluster.remove(node)).await;
                cluster.world.note(|| format!("removing node {node}: {removed:?}"));
            }
            Fault::Join | Fault::Remove(_) => {}
        }
    }
}

async fn join(cluster: &Arc<Cluster>) {
    let joined = tokio::time::timeout(Duration::from_secs(10), cluster.add(1.0)).await;
    cluster.world.note(|| format!("a node joins: {joined:?}"));
}

/// Undoes every fault. Nodes that are down come up by themselves, as do those that have not yet met the failure of their disk.
pub fn heal(cluster: &Arc<Cluster>) {
    cluster.wires.mend_all();
    cluster.wires.set_weather(Weather::default());
    for node in cluster.nodes() {
        cluster.resume(node);
        cluster.set_disk_speed(node, Duration::from_millis(5));
        if cluster.has_failed_disk(node) {
            cluster.kill(node);
        }
        if !cluster.is_up(node) {
            // Its outcome shows in the readings that follow.
            let _ = cluster.launch(node);
        }
    }
}

/// Breaks and heals, as planned.
pub async fn torment(cluster: Arc<Cluster>, faults: &[Planned]) {
    for planned in faults {
        tokio::time::sleep(planned.after).await;
        cluster.world.note(|| format!("fault {:?}", planned.fault));
        planned.fault.inject(&cluster).await;
        if !planned.overlaps {
            tokio::time::sleep(planned.lasts).await;
            cluster.world.note(|| "heal".to_owned());
            heal(&cluster);
        }
    }
}
