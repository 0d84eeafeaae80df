//! The source's end: how far each index has the table's changes, and the next ones to bring to it.
//!
//! Backfill joins the same ordered deliveries: a page of items is read in the view in which the records end, so it stands
//! behind all records up to there and before all later ones. Records of items that no page has reached yet go ahead of them
//! and do no harm: the page shows the item as those records left it.

use super::entry::{self, IndexRow};
use crate::{
    reply::Refusal,
    rows::{Direction, FamilyKind, ReadError, ReadRows},
    state::ReadState,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::{GlobalIndex, TableDescription};
use stator_changelog::SequenceNumber;
use stator_item::{IndexNumber, TableId, Timestamp, key};
use std::ops::ControlFlow;

/// Stored bytes of items in one page of a backfill.
const PAGE_BYTES_MAX: usize = 256 * 1024;

/// What a source remembers of an index that it feeds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IndexFeed {
    /// The last record before the source knew of the index: nothing up to it concerns the index.
    pub begun: SequenceNumber,
    /// Up to there all partitions of the index have everything.
    pub cursor: SequenceNumber,
    pub backfill: Backfill,
}

/// How much of what was there before the index has come into it. Only rises.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Backfill {
    /// Items up to this row key; empty: none.
    UpTo(Bytes),
    Done,
}

/// The next of what an index is to be brought.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Feed {
    pub begun: SequenceNumber,
    /// The records behind `after` and up to `up_to` are in `changes`, whole.
    pub after: SequenceNumber,
    pub up_to: SequenceNumber,
    /// In the order of their records.
    pub changes: Vec<IndexRow>,
    /// Rows of items as they stand at `up_to`, and how far the backfill has come with them.
    pub page: Option<(Vec<IndexRow>, Backfill)>,
    /// When the first of the records was written.
    pub oldest: Option<Timestamp>,
    /// There is more behind.
    pub more: bool,
}

/// How an index stands at one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeedStatus {
    pub index: TableId,
    /// Everything up to there has reached all partitions of the index, for sure.
    pub cursor: SequenceNumber,
    pub backfill: Backfill,
}

/// What is to be brought to an index next, behind `after` or, without one, behind its cursor.
pub(crate) fn read(
    index: TableId,
    after: Option<SequenceNumber>,
    bytes_max: u64,
    state: &ReadState,
    table: &TableDescription,
    rows: &dyn ReadRows,
) -> Result<Result<Feed, Refusal>, ReadError> {
    let gone = || Refusal::Invalid("this partition does not feed the index".to_owned());
    let Some(index) = table.global_index_by_id(index) else { return Ok(Err(gone())) };
    let Some(feed) = state.feeds.get(&index.id) else { return Ok(Err(gone())) };
    let after = after.unwrap_or(feed.cursor);
    if after < feed.cursor || after.next() < state.progress.first_change {
        // The asker's place is that of an earlier leader; the cursor is beyond it.
        return Ok(Err(Refusal::Invalid("the feed has gone on from there".to_owned())));
    }
    let records = crate::read::changes_after(after, bytes_max, state, rows)?;
    let up_to = records.last().map_or(after, |record| record.sequence);
    let mut changes = Vec::new();
    for record in &records {
        changes.extend(entry::changes(table, index, record)?);
    }
    let at_end = up_to == state.progress.last_change;
    let page = match &feed.backfill {
        Backfill::UpTo(row_key) if at_end => Some(page(table, index, row_key, up_to, state, rows)?),
        Backfill::UpTo(_) | Backfill::Done => None,
    };
    let oldest = records.first().map(|record| record.timestamp);
    let more = !at_end || page.as_ref().is_some_and(|(_, backfill)| *backfill != Backfill::Done);
    Ok(Ok(Feed { begun: feed.begun, after, up_to, changes, page, oldest, more }))
}

fn page(
    table: &TableDescription,
    index: &GlobalIndex,
    behind: &Bytes,
    sequence: SequenceNumber,
    state: &ReadState,
    rows: &dyn ReadRows,
) -> Result<(Vec<IndexRow>, Backfill), ReadError> {
    let tokens = state.progress.tokens;
    let mut bounds = key::token_bounds(table.id, IndexNumber::ITEMS, tokens.first, tokens.last);
    if !behind.is_empty() {
        bounds.0 = key::successor(behind);
    }
    let (mut page, mut last, mut bytes, mut failed) = (Vec::new(), Backfill::Done, 0, None);
    rows.scan(FamilyKind::Items, &bounds, Direction::Forward, &mut |row_key, stored| {
        match entry::row_of_item(table, index, sequence, stored) {
            Ok(row) => page.extend(row),
            Err(error) => failed = Some(error),
        }
        bytes += row_key.len() + stored.len();
        if bytes >= PAGE_BYTES_MAX {
            last = Backfill::UpTo(Bytes::copy_from_slice(row_key));
        }
        if failed.is_some() || bytes >= PAGE_BYTES_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match failed {
        Some(error) => Err(error),
        None => Ok((page, last)),
    }
}
