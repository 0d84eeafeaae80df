//! What an operator sees of the edge.

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
use stator_api::Operation;
use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OperationLabel {
    operation: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ErrorLabels {
    operation: &'static str,
    error: &'static str,
}

/// What is counted for requests whose operation is not known.
const UNKNOWN: &str = "Unknown";

struct OperationMetrics {
    requests: Counter,
    seconds: Histogram,
}

/// The metrics of the edge. Those of operations are looked up once, not per request.
pub(crate) struct Metrics {
    /// In the order of [`Operation::ALL`], the unknown one last.
    operations: Vec<OperationMetrics>,
    errors: Family<ErrorLabels, Counter>,
    pub connections: Gauge,
    pub accepted_connections: Counter,
    pub refused_connections: Counter,
    pub requests_in_flight: Gauge,
    pub waiters: Gauge,
    pub shed_requests: Counter,
    pub panics: Counter,
    pub received_bytes: Counter,
    pub sent_bytes: Counter,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Metrics {
        let requests = Family::<OperationLabel, Counter>::default();
        registry.register("stator_gateway_requests", "Requests that were answered", requests.clone());
        let seconds = Family::<OperationLabel, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.000_1, 2.0, 18))
        });
        registry.register(
            "stator_gateway_request_seconds",
            "From the last byte of a request to the reply, ready to be sent",
            seconds.clone(),
        );
        let errors = Family::<ErrorLabels, Counter>::default();
        registry.register("stator_gateway_errors", "Requests answered with an error, by its type", errors.clone());
        let names = Operation::ALL.iter().map(|operation| operation.name()).chain([UNKNOWN]);
        let operations = names
            .map(|operation| OperationMetrics {
                requests: requests.get_or_create_owned(&OperationLabel { operation }),
                seconds: seconds.get_or_create_owned(&OperationLabel { operation }),
            })
            .collect();

        let connections = Gauge::default();
        registry.register("stator_gateway_connections", "Open connections of clients", connections.clone());
        let requests_in_flight = Gauge::default();
        registry.register(
            "stator_gateway_requests_in_flight",
            "Requests that are being worked on",
            requests_in_flight.clone(),
        );
        let waiters = Gauge::default();
        registry.register(
            "stator_gateway_stream_waiters",
            "Requests that wait for records of streams",
            waiters.clone(),
        );
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(format!("stator_gateway_{name}"), help, counter.clone());
            counter
        };
        Metrics {
            operations,
            errors,
            connections,
            requests_in_flight,
            waiters,
            accepted_connections: counter("accepted_connections", "Connections that clients opened"),
            refused_connections: counter("refused_connections", "Connections closed because there were too many"),
            shed_requests: counter("shed_requests", "Requests throttled because too much was under way"),
            panics: counter("panics", "Requests answered with 500 because of a mistake in the program"),
            received_bytes: counter("received_bytes", "Request bodies received, as sent"),
            sent_bytes: counter("sent_bytes", "Reply bodies, as sent"),
        }
    }

    /// Counts an answered request; `error` is the exception's short name.
    pub fn answered(&self, operation: Option<Operation>, error: Option<&'static str>, took: Duration) {
        let place = operation.map_or(Operation::ALL.len(), |operation| operation as usize);
        if let Some(metrics) = self.operations.get(place) {
            metrics.requests.inc();
            metrics.seconds.observe(took.as_secs_f64());
        }
        if let Some(error) = error {
            let operation = operation.map_or(UNKNOWN, Operation::name);
            self.errors.get_or_create(&ErrorLabels { operation, error }).inc();
        }
    }
}
