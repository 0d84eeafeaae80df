//! What is kept: rows, and the log of all Raft groups of a node.
//!
//! Calls block for as long as the page cache or the disk takes (microseconds when cached), as RocksDB's do.

use bytes::Bytes;
use stator_item::ReplicaId;
use std::{ops::ControlFlow, sync::Arc};

/// What went wrong on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DiskError {
    /// Bytes that were once written are not what they were. The node must stop and give up its replicas.
    #[error("the data is damaged: {0}")]
    Damaged(String),
    /// The operating system refused a read, write or sync. After a failed sync the node must stop.
    #[error("{action} failed: {reason}")]
    Failed { action: &'static str, reason: String },
    /// No space is left. Like `Failed`, with a reason that an operator can mend.
    #[error("no space is left on the disk while trying to {action}")]
    Full { action: &'static str },
    /// Nothing is wrong: the reader did not want to wait for the disk, where the row is.
    #[error("the row is not in memory")]
    NotInMemory,
}

/// A group of rows with an order of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Family {
    /// Items and local secondary indexes, by row key.
    Items,
    /// Change records, by partition and sequence number.
    Changes,
    /// What a partition remembers beside its rows: applied index, description, counters, ids, cursors.
    State,
}

/// Keys from `start` (included) to `end` (not included; `None`: to the last).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    pub start: Bytes,
    pub end: Option<Bytes>,
}

/// Which way to read a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}

/// How far a read may go. Tasks read in memory, and go on by [`blocking`](crate::Environment::blocking) to what is on the disk: a
/// cold row must not hold up all that share the thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// No further than memory: [`DiskError::NotInMemory`] instead of a wait.
    Memory,
    Disk,
}

/// One change of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    Put { family: Family, key: Bytes, value: Bytes },
    Delete { family: Family, key: Bytes },
    DeleteRange { family: Family, range: KeyRange },
}

/// Changes that happen together or not at all, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WriteBatch {
    pub writes: Vec<Write>,
}

impl WriteBatch {
    pub fn put(&mut self, family: Family, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.push(Write::Put { family, key: key.into(), value: value.into() });
    }

    pub fn delete(&mut self, family: Family, key: impl Into<Bytes>) {
        self.writes.push(Write::Delete { family, key: key.into() });
    }

    pub fn delete_range(&mut self, family: Family, range: KeyRange) {
        self.writes.push(Write::DeleteRange { family, range });
    }
}

/// Called for each row of a scan; `Break` ends it.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Rows as they stood at one moment.
pub trait RowsView: Send + Sync {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError>;

    /// Visits the rows of `range` in order of their keys, or against it.
    fn scan(&self, family: Family, range: &KeyRange, direction: Direction, visit: Visit<'_>) -> Result<(), DiskError>;
}

/// A node's rows. A batch is atomic and visible when `write` returns; it is durable after a flush that began later.
/// Batches become durable in the order in which they were written: what survives a crash is a prefix of them.
pub trait Rows: Send + Sync + 'static {
    fn get_within(&self, reach: Reach, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError>;

    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError> {
        self.get_within(Reach::Disk, family, key)
    }

    /// Reads what a crash right now would leave of this row.
    fn get_durable(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, DiskError>;

    /// Rows as they stand now. Cheap; hold it shortly, as it keeps old versions alive. All its reads go as far as `reach`.
    fn view_within(&self, reach: Reach) -> Result<Arc<dyn RowsView>, DiskError>;

    fn view(&self) -> Result<Arc<dyn RowsView>, DiskError> {
        self.view_within(Reach::Disk)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), DiskError>;

    /// Makes all that was written durable, and waits for it. Milliseconds to seconds: call it off the runtime.
    fn flush(&self) -> Result<(), DiskError>;

    /// About how many bytes the rows of a range take on disk.
    fn size(&self, family: Family, range: &KeyRange) -> u64;
}

/// Called once when the bytes are on disk, or cannot be. From the log's own thread: must not block.
pub type Done = Box<dyn FnOnce(Result<(), DiskError>) + Send>;

/// What the log knows of one replica.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReplicaLogState {
    /// The vote saved last, as it was given.
    pub vote: Option<Bytes>,
    /// Entries up to this index are gone, with the mark given to [`RaftLog::purge`].
    pub purged: Option<(u64, Bytes)>,
    /// Index of the last entry that is there.
    pub last: Option<u64>,
}

/// The log of all Raft replicas of a node: entries and votes, made durable by one fsync for all that wait.
///
/// Calls for one replica come in order, one at a time. What a crash leaves is a prefix of the calls of all replicas:
/// every call that reported `done`, and maybe some after it.
pub trait RaftLog: Send + Sync + 'static {
    /// All replicas that have any state.
    fn replicas(&self) -> Vec<ReplicaId>;

    fn state(&self, replica: ReplicaId) -> ReplicaLogState;

    /// Adds entries (index, bytes), which follow the last one without a gap (the first ones may begin anywhere above what was
    /// purged). They can be read when this returns; `done` tells when they are durable. Never blocks on the disk.
    fn append(&self, replica: ReplicaId, entries: Vec<(u64, Bytes)>, done: Done);

    fn save_vote(&self, replica: ReplicaId, vote: Bytes, done: Done);

    /// Removes the entries above `index`. Ordered with appends; durable with the next one.
    fn truncate_after(&self, replica: ReplicaId, index: u64);

    /// Marks the entries up to `index` as no longer needed and keeps `mark` in their place. Never waits for the disk.
    /// `index` may lie above the last entry (a snapshot was installed): then the log begins anew after it.
    fn purge(&self, replica: ReplicaId, index: u64, mark: Bytes);

    /// Entries from `start` to before `end`, in order, as many as fit `bytes_max`, but at least one. Stops at a gap.
    fn read(&self, replica: ReplicaId, start: u64, end: u64, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, DiskError>;

    /// Forgets the replica, vote included.
    fn remove(&self, replica: ReplicaId, done: Done);

    /// Bytes on disk, all replicas together.
    fn size(&self) -> u64;
}
