//! What the rows tell about themselves.

use super::RowsFigures;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};
use std::{fmt, sync::Weak};

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
