//! Keys of the families `State` and `Changes`: `partition (8 bytes) | ...`, integers big endian.
//!
//! State: `| tag | rest`, one row for each thing that changes by itself, so that an apply writes only what changed.
//! The rows that the replica keeps for itself (applied position, snapshot mark, owner) come first and belong to no state.

use bytes::Bytes;
use stator_catalog::{MappingId, StreamLabel};
use stator_changelog::SequenceNumber;
use stator_item::{Bounds, PartitionId, TableId, Token, key::prefix_end};

use crate::{
    effects::EntryNumber,
    transaction::{TransactionId, TransactionsRow},
};

/// Second part of a State key. Stored: a tag is never given a second meaning.
mod tag {
    pub const APPLIED: u8 = 0;
    pub const INSTALLING: u8 = 1;
    pub const OWNER: u8 = 2;
    /// From here on: what the partition remembers.
    pub const PROGRESS: u8 = 16;
    pub const DESCRIPTION: u8 = 17;
    pub const COUNTS: u8 = 18;
    pub const CURSOR: u8 = 19;
    pub const REMEMBERED: u8 = 20;
    pub const FEED: u8 = 32;
    pub const RECEIVED: u8 = 33;
    pub const LOG_MARK: u8 = 34;
    pub const INTENT: u8 = 35;
    pub const COMMITTED: u8 = 36;
    pub const ABORTED: u8 = 37;
    pub const REQUEST: u8 = 38;
    pub const STREAM: u8 = 39;
    pub const TRIGGER: u8 = 48;
    pub const EXPIRIES: u8 = 40;
}

/// What a row of the family `State` is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum StateKey {
    Progress,
    Description,
    Counts,
    Cursor {
        consumer: String,
    },
    Remembered {
        entry: EntryNumber,
    },
    /// What a source remembers of an index.
    Feed {
        index: TableId,
    },
    /// What an index has of a source, by the first of its tokens.
    Received {
        first: Token,
    },
    /// How much was written to the change log before that record.
    LogMark {
        record: SequenceNumber,
    },
    /// What is known of transactions.
    Transactions(TransactionsRow),
    /// The shards of a stream.
    Stream {
        label: StreamLabel,
    },
    /// How far a mapping has come.
    Trigger {
        mapping: MappingId,
    },
    /// By which attribute items expire.
    Expiries,
}

/// Where the replica keeps its Raft position, in the same batch as the rows.
pub fn applied_key(partition: PartitionId) -> Bytes {
    state_key(partition, tag::APPLIED, &[])
}

/// Where the replica keeps the mark of a snapshot that is being installed.
pub fn installing_key(partition: PartitionId) -> Bytes {
    state_key(partition, tag::INSTALLING, &[])
}

/// Where the replica keeps its id, so that nobody takes its rows for those of its successor.
pub fn owner_key(partition: PartitionId) -> Bytes {
    state_key(partition, tag::OWNER, &[])
}

/// The rows of the family `State` of which the partition's state is made: all but the replica's own.
pub fn state_bounds(partition: PartitionId) -> Bounds {
    (state_key(partition, tag::PROGRESS, &[]).to_vec(), prefix_end(&partition.0.to_be_bytes()))
}

/// The partition's change records.
pub fn changes_bounds(partition: PartitionId) -> Bounds {
    let prefix = partition.0.to_be_bytes().to_vec();
    let end = prefix_end(&prefix);
    (prefix, end)
}

pub(crate) fn change_key(partition: PartitionId, sequence: SequenceNumber) -> Bytes {
    let mut key = Vec::with_capacity(16);
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.extend_from_slice(&sequence.0.to_be_bytes());
    key.into()
}

/// The sequence number in the key of a change record.
pub(crate) fn change_sequence(key: &[u8]) -> Option<SequenceNumber> {
    let (_, sequence) = key.split_first_chunk::<8>()?;
    Some(SequenceNumber(u64::from_be_bytes(sequence.try_into().ok()?)))
}

pub(crate) fn progress_key(partition: PartitionId) -> Bytes {
    state_key(partition, tag::PROGRESS, &[])
}

pub(crate) fn description_key(partition: PartitionId) -> Bytes {
    state_key(partition, tag::DESCRIPTION, &[])
}

pub(crate) fn counts_key(partition: PartitionId) -> Bytes {
    state_key(partition, tag::COUNTS, &[])
}

pub(crate) fn cursor_key(partition: PartitionId, consumer: &str) -> Bytes {
    state_key(partition, tag::CURSOR, consumer.as_bytes())
}

pub(crate) fn feed_key(partition: PartitionId, index: TableId) -> Bytes {
    state_key(partition, tag::FEED, &index.0.to_be_bytes())
}

pub(crate) fn received_key(partition: PartitionId, first: Token) -> Bytes {
    state_key(partition, tag::RECEIVED, &first.0.to_be_bytes())
}

/// Everything that an index has of its sources.
pub(crate) fn received_bounds(partition: PartitionId) -> Bounds {
    let start = state_key(partition, tag::RECEIVED, &[]).to_vec();
    let end = prefix_end(&start);
    (start, end)
}

pub(crate) fn stream_key(partition: PartitionId, label: StreamLabel) -> Bytes {
    state_key(partition, tag::STREAM, &label.0.to_be_bytes())
}

pub(crate) fn trigger_key(partition: PartitionId, mapping: MappingId) -> Bytes {
    state_key(partition, tag::TRIGGER, &mapping.0.to_be_bytes())
}

pub(crate) fn expiries_key(partition: PartitionId) -> Bytes {
    state_key(partition, tag::EXPIRIES, &[])
}

pub(crate) fn log_mark_key(partition: PartitionId, record: SequenceNumber) -> Bytes {
    state_key(partition, tag::LOG_MARK, &record.0.to_be_bytes())
}

/// One row for all ids of an entry: a row for each would cost a replica more than the rest of its state.
pub(crate) fn remembered_key(partition: PartitionId, entry: EntryNumber) -> Bytes {
    state_key(partition, tag::REMEMBERED, &entry.0.to_be_bytes())
}

/// Remembered ids of the entries up to this one.
pub(crate) fn remembered_up_to(partition: PartitionId, entry: EntryNumber) -> Bounds {
    let (start, _) = remembered_bounds(partition);
    (start, prefix_end(&remembered_key(partition, entry)))
}

/// All remembered ids.
pub(crate) fn remembered_bounds(partition: PartitionId) -> Bounds {
    tag_bounds(partition, tag::REMEMBERED)
}

/// Takes the key of a state row apart; `None`: no release has written it.
pub(crate) fn parse_state_key(partition: PartitionId, key: &[u8]) -> Option<StateKey> {
    let (&tag, rest) = key.strip_prefix(&partition.0.to_be_bytes())?.split_first()?;
    let number = |rest: &[u8]| rest.try_into().ok().map(u64::from_be_bytes);
    match (tag, rest) {
        (tag::PROGRESS, []) => Some(StateKey::Progress),
        (tag::DESCRIPTION, []) => Some(StateKey::Description),
        (tag::COUNTS, []) => Some(StateKey::Counts),
        (tag::CURSOR, consumer) => Some(StateKey::Cursor { consumer: String::from_utf8(consumer.to_vec()).ok()? }),
        (tag::REMEMBERED, entry) => {
            Some(StateKey::Remembered { entry: EntryNumber(u64::from_be_bytes(entry.try_into().ok()?)) })
        }
        (tag::FEED, index) => Some(StateKey::Feed { index: TableId(number(index)?) }),
        (tag::RECEIVED, first) => Some(StateKey::Received { first: Token(number(first)?) }),
        (tag::STREAM, label) => Some(StateKey::Stream { label: StreamLabel(number(label)?) }),
        (tag::TRIGGER, mapping) => {
            Some(StateKey::Trigger { mapping: MappingId(u128::from_be_bytes(mapping.try_into().ok()?)) })
        }
        (tag::EXPIRIES, []) => Some(StateKey::Expiries),
        (tag::LOG_MARK, record) => Some(StateKey::LogMark { record: SequenceNumber(number(record)?) }),
        (tag::INTENT, row_key) => {
            Some(StateKey::Transactions(TransactionsRow::Intent { row_key: Bytes::copy_from_slice(row_key) }))
        }
        (tag::COMMITTED, id) => {
            Some(StateKey::Transactions(TransactionsRow::Committed(TransactionId::from_bytes(id)?)))
        }
        (tag::ABORTED, id) => Some(StateKey::Transactions(TransactionsRow::Aborted(TransactionId::from_bytes(id)?))),
        (tag::REQUEST, rest) => {
            let (decided_ms, token) = rest.split_first_chunk::<8>()?;
            let token = String::from_utf8(token.to_vec()).ok()?;
            Some(StateKey::Transactions(TransactionsRow::Request {
                decided_ms: u64::from_be_bytes(*decided_ms),
                token,
            }))
        }
        _ => None,
    }
}

/// An intent, by the row key of its item.
pub(crate) fn intent_key(partition: PartitionId, row_key: &[u8]) -> Bytes {
    state_key(partition, tag::INTENT, row_key)
}

/// All intents.
pub(crate) fn intents_bounds(partition: PartitionId) -> Bounds {
    tag_bounds(partition, tag::INTENT)
}

pub(crate) fn committed_key(partition: PartitionId, transaction: TransactionId) -> Bytes {
    state_key(partition, tag::COMMITTED, &transaction.to_bytes())
}

pub(crate) fn aborted_key(partition: PartitionId, transaction: TransactionId) -> Bytes {
    state_key(partition, tag::ABORTED, &transaction.to_bytes())
}

/// Aborts of the transactions before this one.
pub(crate) fn aborted_below(partition: PartitionId, transaction: TransactionId) -> Bounds {
    let (start, _) = tag_bounds(partition, tag::ABORTED);
    (start, Some(aborted_key(partition, transaction).to_vec()))
}

/// A request token: by time, so that what is forgotten together lies together.
pub(crate) fn request_key(partition: PartitionId, decided_ms: u64, token: &str) -> Bytes {
    state_key(partition, tag::REQUEST, &[&decided_ms.to_be_bytes()[..], token.as_bytes()].concat())
}

/// Request tokens that were decided before this millisecond.
pub(crate) fn requests_before(partition: PartitionId, before_ms: u64) -> Bounds {
    let (start, _) = requests_bounds(partition);
    (start, Some(request_key(partition, before_ms, "").to_vec()))
}

/// All request tokens.
pub(crate) fn requests_bounds(partition: PartitionId) -> Bounds {
    tag_bounds(partition, tag::REQUEST)
}

/// All rows of one tag.
fn tag_bounds(partition: PartitionId, tag: u8) -> Bounds {
    let start = state_key(partition, tag, &[]).to_vec();
    let end = prefix_end(&start);
    (start, end)
}

fn state_key(partition: PartitionId, tag: u8, rest: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(9 + rest.len());
    key.extend_from_slice(&partition.0.to_be_bytes());
    key.push(tag);
    key.extend_from_slice(rest);
    key.into()
}
