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
