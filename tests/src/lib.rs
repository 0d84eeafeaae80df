//! The bench of the process tests: real `stator` processes, started, broken and mended, and a ledger of what they promised.
//!
//! A test may rely on this: everything ends at a deadline, no process outlives its test, and the logs of the nodes are shown
//! when a test fails.

mod client;
mod cluster;
mod damage;
mod deadline;
mod http;
mod ledger;
mod namespace;
mod node;
mod program;

pub use client::{ROOT_KEY, ROOT_SECRET, client, create_table, described, key, number, strong_get, text};
pub use cluster::Cluster;
pub use damage::{cut_off, data_bytes, flip_byte, newest_segment, table_files};
pub use deadline::{AMPLE, eventually, is_slow_allowed, within};
pub use http::{Reply, Then, exchange, get, post};
pub use ledger::{Ledger, Outcome};
pub use namespace::{Network, SmallDisk, inside_namespace};
pub use node::{Node, Ports, free_ports};
pub use program::stator;
