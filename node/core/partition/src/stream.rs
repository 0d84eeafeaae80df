//! Streams as a partition answers for them: shards, places in them, records. Shards are stretches of the change log, and what a
//! record shows is decided here, by the stream's view, so that what is not shown does not travel.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::StreamLabel;
use stator_changelog::{ChangeKind, ChangedBy, SequenceNumber, ShardId};

pub use crate::state::{STREAM_BYTES_MAX, shard_tail};

/// Most records of one read (AWS: GetRecords returns up to 1,000).
pub const RECORDS_MAX: u64 = 1_000;
/// Size of the records of one read, as `SizeBytes` counts them (AWS: up to 1 MB).
pub const RECORDS_BYTES_MAX: u64 = 1 << 20;

/// Where to read from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum RecordPlace {
    /// The first record that is kept.
    First,
    /// Behind the last one.
    End,
    At(SequenceNumber),
    After(SequenceNumber),
    /// The first record that was applied at that millisecond since 1970 or later.
    Since {
        created_ms: u64,
    },
}

/// Records of a shard, from a place on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadShard {
    pub stream: StreamLabel,
    pub shard: ShardId,
    pub from: SequenceNumber,
    /// At least 1.
    pub records_max: u64,
    /// How long the reply may wait for a first record, in milliseconds. It may come sooner, with none.
    pub wait_ms: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShardRecords {
    pub records: Vec<StreamRecord>,
    /// Where the next read goes on; `None`: the shard is closed, and these are its last.
    pub next: Option<SequenceNumber>,
}

/// A change record as a stream shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamRecord {
    pub sequence: SequenceNumber,
    pub kind: ChangeKind,
    pub by: ChangedBy,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// The key's attributes, and the images that the stream's view has, in the item encoding.
    pub keys: Bytes,
    pub old_image: Option<Bytes>,
    pub new_image: Option<Bytes>,
    /// `SizeBytes`: of all of them, as DynamoDB counts items.
    pub size_bytes: u64,
}
