//! Application Auto Scaling's job: the catalog's leader looks every minute at what was consumed of the capacities that are
//! registered as scalable targets, and changes those that should have more units or fewer (`stator_catalog::scaling`).
//!
//! What was consumed is counted by the nodes and remembered by the leader alone: a new one begins to look anew, and so takes
//! nothing away for a quarter of an hour. A capacity outside of its target's bounds is changed at once.

use crate::{door::Deadline, heartbeat::Heartbeats, placement::Placement, router::Router};
use futures::future::join_all;
use stator_catalog::{Catalog, Change, Dimension, ScalingChange, Way, scaling::decide};
use stator_item::{NodeId, TableId};
use stator_replica::ConsumedHalves;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Averages that are remembered of a capacity.
const SAMPLES_MAX: usize = 15;
/// How long one change may take.
const CHANGE_MAX: Duration = Duration::from_secs(10);

pub(crate) struct AutoScaling {
    router: Arc<Router>,
    heartbeats: Arc<Heartbeats>,
    placement: Arc<Placement>,
    memory: Memory,
}

/// What the leader of the catalog knows of consumption.
#[derive(Default)]
struct Memory {
    /// When was looked last, on this node's elapsed clock.
    looked: Option<Duration>,
    /// What each node had counted then.
    counted: BTreeMap<NodeId, BTreeMap<TableId, ConsumedHalves>>,
    /// Units a second, on the average between two looks, the latest last.
    samples: BTreeMap<Dimension, VecDeque<f64>>,
}

impl AutoScaling {
    pub fn new(router: Arc<Router>, heartbeats: Arc<Heartbeats>, placement: Arc<Placement>) -> AutoScaling {
        AutoScaling { router, heartbeats, placement, memory: Memory::default() }
    }

    /// Runs for as long as the node does; works only while this node leads the catalog and anything is to be scaled.
    pub async fn run(mut self) {
        let environment = self.router.client.environment.clone();
        let mut changes = self.router.client.copy.subscribe();
        let look_every = self.router.host.settings.scaling_look_every;
        let mut next = environment.clock.elapsed() + look_every;
        loop {
            let left = next.saturating_sub(environment.clock.elapsed());
            tokio::select! {
                biased;
                () = environment.sleep(left) => {}
                changed = changes.changed() => if changed.is_err() { return },
            }
            let now = environment.clock.elapsed();
            let is_due = now >= next;
            if is_due {
                next = now + look_every;
            }
            let catalog = self.router.client.copy.catalog();
            if !self.router.client.leads() || catalog.scalable_targets().next().is_none() {
                self.memory = Memory::default();
                continue;
            }
            if is_due {
                self.look(&catalog, now).await;
            }
            self.scale(&catalog).await;
        }
    }

    async fn look(&mut self, catalog: &Catalog, now: Duration) {
        let nodes = self.heartbeats.alive();
        let asked = nodes.iter().map(|node| async { (*node, self.placement.consumed(*node).await) });
        let told: Vec<_> = join_all(asked).await;
        let counted = told.into_iter().filter_map(|(node, counted)| Some((node, counted?))).collect();
        self.memory.learn(counted, now, catalog);
    }

    async fn scale(&self, catalog: &Catalog) {
        let client = &self.router.client;
        let now_ms = client.environment.clock.wall_ms();
        for (dimension, target) in catalog.scalable_targets() {
            let Some(from) = catalog.provisioned(&dimension) else { continue };
            let samples: Vec<f64> = self.memory.samples.get(&dimension).into_iter().flatten().copied().collect();
            let Some(scaling) = decide(target, from, &samples, now_ms) else { continue };
            let change = ScalingChange::Scale { dimension, from, to: scaling.to, cause: scaling.cause };
            let deadline = Deadline(client.environment.clock.elapsed() + CHANGE_MAX);
            if let Err(error) = client.change(Change::Scaling(change), deadline).await {
                tracing::info!(?dimension, %error, "a capacity could not be changed now");
            }
        }
    }
}

impl Memory {
    /// Takes what nodes have counted since their start. A node that has started again begins at nothing; one that is heard of
    /// for the first time says nothing about the time before.
    fn learn(
        &mut self,
        counted: BTreeMap<NodeId, BTreeMap<TableId, ConsumedHalves>>,
        now: Duration,
        catalog: &Catalog,
    ) {
        let mut consumed: BTreeMap<(TableId, Way), u64> = BTreeMap::new();
        for (node, tables) in &counted {
            let Some(before) = self.counted.get(node) else { continue };
            for (rows, halves) in tables {
                let then = before.get(rows).copied().unwrap_or_default();
                for (way, then, now) in [(Way::Read, then.read, halves.read), (Way::Write, then.write, halves.write)] {
                    *consumed.entry((*rows, way)).or_default() += if now >= then { now - then } else { now };
                }
            }
        }
        let since = self.looked.replace(now).map(|then| now.saturating_sub(then).as_secs_f64());
        self.counted.extend(counted);
        self.samples.retain(|dimension, _| catalog.scalable_targets().any(|(known, _)| known == *dimension));
        let Some(seconds) = since.filter(|seconds| *seconds > 0.0) else { return };
        for (dimension, _) in catalog.scalable_targets() {
            let halves = consumed.get(&(dimension.rows(), dimension.way)).copied().unwrap_or_default();
            let samples = self.samples.entry(dimension).or_default();
            if samples.len() >= SAMPLES_MAX {
                samples.pop_front();
            }
            samples.push_back(halves as f64 / 2.0 / seconds);
        }
    }
}
