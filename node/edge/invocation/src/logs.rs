//! What functions print, kept as CloudWatch Logs would have it: taken from instances without making them wait, put into a table of
//! the cluster's own, and told by the Logs API.
//!
//! Guarantees: an invocation neither waits nor fails for its log; memory for lines is bounded, and where lines were dropped, their
//! log says so; what was put is on a quorum and is told by every node, until its group's retention is over.

mod answers;
mod lines;
mod search;
mod shipper;
mod store;
mod sweep;

use crate::{settings::Settings, system_items::SystemItems};
pub use answers::{Found, FoundEvent};
use lines::{LineQueue, StreamName};
use parking_lot::Mutex;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use shipper::Streams;
use stator_api::arn::Owner;
use stator_cluster::{Deadline, Door, Tables};
use stator_environment::{Environment, Task};
use stator_functions::LogSink;
use stator_logs::LogsError;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use store::LogStore;
use tokio::sync::Notify;

/// How long the last lines may take when the node goes.
const FLUSH_MAX: Duration = Duration::from_secs(3);
const FLUSH_LOOK_EVERY: Duration = Duration::from_millis(20);

struct Metrics {
    lines: Counter,
    dropped: Counter,
    waiting_bytes: Gauge,
}

impl Metrics {
    fn new(registry: &mut Registry) -> Metrics {
        let (lines, dropped, waiting_bytes) = (Counter::default(), Counter::default(), Gauge::default());
        registry.register("stator_invocation_log_lines", "Lines of functions that were stored", lines.clone());
        registry.register(
            "stator_invocation_log_lines_dropped",
            "Lines of functions that were dropped, as they came faster than they could be stored",
            dropped.clone(),
        );
        registry.register(
            "stator_invocation_log_waiting_bytes",
            "Bytes of lines of functions that wait to be stored",
            waiting_bytes.clone(),
        );
        Metrics { lines, dropped, waiting_bytes }
    }
}

/// Logs of functions, as one node takes and tells them.
pub struct Logs {
    environment: Environment,
    tables: Arc<dyn Tables>,
    store: LogStore,
    lines: Mutex<LineQueue>,
    streams: Streams,
    metrics: Metrics,
    settings: Settings,
    /// Lines may be due.
    wake: Notify,
    /// The node goes: lines do not wait for others any more.
    is_closing: AtomicBool,
}

impl Logs {
    /// Made once a node; then [`begin`](Logs::begin).
    pub fn new(
        door: Arc<dyn Door>,
        tables: Arc<dyn Tables>,
        environment: Environment,
        settings: Settings,
        registry: &mut Registry,
    ) -> Arc<Logs> {
        Arc::new(Logs {
            store: LogStore { items: SystemItems { door, tables: tables.clone() } },
            tables,
            lines: Mutex::new(LineQueue::new(settings.log_bytes_max)),
            streams: Streams::default(),
            metrics: Metrics::new(registry),
            wake: Notify::new(),
            is_closing: AtomicBool::new(false),
            environment,
            settings,
        })
    }

    /// Begins to store lines and to clear away what was deleted. For as long as the tasks are not stopped.
    pub fn begin(self: &Arc<Logs>) -> Vec<Task> {
        let tasks = &self.environment.tasks;
        vec![
            tasks.spawn("function logs", Box::pin(self.clone().ship())),
            tasks.spawn("deleted logs", Box::pin(self.clone().sweep())),
        ]
    }

    /// Stores what waits, for a short time. To be called when no function runs any more and before the tasks are stopped.
    pub async fn flush(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.wake.notify_one();
        let until = self.environment.clock.elapsed() + FLUSH_MAX;
        while !self.lines.lock().is_empty() && self.environment.clock.elapsed() < until {
            self.environment.sleep(FLUSH_LOOK_EVERY).await;
        }
        let left = self.lines.lock().bytes();
        if left > 0 {
            tracing::warn!(bytes = left, "lines of functions were not stored in time and are lost");
        }
    }

    fn deadline(&self, time: Duration) -> Deadline {
        Deadline(self.environment.clock.elapsed() + time)
    }

    /// Whose name ARNs bear.
    fn owner(&self) -> Result<Owner, LogsError> {
        let catalog = self.tables.catalog();
        let identity = catalog.identity().ok_or_else(LogsError::internal)?;
        Ok(Owner { region: identity.region.clone(), account_id: identity.account_id.clone() })
    }

    /// An id that no group and no stream had before.
    fn new_id(&self) -> String {
        format!("{:016x}", self.environment.random.next_u64())
    }
}

impl LogSink for Logs {
    fn write(&self, group: &str, stream: &str, at_ms: u64, lines: Vec<String>) {
        for line in &lines {
            tracing::debug!(target: "stator::functions", group, stream, "{line}");
        }
        let name = StreamName { group: group.to_owned(), stream: stream.to_owned() };
        let now = self.environment.clock.elapsed();
        let (is_first, dropped, bytes) = {
            let mut waiting = self.lines.lock();
            let is_first = waiting.is_empty();
            (is_first, waiting.push(name, at_ms, lines, now), waiting.bytes())
        };
        self.metrics.dropped.inc_by(dropped);
        self.metrics.waiting_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        if is_first || bytes >= shipper::BATCH_BYTES {
            self.wake.notify_one();
        }
    }
}
