//! The change log: what every consumer reads (indexes, streams, triggers, regions, archive).
//!
//! Arithmetic only: records and their stored form, sequence numbers, shards and their lineage, cursors, and what may be
//! dropped. Who consumes, and where records are stored, is decided elsewhere.

pub mod codec;
pub mod cursor;
pub mod record;
pub mod sequence;
pub mod shard;

pub use codec::{RecordError, decode_record, encode_record};
pub use cursor::{Cursors, trimmable};
pub use record::{ChangeKind, ChangeRecord, ChangedBy, HOPS_MAX};
pub use sequence::{SequenceNumber, SequenceNumberError};
pub use shard::{Closed, Lineage, LineageError, Shard, ShardId, ShardIdError};
