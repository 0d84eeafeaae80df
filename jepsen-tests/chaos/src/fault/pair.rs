//! A change of placement together with another fault: each by itself is easy.

use super::Fault;
use crate::{cluster::Cluster, dice::Dice, error::Error};
use stator_workloads::client::BoxFuture;
use std::time::Duration;

pub(super) struct Pair {
    placement: Box<dyn Fault>,
    other: Box<dyn Fault>,
}

impl Pair {
    pub fn of(placement: Box<dyn Fault>, other: Box<dyn Fault>) -> Pair {
        Pair { placement, other }
    }
}

impl Fault for Pair {
    fn describe(&self) -> String {
        format!("{}; meanwhile: {}", self.placement.describe(), self.other.describe())
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            // Replicas begin to move now.
            self.placement.inject(cluster, dice).await?;
            tokio::time::sleep(dice.between(Duration::ZERO, Duration::from_secs(1))).await;
            self.other.inject(cluster, dice).await
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.other.heal(cluster).await?;
            self.placement.heal(cluster).await
        })
    }

    fn proof(&self) -> Option<String> {
        Some(format!("{}; {}", self.placement.proof()?, self.other.proof()?))
    }

    fn findings(&self) -> Vec<String> {
        [self.placement.findings(), self.other.findings()].concat()
    }

    fn stands(&self, dice: &Dice) -> Duration {
        self.other.stands(dice)
    }
}
