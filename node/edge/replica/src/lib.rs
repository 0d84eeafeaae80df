//! Drives one replica of a partition: mailbox, evaluate, pack, propose, apply, answer; snapshots and leases.
//!
//! Not here: DynamoDB JSON, other partitions, routing.

pub mod request;

pub use request::{Consistency, Request};
