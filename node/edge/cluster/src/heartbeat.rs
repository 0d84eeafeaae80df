//! Which nodes live: each asks all others, one message for all groups.

use crate::{
    catalog::{Answer, CatalogClient, Message, decode, encode},
    metrics::Metrics,
    settings::Settings,
};
use parking_lot::Mutex;
use stator_consensus::Groups;
use stator_environment::Service;
use stator_item::NodeId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

#[derive(Clone, Copy)]
struct Seen {
    /// On this node's elapsed clock.
    at: Duration,
    is_told_dead: bool,
}

/// Asks all other nodes whether they live, and remembers when each answered last.
pub(crate) struct Heartbeats {
    pub client: Arc<CatalogClient>,
    pub groups: Arc<Groups>,
    pub metrics: Arc<Metrics>,
    pub settings: Settings,
    seen: Mutex<BTreeMap<NodeId, Seen>>,
}

impl Heartbeats {
    pub fn new(
        client: Arc<CatalogClient>,
        groups: Arc<Groups>,
        metrics: Arc<Metrics>,
        settings: Settings,
    ) -> Heartbeats {
        Heartbeats { client, groups, metrics, settings, seen: Mutex::new(BTreeMap::new()) }
    }

    /// Nodes heard of lately, this one included.
    pub fn alive(&self) -> BTreeSet<NodeId> {
        let now = self.client.environment.clock.elapsed();
        let seen = self.seen.lock();
        let lately = seen.iter().filter(|(_, seen)| now.saturating_sub(seen.at) < self.settings.dead_after);
        lately.map(|(node, _)| *node).chain([self.client.node]).collect()
    }

    /// How long ago each other node was heard of.
    pub fn heard_ago(&self) -> BTreeMap<NodeId, Duration> {
        let now = self.client.environment.clock.elapsed();
        self.seen.lock().iter().map(|(node, seen)| (*node, now.saturating_sub(seen.at))).collect()
    }

    /// Runs for as long as the node does.
    pub async fn run(self: Arc<Heartbeats>) {
        loop {
            let catalog = self.client.copy.catalog();
            let others: Vec<NodeId> =
                catalog.joined_nodes().map(|node| node.id).filter(|node| *node != self.client.node).collect();
            self.forget_all_but(&others);
            for node in others {
                let heartbeats = self.clone();
                let ask = async move { heartbeats.ask(node).await };
                self.client.environment.tasks.spawn("heartbeat", Box::pin(ask));
            }
            self.tell_dead();
            let before = self.client.environment.clock.elapsed();
            self.client.environment.sleep(self.settings.heartbeat_every).await;
            let slept = self.client.environment.clock.elapsed().saturating_sub(before);
            self.forgive(slept.saturating_sub(2 * self.settings.heartbeat_every));
        }
    }

    /// While this node itself stood still, starved or paused, it could hear nobody: that time does not count against the others.
    fn forgive(&self, still: Duration) {
        if !still.is_zero() {
            self.seen.lock().values_mut().filter(|seen| !seen.is_told_dead).for_each(|seen| seen.at += still);
        }
    }

    fn forget_all_but(&self, others: &[NodeId]) {
        let now = self.client.environment.clock.elapsed();
        let mut seen = self.seen.lock();
        seen.retain(|node, _| others.contains(node));
        for node in others {
            // A node just heard of gets the benefit of the doubt.
            seen.entry(*node).or_insert(Seen { at: now, is_told_dead: false });
        }
    }

    async fn ask(&self, node: NodeId) {
        let reply = self
            .client
            .network
            .call(node, Service::Catalog, encode(&Message::Heartbeat), self.settings.dead_after)
            .await;
        if let Some(Answer::Alive { revision }) = reply.ok().and_then(|bytes| decode(&bytes)) {
            let at = self.client.environment.clock.elapsed();
            self.seen.lock().insert(node, Seen { at, is_told_dead: false });
            self.client.copy.hear_of(revision);
        }
    }

    /// Sleeping groups do not hear of a leader's death by themselves.
    fn tell_dead(&self) {
        let now = self.client.environment.clock.elapsed();
        let mut dead = Vec::new();
        let mut seen = self.seen.lock();
        for (node, seen) in seen.iter_mut() {
            if !seen.is_told_dead && now.saturating_sub(seen.at) >= self.settings.dead_after {
                seen.is_told_dead = true;
                dead.push(*node);
            }
        }
        self.metrics.nodes_alive.set(1 + seen.values().filter(|seen| !seen.is_told_dead).count() as i64);
        drop(seen);
        for node in dead {
            tracing::warn!(%node, "a node was not heard of for too long and counts as dead");
            self.groups.node_is_dead(node);
        }
    }
}
