//! The power goes: what was not synced is lost, or torn.

use super::{Fault, Who, named};
use crate::{
    cluster::Cluster,
    dice::Dice,
    error::Error,
    power::{Lost, PowerControl},
};
use stator_workloads::client::BoxFuture;
use std::time::Duration;

pub(super) struct PowerCut {
    who: Who,
    places: Vec<usize>,
    lost: Lost,
}

impl PowerCut {
    pub fn of(who: Who) -> PowerCut {
        PowerCut { who, places: Vec::new(), lost: Lost::default() }
    }
}

impl Fault for PowerCut {
    fn describe(&self) -> String {
        format!("power cut at {}", named(&self.places))
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.places = self.who.choose(cluster, dice);
            self.places.iter().for_each(|place| cluster.kill(*place));
            for place in &self.places {
                let lost = PowerControl::of(cluster.directory.path(), *place).cut(dice)?;
                self.lost.names += lost.names;
                self.lost.pages += lost.pages;
            }
            Ok(())
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move { cluster.start_all(&self.places).await })
    }

    fn proof(&self) -> Option<String> {
        let Lost { names, pages } = self.lost;
        (names + pages > 0).then(|| format!("{pages} pages and {names} names were lost"))
    }

    fn stands(&self, dice: &Dice) -> Duration {
        dice.between(Duration::from_millis(200), Duration::from_secs(3))
    }
}
