//! The cluster's metadata as a pure state machine: nodes, tables, partitions, access keys.
//!
//! The catalog owns names, ids and descriptions; a partition's own log owns its range, replicas and epoch, which the
//! catalog is told of (a higher epoch wins).

pub mod partition;
pub mod table;

pub use partition::{Member, PartitionDescription, Role, TokenRange};
pub use table::{
    Billing, IndexProjection, KeyAttribute, KeySchema, LocalIndex, OnDemandThroughput, Sse, StreamView, TableClass,
    TableDescription, TableStatus, Throughput,
};
