//! What an operator sees of all replicas of a node.

use parking_lot::Mutex;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use stator_partition::Throttled;
use std::collections::BTreeSet;

/// Which capacity was exceeded. Only tables and indexes that had to refuse something get a series.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, EncodeLabelSet)]
struct ThrottledLabels {
    table: String,
    /// Empty for the table itself.
    index: String,
    /// As in `ThrottlingReasons`.
    reason: &'static str,
}

/// Counters of all replicas of a node together: thousands of partitions must not become thousands of series.
pub struct Metrics {
    commands_evaluated: Counter,
    commands_refused_overload: Counter,
    entries_applied: Counter,
    entries_without_effect: Counter,
    pub(crate) evaluations_begun_anew: Counter,
    commands_per_entry: Histogram,
    pub(crate) reads_under_lease: Counter,
    pub(crate) reads_by_quorum: Counter,
    pub(crate) commands_read_ahead: Counter,
    pub(crate) reads_from_disk: Counter,
    pub(crate) leaders: Gauge,
    throttled: Family<ThrottledLabels, Counter>,
    /// The series of `throttled`, which cannot be listed from it.
    throttled_labels: Mutex<BTreeSet<ThrottledLabels>>,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Metrics {
        let metrics = Metrics {
            commands_evaluated: Counter::default(),
            commands_refused_overload: Counter::default(),
            entries_applied: Counter::default(),
            entries_without_effect: Counter::default(),
            evaluations_begun_anew: Counter::default(),
            commands_per_entry: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0]),
            reads_under_lease: Counter::default(),
            reads_by_quorum: Counter::default(),
            commands_read_ahead: Counter::default(),
            reads_from_disk: Counter::default(),
            leaders: Gauge::default(),
            throttled: Family::default(),
            throttled_labels: Mutex::default(),
        };
        let registry = registry.sub_registry_with_prefix("stator_replica");
        registry.register(
            "commands_evaluated",
            "Commands evaluated by leaders on this node",
            metrics.commands_evaluated.clone(),
        );
        registry.register(
            "commands_refused_overload",
            "Commands refused because a partition's mailbox was full",
            metrics.commands_refused_overload.clone(),
        );
        registry.register("entries_applied", "Log entries applied with effect", metrics.entries_applied.clone());
        registry.register(
            "entries_without_effect",
            "Log entries applied without effect: evaluated in another term, or on top of an entry that was lost",
            metrics.entries_without_effect.clone(),
        );
        registry.register(
            "evaluations_begun_anew",
            "Times a leader dropped its effects in flight after a lost proposal",
            metrics.evaluations_begun_anew.clone(),
        );
        registry.register(
            "commands_per_entry",
            "Commands packed into one log entry",
            metrics.commands_per_entry.clone(),
        );
        registry.register(
            "reads_under_lease",
            "Strong reads answered under the lease",
            metrics.reads_under_lease.clone(),
        );
        registry.register("reads_by_quorum", "Strong reads that had to ask a quorum", metrics.reads_by_quorum.clone());
        registry.register(
            "commands_read_ahead",
            "Commands whose turn waited until their rows were read from disk",
            metrics.commands_read_ahead.clone(),
        );
        registry.register(
            "reads_from_disk",
            "Reads that found not all of their rows in memory",
            metrics.reads_from_disk.clone(),
        );
        registry.register("leaders", "Partitions that this node leads and serves", metrics.leaders.clone());
        registry.register(
            "commands_throttled",
            "Commands refused because a table or index has no capacity left, by reason",
            metrics.throttled.clone(),
        );
        metrics
    }

    pub(crate) fn applied(&self, had_effect: bool, commands: usize) {
        if had_effect {
            self.entries_applied.inc();
            self.commands_per_entry.observe(commands as f64);
        } else {
            self.entries_without_effect.inc();
        }
    }

    pub(crate) fn evaluated(&self) {
        self.commands_evaluated.inc();
    }

    pub(crate) fn throttled(&self, throttled: &Throttled) {
        let labels = ThrottledLabels {
            table: throttled.table.clone(),
            index: throttled.index.clone().unwrap_or_default(),
            reason: throttled.reason(),
        };
        self.throttled.get_or_create(&labels).inc();
        self.throttled_labels.lock().insert(labels);
    }

    /// Drops the series of tables that are gone: names come and go, and a series would stay for each.
    pub fn retain_tables(&self, is_there: impl Fn(&str) -> bool) {
        self.throttled_labels.lock().retain(|labels| {
            let stays = is_there(&labels.table);
            if !stays {
                self.throttled.remove(labels);
            }
            stays
        });
    }

    pub(crate) fn overloaded(&self) {
        self.commands_refused_overload.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use stator_partition::{capacity::Way, throttle::Limit};

    fn throttled(table: &str) -> Throttled {
        Throttled {
            table: table.to_owned(),
            index: None,
            way: Way::Write,
            limit: Limit::Provisioned,
            is_on_demand: false,
        }
    }

    #[test]
    fn a_table_that_is_gone_leaves_no_series() {
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let told = || {
            let mut text = String::new();
            encode(&mut text, &registry).expect("text takes it");
            text.lines().filter(|line| line.starts_with("stator_replica_commands_throttled_total{")).count()
        };
        for table in ["orders", "orders", "gone"] {
            metrics.throttled(&throttled(table));
        }
        assert_eq!(told(), 2);
        metrics.retain_tables(|table| table == "orders");
        assert_eq!(told(), 1);
        metrics.throttled(&throttled("gone"));
        assert_eq!(told(), 2, "a table of that name again");
    }
}
