//! The stored form of a change record. Its sequence number is in the row's key and not repeated here.
//!
//! version | kind | by | origin | timestamp (16) | created (8) | images present | length of the old image (4, if both are) | images.
//! Guarantees: what was encoded is decoded to the same record; any other bytes are an error, never a panic.

use crate::{
    record::{ChangeKind, ChangeRecord, ChangedBy, FUNCTION_TAG},
    sequence::SequenceNumber,
};
use bytes::Bytes;
use stator_item::Timestamp;

/// The version that is written. Earlier ones were never released.
pub const RECORD_VERSION: u8 = 3;

/// What lies before the creation time, and before the images.
const HEAD_BYTES: usize = 1 + 1 + 1 + 1 + Timestamp::BYTES;
const HEADER_BYTES: usize = HEAD_BYTES + 8 + 1;
const OLD_IMAGE: u8 = 1;
const NEW_IMAGE: u8 = 2;

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// Written by a newer release: the reader must stop, not guess.
    #[error("change record version {0} is not known to this release")]
    UnknownVersion(u8),
    /// No release has written this.
    #[error("the change record is damaged: {0}")]
    Damaged(&'static str),
}

/// The stored form of a record.
pub fn encode_record(record: &ChangeRecord) -> Vec<u8> {
    let (old, new) = (record.old_image.as_deref(), record.new_image.as_deref());
    let images_bytes = old.map_or(0, <[u8]>::len) + new.map_or(0, <[u8]>::len);
    let mut out = Vec::with_capacity(HEADER_BYTES + 4 + images_bytes);
    out.extend_from_slice(&[RECORD_VERSION, kind_tag(record.kind), by_tag(record.by), record.origin]);
    out.extend_from_slice(&record.timestamp.to_bytes());
    out.extend_from_slice(&record.created_ms.to_be_bytes());
    out.push(if old.is_some() { OLD_IMAGE } else { 0 } | if new.is_some() { NEW_IMAGE } else { 0 });
    if let (Some(old), Some(_)) = (old, new) {
        let old_bytes = u32::try_from(old.len()).expect("an image is an item, and items have a greatest size");
        out.extend_from_slice(&old_bytes.to_be_bytes());
    }
    out.extend_from_slice(old.unwrap_or_default());
    out.extend_from_slice(new.unwrap_or_default());
    out
}

/// The record of that sequence number from its stored form.
pub fn decode_record(sequence: SequenceNumber, stored: &[u8]) -> Result<ChangeRecord, RecordError> {
    const SHORT: RecordError = RecordError::Damaged("it ends early");
    let version = *stored.first().ok_or(SHORT)?;
    if version != RECORD_VERSION {
        return Err(RecordError::UnknownVersion(version));
    }
    let (head, rest) = stored.split_first_chunk::<HEAD_BYTES>().ok_or(SHORT)?;
    let [_, kind, by, origin, timestamp @ ..] = *head;
    let (created_ms, rest) = rest.split_first_chunk::<8>().ok_or(SHORT)?;
    let (&present, images) = rest.split_first().ok_or(SHORT)?;
    let (old_image, new_image) = match present {
        0 => return Err(RecordError::Damaged("it has no image")),
        OLD_IMAGE => (Some(images), None),
        NEW_IMAGE => (None, Some(images)),
        3 => {
            let (old_bytes, images) = images.split_first_chunk::<4>().ok_or(SHORT)?;
            let (old, new) = images.split_at_checked(u32::from_be_bytes(*old_bytes) as usize).ok_or(SHORT)?;
            (Some(old), Some(new))
        }
        _ => return Err(RecordError::Damaged("it has an unknown image")),
    };
    let kind = kind_of(kind).ok_or(RecordError::Damaged("it is of no known kind"))?;
    if ChangeKind::between(old_image.as_ref(), new_image.as_ref()) != Some(kind) {
        return Err(RecordError::Damaged("its kind does not fit its images"));
    }
    Ok(ChangeRecord {
        sequence,
        kind,
        by: by_of(by).ok_or(RecordError::Damaged("it was made by nobody known"))?,
        timestamp: Timestamp::from_bytes(timestamp),
        created_ms: u64::from_be_bytes(*created_ms),
        origin,
        old_image: old_image.map(Bytes::copy_from_slice),
        new_image: new_image.map(Bytes::copy_from_slice),
    })
}

/// Stored: a tag is never given a second meaning.
fn kind_tag(kind: ChangeKind) -> u8 {
    match kind {
        ChangeKind::Insert => 1,
        ChangeKind::Modify => 2,
        ChangeKind::Remove => 3,
    }
}

fn kind_of(tag: u8) -> Option<ChangeKind> {
    match tag {
        1 => Some(ChangeKind::Insert),
        2 => Some(ChangeKind::Modify),
        3 => Some(ChangeKind::Remove),
        _ => None,
    }
}

/// Stored: a tag is never given a second meaning.
fn by_tag(by: ChangedBy) -> u8 {
    match by {
        ChangedBy::Client => 0,
        ChangedBy::TimeToLive => 1,
        ChangedBy::Function { hops } => hops.clamp(1, u8::MAX - FUNCTION_TAG) + FUNCTION_TAG,
    }
}

fn by_of(tag: u8) -> Option<ChangedBy> {
    match tag {
        0 => Some(ChangedBy::Client),
        1 => Some(ChangedBy::TimeToLive),
        FUNCTION_TAG => None,
        tag => Some(ChangedBy::Function { hops: tag - FUNCTION_TAG }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(old: Option<Vec<u8>>, new: Option<Vec<u8>>, origin: u8) -> ChangeRecord {
        ChangeRecord {
            sequence: SequenceNumber(77),
            kind: ChangeKind::between(old.as_ref(), new.as_ref()).unwrap_or(ChangeKind::Remove),
            by: match origin {
                1 => ChangedBy::TimeToLive,
                hops => ChangedBy::at(hops),
            },
            timestamp: Timestamp { wall_ms: 1_700_000_000_000, counter: 3, node: 9 },
            created_ms: 1_700_000_000_123,
            origin,
            old_image: old.map(Bytes::from),
            new_image: new.map(Bytes::from),
        }
    }

    proptest! {
        #[test]
        fn records_survive_encoding(
            old in any::<Option<Vec<u8>>>(),
            new in any::<Option<Vec<u8>>>(),
            origin in any::<u8>(),
        ) {
            prop_assume!(old.is_some() || new.is_some());
            let record = record(old, new, origin);
            prop_assert_eq!(decode_record(record.sequence, &encode_record(&record)), Ok(record));
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..64), known in any::<bool>()) {
            if let (Some(first), true) = (bytes.first_mut(), known) {
                *first = RECORD_VERSION;
            }
            if let Ok(record) = decode_record(SequenceNumber(1), &bytes) {
                prop_assert_eq!(encode_record(&record), bytes);
            }
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = encode_record(&record(Some(vec![1]), None, 0));
        bytes[0] = 9;
        assert_eq!(decode_record(SequenceNumber(1), &bytes), Err(RecordError::UnknownVersion(9)));
    }
}
