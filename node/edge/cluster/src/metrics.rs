//! What an operator sees of a node's part in its cluster.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

pub struct Metrics {
    pub(crate) forwarded: Counter,
    pub(crate) retries: Counter,
    pub(crate) nodes_alive: Gauge,
    pub(crate) moves_begun: Counter,
    pub(crate) moves_failed: Counter,
    pub(crate) replicas: Gauge,
    pub(crate) transactions_recovered: Counter,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Metrics {
        let metrics = Metrics {
            forwarded: Counter::default(),
            retries: Counter::default(),
            nodes_alive: Gauge::default(),
            moves_begun: Counter::default(),
            moves_failed: Counter::default(),
            replicas: Gauge::default(),
            transactions_recovered: Counter::default(),
        };
        let registry = registry.sub_registry_with_prefix("stator_cluster");
        registry.register("commands_forwarded", "Commands sent on to another node", metrics.forwarded.clone());
        registry.register("commands_retried", "Attempts of commands after the first", metrics.retries.clone());
        registry.register("nodes_alive", "Nodes heard of lately, this one included", metrics.nodes_alive.clone());
        registry.register(
            "moves_begun",
            "Changes of members or leaders begun by this node",
            metrics.moves_begun.clone(),
        );
        registry.register("moves_failed", "Changes of members or leaders that failed", metrics.moves_failed.clone());
        registry.register("replicas", "Replicas on this node, the catalog's apart", metrics.replicas.clone());
        registry.register(
            "transactions_recovered",
            "Transactions brought to their end by the leader of a partition, as their coordinator was gone or slow",
            metrics.transactions_recovered.clone(),
        );
        metrics
    }
}
