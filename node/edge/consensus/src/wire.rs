//! The messages between replicas: a small header, and entries behind it as they stand in the log.

use crate::{
    LogPosition,
    encoding::{Undecodable, VoteRecord, decode_entry, decode_prefix, encode, encode_entry},
    raft_types::{Entry, MembershipRecord},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// A message to one replica.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) to: u64,
    pub(crate) vote: VoteRecord,
    pub(crate) body: RequestBody,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum RequestBody {
    /// Entries that follow `previous`; none at all is a heartbeat.
    Append {
        previous: Option<LogPosition>,
        committed: Option<LogPosition>,
        entries_count: u32,
    },
    Vote {
        last: Option<LogPosition>,
        for_transfer: bool,
    },
    PreVote {
        last: Option<LogPosition>,
    },
    /// May you stand for election, as one who knows that it has the log up to `last`? Asked before a transfer, which cannot be taken
    /// back.
    MayStand {
        last: Option<LogPosition>,
    },
    /// `target` is to stand for election now; all others may vote for it.
    Transfer {
        target: u64,
        last: Option<LogPosition>,
    },
    /// The group has nothing to do: no ticks until the next append.
    Sleep {
        last: LogPosition,
    },
    /// Where does the group stand? The asker's log ends at `last`.
    Inquire {
        last: LogPosition,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Response {
    Appended,
    /// The receiver has no entry at `previous`, or another one.
    Conflict,
    HigherVote(VoteRecord),
    Voted {
        vote: VoteRecord,
        granted: bool,
        last: Option<LogPosition>,
    },
    MayStand,
    Transferring,
    /// The receiver's log is not where the leader believes it to be, or it has another vote.
    TransferRefused,
    Asleep,
    Awake,
    /// An unfinished snapshot stands in the way: only a whole one helps.
    NeedsSnapshot,
    NotLeading,
}

/// A step of sending a snapshot.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotRequest {
    pub(crate) to: u64,
    pub(crate) vote: VoteRecord,
    pub(crate) body: SnapshotBody,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum SnapshotBody {
    /// Is a snapshot at this position of any use?
    Offer { position: LogPosition },
    /// The piece follows the header.
    Piece { transfer: u64, number: u64, place: Place },
}

/// Where in a snapshot a piece belongs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Place {
    First(SnapshotHead),
    Middle,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotHead {
    pub(crate) position: LogPosition,
    pub(crate) membership: Bytes,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum SnapshotResponse {
    /// Go on.
    Wanted,
    /// The receiver is there already, or now.
    Has,
    HigherVote(VoteRecord),
}

/// Kept for the check that a head describes a valid membership before anything is wiped.
pub(crate) fn head_is_valid(head: &SnapshotHead) -> bool {
    crate::encoding::decode::<MembershipRecord>(&head.membership, "members")
        .is_ok_and(|record| record.stored().is_some())
}

pub(crate) fn encode_append(request: &Request, entries: &[Entry]) -> Bytes {
    let header = encode(request);
    let encoded: Vec<Bytes> = entries.iter().map(encode_entry).collect();
    let entries_bytes: usize = encoded.iter().map(|entry| 4 + entry.len()).sum();
    let mut message = BytesMut::with_capacity(header.len() + entries_bytes);
    message.put_slice(&header);
    for entry in &encoded {
        // Entries are bounded far below 4 GiB by `entry_bytes_max`.
        message.put_u32_le(entry.len() as u32);
        message.put_slice(entry);
    }
    message.freeze()
}

/// The request, and what stands behind its header.
pub(crate) fn decode_request(message: &Bytes) -> Result<(Request, Bytes), Undecodable> {
    let (request, rest) = decode_prefix(message, "a message")?;
    Ok((request, message.slice_ref(rest)))
}

/// The payloads are slices of the message.
pub(crate) fn decode_entries(
    previous: Option<LogPosition>,
    count: u32,
    mut rest: Bytes,
) -> Result<Vec<Entry>, Undecodable> {
    const WHAT: Undecodable = Undecodable("entries of a message");
    let mut index = match previous {
        Some(previous) => previous.index.checked_add(1).ok_or(WHAT)?,
        None => 0,
    };
    let mut entries = Vec::new();
    for _ in 0..count {
        let bytes = rest.try_get_u32_le().map_err(|_| WHAT)? as usize;
        if bytes > rest.len() {
            return Err(WHAT);
        }
        entries.push(decode_entry(index, &rest.split_to(bytes))?);
        index = index.checked_add(1).ok_or(WHAT)?;
    }
    if rest.is_empty() { Ok(entries) } else { Err(WHAT) }
}

/// A piece: its header, whether it is the last one, and its bytes.
pub(crate) fn encode_piece(request: &SnapshotRequest, last: bool, piece: &[u8]) -> Bytes {
    let header = encode(request);
    let mut message = BytesMut::with_capacity(header.len() + 1 + piece.len());
    message.put_slice(&header);
    message.put_u8(u8::from(last));
    message.put_slice(piece);
    message.freeze()
}

pub(crate) fn decode_snapshot_request(message: &Bytes) -> Result<(SnapshotRequest, Bytes), Undecodable> {
    let (request, rest) = decode_prefix(message, "a snapshot message")?;
    Ok((request, message.slice_ref(rest)))
}

/// Takes what stands behind a piece's header apart.
pub(crate) fn split_piece(mut rest: Bytes) -> Result<(bool, Bytes), Undecodable> {
    match rest.try_get_u8() {
        Ok(0) => Ok((false, rest)),
        Ok(1) => Ok((true, rest)),
        _ => Err(Undecodable("a piece of a snapshot")),
    }
}

#[cfg(test)]
mod tests;
