//! The catalog on this node: its group's state machine, the copy everything reads, and the way to change it.

mod client;
mod copy;
mod machine;
mod messages;
mod watching;

pub(crate) use client::{CatalogClient, wake};
pub use copy::Copy;
pub use machine::stored_catalog;
pub(crate) use messages::{Answer, Message, decode, encode};
pub use messages::{ReplicaReport, Report};
pub(crate) use watching::{WAIT_MAX, Watching};
