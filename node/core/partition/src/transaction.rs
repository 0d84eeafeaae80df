//! Transactions as a partition sees them: intents on its items, decisions kept beside the first item, request tokens.
//!
//! A transaction prepares: every partition but that of the first item evaluates its writes and leaves an intent on each item. When
//! all have prepared, the decision is written once, beside the first item and together with what is written there; then the others
//! finish: their intents become rows, or nothing. All that is kept here changes only by [`apply`](crate::apply::apply()).
//!
//! Source: Amazon DynamoDB Developer Guide, "Amazon DynamoDB Transactions: How it works".

mod commands;
mod in_flight;
mod state;

pub use commands::{
    CancellationReason, Cancelled, Check, Decide, Elsewhere, Finish, Finished, Intended, ItemVersion, PlacedGet,
    PlacedWrite, Prepare, Prepared, Repeated, TransactGet, TransactGot, TransactOne, TransactedOne, TransactionWrite,
    Verdict,
};
pub(crate) use in_flight::TransactionsInFlight;
pub use state::Unfinished;
pub(crate) use state::{Transactions, TransactionsRow};

use crate::codec;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_changelog::ChangedBy;
use stator_item::{Key, TableId, Timestamp, Token};
use xxhash_rust::xxh3::xxh3_128;

/// How long a request token is remembered, in milliseconds (AWS: ten minutes after the request that it came with).
pub const REQUEST_AGE_MS_MAX: u64 = 600_000;
/// Size of all items of a transaction (AWS: 4 MB), as DynamoDB counts it; of each item the larger of old and new counts.
pub const TRANSACTION_BYTES_MAX: u64 = 4 << 20;

/// Commits that one command forgets at most.
pub const FORGET_AT_ONCE_MAX: usize = 256;

/// Names a transaction. In the order of birth, so that what is older than a mark lies together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct TransactionId {
    /// When its coordinator began it. All commands of the transaction bear it.
    pub birth: Timestamp,
    pub number: u128,
}

impl TransactionId {
    /// Length of the encoding.
    pub(crate) const BYTES: usize = Timestamp::BYTES + 16;

    /// Byte order is the order of ids.
    pub(crate) fn to_bytes(self) -> [u8; TransactionId::BYTES] {
        let mut bytes = [0; TransactionId::BYTES];
        bytes[..Timestamp::BYTES].copy_from_slice(&self.birth.to_bytes());
        bytes[Timestamp::BYTES..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<TransactionId> {
        let (birth, number) = bytes.split_first_chunk::<{ Timestamp::BYTES }>()?;
        let number = u128::from_be_bytes(number.try_into().ok()?);
        Some(TransactionId { birth: Timestamp::from_bytes(*birth), number })
    }

    /// The smallest id that is born at or after this millisecond.
    pub(crate) fn first_of(birth_ms: u64) -> TransactionId {
        TransactionId { birth: Timestamp { wall_ms: birth_ms, counter: 0, node: 0 }, number: 0 }
    }
}

/// Where an item lies, whatever becomes of the partitions: the place of an item, or of a transaction's decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Place {
    pub table: TableId,
    pub token: Token,
}

/// `ClientRequestToken`, and a hash of all that was asked for under it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RequestToken {
    pub token: String,
    pub payload: u128,
}

impl RequestToken {
    /// The token of a request that asks for these writes, in this order.
    pub fn of(token: &str, writes: &[PlacedWrite]) -> RequestToken {
        RequestToken { token: token.to_owned(), payload: xxh3_128(&codec::encode(&writes, 1024)) }
    }
}

/// What a transaction is going to make of an item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IntendedChange {
    /// Nothing: the item was checked, or is already as the transaction wants it. It must stay so until the decision.
    Keep,
    /// This, in the item encoding.
    Put(Bytes),
    Delete,
}

/// A prepared change of one item. While it stands nobody else writes the item.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intent {
    pub transaction: TransactionId,
    /// Where the decision is found.
    pub home: Place,
    pub key: Key,
    pub change: IntendedChange,
    /// The request that it came with.
    pub request: Option<RequestToken>,
    pub by: ChangedBy,
}

impl Intent {
    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        let item = if let IntendedChange::Put(item) = &self.change { item.len() } else { 0 };
        let request = self.request.as_ref().map_or(0, |request| request.token.len());
        INTENT_HEADER_BYTES + item + request
    }
}

/// Ids, key and lengths. A key's parts have at most 2 KB and 1 KB and are counted with the row keys.
const INTENT_HEADER_BYTES: usize = 128;

/// A transaction that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Committed {
    /// Above the timestamps of all prepares: the version of everything that the transaction wrote.
    pub timestamp: Timestamp,
    /// The places of all items that have intents, each once.
    pub participants: Vec<Place>,
}

/// What became of a transaction. Written once: whoever comes second is told what stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Decision {
    Committed(Committed),
    Aborted,
}

/// A request token that committed a transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RememberedRequest {
    pub payload: u128,
    /// `None`: it was one entry, and is finished.
    pub transaction: Option<TransactionId>,
    /// By the wall clock of the partition's leader.
    pub decided_ms: u64,
}

/// A change of what a partition knows of transactions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TransactionChange {
    /// Leaves an intent on the item with this row key.
    Intend {
        row_key: Bytes,
        intent: Box<Intent>,
    },
    /// Takes the intent away.
    Settle {
        row_key: Bytes,
    },
    Decide {
        transaction: TransactionId,
        decision: Decision,
    },
    /// Every participant has applied its part of a commit.
    Forget {
        transaction: TransactionId,
    },
    Remember {
        token: String,
        request: RememberedRequest,
    },
    /// Forgets the request tokens that were decided before this millisecond.
    ForgetRequests {
        before_ms: u64,
    },
}

impl TransactionChange {
    /// About how many bytes it takes, in memory and in a log entry.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            TransactionChange::Intend { row_key, intent } => 2 * row_key.len() + intent.bytes(),
            TransactionChange::Settle { row_key } => row_key.len(),
            TransactionChange::Decide { decision: Decision::Committed(committed), .. } => {
                committed.participants.len() * size_of::<Place>()
            }
            TransactionChange::Remember { token, .. } => token.len() + 64,
            TransactionChange::Decide { .. }
            | TransactionChange::Forget { .. }
            | TransactionChange::ForgetRequests { .. } => 64,
        }
    }
}
