//! Bytes that are kept or sent: those of today, which every later release must read, and those that are nothing.

use super::*;
use crate::{
    CommandId, EntryNumber,
    effects::{CountChange, Effects, ItemEffects, Remembered, RowWrite, StateChange},
    reply::Written,
    testing::{Leader, command, table},
    transaction::TransactionChange,
};
use bytes::Bytes;
use proptest::prelude::*;
use stator_changelog::{ChangeKind, ChangeRecord, ChangedBy, SequenceNumber};
use stator_item::{IndexNumber, Timestamp};

/// If this fails, entries in the logs of running clusters have become unreadable: write a new version beside the old one.
#[test]
fn entries_are_written_as_version_5() {
    let timestamp = Timestamp { wall_ms: 300, counter: 2, node: 1 };
    let written = Written { attributes: Some(Bytes::from_static(b"at")), old_bytes: 1, ..Written::default() };
    let change = ChangeRecord {
        sequence: SequenceNumber(0),
        kind: ChangeKind::Modify,
        by: ChangedBy::Client,
        created_ms: 0,
        timestamp,
        origin: 0,
        old_image: Some(Bytes::from_static(b"old")),
        new_image: None,
    };
    let effects = Effects {
        rows: vec![RowWrite { key: Bytes::from_static(b"key"), value: None }],
        counts: vec![CountChange { index: IndexNumber(1), items: -1, bytes: 5 }],
        change: Some(change),
        remembered: Some(Remembered { id: CommandId(9), birth: timestamp, outcome: Ok(Reply::Written(written)) }),
        state: Some(StateChange::RaiseMark { birth_ms: 7 }),
        transaction: vec![TransactionChange::ForgetRequests { before_ms: 8 }],
        items: vec![ItemEffects::default()],
    };
    let entry = Entry { term: 3, number: EntryNumber(6), after: EntryNumber(5), timestamp, effects: vec![effects] };
    let version_5 = [
        r"\x05\x03\x06\x05\xac\x02\x02\x01\x01\x01\x03key\x00\x01\x01\x01\n\x01\x00\x01\x00\xac\x02\x02\x01\x00\x00\x01",
        r"\x03old\x00\x01\t\xac\x02\x02\x01\x00\x00\x01\x02at\x01\x00\x00\x00\x00\x01\x04\x07\x01\x05\x08\x01\x00\x00\x00",
    ];
    assert_eq!(encode_entry(&entry).escape_ascii().to_string(), version_5.concat());
}

#[test]
fn a_newer_format_is_named() {
    let mut bytes = encode_command(&command("put a=1"));
    bytes[0] = 9;
    assert_eq!(decode_command(&bytes), Err(CodecError::UnknownVersion { what: "command", version: 9 }));
    let mut bytes = encode_command(&command("put a=1"));
    bytes.push(0);
    assert!(matches!(decode_command(&bytes), Err(CodecError::Damaged { .. })));
}

proptest! {
    #[test]
    fn any_bytes_are_something_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(first) = bytes.first_mut() {
            *first = FORMAT_VERSION;
        }
        let _ = (decode_entry(&bytes), decode_command(&bytes), decode_outcome(&bytes));
    }

    #[test]
    fn damaged_entries_are_something_or_an_error(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut leader = Leader::of(table(false, true));
        leader.evaluate(&command("put a=1 n=5 x=word"));
        let entry = leader.propose().unwrap();
        let mut bytes = encode_entry(&entry);
        prop_assert_eq!(decode_entry(&bytes), Ok(entry));
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let _ = decode_entry(&bytes);
        let _ = decode_entry(&bytes[..place]);
    }
}
