//! What a Raft group drives: implemented by `replica` for partitions and by `cluster` for the catalog.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_environment::DiskError;
use std::sync::Arc;

/// A place in a group's log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct LogPosition {
    pub term: u64,
    pub index: u64,
}

/// How far a replica's state has come. Changes only together with the state, in one atomic batch.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Applied {
    pub position: Option<LogPosition>,
    /// The group's members as this crate encodes them: to be kept and given back, not read.
    pub membership: Bytes,
}

/// A committed log entry.
#[derive(Clone, Debug)]
pub struct Committed {
    pub position: LogPosition,
    /// What was proposed; `None` for the entries that Raft makes itself (a new leader's first, changes of members).
    pub payload: Option<Bytes>,
    /// The members as of this entry, where it changes them.
    pub membership: Option<Bytes>,
}

/// The state behind a group's log. Calls come one at a time; they may block for microseconds, as a cached read does.
pub trait StateMachine: Send + Sync + 'static {
    /// Read once, before anything else.
    fn applied(&self) -> Result<Applied, DiskError>;

    /// Applies entries, in order and without gaps, each batch atomically with the position it brings the state to.
    /// An error stops the replica, and the node with it: a state that cannot be written must not be served.
    fn apply(&self, entries: Vec<Committed>) -> Result<(), DiskError>;

    /// The position that a crash right now would come back to.
    fn durable(&self) -> Result<Option<LogPosition>, DiskError>;

    /// Whether the group may sleep as far as the state goes: nothing in it waits to be dealt with.
    fn may_rest(&self) -> bool {
        true
    }

    /// Pins the state as it is now. Cheap: called between two entries.
    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, DiskError>;

    /// Begins to replace the state by a snapshot from elsewhere.
    fn install(&self) -> Result<Box<dyn SnapshotSink>, DiskError>;
}

/// A pinned state that is read piece by piece, never copied whole into memory.
pub trait SnapshotSource: Send + Sync + 'static {
    fn applied(&self) -> Applied;

    /// The next piece behind `cursor` (`None`: the first), of about `bytes_max`, and the cursor behind it (`None`: it was the last).
    fn chunk(&self, cursor: Option<Bytes>, bytes_max: usize) -> Result<(Bytes, Option<Bytes>), DiskError>;
}

/// Takes a snapshot's pieces. All or nothing: a durable mark goes first, and a replica with a mark answers nothing, also
/// after a restart, until [`finish`](SnapshotSink::finish) has flushed everything and taken the mark away.
pub trait SnapshotSink: Send + 'static {
    fn chunk(&mut self, piece: Bytes) -> Result<(), DiskError>;

    /// Durable when it returns.
    fn finish(self: Box<Self>, applied: Applied) -> Result<(), DiskError>;
}
