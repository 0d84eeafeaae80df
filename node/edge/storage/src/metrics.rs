//! What storage tells about itself.

use crate::rows::RowsFigures;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        MetricType,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{fmt, sync::Weak};

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

/// Asks the rows for their figures whenever the metrics are read.
pub(crate) struct RowsCollector(pub(crate) Weak<dyn RowsFigures>);

impl fmt::Debug for RowsCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RowsCollector")
    }
}

impl Collector for RowsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let Some(rows) = self.0.upgrade() else { return Ok(()) };
        for (name, help, value) in rows.figures() {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}
