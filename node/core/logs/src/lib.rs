//! The part of the CloudWatch Logs API that reads what functions wrote, as pure functions: body -> checked input; groups, streams
//! and events -> response bytes; what a filter pattern lets through; how events stand in an item.
//!
//! Guarantees: whatever the bytes are, reading ends, does not panic, and refuses in the API's words. Knows no tables, no network
//! and no clock.
//!
//! Source: Amazon CloudWatch Logs API Reference and User Guide ("Filter pattern syntax").

mod batch;
mod cursor;
pub mod error_table;
pub mod fuzz;
mod names;
pub mod operation;
mod pattern;

pub use batch::{BATCH_OVERHEAD, BatchError, decode_batch, encode_batch};
pub use cursor::{Cursor, Direction, Place, PlaceToken, StreamToken};
pub use error_table::{LogsError, Wire};
pub use operation::Operation;
pub use pattern::{FilterPattern, PatternError};

/// A log group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub name: String,
    /// Another one for each group that had the name.
    pub id: String,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// `None`: its events do not expire.
    pub retention_days: Option<u32>,
}

impl Group {
    /// What happened before this moment is not shown any more.
    pub fn kept_since_ms(&self, now_ms: u64) -> u64 {
        self.retention_days.map_or(0, |days| now_ms.saturating_sub(u64::from(days) * DAY_MS))
    }
}

/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A log stream. All times are milliseconds since 1970.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stream {
    pub name: String,
    /// Another one for each stream that had the name.
    pub id: String,
    pub created_ms: u64,
    pub first_ms: u64,
    /// The last event when this was written down; later ones may be there.
    pub last_ms: u64,
    pub ingested_ms: u64,
    /// No event is later than this: before one is stored that would be, this is raised.
    pub until_ms: u64,
}

/// An event of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Where it stands in its stream.
    pub at: Cursor,
    pub ingested_ms: u64,
    pub message: String,
}
