//! How entries, votes and marks look on disk and on the wire. The first byte is always the version.

use crate::{
    LogPosition,
    raft_types::{Entry, MembershipRecord, Payload, RaftMembership, RaftVote, StoredRaftMembership, log_id},
};
use bytes::{BufMut, Bytes, BytesMut};
use openraft::EntryPayload;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io;

const VERSION: u8 = 1;

const KIND_BLANK: u8 = 0;
const KIND_PAYLOAD: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// Version, kind, term.
const ENTRY_HEADER_BYTES: usize = 1 + 1 + 8;

/// What was read is not what is ever written.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot decode {0}")]
pub(crate) struct Undecodable(pub(crate) &'static str);

impl From<Undecodable> for io::Error {
    fn from(error: Undecodable) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// A small value behind a version byte.
pub(crate) fn encode<T: Serialize>(value: &T) -> Bytes {
    let bytes = postcard::to_extend(value, vec![VERSION]).expect("plain data in memory always encodes");
    Bytes::from(bytes)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Undecodable> {
    let (value, rest) = decode_prefix(bytes, what)?;
    if rest.is_empty() { Ok(value) } else { Err(Undecodable(what)) }
}

/// Decodes what [`encode`] made, with something else behind it.
pub(crate) fn decode_prefix<'a, T: DeserializeOwned>(
    bytes: &'a [u8],
    what: &'static str,
) -> Result<(T, &'a [u8]), Undecodable> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::take_from_bytes(rest).map_err(|_| Undecodable(what)),
        _ => Err(Undecodable(what)),
    }
}

/// A vote as we keep and send it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct VoteRecord {
    pub(crate) term: u64,
    pub(crate) candidate: u64,
    /// Whether a quorum gave it: the candidate leads the term.
    pub(crate) elected: bool,
}

impl VoteRecord {
    pub(crate) fn of(vote: &RaftVote) -> VoteRecord {
        VoteRecord { term: vote.leader_id.term, candidate: vote.leader_id.voted_for, elected: vote.committed }
    }

    pub(crate) fn vote(&self) -> RaftVote {
        if self.elected {
            RaftVote::new_committed(self.term, self.candidate)
        } else {
            RaftVote::new(self.term, self.candidate)
        }
    }
}

/// What stands in a log where entries were purged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum PurgeMark {
    /// The entries up to here are in the state.
    Applied(LogPosition),
    /// A snapshot is being installed: neither log nor state can be used before one is complete.
    Installing,
}

pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let membership;
    let (kind, body): (u8, &[u8]) = match &entry.payload {
        EntryPayload::Blank => (KIND_BLANK, &[]),
        EntryPayload::Normal(Payload(bytes)) => (KIND_PAYLOAD, bytes),
        EntryPayload::Membership(members) => {
            membership = encode(&MembershipRecord::new(None, members));
            (KIND_MEMBERSHIP, &membership)
        }
    };
    let mut bytes = BytesMut::with_capacity(ENTRY_HEADER_BYTES + body.len());
    bytes.put_u8(VERSION);
    bytes.put_u8(kind);
    bytes.put_u64_le(entry.log_id.leader_id.term);
    bytes.put_slice(body);
    bytes.freeze()
}

/// The payload is a slice of `bytes`, not a copy.
pub(crate) fn decode_entry(index: u64, bytes: &Bytes) -> Result<Entry, Undecodable> {
    let term = entry_term(bytes)?;
    let body = bytes.slice(ENTRY_HEADER_BYTES..);
    let payload = match bytes.get(1) {
        Some(&KIND_BLANK) if body.is_empty() => EntryPayload::Blank,
        Some(&KIND_PAYLOAD) => EntryPayload::Normal(Payload(body)),
        Some(&KIND_MEMBERSHIP) => EntryPayload::Membership(decode_membership(&body)?),
        _ => return Err(Undecodable("the kind of an entry")),
    };
    Ok(Entry { log_id: log_id(LogPosition { term, index }), payload })
}

pub(crate) fn entry_term(bytes: &[u8]) -> Result<u64, Undecodable> {
    match bytes {
        [VERSION, _, t0, t1, t2, t3, t4, t5, t6, t7, ..] => {
            Ok(u64::from_le_bytes([*t0, *t1, *t2, *t3, *t4, *t5, *t6, *t7]))
        }
        _ => Err(Undecodable("an entry")),
    }
}

fn decode_membership(bytes: &[u8]) -> Result<RaftMembership, Undecodable> {
    let record: MembershipRecord = decode(bytes, "members")?;
    record.membership().ok_or(Undecodable("members"))
}

pub(crate) fn encode_stored_membership(stored: &StoredRaftMembership) -> Bytes {
    encode(&MembershipRecord::of(stored))
}

/// Nothing stored yet is no bytes at all.
pub(crate) fn decode_stored_membership(bytes: &[u8]) -> Result<StoredRaftMembership, Undecodable> {
    if bytes.is_empty() {
        return Ok(StoredRaftMembership::default());
    }
    let record: MembershipRecord = decode(bytes, "members")?;
    record.stored().ok_or(Undecodable("members"))
}
