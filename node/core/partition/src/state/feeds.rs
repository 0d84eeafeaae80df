//! Feeds of global indexes in a partition's state: begun and ended by the table's description, moved by their consumer.

use super::{PartitionState, ReadState};
use crate::{
    codec,
    global_index::{Backfill, FeedStatus, IndexFeed, log_size::CHANGE_LOG_BYTES_MAX},
    keys,
    rows::{FamilyKind, RowWrites},
};
use bytes::Bytes;
use stator_catalog::{GlobalIndex, TableDescription};
use stator_changelog::SequenceNumber;
use stator_item::TableId;
use std::{collections::BTreeSet, sync::Arc};

impl ReadState {
    /// How the indexes stand that this partition feeds.
    pub(crate) fn feed_statuses(&self) -> Vec<FeedStatus> {
        let status = |(index, feed): (&TableId, &IndexFeed)| FeedStatus {
            index: *index,
            cursor: feed.cursor,
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
        let slowest = self.slowest_feed().into_iter().chain(self.cursors.slowest()).min();
        let behind = slowest.is_some_and(|slowest| slowest < self.progress.last_change);
        behind || self.owes_triggers() || self.feeds.values().any(|feed| feed.backfill != Backfill::Done)
    }

    /// The cursor of the index that is furthest behind; `None`: none is fed.
    pub(crate) fn slowest_feed(&self) -> Option<SequenceNumber> {
        self.feeds.values().map(|feed| feed.cursor).min()
    }

    /// Bytes of change records that are kept, at most a mark too many.
    pub fn change_log_bytes(&self) -> u64 {
        self.log_size.kept_bytes(self.progress.change_bytes)
    }

    /// Whether an index is so far behind that nothing more may be written.
    pub fn is_change_log_full(&self) -> bool {
        let slowest = self.slowest_feed().into_iter().chain(self.cursors.slowest()).min();
        slowest.is_some_and(|cursor| {
            self.log_size.bytes_behind(cursor, self.progress.change_bytes) >= CHANGE_LOG_BYTES_MAX
        })
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
                self.put_feed(index, IndexFeed { begun, cursor: begun, backfill }, writes);
            }
        }
    }

    /// The table is gone, and its indexes with it.
    pub(crate) fn end_feeds(&mut self, writes: &mut RowWrites) {
        let feeds: Vec<TableId> = self.feeds.keys().copied().collect();
        feeds.into_iter().for_each(|index| self.end_feed(index, writes));
    }

    fn end_feed(&mut self, index: TableId, writes: &mut RowWrites) {
        Arc::make_mut(&mut self.feeds).remove(&index);
        writes.delete(FamilyKind::State, keys::feed_key(self.partition, index));
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
        let moved = IndexFeed {
            begun: feed.begun,
            cursor: feed.cursor.max(to),
            backfill: feed.backfill.clone().max(backfill.clone()),
        };
        self.put_feed(index, moved, writes);
    }

    fn put_feed(&mut self, index: TableId, feed: IndexFeed, writes: &mut RowWrites) {
        writes.put(FamilyKind::State, keys::feed_key(self.partition, index), codec::encode(&feed, 64));
        Arc::make_mut(&mut self.feeds).insert(index, feed);
    }
}
