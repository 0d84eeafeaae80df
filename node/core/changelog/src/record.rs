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
