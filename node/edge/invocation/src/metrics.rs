//! What an operator sees of functions, beside what their runner tells of what it runs.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct FunctionLabel {
    function: String,
}

pub(crate) struct Metrics {
    /// By the names of functions: as many as there are.
    throttles: Family<FunctionLabel, Counter>,
    loops: Family<FunctionLabel, Counter>,
    pub events_in_flight: Gauge,
    pub events_accepted: Counter,
    pub events_dropped: Counter,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Metrics {
        let (throttles, loops) = (Family::default(), Family::default());
        registry.register(
            "stator_invocation_loops_stopped",
            "Invocations refused as so many functions in a row had led to them",
            Family::clone(&loops),
        );
        registry.register(
            "stator_invocation_throttles",
            "Invocations refused for what is reserved for the function, or left for all others",
            Family::clone(&throttles),
        );
        let events_in_flight = Gauge::default();
        registry.register(
            "stator_invocation_events_in_flight",
            "Accepted events that this node works on",
            events_in_flight.clone(),
        );
        let events_accepted = Counter::default();
        registry.register("stator_invocation_events_accepted", "Events that were accepted", events_accepted.clone());
        let events_dropped = Counter::default();
        registry.register(
            "stator_invocation_events_dropped",
            "Accepted events that were given up without a destination to tell",
            events_dropped.clone(),
        );
        Metrics { throttles, loops, events_in_flight, events_accepted, events_dropped }
    }

    pub fn looped(&self, function: &str) {
        self.loops.get_or_create(&FunctionLabel { function: function.to_owned() }).inc();
    }

    pub fn throttled(&self, function: &str) {
        self.throttles.get_or_create(&FunctionLabel { function: function.to_owned() }).inc();
    }

    /// The function is gone.
    pub fn forget(&self, function: &str) {
        let label = FunctionLabel { function: function.to_owned() };
        self.throttles.remove(&label);
        self.loops.remove(&label);
    }
}
