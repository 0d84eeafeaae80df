//! Which nodes live, and by what clocks: each asks all others, one message for all groups.

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

/// A clock is known for so long without being asked again: drift is little in that time.
const CLOCK_KNOWN_FOR: Duration = Duration::from_secs(10);

/// A node that is removed ends by itself when it hears of it; for so long the groups that it leads are told that it is dead.
const REMOVED_FOR: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
struct Seen {
    /// On this node's elapsed clock.
    at: Duration,
    is_told_dead: bool,
    /// What its wall clock showed at some moment of the elapsed clock, or a little earlier.
    clock: Option<(u64, Duration)>,
}

/// Asks all other nodes whether they live, and remembers when each answered last.
pub(crate) struct Heartbeats {
    pub client: Arc<CatalogClient>,
    pub groups: Arc<Groups>,
    pub metrics: Arc<Metrics>,
    pub settings: Settings,
    seen: Mutex<BTreeMap<NodeId, Seen>>,
    /// Nodes that were removed lately, and when this node saw that.
    removed: Mutex<BTreeMap<NodeId, Duration>>,
}

impl Heartbeats {
    pub fn new(
        client: Arc<CatalogClient>,
        groups: Arc<Groups>,
        metrics: Arc<Metrics>,
        settings: Settings,
    ) -> Heartbeats {
        Heartbeats { client, groups, metrics, settings, seen: Mutex::default(), removed: Mutex::default() }
    }

    /// Nodes heard of lately, this one included.
    pub fn alive(&self) -> BTreeSet<NodeId> {
        let now = self.client.environment.clock.elapsed();
        let seen = self.seen.lock();
        let lately = seen.iter().filter(|(_, seen)| now.saturating_sub(seen.at) < self.settings.dead_after);
        lately.map(|(node, _)| *node).chain([self.client.node]).collect()
    }

    /// What the wall clocks of other nodes heard of lately show now, in milliseconds since 1970.
    pub fn clocks(&self) -> Vec<u64> {
        let now = self.client.environment.clock.elapsed();
        let shown = |(wall_ms, at): (u64, Duration)| {
            let since = now.saturating_sub(at);
            (since < CLOCK_KNOWN_FOR)
                .then(|| wall_ms.saturating_add(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
        };
        self.seen.lock().values().filter_map(|seen| seen.clock.and_then(shown)).collect()
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
        let gone = seen.extract_if(.., |node, _| !others.contains(node));
        self.removed.lock().extend(gone.map(|(node, _)| (node, now)));
        for node in others {
            // A node just heard of gets the benefit of the doubt.
            seen.entry(*node).or_insert(Seen { at: now, is_told_dead: false, clock: None });
        }
    }

    async fn ask(&self, node: NodeId) {
        let reply = self
            .client
            .network
            .call(node, Service::Catalog, encode(&Message::Heartbeat), self.settings.dead_after)
            .await;
        if let Some(Answer::Alive { revision, wall_ms }) = reply.ok().and_then(|bytes| decode(&bytes)) {
            let at = self.client.environment.clock.elapsed();
            self.seen.lock().insert(node, Seen { at, is_told_dead: false, clock: Some((wall_ms, at)) });
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
        // Again and again: at first it may still lead, and have groups fall asleep.
        let mut removed = self.removed.lock();
        removed.retain(|_, at| now.saturating_sub(*at) < REMOVED_FOR);
        removed.keys().for_each(|node| self.groups.node_is_dead(*node));
    }
}
