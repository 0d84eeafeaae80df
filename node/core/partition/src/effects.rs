//! What commands change, fully evaluated, and the entry in which the leader replicates it.

use crate::{
    command::CommandId,
    global_index::Backfill,
    reply::{Refusal, Reply},
    transaction::{CancellationReason, TransactionChange},
    trigger::TriggerChange,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::{TableDescription, TokenRange};
use stator_changelog::{ChangeRecord, SequenceNumber};
use stator_item::{IndexNumber, TableId, Timestamp};

/// A row of the family `Items` that is put or, without a value, deleted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RowWrite {
    pub key: Bytes,
    pub value: Option<Bytes>,
}

/// How counters change.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CountChange {
    pub index: IndexNumber,
    pub items: i64,
    pub bytes: i64,
}

/// What one command changes.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Effects {
    pub rows: Vec<RowWrite>,
    pub counts: Vec<CountChange>,
    pub change: Option<ChangeRecord>,
    /// The command and its reply, kept so that a repeat has no second effect.
    pub remembered: Option<Remembered>,
    pub state: Option<StateChange>,
    pub transaction: Vec<TransactionChange>,
    /// The effects of each item of a transaction: applied one after the other, before these.
    pub items: Vec<ItemEffects>,
}

/// What a transaction changes of one item.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ItemEffects {
    pub rows: Vec<RowWrite>,
    pub counts: Vec<CountChange>,
    pub change: Option<ChangeRecord>,
}

impl From<Effects> for ItemEffects {
    fn from(Effects { rows, counts, change, remembered, state, transaction, items }: Effects) -> ItemEffects {
        debug_assert!(remembered.is_none() && state.is_none(), "these are a command's, not an item's");
        debug_assert!(transaction.is_empty() && items.is_empty(), "these are a command's, not an item's");
        ItemEffects { rows, counts, change }
    }
}

impl ItemEffects {
    /// About how many bytes the effects take, in memory and in a log entry.
    pub fn bytes(&self) -> usize {
        EFFECTS_HEADER_BYTES + written_bytes(&self.rows, self.change.as_ref())
    }
}

fn length(bytes: &Option<Bytes>) -> usize {
    bytes.as_ref().map_or(0, Bytes::len)
}

fn written_bytes(rows: &[RowWrite], change: Option<&ChangeRecord>) -> usize {
    let rows: usize = rows.iter().map(|row| row.key.len() + length(&row.value)).sum();
    rows + change.map_or(0, |change| length(&change.old_image) + length(&change.new_image))
}

impl Effects {
    /// About how many bytes the effects take, in memory and in a log entry.
    pub fn bytes(&self) -> usize {
        let written = written_bytes(&self.rows, self.change.as_ref());
        let shown = match self.remembered.as_ref().map(|remembered| &remembered.outcome) {
            Some(Ok(Reply::Written(written))) => length(&written.attributes),
            Some(Err(Refusal::ConditionFailed { old_item })) => length(old_item),
            Some(Err(Refusal::Cancelled(reasons))) => reasons.iter().flatten().map(CancellationReason::bytes).sum(),
            _ => 0,
        };
        let state = match &self.state {
            Some(StateChange::Trigger(change)) => change.bytes(),
            _ => 0,
        };
        let transaction: usize = self.transaction.iter().map(TransactionChange::bytes).sum();
        let items: usize = self.items.iter().map(ItemEffects::bytes).sum();
        EFFECTS_HEADER_BYTES + written + shown + state + transaction + items
    }
}

/// What the effects of a command take beside the bytes of rows and items: ids, timestamps, counters, lengths.
const EFFECTS_HEADER_BYTES: usize = 256;

/// A command that had its effect, and what it was answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Remembered {
    pub id: CommandId,
    pub birth: Timestamp,
    pub outcome: Result<Reply, Refusal>,
}

/// Changes of what the partition knows beside rows.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum StateChange {
    Describe(Box<TableDescription>),
    Close,
    MoveCursor {
        consumer: String,
        to: SequenceNumber,
    },
    TrimChanges {
        to: SequenceNumber,
    },
    RaiseMark {
        birth_ms: u64,
    },
    /// An index's partition has everything of that source up to there.
    Receive {
        source: TokenRange,
        up_to: SequenceNumber,
    },
    MoveFeed {
        index: TableId,
        to: SequenceNumber,
        backfill: Backfill,
    },
    /// Shards of streams that were opened before the one millisecond roll, those closed before the other are dropped.
    KeepStreams {
        roll_before_ms: u64,
        drop_before_ms: u64,
    },
    Trigger(TriggerChange),
    /// So many of the items that were there before time to live are in the order of their expiry.
    IndexExpiries {
        attribute: String,
        backfill: Backfill,
    },
}

/// Names an entry among those of its partition: from 1 on, rising. Numbers are never used twice within a term: an entry whose
/// proposal was given up may still be committed, and nothing evaluated on its successor of the same number may follow it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct EntryNumber(pub u64);

/// One Raft entry: everything that waited when it was packed.
///
/// It has no effect unless the log's term is `term` and the last entry that had effect is `after`: within a term one
/// proposal can be refused and the next accepted, and what was evaluated on the refused one must become nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Term in which the leader evaluated it.
    pub term: u64,
    /// Above `after`.
    pub number: EntryNumber,
    /// The entry on top of which it was evaluated.
    pub after: EntryNumber,
    /// Timestamp of the evaluation; the partition's timestamps only rise.
    pub timestamp: Timestamp,
    pub effects: Vec<Effects>,
}
