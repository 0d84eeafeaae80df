//! The search for anomalies: the smallest circle of each kind.

use crate::{
    anomaly::{Anomaly, Kind, Order},
    dependencies::edges,
    graph::{Allowed, Because, Edge, Graph},
    history::Transaction,
    versions::versions,
};

/// Circles looked at for each kind before the smallest is reported.
const CIRCLES_MAX: usize = 200;

/// All kinds of anomalies in a history: of each kind of circle one, the smallest found, with the weakest order that shows it.
pub fn check(history: &[Transaction]) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let versions = versions(history, &mut found);
    let graph = Graph::new(history.len(), edges(history, &versions));
    for kind in [Kind::G0, Kind::G1c, Kind::GSingle, Kind::G2] {
        let orders = [Order::Data, Order::Process, Order::RealTime];
        found.extend(orders.into_iter().find_map(|order| circle(&graph, kind, order)));
    }
    found
}

/// A circle of a kind: it goes through an edge that only this kind has, and back by what the kind allows.
fn circle(graph: &Graph, kind: Kind, order: Order) -> Option<Anomaly> {
    let back = Allowed { was_read: kind != Kind::G0, missed: kind == Kind::G2, order };
    let first = match kind {
        Kind::G0 => Because::Wrote,
        Kind::G1c => Because::WasRead,
        _ => Because::Missed,
    };
    let components = graph.components(Allowed { missed: first == Because::Missed, ..back });
    let candidates = graph.edges().filter(|edge| edge.because == first && components[edge.from] == components[edge.to]);
    let circles = candidates.filter_map(|edge| {
        let mut circle: Vec<&Edge> = vec![edge];
        circle.extend(graph.path(edge.to, edge.from, back)?);
        let missed = circle.iter().filter(|edge| edge.because == Because::Missed).count();
        // One that a weaker kind has as well is that kind's.
        (kind != Kind::G2 || missed > 1).then_some(circle)
    });
    let smallest = circles.take(CIRCLES_MAX).min_by_key(Vec::len)?;
    Some(Anomaly::cycle(kind, order, &smallest))
}
