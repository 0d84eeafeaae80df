//! A partition's whole state, read and written piece by piece.
//!
//! Guarantees: a snapshot shows one moment. Installing one is all or nothing: a durable mark goes first, and while it stands the
//! replica answers nothing, also after a restart, until a later snapshot was installed to its end.

use crate::{rows, shared::Shared};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use stator_consensus::{Applied, SnapshotSink, SnapshotSource};
use stator_environment::{Direction, DiskError, Family, KeyRange, Rows, RowsView, WriteBatch};
use stator_partition::keys;
use std::{ops::ControlFlow, sync::Arc};

/// First byte of every piece; another is refused.
const PIECE_VERSION: u8 = 1;

/// A pinned state. Its cursor: number of the range (1 byte), then the last key that was sent.
pub(crate) struct Source {
    pub view: Arc<dyn RowsView>,
    pub applied: Applied,
    pub ranges: Vec<(Family, KeyRange)>,
}

impl SnapshotSource for Source {
    fn applied(&self) -> Applied {
        self.applied.clone()
    }

    fn chunk(&self, cursor: Option<Bytes>, bytes_max: usize) -> Result<(Bytes, Option<Bytes>), DiskError> {
        let (first, after) = match cursor {
            Some(mut cursor) if !cursor.is_empty() => (usize::from(cursor.get_u8()), Some(cursor)),
            _ => (0, None),
        };
        let mut piece = BytesMut::with_capacity(bytes_max + 4_096);
        piece.put_u8(PIECE_VERSION);
        let mut resume = after;
        for (number, (family, range)) in self.ranges.iter().enumerate().skip(first) {
            let start = resume.take().map_or_else(|| range.start.clone(), |last| keys_after(&last));
            let mut stopped_at = None;
            self.view.scan(
                *family,
                &KeyRange { start, end: range.end.clone() },
                Direction::Forward,
                &mut |key, value| {
                    put_row(&mut piece, *family, key, value);
                    if piece.len() < bytes_max {
                        return ControlFlow::Continue(());
                    }
                    stopped_at = Some(Bytes::copy_from_slice(key));
                    ControlFlow::Break(())
                },
            )?;
            if let Some(key) = stopped_at {
                let mut cursor = BytesMut::with_capacity(1 + key.len());
                cursor.put_u8(number as u8);
                cursor.put_slice(&key);
                let ends_early = stator_mutants::is(stator_mutants::Mutant::SnapshotWithoutTail);
                return Ok((piece.freeze(), (!ends_early).then(|| cursor.freeze())));
            }
        }
        Ok((piece.freeze(), None))
    }
}

/// The smallest key above `key`.
fn keys_after(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}

fn put_row(piece: &mut BytesMut, family: Family, key: &[u8], value: &[u8]) {
    piece.put_u8(match family {
        Family::Items => 0,
        Family::Changes => 1,
        Family::State => 2,
    });
    for part in [key, value] {
        piece.put_u32(part.len() as u32);
        piece.put_slice(part);
    }
}

/// Takes a piece apart into writes.
fn read_piece(mut piece: Bytes) -> Result<WriteBatch, DiskError> {
    let damaged = || DiskError::Damaged("a piece of a snapshot is unreadable".to_owned());
    let mut batch = WriteBatch::default();
    if piece.try_get_u8() != Ok(PIECE_VERSION) {
        return Err(damaged());
    }
    while piece.has_remaining() {
        let family = match piece.get_u8() {
            0 => Family::Items,
            1 => Family::Changes,
            2 => Family::State,
            _ => return Err(damaged()),
        };
        let mut part = || {
            let length = piece.try_get_u32().map_err(|_| damaged())? as usize;
            if length > piece.len() {
                return Err(damaged());
            }
            Ok(piece.split_to(length))
        };
        let (key, value) = (part()?, part()?);
        batch.put(family, key, value);
    }
    Ok(batch)
}

/// Receives a snapshot into the rows of a replica.
pub(crate) struct Sink {
    shared: Arc<Shared>,
}

impl Sink {
    /// Sets the durable mark and clears what was there.
    pub fn begin(shared: Arc<Shared>) -> Result<Sink, DiskError> {
        shared.set_installing();
        clear(&*shared.rows, &shared)?;
        Ok(Sink { shared })
    }
}

/// Marks the replica, durably, then removes its state.
fn clear(disk: &dyn Rows, shared: &Shared) -> Result<(), DiskError> {
    let mut mark = WriteBatch::default();
    mark.put(Family::State, keys::installing_key(shared.partition), Bytes::from_static(&[PIECE_VERSION]));
    rows::put_owner(&mut mark, shared.partition, shared.replica);
    disk.write(mark)?;
    disk.flush()?;
    let mut batch = WriteBatch::default();
    for (family, range) in shared.every_range() {
        batch.delete_range(family, range);
    }
    batch.delete(Family::State, keys::applied_key(shared.partition));
    disk.write(batch)
}

impl SnapshotSink for Sink {
    fn chunk(&mut self, piece: Bytes) -> Result<(), DiskError> {
        self.shared.rows.write(read_piece(piece)?)
    }

    fn finish(self: Box<Self>, applied: Applied) -> Result<(), DiskError> {
        let disk = &self.shared.rows;
        let mut batch = WriteBatch::default();
        batch.put(Family::State, keys::applied_key(self.shared.partition), crate::machine::encode_applied(&applied));
        batch.delete(Family::State, keys::installing_key(self.shared.partition));
        // One batch, so that what a crash leaves is either marked or whole: batches become durable in their order.
        disk.write(batch)?;
        disk.flush()?;
        self.shared.reload()
    }
}

/// Removes all that a replica has of its partition, durably. Nothing may read or write it any more.
pub fn remove_data(shared_rows: &dyn Rows, ranges: Vec<(Family, KeyRange)>) -> Result<(), DiskError> {
    let mut batch = WriteBatch::default();
    for (family, range) in ranges {
        batch.delete_range(family, range);
    }
    shared_rows.write(batch)?;
    shared_rows.flush()
}

/// The ranges of a partition's rows in all families, beside the replica's own.
pub(crate) fn state_ranges(partition: stator_item::PartitionId) -> [(Family, KeyRange); 2] {
    [
        (Family::Changes, rows::range(&keys::changes_bounds(partition))),
        (Family::State, rows::range(&keys::state_bounds(partition))),
    ]
}
