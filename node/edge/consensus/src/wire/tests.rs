use super::*;
use crate::raft_types::{Payload, RaftMembership, log_id};
use openraft::EntryPayload;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const VOTE: VoteRecord = VoteRecord { term: 7, candidate: 3, elected: true };

fn append(previous: Option<LogPosition>, entries: &[Entry]) -> Bytes {
    let body = RequestBody::Append { previous, committed: previous, entries_count: entries.len() as u32 };
    encode_append(&Request { to: 5, vote: VOTE, body }, entries)
}

fn decode_all(message: &Bytes) -> Result<(Request, Vec<Entry>), Undecodable> {
    let (request, rest) = decode_request(message)?;
    match request.body {
        RequestBody::Append { previous, entries_count, .. } => {
            let entries = decode_entries(previous, entries_count, rest)?;
            Ok((request, entries))
        }
        _ => Ok((request, Vec::new())),
    }
}

fn members() -> RaftMembership {
    RaftMembership::new(vec![BTreeSet::from([1, 2])], BTreeMap::from([(1, 10), (2, 20), (3, 30)])).expect("valid")
}

fn any_entries() -> impl Strategy<Value = Vec<(u64, Option<Vec<u8>>)>> {
    prop::collection::vec((any::<u64>(), prop::option::of(prop::collection::vec(any::<u8>(), 0..40))), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn appends_come_back_as_they_were(start in 0..1_000u64, entries in any_entries()) {
        let previous = start.checked_sub(1).map(|index| LogPosition { term: 1, index });
        let entries: Vec<Entry> = (start..).zip(entries).map(|(index, (term, payload))| Entry {
            log_id: log_id(LogPosition { term, index }),
            payload: match payload {
                Some(bytes) if bytes.len() == 7 => EntryPayload::Membership(members()),
                Some(bytes) => EntryPayload::Normal(Payload(Bytes::from(bytes))),
                None => EntryPayload::Blank,
            },
        }).collect();
        let message = append(previous, &entries);
        let (_, decoded) = decode_all(&message).expect("what was encoded");
        prop_assert_eq!(decoded, entries);
        // No prefix of a message is a message, and none brings the decoder down.
        for end in 0..message.len() {
            prop_assert!(decode_all(&message.slice(..end)).is_err());
        }
    }

    #[test]
    fn anything_can_be_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let bytes = Bytes::from([vec![1], bytes].concat());
        _ = decode_all(&bytes);
        _ = decode_snapshot_request(&bytes).and_then(|(_, rest)| split_piece(rest));
        _ = decode_entry(0, &bytes);
        _ = crate::encoding::decode_stored_membership(&bytes);
    }
}

#[test]
fn another_version_is_refused() {
    let message = append(None, &[]);
    let later = Bytes::from([&[2], &message[1..]].concat());
    assert!(decode_request(&message).is_ok());
    assert_eq!(decode_request(&later), Err(Undecodable("a message")));
}

#[test]
fn a_piece_keeps_its_bytes_and_its_place() {
    let head = SnapshotHead { position: LogPosition { term: 2, index: 9 }, membership: Bytes::from_static(b"m") };
    let body = SnapshotBody::Piece { transfer: 4, number: 0, place: Place::First(head) };
    let request = SnapshotRequest { to: 1, vote: VOTE, body };
    for (last, piece) in [(true, b"".as_slice()), (false, b"piece")] {
        let message = encode_piece(&request, last, piece);
        let (decoded, rest) = decode_snapshot_request(&message).expect("what was encoded");
        assert_eq!(decoded, request);
        assert_eq!(split_piece(rest), Ok((last, Bytes::from_static(piece))));
    }
}

#[test]
fn members_without_a_node_are_refused() {
    let record =
        MembershipRecord { position: None, voters: vec![BTreeSet::from([1, 2])], nodes: BTreeMap::from([(1, 1)]) };
    let head = |membership| SnapshotHead { position: LogPosition::default(), membership };
    assert!(!head_is_valid(&head(encode(&record))));
    assert!(!head_is_valid(&head(Bytes::from_static(b"?"))));
    assert!(head_is_valid(&head(encode(&MembershipRecord::new(None, &members())))));
}
