//! Identifiers that are given out once and never again.
//!
//! A table made again under its old name is another table, and so is a replica that lost its data.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A process with a data directory of its own.
    NodeId
);
id!(
    /// A table, for as long as it exists.
    TableId
);
id!(
    /// A token range of one table, replicated by one Raft group. `PartitionId::CATALOG` is the catalog's group.
    PartitionId
);
id!(
    /// One copy of one partition on one node: the member id inside its Raft group, and the key of its log.
    ReplicaId
);

/// A UUID (RFC 9562), for what other programs know by one. Shown in its parts of 8, 4, 4, 4 and 12 digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Uuid(pub u128);

impl Uuid {
    /// Made of random bits: version 4.
    pub fn random(bits: u128) -> Uuid {
        Uuid::of_version(bits, 4)
    }

    /// Made of a hash: version 8.
    pub fn hashed(bits: u128) -> Uuid {
        Uuid::of_version(bits, 8)
    }

    fn of_version(bits: u128, version: u128) -> Uuid {
        const VERSION: u128 = 0xf << 76;
        const VARIANT: u128 = 0b11 << 62;
        Uuid(bits & !VERSION & !VARIANT | version << 76 | 0b10 << 62)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |from: u32, digits: u32| self.0 >> (4 * from) & ((1 << (4 * digits)) - 1);
        let (a, b, c, d, e) = (part(24, 8), part(20, 4), part(16, 4), part(12, 4), part(0, 12));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }
}

impl PartitionId {
    /// The group that holds the cluster's metadata.
    pub const CATALOG: PartitionId = PartitionId(0);
}

/// Which ordering of a table a row belongs to: 0 is the items themselves, 1 and up its local secondary indexes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct IndexNumber(pub u16);

impl IndexNumber {
    /// The items of the table.
    pub const ITEMS: IndexNumber = IndexNumber(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_shown_in_parts() {
        assert_eq!(Uuid(0x1234).to_string(), "00000000-0000-0000-0000-000000001234");
        assert_eq!(Uuid(u128::MAX).to_string().len(), 36);
        assert_eq!(Uuid(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef).to_string(), "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(Uuid::random(u128::MAX).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(Uuid::hashed(0).to_string(), "00000000-0000-8000-8000-000000000000");
    }
}
