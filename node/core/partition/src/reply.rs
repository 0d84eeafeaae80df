//! What a partition answers.

use crate::{
    command::Position,
    expiry::{ExpiriesStatus, Unindexed},
    global_index::{Feed, FeedStatus},
    stream::ShardRecords,
    throttle::Throttled,
    transaction::{Cancelled, Decision, Finished, Intended, Prepared, Repeated, TransactGot, TransactedOne},
    trigger::Trigger,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_changelog::{ChangeRecord, SequenceNumber, Shard};
use stator_item::{IndexNumber, TableId};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reply {
    Written(Written),
    Got(Got),
    Page(PageReply),
    Counted(Vec<IndexCount>),
    Changes(Vec<ChangeRecord>),
    /// The command had its effect, and there is nothing to say about it.
    Done,
    /// Up to where an index's partition has everything of the source.
    Delivered {
        up_to: SequenceNumber,
    },
    Feed(Box<Feed>),
    Feeds(Vec<FeedStatus>),
    /// A `TransactOne`.
    Transacted(TransactedOne),
    /// A request whose token committed before.
    Repeated(Repeated),
    Prepared(Prepared),
    Decided(Decision),
    /// No decision stands, or none any more.
    Undecided,
    Finished(Finished),
    /// A strong `Get` that met an intent.
    Intended(Box<Intended>),
    /// For each item, in order; `None`: a write's intent stands on it.
    TransactGot(Vec<Option<TransactGot>>),
    /// In the order of their ids.
    Shards(Vec<Shard>),
    /// Where the record stands, or would.
    Place(SequenceNumber),
    ShardRecords(Box<ShardRecords>),
    /// `None`: the partition does not know the mapping.
    Trigger(Option<Box<Trigger>>),
    /// So many items had expired and are deleted.
    Expired {
        items: u64,
    },
    Unindexed(Box<Unindexed>),
    Expiries(ExpiriesStatus),
}

/// Sizes are DynamoDB's (`stator_item::size`), 0 where there is no item.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Written {
    /// What `ReturnValues` asked for, in the item encoding; `None` where there is nothing to show.
    pub attributes: Option<Bytes>,
    pub old_bytes: u64,
    pub new_bytes: u64,
    /// Per write of a local index: sizes of the entry before and after. Equal entries are not written; an entry that moves
    /// within its index is deleted and put, which are two writes.
    pub index_bytes: Vec<(IndexNumber, u64, u64)>,
    /// Bytes of the item collection after the write, where asked for.
    pub collection_bytes: Option<u64>,
    /// As `index_bytes`, of the global indexes that the write will come to.
    pub global_bytes: Vec<(TableId, u64, u64)>,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Got {
    /// The item, projected, in the item encoding.
    pub item: Option<Bytes>,
    /// Size of the whole stored item: what the read costs.
    pub read_bytes: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct PageReply {
    /// In order, filtered and projected, in the item encoding. Empty for `count_only`.
    pub items: Vec<Bytes>,
    /// Items that passed the filter.
    pub count: u64,
    /// Items evaluated.
    pub scanned_count: u64,
    /// Size of the evaluated items or index entries.
    pub read_bytes: u64,
    /// With `fetch_items`: the size of each item fetched from the table (each is rounded up by itself).
    pub fetched_bytes: Vec<u64>,
    /// Where the page stopped before the end of its range in this partition; `None`: nothing is left here.
    pub stopped: Option<Position>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IndexCount {
    pub index: IndexNumber,
    pub items: u64,
    pub bytes: u64,
}

/// Why a command has no effect. `api`'s error table turns each into DynamoDB's words.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The condition does not hold. The item as it stands, where asked for.
    #[error("the condition does not hold")]
    ConditionFailed { old_item: Option<Bytes> },
    /// The item that the write would leave is not a legal one; the text is DynamoDB's.
    #[error("{0}")]
    Invalid(String),
    /// An item collection would outgrow its limit (10 GB where there are local indexes).
    #[error("the item collection is full")]
    CollectionFull,
    /// The table is gone, or this partition was closed.
    #[error("the table does not exist")]
    NoSuchTable,
    /// The caller's picture of the partition is old: look again in the catalog, then retry.
    #[error("the partition's epoch is {current}")]
    StaleEpoch { current: u64 },
    /// Another replica leads, maybe the named node's.
    #[error("this replica does not lead")]
    NotLeader { leader: Option<stator_item::NodeId> },
    /// The command's id was born below the mark: whether it had an effect is no longer known.
    #[error("the command is too old to be tried again")]
    TooOld,
    /// Too much waits already; nothing was done.
    #[error("the partition is overloaded")]
    Overloaded,
    /// The deadline passed. A write may still have its effect.
    #[error("the deadline passed")]
    DeadlinePassed,
    /// This replica cannot answer now: starting, without a quorum, or behind.
    #[error("the replica cannot answer now: {0}")]
    Unavailable(String),
    /// The change log is full, as a consumer of it does not keep up: nothing was done.
    #[error("the change log is full")]
    ChangeLogFull,
    /// Another transaction's intent stands on the item.
    #[error("a transaction is under way on the item")]
    TransactionConflict,
    /// Why each write of a transaction, in order, was not prepared.
    #[error("the transaction is cancelled")]
    Cancelled(Cancelled),
    /// The request token came with another payload before.
    #[error("the request token was used for another request")]
    TokenMismatch,
    /// A transaction of the same request token is not decided yet.
    #[error("the request is under way")]
    TransactionInProgress,
    /// The transaction's effects do not fit one entry: it must be prepared.
    #[error("the transaction does not fit one entry")]
    TooLargeForOne,
    /// The items of the transaction have more than 4 MB.
    #[error("the transaction is too large")]
    TransactionTooLarge,
    /// The stream's records have reached their quota: nothing was done.
    #[error("the stream's records have reached their quota")]
    StreamFull,
    /// The stream has no such shard here, or no longer.
    #[error("the stream has no such shard")]
    NoSuchShard,
    /// The place lies before the first record that is kept.
    #[error("the records from there on are not all kept")]
    Trimmed,
    /// More of a capacity was consumed than there is: nothing was done.
    #[error("throttled: {}", .0.reason())]
    Throttled(Box<Throttled>),
}
