//! What the Raft log tells about itself.

use prometheus_client::{
    metrics::{
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Figures of the Raft log. Clones share them.
#[derive(Clone, Debug)]
pub struct LogMetrics {
    pub(crate) sync_seconds: Histogram,
    pub(crate) batch_bytes: Histogram,
    pub(crate) batch_entries: Histogram,
    pub(crate) segments: Gauge,
    pub(crate) size_bytes: Gauge,
}

impl Default for LogMetrics {
    fn default() -> LogMetrics {
        LogMetrics {
            sync_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 18)),
            batch_bytes: Histogram::new(exponential_buckets(64.0, 4.0, 10)),
            batch_entries: Histogram::new(exponential_buckets(1.0, 4.0, 8)),
            segments: Gauge::default(),
            size_bytes: Gauge::default(),
        }
    }
}

impl LogMetrics {
    pub fn register(registry: &mut Registry) -> LogMetrics {
        let metrics = LogMetrics::default();
        let registry = registry.sub_registry_with_prefix("stator_storage");
        registry.register(
            "log_sync_seconds",
            "How long the disk took to make a batch of the Raft log durable",
            metrics.sync_seconds.clone(),
        );
        registry.register("log_batch_bytes", "Size of the batches of the Raft log", metrics.batch_bytes.clone());
        registry.register("log_batch_entries", "Entries in a batch of the Raft log", metrics.batch_entries.clone());
        registry.register("log_segments", "Segment files of the Raft log", metrics.segments.clone());
        registry.register("log_size_bytes", "Bytes of the Raft log on disk", metrics.size_bytes.clone());
        metrics
    }
}
