//! Feeds of global indexes in a partition's state: begun and ended by the table's description, moved by their consumer.

use super::{PartitionState, ReadState};
use crate::{
    codec,
    global_index::{Backfill, FeedStatus, IndexFeed, feed::consumer, log_size::CHANGE_LOG_BYTES_MAX},
    keys,
    rows::{FamilyKind, RowWrites},
};
use bytes::Bytes;
use stator_catalog::{GlobalIndex, TableDescription};
use stator_changelog::SequenceNumber;
use stator_item::TableId;
use std::collections::{BTreeMap, BTreeSet};

impl ReadState {
    /// How the indexes stand that this partition feeds.
    pub(crate) fn feed_statuses(&self) -> Vec<FeedStatus> {
        let status = |(index, (cursor, feed)): (&TableId, &(SequenceNumber, IndexFeed))| FeedStatus {
            index: *index,
            cursor: *cursor,
            backfill: feed.backfill.clone(),
        };
        self.feeds.iter().map(status).collect()
    }
}

impl PartitionState {
    /// The indexes that this partition feeds.
    pub fn feeds(&self) -> impl Iterator<Item = TableId> {
        self.feeds.keys().copied()
    }

    /// Whether it feeds any index.
    pub fn is_feeding(&self) -> bool {
        !self.feeds.is_empty()
    }

    /// The last change record ever written.
    pub fn last_change(&self) -> SequenceNumber {
        self.progress.last_change
    }

    /// Whether a consumer has still to deal with something.
    pub fn owes_consumers(&self) -> bool {
        let behind = self.cursors.slowest().is_some_and(|slowest| slowest < self.progress.last_change);
        behind || self.feeds.values().any(|feed| feed.backfill != Backfill::Done)
    }

    pub(super) fn feeds_with_cursors(&self) -> BTreeMap<TableId, (SequenceNumber, IndexFeed)> {
        let cursor = |index| self.cursors.get(&consumer(index)).unwrap_or_default();
        self.feeds.iter().map(|(index, feed)| (*index, (cursor(*index), feed.clone()))).collect()
    }

    /// Bytes of change records that are kept, at most a mark too many.
    pub fn change_log_bytes(&self) -> u64 {
        self.log_size.kept_bytes(self.progress.change_bytes)
    }

    /// Whether consumers are so far behind that nothing more may be written.
    pub fn is_change_log_full(&self) -> bool {
        self.change_log_bytes() >= CHANGE_LOG_BYTES_MAX
    }

    /// Begins and ends feeds as a description says that is being applied. `is_first`: nothing can have been written before.
    pub(crate) fn follow_indexes(&mut self, table: &TableDescription, is_first: bool, writes: &mut RowWrites) {
        if table.id != self.progress.table {
            return;
        }
        let fed: BTreeSet<TableId> =
            table.global_indexes.iter().filter(|index| index.is_fed()).map(|index: &GlobalIndex| index.id).collect();
        let ended: Vec<TableId> = self.feeds.keys().copied().filter(|index| !fed.contains(index)).collect();
        for index in ended {
            self.end_feed(index, writes);
        }
        for index in fed {
            if !self.feeds.contains_key(&index) {
                let begun = self.progress.last_change;
                let backfill = if is_first { Backfill::Done } else { Backfill::UpTo(Bytes::new()) };
                self.put_feed(index, IndexFeed { begun, backfill }, writes);
                self.advance(&consumer(index), begun, writes);
            }
        }
    }

    /// The table is gone, and its indexes with it.
    pub(crate) fn end_feeds(&mut self, writes: &mut RowWrites) {
        let feeds: Vec<TableId> = self.feeds.keys().copied().collect();
        feeds.into_iter().for_each(|index| self.end_feed(index, writes));
    }

    fn end_feed(&mut self, index: TableId, writes: &mut RowWrites) {
        self.feeds.remove(&index);
        self.cursors.remove(&consumer(index));
        writes.delete(FamilyKind::State, keys::feed_key(self.partition, index));
        writes.delete(FamilyKind::State, keys::cursor_key(self.partition, &consumer(index)));
    }

    pub(crate) fn move_feed(
        &mut self,
        index: TableId,
        to: SequenceNumber,
        backfill: &Backfill,
        writes: &mut RowWrites,
    ) {
        // It may have ended since this was evaluated.
        let Some(feed) = self.feeds.get(&index) else { return };
        if feed.backfill < *backfill {
            self.put_feed(index, IndexFeed { begun: feed.begun, backfill: backfill.clone() }, writes);
        }
        self.advance(&consumer(index), to, writes);
    }

    fn put_feed(&mut self, index: TableId, feed: IndexFeed, writes: &mut RowWrites) {
        writes.put(FamilyKind::State, keys::feed_key(self.partition, index), codec::encode(&feed, 64));
        self.feeds.insert(index, feed);
    }

    pub(crate) fn advance(&mut self, consumer: &str, to: SequenceNumber, writes: &mut RowWrites) {
        if self.cursors.advance(consumer, to) {
            writes.put(FamilyKind::State, keys::cursor_key(self.partition, consumer), codec::encode(&to, 9));
        }
    }
}
