//! What a transaction's coordinator asks of a partition, and what it is answered.

use super::{Committed, Decision, Place, RequestToken, TransactionId};
use crate::{
    command::{Delete, Get, Put, UpdateItem, WriteOptions},
    reply::{Got, Refusal, Written},
    throttle::Throttled,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_changelog::ChangedBy;
use stator_item::{Key, Timestamp};

/// `ConditionCheck`: changes nothing, but the item must satisfy the condition at the moment of the transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Check {
    pub key: Key,
    pub options: WriteOptions,
}

/// One item of a transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum TransactionWrite {
    Put(Put),
    Update(UpdateItem),
    Delete(Delete),
    Check(Check),
}

impl TransactionWrite {
    pub fn key(&self) -> &Key {
        match self {
            TransactionWrite::Put(put) => &put.key,
            TransactionWrite::Update(update) => &update.key,
            TransactionWrite::Delete(delete) => &delete.key,
            TransactionWrite::Check(check) => &check.key,
        }
    }

    /// Says who writes.
    pub fn set_writer(&mut self, by: ChangedBy) {
        match self {
            TransactionWrite::Put(put) => put.options.by = by,
            TransactionWrite::Update(update) => update.options.by = by,
            TransactionWrite::Delete(delete) => delete.options.by = by,
            TransactionWrite::Check(_) => {}
        }
    }
}

/// A write with its place.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PlacedWrite {
    pub place: Place,
    pub write: TransactionWrite,
}

impl PlacedWrite {
    /// The read of the same item.
    pub fn read(&self) -> PlacedGet {
        PlacedGet { place: self.place, get: Get { key: self.write.key().clone(), projection: None } }
    }
}

/// A read with its place.
#[derive(Clone, PartialEq, Debug)]
pub struct PlacedGet {
    pub place: Place,
    pub get: Get,
}

/// The writes of a transaction that lie in one partition, with their effects in one entry. It is all of the transaction, or all
/// that no other partition has prepared: then the entry is its decision, too. `Reply::Transacted`, or `Reply::Decided` if it was
/// decided before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TransactOne {
    pub writes: Vec<TransactionWrite>,
    pub request: Option<RequestToken>,
    pub elsewhere: Option<Elsewhere>,
}

/// What of a transaction its other partitions have prepared.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Elsewhere {
    pub transaction: TransactionId,
    /// The highest timestamp of their prepares.
    pub prepared: Timestamp,
    /// Size of their items, as far as [`TRANSACTION_BYTES_MAX`](super::TRANSACTION_BYTES_MAX) counts it.
    pub bytes: u64,
    /// The places of their items, each once.
    pub participants: Vec<Place>,
}

/// What a `TransactOne` has written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TransactedOne {
    /// The version of everything that the transaction writes.
    pub timestamp: Timestamp,
    /// For each write, in order.
    pub written: Vec<Written>,
}

/// Evaluates the writes that lie in this partition and leaves an intent on each item, or on none. `Reply::Prepared`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Prepare {
    pub transaction: TransactionId,
    pub home: Place,
    pub writes: Vec<TransactionWrite>,
    /// So that the same request, sent again, is told from another one that is in the way.
    pub request: Option<RequestToken>,
}

/// What somebody wants a transaction's decision to be.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Verdict {
    /// The coordinator's alone, when all have prepared.
    Commit {
        /// The highest timestamp of all prepares.
        prepared: Timestamp,
        participants: Vec<Place>,
        request: Option<RequestToken>,
    },
    Abort,
}

/// Writes the decision, unless there is one. `Reply::Decided`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Decide {
    pub transaction: TransactionId,
    pub verdict: Verdict,
}

/// Makes rows of the transaction's intents in this partition, or takes them away. `Reply::Finished`.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finish {
    pub transaction: TransactionId,
    /// The commit's timestamp; `None`: it was aborted.
    pub committed: Option<Timestamp>,
}

/// Reads items of one partition at one moment. `Reply::TransactGot`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TransactGet {
    pub gets: Vec<Get>,
    /// The items themselves were read before.
    pub versions_only: bool,
}

/// What a partition has prepared.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Prepared {
    /// Above the version of every item.
    pub timestamp: Timestamp,
    /// Size of the items, as far as [`TRANSACTION_BYTES_MAX`](super::TRANSACTION_BYTES_MAX) counts it.
    pub bytes: u64,
    /// For each write, in order.
    pub written: Vec<Written>,
}

/// Why a write cannot be part of its transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum CancellationReason {
    /// The item as it stands, where asked for.
    ConditionFailed {
        old_item: Option<Bytes>,
    },
    /// The same of a PartiQL INSERT: how its failed condition is told. Partitions do not know it.
    Duplicate {
        old_item: Option<Bytes>,
    },
    /// Another transaction's intent stands on the item.
    Conflict,
    CollectionFull,
    /// The item that the write would leave is not a legal one; the text is DynamoDB's.
    Invalid(String),
    /// Its partition has too much to do, or an on-demand table's limit is reached.
    Throttled,
    /// More was consumed than is provisioned.
    ProvisionedThroughputExceeded,
}

impl CancellationReason {
    /// How an item is told that its part of the transaction was throttled.
    pub fn of_throttled(throttled: &Throttled) -> CancellationReason {
        match throttled.is_on_demand {
            true => CancellationReason::Throttled,
            false => CancellationReason::ProvisionedThroughputExceeded,
        }
    }

    /// A refusal that is about one item. An error: it is about all of the request.
    pub(crate) fn of(refusal: Refusal) -> Result<CancellationReason, Refusal> {
        match refusal {
            Refusal::ConditionFailed { old_item } => Ok(CancellationReason::ConditionFailed { old_item }),
            Refusal::TransactionConflict => Ok(CancellationReason::Conflict),
            Refusal::CollectionFull => Ok(CancellationReason::CollectionFull),
            Refusal::ChangeLogFull | Refusal::StreamFull => Ok(CancellationReason::Throttled),
            Refusal::Throttled(throttled) => Ok(CancellationReason::of_throttled(&throttled)),
            Refusal::Invalid(text) => Ok(CancellationReason::Invalid(text)),
            other => Err(other),
        }
    }

    /// Bytes of the item that it shows.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            CancellationReason::ConditionFailed { old_item: Some(item) } => item.len(),
            _ => 0,
        }
    }
}

/// Why each write, in order, cannot be part of the transaction; `None`: it could.
pub type Cancelled = Vec<Option<CancellationReason>>;

/// The request was carried out before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Repeated {
    /// Its transaction, if not all participants are known to have applied it.
    pub unfinished: Option<(TransactionId, Committed)>,
}

/// How far a partition has finished.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// More intents are left than fit an entry: ask again.
    pub is_more: bool,
}

/// A strong read met an intent: which of the two items is there depends on the decision.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Intended {
    pub transaction: TransactionId,
    pub home: Place,
    pub old: Got,
    pub new: Got,
}

/// Changes whenever the item does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ItemVersion {
    /// The timestamp of the item's last write.
    Item(Timestamp),
    /// There is none, and the last entry that deleted any item of the partition has this number: were it the same for ever, a
    /// put and a delete in between would go unseen.
    Missing { last_delete: u64 },
}

/// An item, read by a transaction.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TransactGot {
    pub version: ItemVersion,
    /// Without its item if only versions were asked for.
    pub got: Got,
}

/// What a decision says to somebody who looks for an outcome.
impl Decision {
    /// As [`Finish`] wants it.
    pub fn committed(&self) -> Option<Timestamp> {
        match self {
            Decision::Committed(committed) => Some(committed.timestamp),
            Decision::Aborted => None,
        }
    }
}
