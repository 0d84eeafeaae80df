//! What operators see of a node's groups.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub(crate) struct Metrics {
    pub(crate) proposals: Counter,
    pub(crate) proposals_refused: Counter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) leader_changes: Counter,
    pub(crate) message_errors: Counter,
    pub(crate) snapshots_sent: Counter,
    pub(crate) snapshots_received: Counter,
    pub(crate) snapshot_sent_bytes: Counter,
    pub(crate) groups: Gauge,
    pub(crate) groups_led: Gauge,
    pub(crate) groups_asleep: Gauge,
    pub(crate) groups_dormant: Gauge,
}

/// From a quick local fsync to what a client hardly waits for.
const COMMIT_SECONDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

impl Metrics {
    pub(crate) fn new(registry: &mut Registry) -> Metrics {
        let metrics = Metrics {
            proposals: Counter::default(),
            proposals_refused: Counter::default(),
            commit_seconds: Histogram::new(COMMIT_SECONDS),
            leader_changes: Counter::default(),
            message_errors: Counter::default(),
            snapshots_sent: Counter::default(),
            snapshots_received: Counter::default(),
            snapshot_sent_bytes: Counter::default(),
            groups: Gauge::default(),
            groups_led: Gauge::default(),
            groups_asleep: Gauge::default(),
            groups_dormant: Gauge::default(),
        };
        metrics.register(registry);
        metrics
    }

    /// The registry adds `_total` to the names of counters.
    fn register(&self, registry: &mut Registry) {
        let mut counter = |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
        counter("stator_consensus_proposals", "Entries proposed by this node", &self.proposals);
        counter("stator_consensus_proposals_refused", "Proposals refused or lost", &self.proposals_refused);
        counter("stator_consensus_leader_changes", "Leaders that replicas here came to know", &self.leader_changes);
        counter("stator_consensus_message_errors", "Raft messages without an answer", &self.message_errors);
        counter("stator_consensus_snapshots_sent", "Snapshots sent whole", &self.snapshots_sent);
        counter("stator_consensus_snapshots_received", "Snapshots installed", &self.snapshots_received);
        counter("stator_consensus_snapshot_sent_bytes", "Bytes of snapshots sent", &self.snapshot_sent_bytes);
        registry.register(
            "stator_consensus_commit_seconds",
            "From proposing an entry to its being applied on the leader",
            self.commit_seconds.clone(),
        );
        let mut gauge = |name: &str, help: &str, gauge: &Gauge| registry.register(name, help, gauge.clone());
        gauge("stator_consensus_groups", "Replicas open on this node", &self.groups);
        gauge("stator_consensus_groups_led", "Replicas on this node that lead", &self.groups_led);
        gauge("stator_consensus_groups_asleep", "Replicas on this node whose group sleeps", &self.groups_asleep);
        gauge("stator_consensus_groups_dormant", "Of these, replicas without a core", &self.groups_dormant);
    }
}
