//! What an operator sees of a node's part in its cluster.

use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub struct Metrics {
    pub(crate) forwarded: Counter,
    pub(crate) retries: Counter,
    pub(crate) nodes_alive: Gauge,
    pub(crate) moves_begun: Counter,
    pub(crate) moves_failed: Counter,
    pub(crate) replicas: Gauge,
    pub(crate) index_lag_ms: Gauge,
    pub(crate) index_records_waiting: Gauge,
    pub(crate) index_deliveries: Counter,
    pub(crate) index_sessions_begun: Counter,
    pub(crate) index_delivery_seconds: Histogram,
    pub(crate) transactions_recovered: Counter,
    pub(crate) stream_fullest_bytes: Gauge,
    pub(crate) trigger_age_ms: Gauge,
    pub(crate) trigger_calls: Counter,
    pub(crate) trigger_failures: Counter,
    pub(crate) trigger_records_discarded: Counter,
    pub(crate) trigger_records_lost: Counter,
    pub(crate) items_expired: Counter,
    pub(crate) expired_items_waiting: Gauge,
    pub(crate) expiry_lag_seconds: Gauge,
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
            index_lag_ms: Gauge::default(),
            index_records_waiting: Gauge::default(),
            index_deliveries: Counter::default(),
            index_sessions_begun: Counter::default(),
            index_delivery_seconds: Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0]),
            transactions_recovered: Counter::default(),
            stream_fullest_bytes: Gauge::default(),
            trigger_age_ms: Gauge::default(),
            trigger_calls: Counter::default(),
            trigger_failures: Counter::default(),
            trigger_records_discarded: Counter::default(),
            trigger_records_lost: Counter::default(),
            items_expired: Counter::default(),
            expired_items_waiting: Gauge::default(),
            expiry_lag_seconds: Gauge::default(),
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
            "index_lag_milliseconds",
            "Age of the oldest change that an index of a table led here does not have; 0 if none waits",
            metrics.index_lag_ms.clone(),
        );
        registry.register(
            "index_records_waiting",
            "Changes of partitions led here that indexes do not have yet",
            metrics.index_records_waiting.clone(),
        );
        registry.register(
            "index_deliveries",
            "Deliveries that partitions of indexes answered",
            metrics.index_deliveries.clone(),
        );
        registry.register(
            "index_sessions_begun",
            "Sessions begun between a partition led here and an index, the first and those after failures",
            metrics.index_sessions_begun.clone(),
        );
        registry.register(
            "index_delivery_seconds",
            "Time from the oldest write of a batch to its row in the index",
            metrics.index_delivery_seconds.clone(),
        );
        registry.register(
            "transactions_recovered",
            "Transactions brought to their end by the leader of a partition, as their coordinator was gone or slow",
            metrics.transactions_recovered.clone(),
        );
        registry.register(
            "stream_fullest_bytes",
            "Records kept for streams by the partition led here that keeps most; at 16 GiB its writes are throttled",
            metrics.stream_fullest_bytes.clone(),
        );
        metrics.register_triggers(registry);
        registry.register(
            "items_expired",
            "Items deleted as their time to live was over",
            metrics.items_expired.clone(),
        );
        registry.register(
            "expired_items_waiting",
            "Items in partitions led here that have expired and are not deleted yet; 10,000 are counted of each partition",
            metrics.expired_items_waiting.clone(),
        );
        registry.register(
            "expiry_lag_seconds",
            "Time since the expiry of the item, in partitions led here, that has waited for its deletion for longest; 0 if none does",
            metrics.expiry_lag_seconds.clone(),
        );
        metrics
    }
    fn register_triggers(&self, registry: &mut Registry) {
        registry.register(
            "trigger_age_milliseconds",
            "Age of the oldest record of partitions led here that an event source mapping has read and not brought",
            self.trigger_age_ms.clone(),
        );
        registry.register("trigger_calls", "Calls of functions by event source mappings", self.trigger_calls.clone());
        registry.register("trigger_failures", "Those of them that failed as a whole", self.trigger_failures.clone());
        registry.register(
            "trigger_records_discarded",
            "Records that event source mappings gave up, as they were too old or failed too often",
            self.trigger_records_discarded.clone(),
        );
        registry.register(
            "trigger_records_lost",
            "Discarded records that the destination did not take either",
            self.trigger_records_lost.clone(),
        );
    }
}
