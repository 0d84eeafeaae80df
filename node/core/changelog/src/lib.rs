//! The change log: what every consumer reads (indexes, streams, triggers, regions, archive).

pub mod record;

pub use record::{ChangeKind, ChangeRecord, SequenceNumber};
