//! Disks that are full, fail or are slow. A node that cannot write must stop, and say why; a slow one must not hinder others.

use super::{Fault, Who};
use crate::{
    cluster::Cluster,
    dice::Dice,
    disk::{DiskControl, DiskMode},
    error::Error,
};
use stator_workloads::client::BoxFuture;

pub(super) struct Disk {
    mode: DiskMode,
    place: usize,
    hits_before: u64,
    hits: u64,
    stopped: Option<String>,
    findings: Vec<String>,
}

impl Disk {
    pub fn of(mode: DiskMode) -> Disk {
        Disk { mode, place: 0, hits_before: 0, hits: 0, stopped: None, findings: Vec::new() }
    }
}

impl Fault for Disk {
    fn describe(&self) -> String {
        let node = self.place + 1;
        match self.mode {
            DiskMode::Sound => format!("the disk of node {node} is sound"),
            DiskMode::Full => format!("the disk of node {node} is full"),
            DiskMode::FailedSync => format!("every sync of node {node} fails"),
            DiskMode::SlowSync { ms } => format!("every sync of node {node} takes {ms} ms longer"),
        }
    }

    fn inject<'a>(&'a mut self, cluster: &'a mut Cluster, dice: &'a Dice) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.place = Who::One.choose_one(cluster, dice);
            let control = DiskControl::of(cluster.directory.path(), self.place);
            self.hits_before = control.hits();
            control.set(self.mode)
        })
    }

    fn heal<'a>(&'a mut self, cluster: &'a mut Cluster) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let control = DiskControl::of(cluster.directory.path(), self.place);
            control.set(DiskMode::Sound)?;
            self.hits = control.hits().saturating_sub(self.hits_before);
            let process = &mut cluster.nodes[self.place].process;
            let is_broken = !matches!(self.mode, DiskMode::SlowSync { .. } | DiskMode::Sound);
            if let Some(status) = process.ended() {
                self.stopped = Some(status.to_string());
                if !is_broken || status.code() != Some(1) {
                    let (node, said) = (self.place + 1, process.said());
                    self.findings
                        .push(format!("node {node} ended with {status} under this fault; it said last:\n{said}"));
                }
                return cluster.start(self.place).await;
            }
            if self.mode == DiskMode::FailedSync && self.hits > 0 {
                self.findings.push(format!("node {} goes on after {} failed syncs", self.place + 1, self.hits));
            }
            Ok(())
        })
    }

    fn proof(&self) -> Option<String> {
        let stopped = self.stopped.as_ref().map(|status| format!(", and the node ended by itself ({status})"));
        (self.hits > 0).then(|| format!("{} calls were hindered{}", self.hits, stopped.unwrap_or_default()))
    }

    fn findings(&self) -> Vec<String> {
        self.findings.clone()
    }
}
