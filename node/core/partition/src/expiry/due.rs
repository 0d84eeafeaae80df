//! Which items are due: found slice by slice, the oldest first.

use super::{EXPIRIES, prefix, second_of_row, slices};
use crate::rows::{Direction, FamilyKind, ReadError, ReadRows};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::TokenRange;
use stator_item::{Bounds, TableId, Token, key};
use std::ops::ControlFlow;

/// An item whose time was over for longer is left alone, in seconds: five years. "The item must have an expiration of no more
/// than five years in the past" (Developer Guide, Using time to live: "avoid accidental deletion").
const EXPIRED_FOR_S_MAX: u64 = 5 * 365 * 24 * 60 * 60;
/// Rows that are counted beyond those that are answered.
const COUNTED_MAX: u64 = 10_000;

/// The seconds since 1970 in which an item that is due now expired.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Window {
    pub first_s: u64,
    pub last_s: u64,
}

impl Window {
    /// What is due at that millisecond since 1970. "If the epoch time value stored in the attribute is less than the current
    /// time, the item is marked as expired" (AWS API reference, UpdateTimeToLive).
    pub fn at(now_ms: u64) -> Window {
        let last_s = now_ms.saturating_sub(1) / 1_000;
        Window { first_s: last_s.saturating_sub(EXPIRED_FOR_S_MAX), last_s }
    }

    pub fn contains(&self, second: u64) -> bool {
        self.first_s <= second && second <= self.last_s
    }
}

/// What is due in a partition, and what will be.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Due {
    /// The oldest first, as far as each slice has its share.
    pub row_keys: Vec<Bytes>,
    /// How many are due; counted only so far.
    pub count: u64,
    /// The second in which the first item expires that has not expired for too long; `None`: none ever will.
    pub soonest_s: Option<u64>,
}

/// Looks for what is due, at most about so many.
pub fn due(
    table: TableId,
    tokens: TokenRange,
    window: Window,
    at_most: usize,
    rows: &dyn ReadRows,
) -> Result<Due, ReadError> {
    let mut found = Due::default();
    let mut due_slices = Vec::new();
    for slice in slices(tokens) {
        let Some(second) = first_of(table, slice, window.first_s, rows)? else { continue };
        found.soonest_s = Some(found.soonest_s.map_or(second, |soonest: u64| soonest.min(second)));
        if second <= window.last_s {
            due_slices.push(slice);
        }
    }
    let share = at_most.div_ceil(due_slices.len().max(1)).max(1);
    for slice in due_slices {
        let bounds = (prefix(table, slice, window.first_s), Some(prefix(table, slice, window.last_s + 1)));
        let mut taken = 0;
        rows.scan(FamilyKind::Items, &bounds, Direction::Forward, &mut |row_key, _| {
            found.count += 1;
            if taken < share {
                taken += 1;
                found.row_keys.push(Bytes::copy_from_slice(row_key));
            }
            if taken >= share && found.count >= COUNTED_MAX {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
    }
    found.row_keys.sort_by_key(|row_key| second_of_row(row_key));
    Ok(found)
}

/// The second of a slice's first row from that second on.
fn first_of(table: TableId, slice: Token, from_s: u64, rows: &dyn ReadRows) -> Result<Option<u64>, ReadError> {
    let mut found = None;
    let bounds: Bounds = (prefix(table, slice, from_s), key::token_bounds(table, EXPIRIES, slice, slice).1);
    rows.scan(FamilyKind::Items, &bounds, Direction::Forward, &mut |row_key, _| {
        found = second_of_row(row_key);
        ControlFlow::Break(())
    })?;
    Ok(found)
}
