//! One item-level modification.

use crate::sequence::SequenceNumber;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_item::Timestamp;

/// `eventName` of the Streams API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ChangeKind {
    Insert,
    Modify,
    Remove,
}

/// Who made a change: `userIdentity` of the Streams API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum ChangedBy {
    #[default]
    Client,
    /// The item expired.
    TimeToLive,
    /// A function that was called because of a change of another function, or of its own, and so on: so many calls in a row, at least 1.
    Function { hops: u8 },
}

/// The stored form of a function's hops is above this, and fits a byte.
pub(crate) const FUNCTION_TAG: u8 = 2;

/// A chain of functions that call each other by what they write is stopped after so many calls, as a loop (AWS: about 16).
pub const HOPS_MAX: u8 = 16;

impl ChangedBy {
    /// Whoever writes at the end of a chain of so many calls.
    pub fn at(hops: u8) -> ChangedBy {
        match hops {
            0 => ChangedBy::Client,
            // One byte says who it was.
            hops => ChangedBy::Function { hops: hops.min(u8::MAX - FUNCTION_TAG) },
        }
    }

    /// Calls of functions in a row that led to the change.
    pub fn hops(self) -> u8 {
        match self {
            ChangedBy::Function { hops } => hops,
            ChangedBy::Client | ChangedBy::TimeToLive => 0,
        }
    }
}

/// What happened to one item. Both images are kept, whatever a stream shows of them: consumers differ.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// Given when the record is applied; 0 while it is in flight.
    pub sequence: SequenceNumber,
    pub kind: ChangeKind,
    pub by: ChangedBy,
    /// Version of the write: its HLC timestamp.
    pub timestamp: Timestamp,
    /// When the record was applied, in milliseconds since 1970; never falls along a log. Given then; 0 while it is in flight.
    pub created_ms: u64,
    /// Region in which the write was made; 0 is this one.
    pub origin: u8,
    /// The item before and after, as `stator_item::row` encodes items; `None` where there was or is none.
    pub old_image: Option<Bytes>,
    pub new_image: Option<Bytes>,
}

impl ChangeKind {
    /// What it is to go from one image to the other; `None`: there is no item before or after.
    pub fn between<T>(old_image: Option<&T>, new_image: Option<&T>) -> Option<ChangeKind> {
        match (old_image, new_image) {
            (None, Some(_)) => Some(ChangeKind::Insert),
            (Some(_), Some(_)) => Some(ChangeKind::Modify),
            (Some(_), None) => Some(ChangeKind::Remove),
            (None, None) => None,
        }
    }
}
