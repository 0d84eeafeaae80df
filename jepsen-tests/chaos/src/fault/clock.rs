//! Wall clocks that are wrong. Only timestamps and ages depend on them; leases and deadlines must not notice.

use super::{Fault, Who};
use crate::{
    cluster::{Cluster, probe},
    dice::Dice,
    error::Error,
    faketime::ClockControl,
};
use stator_workloads::client::BoxFuture;

/// Below what a signature may be off by.
const JUMPS: [&str; 2] = ["+60s", "-60s"];
const SPEEDS: [&str; 2] = ["+0s x2", "+0s x0.5"];

pub(super) struct Clock {
    choices: &'static [&'static str],
    place: usize,
    setting: &'static str,
    seen: Option<String>,
}

impl Clock {
    pub fn jump() -> Clock {
        Clock { choices: &JUMPS, place: 0, setting: "", seen: None }
    }

    pub fn drift() -> Clock {
        Clock { choices: &SPEEDS, place: 0, setting: "", seen: None }
    }
}

/// What a node takes for the time: every reply of HTTP bears it.
async fn date(address: &str) -> Option<String> {
    let head = probe(address, "/readyz").await?;
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("date:"))?;
    Some(line.get(5..)?.trim().to_owned())
}

impl Fault for Clock {
    fn describe(&self) -> String {
        format!("the wall clock of node {} is set to {}", self.place + 1, self.setting)
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.place = Who::One.choose_one(cluster, dice);
            self.setting = dice.pick(self.choices).copied().unwrap_or("+0s");
            ClockControl::of(cluster.directory.path(), self.place).set(self.setting)
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let members = cluster.members();
            let other = members.into_iter().find(|place| *place != self.place).unwrap_or(self.place);
            let (own, right) =
                tokio::join!(date(&cluster.nodes[self.place].listen), date(&cluster.nodes[other].listen));
            let differing = own.zip(right).filter(|(own, right)| own != right);
            self.seen = differing.map(|(own, right)| format!("it took the time for {own} when it was {right}"));
            ClockControl::of(cluster.directory.path(), self.place).set("+0s")
        })
    }

    fn proof(&self) -> Option<String> {
        self.seen.clone()
    }
}
