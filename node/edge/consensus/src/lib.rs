//! Many Raft groups on one node, over openraft.

pub mod state_machine;

pub use state_machine::{Applied, Committed, LogPosition, SnapshotSink, SnapshotSource, StateMachine};
