//! Faults of whole processes.

use super::{Fault, Who, named};
use crate::{
    cluster::{Cluster, READY_MAX, STOP_MAX, WHOLE_MAX},
    dice::Dice,
    error::Error,
    process::{begun, state},
};
use rustix::process::Signal;
use stator_workloads::client::BoxFuture;
use std::time::Duration;

/// `kill -9`, then a start.
pub(super) struct Kill {
    who: Who,
    places: Vec<usize>,
    gone: usize,
}

impl Kill {
    pub fn of(who: Who) -> Kill {
        Kill { who, places: Vec::new(), gone: 0 }
    }
}

impl Fault for Kill {
    fn describe(&self) -> String {
        format!("kill -9 of {}", named(&self.places))
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.places = self.who.choose(cluster, dice);
            for place in &self.places {
                let pid = cluster.nodes[*place].process.pid();
                cluster.kill(*place);
                self.gone += usize::from(pid.is_some_and(|pid| begun(pid).is_none()));
            }
            Ok(())
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { cluster.start_all(&self.places).await })
    }

    fn proof(&self) -> Option<String> {
        (self.gone > 0).then(|| format!("{} processes were gone at once", self.gone))
    }
}

/// SIGSTOP, then SIGCONT.
pub(super) struct Pause {
    who: Who,
    places: Vec<usize>,
    seen: usize,
}

impl Pause {
    pub fn of(who: Who) -> Pause {
        Pause { who, places: Vec::new(), seen: 0 }
    }
}

impl Fault for Pause {
    fn describe(&self) -> String {
        format!("pause of {}", named(&self.places))
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.places = self.who.choose(cluster, dice);
            for place in &self.places {
                cluster.nodes[*place].process.signal(Signal::STOP)?;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            let pids = self.places.iter().filter_map(|place| cluster.nodes[*place].process.pid());
            self.seen = pids.filter(|pid| state(*pid) == Some('T')).count();
            Ok(())
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            for place in &self.places {
                cluster.nodes[*place].process.signal(Signal::CONT)?;
            }
            Ok(())
        })
    }

    fn proof(&self) -> Option<String> {
        (self.seen > 0).then(|| format!("{} processes were seen stopped", self.seen))
    }

    /// Below and above what a lease lasts.
    fn stands(&self, dice: &Dice) -> Duration {
        if dice.below(2) == 0 {
            dice.between(Duration::from_millis(100), Duration::from_millis(900))
        } else {
            dice.between(Duration::from_secs(2), Duration::from_secs(7))
        }
    }
}

/// All nodes, one after the other, as an operator would.
#[derive(Default)]
pub(super) struct RollingRestart {
    restarted: usize,
    findings: Vec<String>,
}

impl Fault for RollingRestart {
    fn describe(&self) -> String {
        "restart of all nodes, one after the other".to_owned()
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, _dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            for place in cluster.members() {
                self.findings.extend(stop(cluster, place).await);
                cluster.start(place).await?;
                cluster.wait_whole(WHOLE_MAX).await?;
                self.restarted += 1;
            }
            Ok(())
        })
    }

    fn heal<'a>(&'a mut self, _cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn proof(&self) -> Option<String> {
        (self.restarted > 0).then(|| format!("{} nodes were restarted", self.restarted))
    }

    fn findings(&self) -> Vec<String> {
        self.findings.clone()
    }

    fn stands(&self, _dice: &Dice) -> Duration {
        Duration::ZERO
    }
}

/// An orderly end; what was wrong about it.
async fn stop(cluster: &mut Cluster, place: usize) -> Option<String> {
    let process = &mut cluster.nodes[place].process;
    let status = process.stop(STOP_MAX).await;
    match status {
        Some(status) if status.success() => None,
        Some(status) => Some(format!(
            "node {} was stopped in order and ended with {status}; it said last:\n{}",
            place + 1,
            process.said()
        )),
        None => {
            Some(format!("node {} was stopped in order and had not ended after {} s", place + 1, STOP_MAX.as_secs()))
        }
    }
}

/// The leader is stopped as an operator stops it, so it hands its leaderships over first.
#[derive(Default)]
pub(super) struct Transfer {
    place: usize,
    /// Partitions that another node led after it.
    moved: usize,
    findings: Vec<String>,
}

impl Fault for Transfer {
    fn describe(&self) -> String {
        format!("orderly stop of node {}, which led", self.place + 1)
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.place = Who::Leader.choose_one(cluster, dice);
            let before = cluster.leaders();
            self.findings.extend(stop(cluster, self.place).await);
            // Asked now: what comes on top of this fault may leave nobody who could lead.
            let after = cluster.leaders();
            let led = before.iter().filter(|(_, leader)| **leader == self.place);
            self.moved = led.filter(|(id, _)| after.get(id).is_some_and(|leader| *leader != self.place)).count();
            Ok(())
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { tokio::time::timeout(READY_MAX, cluster.start(self.place)).await.unwrap_or(Ok(())) })
    }

    fn proof(&self) -> Option<String> {
        (self.moved > 0).then(|| format!("others led {} partitions after it", self.moved))
    }

    fn findings(&self) -> Vec<String> {
        self.findings.clone()
    }
}
