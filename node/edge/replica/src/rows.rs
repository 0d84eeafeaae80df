//! The disk's rows as `partition` reads and writes them.

use bytes::Bytes;
use stator_environment::{DiskError, KeyRange, Reach, Rows, RowsView, WriteBatch, disk};
use stator_item::{Bounds, PartitionId, ReplicaId};
use stator_partition::{
    keys,
    rows::{Direction, FamilyKind, ReadError, ReadRow, ReadRows, RowChange, RowWrites, Visit},
};
use std::sync::Arc;

/// Applied rows, one at a time, as they are at the moment of each read.
pub(crate) struct LiveRows<'a> {
    pub rows: &'a dyn Rows,
    pub reach: Reach,
}

impl ReadRow for LiveRows<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.rows.get_within(self.reach, disk::Family::Items, key).map_err(unreadable)
    }
}

/// Whether a read met a row that lies beyond its reach.
pub(crate) fn is_beyond_reach(error: &ReadError) -> bool {
    let ReadError::Rows(source) = error else { return false };
    matches!(source.downcast_ref(), Some(DiskError::NotInMemory))
}

/// Applied rows as they stood when the view was taken.
pub(crate) struct ViewedRows(pub Arc<dyn RowsView>);

impl ReadRow for ViewedRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.0.get(disk::Family::Items, key).map_err(unreadable)
    }
}

impl ReadRows for ViewedRows {
    fn scan(&self, kind: FamilyKind, bounds: &Bounds, direction: Direction, visit: Visit<'_>) -> Result<(), ReadError> {
        let direction = match direction {
            Direction::Forward => disk::Direction::Forward,
            Direction::Backward => disk::Direction::Backward,
        };
        self.0.scan(family(kind), &range(bounds), direction, visit).map_err(unreadable)
    }
}

fn unreadable(error: DiskError) -> ReadError {
    ReadError::Rows(Box::new(error))
}

pub(crate) fn family(kind: FamilyKind) -> disk::Family {
    match kind {
        FamilyKind::Items => disk::Family::Items,
        FamilyKind::Changes => disk::Family::Changes,
        FamilyKind::State => disk::Family::State,
    }
}

pub(crate) fn range(bounds: &Bounds) -> KeyRange {
    KeyRange { start: Bytes::copy_from_slice(&bounds.0), end: bounds.1.as_deref().map(Bytes::copy_from_slice) }
}

/// Adds what an entry changes to a batch.
pub(crate) fn add_to(batch: &mut WriteBatch, writes: RowWrites) {
    for change in writes.changes {
        match change {
            RowChange::Put { family: kind, key, value } => batch.put(family(kind), key, value),
            RowChange::Delete { family: kind, key } => batch.delete(family(kind), key),
            RowChange::DeleteRange { family: kind, bounds } => batch.delete_range(family(kind), range(&bounds)),
        }
    }
}

/// Says whose rows these are. Together with the first row of a state, or there could be one without owner.
pub(crate) fn put_owner(batch: &mut WriteBatch, partition: PartitionId, replica: ReplicaId) {
    batch.put(disk::Family::State, keys::owner_key(partition), replica.0.to_be_bytes().to_vec());
}

/// What is stored of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredState {
    Nothing,
    /// What that replica has written.
    Own,
    /// What another replica of the partition has left here.
    Others,
}

/// Whose state of the partition is stored here.
pub fn stored_state(rows: &dyn Rows, partition: PartitionId, replica: ReplicaId) -> Result<StoredState, DiskError> {
    let row = |key: Bytes| rows.get(disk::Family::State, &key);
    if row(keys::applied_key(partition))?.is_none() && row(keys::installing_key(partition))?.is_none() {
        return Ok(StoredState::Nothing);
    }
    let owner = row(keys::owner_key(partition))?;
    let is_own = owner.is_none_or(|owner| owner[..] == replica.0.to_be_bytes());
    Ok(if is_own { StoredState::Own } else { StoredState::Others })
}

/// The rows that a replica keeps for itself: its applied position, a snapshot's mark, its id.
pub(crate) fn own_range(partition: PartitionId) -> KeyRange {
    let end = keys::state_bounds(partition).0;
    KeyRange { start: Bytes::copy_from_slice(&partition.0.to_be_bytes()), end: Some(end.into()) }
}
