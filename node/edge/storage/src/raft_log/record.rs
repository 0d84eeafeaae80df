//! The records of a batch: what happened to the logs of its replicas, in order.

use bytes::Bytes;
use stator_environment::DiskError;
use stator_item::ReplicaId;

/// Before each entry's bytes: their length and checksum, so that an entry is verified when it is read alone.
pub(crate) const ENTRY_HEADER_BYTES: usize = 8;

/// A change of one replica's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    /// Entries with indexes from `first` on. Also written when entries move out of an old segment, so replay puts them in
    /// place and takes none away.
    Entries {
        first: u64,
        entries: Vec<Bytes>,
    },
    Vote(Bytes),
    /// Entries above the index are gone.
    Truncate(u64),
    /// Entries up to the index are gone.
    Purge(u64, Bytes),
    /// The replica is gone.
    Remove,
}

const ENTRIES: u8 = 1;
const VOTE: u8 = 2;
const TRUNCATE: u8 = 3;
const PURGE: u8 = 4;
const REMOVE: u8 = 5;

impl Change {
    /// About what the record takes in memory and on disk.
    pub fn bytes(&self) -> usize {
        const HEADER_BYTES: usize = 32;
        HEADER_BYTES
            + match self {
                Change::Entries { entries, .. } => entries.iter().map(|entry| ENTRY_HEADER_BYTES + entry.len()).sum(),
                Change::Vote(bytes) | Change::Purge(_, bytes) => bytes.len(),
                Change::Truncate(_) | Change::Remove => 0,
            }
    }

    /// Appends the record to `buffer` and tells for each entry where in the buffer it begins.
    pub fn encode(&self, replica: ReplicaId, buffer: &mut Vec<u8>, mut entry_at: impl FnMut(usize)) {
        let kind = match self {
            Change::Entries { .. } => ENTRIES,
            Change::Vote(_) => VOTE,
            Change::Truncate(_) => TRUNCATE,
            Change::Purge(..) => PURGE,
            Change::Remove => REMOVE,
        };
        buffer.push(kind);
        buffer.extend_from_slice(&replica.0.to_le_bytes());
        match self {
            Change::Entries { first, entries } => {
                buffer.extend_from_slice(&first.to_le_bytes());
                put_length(buffer, entries.len());
                for entry in entries {
                    entry_at(buffer.len());
                    put_length(buffer, entry.len());
                    buffer.extend_from_slice(&crc32c::crc32c(entry).to_le_bytes());
                    buffer.extend_from_slice(entry);
                }
            }
            Change::Vote(vote) => put_bytes(buffer, vote),
            Change::Truncate(index) => buffer.extend_from_slice(&index.to_le_bytes()),
            Change::Purge(index, mark) => {
                buffer.extend_from_slice(&index.to_le_bytes());
                put_bytes(buffer, mark);
            }
            Change::Remove => {}
        }
    }
}

/// A record as it is met while a log is opened: entries as the places where they stand, counted from the body's start.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Replayed {
    Entries { first: u64, places: Vec<(usize, usize)> },
    Other(Change),
}

/// Reads the records of a body whose checksum was right, so anything unreadable was written so.
pub(crate) fn decode(body: &[u8], mut record: impl FnMut(ReplicaId, Replayed)) -> Result<(), DiskError> {
    let mut reader = Reader { body, at: 0 };
    while reader.at < body.len() {
        let kind = reader.take(1)?[0];
        let replica = ReplicaId(reader.u64()?);
        let replayed = match kind {
            ENTRIES => {
                let first = reader.u64()?;
                let count = reader.length()?;
                let mut places = Vec::with_capacity(count.min(body.len() / ENTRY_HEADER_BYTES));
                for _ in 0..count {
                    let (at, bytes) = (reader.at, reader.length()?);
                    reader.take(4 + bytes)?;
                    places.push((at, bytes));
                }
                if first.checked_add(count as u64).is_none() {
                    return Err(DiskError::Damaged(format!("the Raft log holds {count} entries from {first} on")));
                }
                Replayed::Entries { first, places }
            }
            VOTE => Replayed::Other(Change::Vote(reader.bytes()?)),
            TRUNCATE => Replayed::Other(Change::Truncate(reader.u64()?)),
            PURGE => Replayed::Other(Change::Purge(reader.u64()?, reader.bytes()?)),
            REMOVE => Replayed::Other(Change::Remove),
            other => return Err(DiskError::Damaged(format!("the Raft log holds a record of unknown kind {other}"))),
        };
        record(replica, replayed);
    }
    Ok(())
}

/// Checks an entry read alone, with its header in front.
pub(crate) fn verify_entry(bytes: &[u8]) -> bool {
    let mut reader = Reader { body: bytes, at: 0 };
    let (Ok(length), Ok(checksum)) = (reader.length(), reader.take(4)) else { return false };
    let entry = &bytes[ENTRY_HEADER_BYTES..];
    entry.len() == length && crc32c::crc32c(entry).to_le_bytes() == checksum
}

fn put_length(buffer: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("entries and marks are limited far below 4 GB");
    buffer.extend_from_slice(&length.to_le_bytes());
}

fn put_bytes(buffer: &mut Vec<u8>, bytes: &[u8]) {
    put_length(buffer, bytes.len());
    buffer.extend_from_slice(bytes);
}

struct Reader<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], DiskError> {
        let bytes = self.body.get(self.at..).and_then(|rest| rest.get(..count));
        let bytes = bytes.ok_or_else(|| DiskError::Damaged("a record of the Raft log ends too early".into()))?;
        self.at += count;
        Ok(bytes)
    }

    fn u64(&mut self) -> Result<u64, DiskError> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().expect("eight bytes were taken")))
    }

    fn length(&mut self) -> Result<usize, DiskError> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().expect("four bytes were taken")) as usize)
    }

    fn bytes(&mut self) -> Result<Bytes, DiskError> {
        let length = self.length()?;
        Ok(Bytes::copy_from_slice(self.take(length)?))
    }
}
