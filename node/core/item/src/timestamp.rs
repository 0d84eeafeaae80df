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
    /// Length of the encoding.
    pub const BYTES: usize = 16;

    /// Before every timestamp that a node gives out.
    pub const MIN: Timestamp = Timestamp { wall_ms: 0, counter: 0, node: 0 };

    /// The smallest timestamp above `self` that a node with this wall clock may give out.
    /// Guarantees: the result is greater than `self`, whatever the wall clock says, up to the last millisecond of 64 bits.
    pub fn next(self, wall_ms: u64, node: u32) -> Timestamp {
        if wall_ms > self.wall_ms {
            return Timestamp { wall_ms, counter: 0, node };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Timestamp { wall_ms: self.wall_ms, counter, node },
            None => Timestamp { wall_ms: self.wall_ms.saturating_add(1), counter: 0, node },
        }
    }

    /// Milliseconds since 1970. Ahead of the wall clock where the node had to stay behind a faster one's timestamps.
    pub fn physical_ms(self) -> u64 {
        self.wall_ms
    }

    /// Big endian, so that byte order is the order of timestamps.
    pub fn to_bytes(self) -> [u8; Timestamp::BYTES] {
        let low = u64::from(self.counter) << 32 | u64::from(self.node);
        (u128::from(self.wall_ms) << 64 | u128::from(low)).to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; Timestamp::BYTES]) -> Timestamp {
        let value = u128::from_be_bytes(bytes);
        Timestamp { wall_ms: (value >> 64) as u64, counter: (value >> 32) as u32, node: value as u32 }
    }
}

#[cfg(test)]
mod tests;
