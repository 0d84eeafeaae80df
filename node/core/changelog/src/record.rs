//! One item-level modification.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_item::Timestamp;

/// Place in a partition's change log. Grows strictly along a shard and from parent to child. The Streams API shows it as
/// a decimal of 21 digits or more (AWS model: 21 to 40), so it is printed above an offset of 10^20.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SequenceNumber(pub u64);

/// `eventName` of the Streams API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ChangeKind {
    Insert,
    Modify,
    Remove,
}

/// What happened to one item. Both images are kept, whatever a stream shows of them: consumers differ.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeRecord {
    pub sequence: SequenceNumber,
    pub kind: ChangeKind,
    /// Version of the write: its HLC timestamp.
    pub timestamp: Timestamp,
    /// Region in which the write was made; 0 is this one.
    pub origin: u8,
    /// The item before and after, as `stator_item::row` encodes items; `None` where there was or is none.
    pub old_image: Option<Bytes>,
    pub new_image: Option<Bytes>,
}
