//! What a client asks of one partition. Everything in a command was validated by `api`; the partition checks what only
//! it can know: conditions, sizes after an update, index keys, its token range.

use crate::expiry::{Expire, IndexExpiries};
use crate::global_index::{Backfill, Delivery};
use crate::stream::{ReadShard, RecordPlace};
use crate::transaction::{Decide, Finish, Prepare, TransactGet, TransactOne, TransactionId};
use crate::trigger::TriggerChange;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::{MappingId, StreamLabel, TableDescription, TokenRange};
use stator_changelog::{ChangedBy, SequenceNumber, ShardId};
use stator_expression::{Condition, Projection, RangeCondition, Update};
use stator_item::{IndexNumber, Key, KeyPart, TableId};

/// Names a command, however often it is sent: a repeat has the effect and the reply of the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct CommandId(pub u128);

/// What a command asks for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Command {
    Put(Put),
    Update(UpdateItem),
    Delete(Delete),
    Get(Get),
    Page(Page),
    /// Item and byte counters of the table and its local indexes, as this partition holds them.
    Count,
    /// The table's description, sent by the catalog. Lower or equal versions change nothing.
    Describe(Box<TableDescription>),
    /// The table is deleted: the partition drops its rows and refuses everything from now on.
    Close,
    /// Change records after a sequence number, at most so many bytes of them.
    ReadChanges {
        after: SequenceNumber,
        bytes_max: u64,
    },
    /// A consumer has durably dealt with everything up to here. Never moves backwards.
    MoveCursor {
        consumer: String,
        to: SequenceNumber,
    },
    /// Change records up to here may be dropped, as far as every cursor allows.
    TrimChanges {
        to: SequenceNumber,
    },
    /// Remembered ids of commands born before this (HLC wall milliseconds) may be forgotten.
    RaiseMark {
        birth_ms: u64,
    },
    /// Changes of a global index's rows, from a partition of its table.
    Deliver(Box<Delivery>),
    /// What is to be brought to a global index next: behind `after` or, without one, behind its cursor.
    ReadFeed {
        index: TableId,
        after: Option<SequenceNumber>,
        bytes_max: u64,
    },
    /// All partitions of a global index durably have everything up to `to`, and that much of its backfill. Never moves
    /// backwards.
    MoveFeed {
        index: TableId,
        to: SequenceNumber,
        backfill: Backfill,
    },
    /// How the global indexes stand that this partition feeds.
    ShowFeeds,
    TransactOne(Box<TransactOne>),
    Prepare(Box<Prepare>),
    Decide(Box<Decide>),
    Finish(Finish),
    /// Every participant of these commits has applied its part. At most [`FORGET_AT_ONCE_MAX`](crate::transaction::FORGET_AT_ONCE_MAX).
    Forget {
        transactions: Vec<TransactionId>,
    },
    /// Request tokens that were decided before this (wall milliseconds) may be forgotten.
    ForgetRequests {
        before_ms: u64,
    },
    /// A transaction's decision, as it stands.
    Decision {
        transaction: TransactionId,
    },
    TransactGet(Box<TransactGet>),
    /// A stream's shards whose ids come after `after`, in their order, at most so many.
    ShowShards {
        stream: StreamLabel,
        after: Option<ShardId>,
        shards_max: u64,
    },
    /// A place in a shard, to read from.
    FindRecord {
        stream: StreamLabel,
        shard: ShardId,
        place: RecordPlace,
    },
    ReadShard(Box<ReadShard>),
    /// Rolls shards with records that were opened before the one millisecond, drops those that were closed before the other.
    KeepStreams {
        roll_before_ms: u64,
        drop_before_ms: u64,
    },
    ChangeTrigger(TriggerChange),
    /// How far an event source mapping has come.
    ShowTrigger {
        mapping: MappingId,
    },
    /// Deletes items that have expired.
    Expire(Box<Expire>),
    /// Items that were there before time to live, to be put in the order of their expiry next.
    ReadUnindexed,
    IndexExpiries(Box<IndexExpiries>),
    /// By which attribute items expire here, and whether all are in that order.
    ShowExpiries,
}

/// `ReturnValues`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Returns {
    #[default]
    None,
    AllOld,
    UpdatedOld,
    AllNew,
    UpdatedNew,
}

/// What a write carries beside its change.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct WriteOptions {
    pub condition: Option<Condition>,
    pub returns: Returns,
    /// `ReturnValuesOnConditionCheckFailure` is ALL_OLD.
    pub old_item_on_failure: bool,
    /// `ReturnItemCollectionMetrics` is SIZE, and the table has a local index.
    pub collection_size: bool,
    pub by: ChangedBy,
}

impl Command {
    /// Says who writes, if this writes items.
    pub fn set_writer(&mut self, by: ChangedBy) {
        match self {
            Command::Put(put) => put.options.by = by,
            Command::Update(update) => update.options.by = by,
            Command::Delete(delete) => delete.options.by = by,
            _ => {}
        }
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Put {
    pub key: Key,
    /// The whole item, keys included, as `stator_item::row` encodes items.
    pub item: Bytes,
    pub options: WriteOptions,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct UpdateItem {
    pub key: Key,
    /// `None`: an UpdateItem without an expression, which makes the item if it is not there.
    pub update: Option<Update>,
    pub options: WriteOptions,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Delete {
    pub key: Key,
    pub options: WriteOptions,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Get {
    pub key: Key,
    pub projection: Option<Projection>,
}

/// One page of a Query or Scan, as far as it lies in this partition.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Page {
    pub index: IndexNumber,
    pub range: PageRange,
    /// Goes on behind this place; it need not exist.
    pub after: Option<Position>,
    pub backward: bool,
    /// At most so many items are *evaluated* (`Limit`).
    pub items_max: Option<u64>,
    /// Ends after the item with which the size of the evaluated ones reaches this (1 MB less what earlier partitions used).
    pub bytes_max: u64,
    pub filter: Option<Condition>,
    /// What of each item to answer; `None`: all that the index holds.
    pub projection: Option<Projection>,
    /// For a local index: fetch the whole item from the table, as attributes outside the index are asked for.
    pub fetch_items: bool,
    /// `Select=COUNT`: answer no items.
    pub count_only: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum PageRange {
    /// A Query.
    Hash { hash: KeyPart, range: Option<RangeCondition> },
    /// A Scan, of all tokens or of a parallel segment's.
    Tokens(TokenRange),
    /// A Query of a global index: all parts of its hash key, equal range parts from the left, then maybe a condition on the
    /// next one.
    Compound { hash: Vec<KeyPart>, equal: Vec<KeyPart>, range: Option<RangeCondition> },
}

/// A place in an index: the keys of `ExclusiveStartKey` and `LastEvaluatedKey`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position {
    pub key: Key,
    /// The index's range key, where the place is in a local index.
    pub index_range: Option<KeyPart>,
    /// All parts of the index's key, where the place is in a global index.
    pub index_key: Vec<KeyPart>,
}

impl Command {
    /// Whether the command may change something, and so bears an id and passes through the log.
    pub fn is_write(&self) -> bool {
        !matches!(
            self,
            Command::Get(_)
                | Command::Page(_)
                | Command::Count
                | Command::ReadChanges { .. }
                | Command::ReadFeed { .. }
                | Command::ShowFeeds
                | Command::Decision { .. }
                | Command::TransactGet(_)
                | Command::ShowShards { .. }
                | Command::FindRecord { .. }
                | Command::ReadShard(_)
                | Command::ShowTrigger { .. }
                | Command::ReadUnindexed
                | Command::ShowExpiries
        )
    }

    /// Whether only a leader may answer it.
    pub fn must_be_strong(&self) -> bool {
        self.is_write()
            || matches!(
                self,
                Command::Decision { .. }
                    | Command::TransactGet(_)
                    | Command::ShowShards { .. }
                    | Command::FindRecord { .. }
                    | Command::ReadShard(_)
                    | Command::ShowTrigger { .. }
                    | Command::ReadUnindexed
                    | Command::ShowExpiries
            )
    }

    /// Whether it may be a request of the client that was carried out before, and is answered as such.
    pub fn has_request_token(&self) -> bool {
        match self {
            Command::TransactOne(one) => one.request.is_some(),
            Command::Prepare(prepare) => prepare.request.is_some(),
            _ => false,
        }
    }

    /// Whether it brings a begun transaction to its end: there is always room for those.
    pub fn ends_transaction(&self) -> bool {
        matches!(self, Command::Decide(_) | Command::Finish(_) | Command::Forget { .. })
    }
}
