//! Shards of streams in a partition's state: opened and closed by the table's description, rolled and dropped by command.
//!
//! Guarantees: a stream has at most one open shard here; a shard is closed and its child opened in one step; the records of a
//! shard that is listed are all kept.

use super::PartitionState;
use crate::{
    codec, keys,
    rows::{FamilyKind, RowWrites},
};
use stator_catalog::{StreamLabel, TableDescription};
use stator_changelog::{Closed, Lineage, SequenceNumber, Shard, ShardId};
use std::sync::Arc;

/// Size of the records that a partition keeps for its streams: then the table's writes are throttled.
pub const STREAM_BYTES_MAX: u64 = 16 << 30;

impl PartitionState {
    /// Whether a stream has shards here.
    pub fn has_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Whether the streams' records have reached their quota.
    pub fn are_streams_full(&self) -> bool {
        self.has_streams() && self.change_log_bytes() >= STREAM_BYTES_MAX
    }

    /// Whether a shard with records was opened before the one millisecond, or one closed before the other.
    pub fn are_streams_due(&self, roll_before_ms: u64, drop_before_ms: u64) -> bool {
        let is_due = |shard: &Shard| match shard.closed {
            Some(closed) => closed.at_ms < drop_before_ms,
            None => self.is_roll_due(shard, roll_before_ms),
        };
        self.streams.values().flat_map(Lineage::shards).any(is_due)
    }

    fn is_roll_due(&self, shard: &Shard, roll_before_ms: u64) -> bool {
        let has_records = shard.starting <= self.progress.last_change;
        shard.closed.is_none() && has_records && shard.id.created_ms < roll_before_ms
    }

    /// The last record that no listed shard needs; `None`: no shard is listed.
    pub(crate) fn last_before_shards(&self) -> Option<SequenceNumber> {
        let starting = self.streams.values().filter_map(|lineage| lineage.shards().first()).map(|shard| shard.starting);
        starting.min().map(|starting| SequenceNumber(starting.0.saturating_sub(1)))
    }

    /// Opens and closes shards as a description says that is being applied.
    pub(crate) fn follow_streams(&mut self, table: &TableDescription, now_ms: u64, writes: &mut RowWrites) {
        if table.id != self.progress.table {
            return;
        }
        let enabled = table.stream().map(|stream| stream.label);
        let ended: Vec<StreamLabel> = self.streams.keys().copied().filter(|label| Some(*label) != enabled).collect();
        for label in ended {
            self.close_stream(label, now_ms, writes);
        }
        if let Some(label) = enabled.filter(|label| !self.streams.contains_key(label)) {
            let mut lineage = Lineage::default();
            let first = self.progress.last_change.next();
            lineage.open(self.shard_id(now_ms), first).expect("a new stream has no shards");
            self.put_stream(label, lineage, writes);
        }
    }

    /// The table is gone: nothing more comes into its streams.
    pub(crate) fn close_streams(&mut self, now_ms: u64, writes: &mut RowWrites) {
        let labels: Vec<StreamLabel> = self.streams.keys().copied().collect();
        labels.into_iter().for_each(|label| self.close_stream(label, now_ms, writes));
    }

    fn close_stream(&mut self, label: StreamLabel, now_ms: u64, writes: &mut RowWrites) {
        let Some(mut lineage) = self.streams.get(&label).cloned() else { return };
        let closed = Closed { ending: self.progress.last_change, at_ms: now_ms };
        let open: Vec<ShardId> = open_shards(&lineage).map(|shard| shard.id).collect();
        for shard in open.iter().copied() {
            lineage.split(shard, closed, &[]).expect("an open shard ends behind its last record");
        }
        if !open.is_empty() {
            self.put_stream(label, lineage, writes);
        }
    }

    /// Rolls what was opened before the one millisecond and has records, drops what was closed before the other.
    pub(crate) fn keep_streams(
        &mut self,
        roll_before_ms: u64,
        drop_before_ms: u64,
        now_ms: u64,
        writes: &mut RowWrites,
    ) {
        let streams = self.streams.clone();
        for (label, before) in streams.iter() {
            let mut lineage = before.clone();
            let due = open_shards(before).filter(|shard| self.is_roll_due(shard, roll_before_ms));
            for shard in due {
                self.roll(shard, now_ms, &mut lineage);
            }
            lineage.drop_closed_before(drop_before_ms);
            if lineage.shards().is_empty() {
                Arc::make_mut(&mut self.streams).remove(label);
                writes.delete(FamilyKind::State, keys::stream_key(self.partition, *label));
            } else if lineage != *before {
                self.put_stream(*label, lineage, writes);
            }
        }
    }

    fn roll(&self, shard: &Shard, now_ms: u64, lineage: &mut Lineage) {
        let ending = self.progress.last_change;
        // Behind its parent, though the parent be of this millisecond.
        let child = (self.shard_id(now_ms.max(shard.id.created_ms + 1)), ending.next());
        let closed = Closed { ending, at_ms: now_ms };
        lineage.split(shard.id, closed, &[child]).expect("a child begins behind its parent's last record");
    }

    /// Shards of one partition differ by time, those of one millisecond by their partition.
    fn shard_id(&self, created_ms: u64) -> ShardId {
        ShardId { created_ms, tail: shard_tail(self.partition) }
    }

    fn put_stream(&mut self, label: StreamLabel, lineage: Lineage, writes: &mut RowWrites) {
        let row = codec::encode(&lineage, 48 * lineage.shards().len());
        writes.put(FamilyKind::State, keys::stream_key(self.partition, label), row);
        Arc::make_mut(&mut self.streams).insert(label, lineage);
    }
}

fn open_shards(lineage: &Lineage) -> impl Iterator<Item = &Shard> {
    lineage.shards().iter().filter(|shard| shard.closed.is_none())
}

/// What the ids of a partition's shards end with: a shard is looked for where it says it is.
pub fn shard_tail(partition: stator_item::PartitionId) -> u32 {
    // A cluster would have to make a million partitions a day for ten years to use a tail again.
    partition.0 as u32
}
