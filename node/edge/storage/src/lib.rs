//! What a node keeps on its disk: rows in RocksDB, and the Raft log of all its replicas.
//!
//! [`DataDirectory`] is opened first, then [`FileLog`] and [`RocksRows`] inside it. [`memory`] has the same two without a
//! disk, with crashes on demand, for the simulation and for tests.

mod directory;
mod error;
pub mod memory;
mod metrics;
mod raft_log;
#[cfg(feature = "rocksdb")]
mod rows;
mod settings;

pub use directory::{DataDirectory, DirectoryError};
pub use metrics::LogMetrics;
pub use raft_log::{FailureHook, FileLog, fuzz};
#[cfg(feature = "rocksdb")]
pub use rows::{RocksRows, RowsMemory};
pub use settings::{Durability, Settings};
