//! Hybrid logical clock values: physical time where it can be had, order always.

use serde::{Deserialize, Serialize};

/// Physical milliseconds since 1970, a counter inside the millisecond, and the node that made it. Ordered in that order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Timestamp {
    pub wall_ms: u64,
    pub counter: u32,
    pub node: u32,
}

impl Timestamp {
    /// The smallest timestamp above `self` that a node with this wall clock may give out.
    /// Guarantees: the result is greater than `self`, whatever the wall clock says.
    pub fn next(self, wall_ms: u64, node: u32) -> Timestamp {
        if wall_ms > self.wall_ms {
            return Timestamp { wall_ms, counter: 0, node };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Timestamp { wall_ms: self.wall_ms, counter, node },
            None => Timestamp { wall_ms: self.wall_ms + 1, counter: 0, node },
        }
    }
}
