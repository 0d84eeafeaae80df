//! The way in for fuzzers: bytes as if another node had sent them, or as if they stood in the log.

use crate::{
    encoding::{decode_entry, decode_stored_membership, encode_entry, encode_stored_membership},
    wire::{
        Place, RequestBody, SnapshotBody, decode_entries, decode_request, decode_snapshot_request, head_is_valid,
        split_piece,
    },
};
use bytes::Bytes;

/// Reads bytes as each kind of message, as an entry and as a membership.
pub fn read_message(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok((request, rest)) = decode_request(&bytes)
        && let RequestBody::Append { previous, entries_count, .. } = request.body
    {
        drop(decode_entries(previous, entries_count, rest));
    }
    if let Ok((request, rest)) = decode_snapshot_request(&bytes) {
        if let SnapshotBody::Piece { place: Place::First(head), .. } = &request.body {
            head_is_valid(head);
        }
        drop(split_piece(rest));
    }
    if let Ok(entry) = decode_entry(7, &bytes) {
        assert_eq!(decode_entry(7, &encode_entry(&entry)).as_ref(), Ok(&entry), "an entry changes when it is written");
    }
    if let Ok(stored) = decode_stored_membership(&bytes) {
        let again = decode_stored_membership(&encode_stored_membership(&stored));
        assert_eq!(again.as_ref(), Ok(&stored), "a membership changes when it is written");
    }
}
