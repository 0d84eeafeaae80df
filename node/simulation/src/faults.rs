//! What goes wrong, chosen by the seed, one thing after the other until the time is over; then everything heals.

use crate::{cluster::Cluster, network::Weather, world::Dice};
use stator_item::NodeId;
use std::{sync::Arc, time::Duration};

/// One fault, with how long it lasts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Power is lost on one node.
    Crash(NodeId),
    CrashAll,
    /// A process stands still.
    Pause(NodeId),
    /// A node hears nobody and nobody hears it.
    Isolate(NodeId),
    /// The second node does not hear the first.
    Cut(NodeId, NodeId),
    /// A node's syncs take long.
    SlowDisk(NodeId),
    /// A node's wall clock jumps.
    Jump(NodeId, i64),
    /// Many messages are lost.
    Storm,
}

impl Fault {
    fn choose(dice: &mut Dice, nodes: &[NodeId]) -> Fault {
        let mut node = || nodes[dice.below(nodes.len() as u64) as usize];
        let (one, other) = (node(), node());
        match dice.below(10) {
            0 | 1 => Fault::Crash(one),
            2 => Fault::CrashAll,
            3 | 4 => Fault::Pause(one),
            5 => Fault::Isolate(one),
            6 if one != other => Fault::Cut(one, other),
            7 => Fault::SlowDisk(one),
            8 => Fault::Jump(one, dice.below(240_000) as i64 - 120_000),
            _ => Fault::Storm,
        }
    }

    fn inject(self, cluster: &Cluster) {
        let others = |node: NodeId| cluster.nodes().into_iter().filter(move |other| *other != node);
        match self {
            Fault::Crash(node) => cluster.crash(node),
            Fault::CrashAll => cluster.nodes().into_iter().for_each(|node| cluster.crash(node)),
            Fault::Pause(node) => cluster.pause(node),
            Fault::Isolate(node) => others(node).for_each(|other| {
                cluster.wires.cut(node, other);
                cluster.wires.cut(other, node);
            }),
            Fault::Cut(from, to) => cluster.wires.cut(from, to),
            Fault::SlowDisk(node) => cluster.set_disk_speed(node, Duration::from_millis(400)),
            Fault::Jump(node, by_ms) => cluster.jump(node, by_ms),
            Fault::Storm => cluster.wires.set_weather(Weather {
                loss_per_mille: 200,
                duplicate_per_mille: 100,
                ..Weather::default()
            }),
        }
    }
}

/// Undoes every fault. Nodes that are down come up by themselves.
pub fn heal(cluster: &Arc<Cluster>) {
    cluster.wires.mend_all();
    cluster.wires.set_weather(Weather::default());
    for node in cluster.nodes() {
        cluster.resume(node);
        cluster.set_disk_speed(node, Duration::from_millis(5));
        if !cluster.is_up(node) {
            // Its outcome shows in the readings that follow.
            let _ = cluster.launch(node);
        }
    }
}

/// Breaks and heals until `until`.
pub async fn torment(cluster: Arc<Cluster>, until: Duration) {
    loop {
        let world = cluster.world.clone();
        let calm = world.throw(|dice| dice.between(Duration::from_millis(200), Duration::from_secs(3)));
        tokio::time::sleep(calm).await;
        if world.now() >= until {
            return;
        }
        let nodes = cluster.nodes();
        let fault = world.throw(|dice| Fault::choose(dice, &nodes));
        world.note(|| format!("fault {fault:?}"));
        fault.inject(&cluster);
        let lasts = world.throw(|dice| dice.between(Duration::from_millis(50), Duration::from_secs(6)));
        tokio::time::sleep(lasts).await;
        world.note(|| "heal".to_owned());
        heal(&cluster);
    }
}
