//! Nodes that come and go. The cluster has as many afterwards as before.

use super::{Fault, Who};
use crate::{
    cluster::{Cluster, WHOLE_MAX},
    dice::Dice,
    error::Error,
};
use stator_workloads::client::BoxFuture;
use std::time::Duration;

/// One more node, which is taken out again.
#[derive(Default)]
pub(super) struct Join {
    place: usize,
    replicas: u64,
}

/// Kills a node, and takes it out for good.
pub(super) async fn take_out(cluster: &mut Cluster, place: usize) -> Result<(), Error> {
    cluster.kill(place);
    cluster.remove(place).await
}

/// Lets a new node join, and waits until it has its replicas.
pub(super) async fn take_in(cluster: &mut Cluster) -> Result<usize, Error> {
    let new = cluster.add().await?;
    cluster.start(new).await?;
    cluster.wait_whole(WHOLE_MAX).await?;
    Ok(new)
}

impl Fault for Join {
    fn describe(&self) -> String {
        format!("node {} joins, and is taken out again", self.place + 1)
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, _dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            cluster.wait_whole(WHOLE_MAX).await?;
            self.place = cluster.add().await?;
            cluster.start(self.place).await
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.replicas = cluster.told_of(self.place).and_then(|node| node["replicas"].as_u64()).unwrap_or(0);
            cluster.wait_whole(WHOLE_MAX).await?;
            // In this order: it must end by itself when it hears that it is out.
            cluster.remove(self.place).await?;
            cluster.nodes[self.place].process.wait(Duration::from_secs(5)).await;
            cluster.kill(self.place);
            cluster.wait_whole(WHOLE_MAX).await
        })
    }

    fn proof(&self) -> Option<String> {
        Some(format!("it served as a member, with {} replicas at the end", self.replicas))
    }
}

/// A node that is lost for good, and a new one in its stead.
#[derive(Default)]
pub(super) struct Remove {
    place: usize,
    new: Option<usize>,
}

impl Fault for Remove {
    fn describe(&self) -> String {
        format!("node {} is killed and taken out, a new one joins", self.place + 1)
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            cluster.wait_whole(WHOLE_MAX).await?;
            self.place = Who::One.choose_one(cluster, dice);
            take_out(cluster, self.place).await
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.new = Some(take_in(cluster).await?);
            Ok(())
        })
    }

    fn proof(&self) -> Option<String> {
        self.new.map(|new| format!("node {} has taken over its replicas", new + 1))
    }
}
