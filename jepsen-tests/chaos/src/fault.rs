//! What a fault is: something that is done to a cluster, undone, described, and proven to have had an effect.

mod clock;
mod corrupt;
mod disk;
mod kind;
mod membership;
mod network;
mod pair;
mod power;
mod process;

pub use kind::{FaultName, Kind, Need};

use crate::{cluster::Cluster, dice::Dice, error::Error};
use stator_workloads::client::BoxFuture;
use std::time::Duration;

/// One fault, used once.
pub trait Fault: Send {
    /// What is done to whom. Known once it was injected.
    fn describe(&self) -> String;

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>>;

    /// Undoes it, and waits until the nodes that it concerned serve again.
    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>>;

    /// What shows that it had an effect, asked when it is healed. `None`: nothing does.
    fn proof(&self) -> Option<String>;

    /// What a node did that no node may do under this fault.
    fn findings(&self) -> Vec<String> {
        Vec::new()
    }

    /// How long it stands, unless somebody else decides.
    fn stands(&self, dice: &Dice) -> Duration {
        dice.between(Duration::from_secs(3), Duration::from_secs(7))
    }
}

/// Which nodes a fault is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    One,
    /// Of most partitions.
    Leader,
    /// As many as may fail while the others go on.
    Minority,
    Majority,
    All,
}

impl Who {
    /// By their places.
    fn choose(self, cluster: &Cluster, dice: &Dice) -> Vec<usize> {
        let mut members = cluster.members();
        let minority = members.len().saturating_sub(1) / 2;
        // What is down already, by the other fault of a pair, cannot be paused or killed.
        members.retain(|place| cluster.nodes[*place].process.pid().is_some());
        match self {
            Who::One => dice.pick_some(&members, 1),
            Who::Leader => cluster.leader().map_or_else(|| dice.pick_some(&members, 1), |leader| vec![leader]),
            Who::Minority => dice.pick_some(&members, minority.max(1)),
            Who::Majority => dice.pick_some(&members, minority + 1),
            Who::All => members,
        }
    }

    /// The first of them, for faults of one node.
    fn choose_one(self, cluster: &Cluster, dice: &Dice) -> usize {
        self.choose(cluster, dice).first().copied().unwrap_or(0)
    }
}

/// `node 2`, `nodes 1 and 3`: as people number them.
fn named(places: &[usize]) -> String {
    let mut numbers: Vec<usize> = places.iter().map(|place| place + 1).collect();
    numbers.sort_unstable();
    let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match &numbers[..] {
        [one] => format!("node {one}"),
        [most @ .., last] if !most.is_empty() => format!("nodes {} and {last}", most.join(", ")),
        _ => "no node".to_owned(),
    }
}
