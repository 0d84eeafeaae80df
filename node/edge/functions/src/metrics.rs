//! What an operator sees of functions.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct FunctionLabel {
    function: String,
}

/// As many labels as there are functions, which the catalog bounds.
pub(crate) struct Metrics {
    invocations: Family<FunctionLabel, Counter>,
    errors: Family<FunctionLabel, Counter>,
    throttles: Family<FunctionLabel, Counter>,
    cold_starts: Family<FunctionLabel, Counter>,
    seconds: Family<FunctionLabel, Histogram>,
    init_seconds: Family<FunctionLabel, Histogram>,
    pub instances: Gauge,
    pub memory_megabytes: Gauge,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Metrics {
        let mut counter = |name: &str, help: &str| {
            let family = Family::<FunctionLabel, Counter>::default();
            registry.register(format!("stator_functions_{name}"), help, family.clone());
            family
        };
        let invocations = counter("invocations", "Events that were handed to a function, or that its start failed for");
        let errors = counter("errors", "Invocations that ended with an error of the function");
        let throttles = counter("throttles", "Events that were refused because the node had no room");
        let cold_starts = counter("cold_starts", "Instances that were started");
        let mut histogram = |name: &str, help: &str| {
            let family = Family::<FunctionLabel, Histogram>::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.000_25, 2.0, 22))
            });
            registry.register(format!("stator_functions_{name}"), help, family.clone());
            family
        };
        let seconds = histogram("invocation_seconds", "From handing over an event to the answer");
        let init_seconds = histogram("init_seconds", "From starting an instance to its first question for an event");
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(format!("stator_functions_{name}"), help, gauge.clone());
            gauge
        };
        Metrics {
            invocations,
            errors,
            throttles,
            cold_starts,
            seconds,
            init_seconds,
            instances: gauge("instances", "Instances that are there, at work or waiting"),
            memory_megabytes: gauge("reserved_memory_megabytes", "Memory that all instances together were given"),
        }
    }

    pub fn invoked(&self, function: &str, failed: bool, took: Duration) {
        let label = label(function);
        self.invocations.get_or_create(&label).inc();
        self.seconds.get_or_create(&label).observe(took.as_secs_f64());
        if failed {
            self.errors.get_or_create(&label).inc();
        }
    }

    pub fn throttled(&self, function: &str) {
        self.throttles.get_or_create(&label(function)).inc();
    }

    pub fn started(&self, function: &str, took: Duration) {
        let label = label(function);
        self.cold_starts.get_or_create(&label).inc();
        self.init_seconds.get_or_create(&label).observe(took.as_secs_f64());
    }
}

fn label(function: &str) -> FunctionLabel {
    FunctionLabel { function: function.to_owned() }
}
