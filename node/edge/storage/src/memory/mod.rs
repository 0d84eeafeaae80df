//! Rows and a log in memory, with a disk's habits: what is not flushed or synced is lost by a crash on demand.
//!
//! For the simulation and for tests. They keep the same contracts as the real ones, and the same tests hold both to it.

mod log;
mod rows;

pub use log::{MemoryLog, Syncing};
pub use rows::MemoryRows;
