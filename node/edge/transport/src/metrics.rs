//! What an operator sees of the links, per lane.

use crate::lane::Lane;
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

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct LaneLabel {
    lane: &'static str,
}

/// One lane's metrics; a clone counts into the same.
#[derive(Clone)]
pub(crate) struct LaneMetrics {
    pub sent_bytes: Counter,
    pub received_bytes: Counter,
    pub sent_frames: Counter,
    pub received_frames: Counter,
    pub sent_batches: Counter,
    pub calls: Gauge,
    pub call_seconds: Histogram,
    pub timeouts: Counter,
    pub overloads: Counter,
    pub connects: Counter,
    pub disconnects: Counter,
}

/// The metrics of all lanes.
pub(crate) struct Metrics {
    lanes: [LaneMetrics; 3],
    /// Nodes that were not who they should be.
    pub refused_peers: Counter,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Metrics {
        let mut counters = |name: &str, help: &str| {
            let family = Family::<LaneLabel, Counter>::default();
            registry.register(format!("stator_transport_{name}"), help, family.clone());
            Lane::ALL.map(|lane| family.get_or_create_owned(&LaneLabel { lane: lane.name() }))
        };
        let sent_bytes = counters("sent_bytes", "Bodies sent to other nodes");
        let received_bytes = counters("received_bytes", "Bodies received from other nodes");
        let sent_frames = counters("sent_frames", "Calls and answers sent");
        let received_frames = counters("received_frames", "Calls and answers received");
        let sent_batches = counters("sent_batches", "Batches in which the sent frames travelled");
        let timeouts = counters("call_timeouts", "Calls without an answer within their deadline");
        let overloads = counters("call_overloads", "Calls not sent because too many were waiting");
        let connects = counters("connects", "Links that were opened to other nodes");
        let disconnects = counters("disconnects", "Links to other nodes that ended or could not be opened");

        let calls = Family::<LaneLabel, Gauge>::default();
        registry.register("stator_transport_calls", "Calls that wait for their answer", calls.clone());
        let call_seconds = Family::<LaneLabel, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.000_05, 2.0, 18))
        });
        registry.register("stator_transport_call_seconds", "From a call to its answer", call_seconds.clone());
        let refused_peers = Counter::default();
        registry.register(
            "stator_transport_refused_peers",
            "Links refused because the other side was not who it should be",
            refused_peers.clone(),
        );

        let lanes = Lane::ALL.map(|lane| {
            let label = LaneLabel { lane: lane.name() };
            let of = |counters: &[Counter; 3]| counters[lane.index()].clone();
            LaneMetrics {
                sent_bytes: of(&sent_bytes),
                received_bytes: of(&received_bytes),
                sent_frames: of(&sent_frames),
                received_frames: of(&received_frames),
                sent_batches: of(&sent_batches),
                calls: calls.get_or_create_owned(&label),
                call_seconds: call_seconds.get_or_create_owned(&label),
                timeouts: of(&timeouts),
                overloads: of(&overloads),
                connects: of(&connects),
                disconnects: of(&disconnects),
            }
        });
        Metrics { lanes, refused_peers }
    }

    pub fn lane(&self, lane: Lane) -> &LaneMetrics {
        &self.lanes[lane.index()]
    }
}
