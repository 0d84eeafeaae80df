//! What can be wrong with a history, and which promise it breaks.

use crate::graph::Edge;
use std::fmt;

/// Kinds of anomalies: Adya's, and those that show without any cycle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A list has an element twice, or an element that nobody appended.
    GarbageRead,
    /// Two reads of one list of which neither begins with the other.
    IncompatibleOrder,
    /// A transaction does not see what it did itself.
    Internal,
    /// Writes in a circle.
    G0,
    /// A read of what was aborted.
    G1a,
    /// A read of what its writer had not finished.
    G1b,
    /// Writes and reads in a circle.
    G1c,
    /// A circle with one read that missed a write: read skew, or a lost update.
    GSingle,
    /// A circle with several such reads: write skew.
    G2,
}

/// Which order a cycle needs, beside what was read and written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Order {
    /// None.
    Data,
    /// That a process's transactions follow one another.
    Process,
    /// That what ended before another began came before it.
    RealTime,
}

/// An anomaly, with the transactions that show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Anomaly {
    pub kind: Kind,
    pub order: Order,
    /// Places in the history; for a cycle in its order.
    pub transactions: Vec<usize>,
    /// In words.
    pub explanation: String,
}

/// Promises of isolation, the weakest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Isolation {
    ReadCommitted,
    SnapshotIsolation,
    Serializable,
    /// As if each transaction had happened at one moment between its beginning and its end.
    StrictSerializable,
}

impl Isolation {
    /// Whether an anomaly breaks this promise.
    pub fn forbids(self, anomaly: &Anomaly) -> bool {
        let kind_is_forbidden = match anomaly.kind {
            Kind::GarbageRead | Kind::IncompatibleOrder | Kind::Internal => true,
            Kind::G0 | Kind::G1a | Kind::G1b | Kind::G1c => true,
            Kind::GSingle => self >= Isolation::SnapshotIsolation,
            Kind::G2 => self >= Isolation::Serializable,
        };
        kind_is_forbidden && (anomaly.order == Order::Data || self == Isolation::StrictSerializable)
    }
}

impl Anomaly {
    pub(crate) fn plain(kind: Kind, transactions: Vec<usize>, explanation: String) -> Anomaly {
        Anomaly { kind, order: Order::Data, transactions, explanation }
    }

    pub(crate) fn cycle(kind: Kind, order: Order, edges: &[&Edge]) -> Anomaly {
        let steps: Vec<String> = edges.iter().map(|edge| edge.to_string()).collect();
        Anomaly {
            kind,
            order,
            transactions: edges.iter().map(|edge| edge.from).collect(),
            explanation: format!("a circle: {}", steps.join(", ")),
        }
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            Order::Data => "",
            Order::Process => " by process order",
            Order::RealTime => " by real time",
        };
        write!(formatter, "{:?}{order}: {}", self.kind, self.explanation)
    }
}
