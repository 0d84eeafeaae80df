//! The cluster as one node sees it: the catalog's copy, routing, the Door, members, placement.
//!
//! Not here: HTTP, DynamoDB JSON, expressions, sockets.

mod agreed;
mod catalog;
pub mod door;
mod error;
mod expiry;
mod forward;
mod heartbeat;
mod host;
mod indexer;
mod leftovers;
mod lending;
mod lifecycle;
mod members;
mod metrics;
mod node;
mod placement;
mod reporting;
mod router;
mod scaling;
mod settings;
mod streams;
mod tables;
mod transactions;
mod triggers;
mod waiting;

pub use catalog::{ReplicaReport, Report, stored_catalog};
pub use door::{Consistency, Deadline, Door};
pub use error::{ChangeError, ClusterError};
pub use node::{AllSettings, Node, NodeParts};
pub use reporting::ReplicaDigest;
pub use settings::Settings;
pub use tables::{CatalogTest, Tables, known_system_table, system_table};
pub use transactions::{Coordinator, Transacted};
pub use triggers::{Invoke, InvokeError, Invoked};
