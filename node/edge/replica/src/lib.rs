//! Drives one replica of a partition: mailbox, evaluate, pack, propose, apply, answer; snapshots and leases.
//!
//! Not here: DynamoDB JSON, other partitions, routing.

mod check;
mod leader;
mod machine;
mod mailbox;
mod metering;
mod metrics;
mod read;
mod replica;
mod request;
mod rows;
mod settings;
mod shared;
mod snapshot;
mod waiting_read;

pub use check::{Stored, StoredIndex, check_stored, check_stored_indexes, stored_partitions};
pub use metering::{ConsumedHalves, Meters, Throttling, Wanting};
pub use metrics::Metrics;
pub use replica::{Parts, Replica, remove, stored_description};
pub use request::{Consistency, Request};
pub use rows::{StoredState, stored_state};
pub use settings::Settings;
pub use shared::Feeding;
