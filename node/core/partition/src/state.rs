//! What a partition remembers beside its rows. Changes only by [`apply`](crate::apply::apply).
//!
//! Guarantees: the rows that apply writes of it, loaded again, are the same state; every replica at one applied entry has
//! the same. Bounds: remembered ids by count, bytes and age ([`mark_due`](PartitionState::mark_due)), consumers by
//! [`CONSUMERS_MAX`], transactions as [`transaction`](crate::transaction) says, all else by the table's description.

mod expiries;
mod feeds;
mod remembered;
mod streams;
#[cfg(test)]
mod tests;
mod triggers;

pub(crate) use expiries::Expiries;
pub(crate) use remembered::RememberedId;
pub use remembered::{REMEMBERED_AGE_MS_MAX, REMEMBERED_BYTES_MAX, REMEMBERED_COUNT_MAX, RememberedIds};
pub use streams::{STREAM_BYTES_MAX, shard_tail};

use crate::{
    codec::{self, CodecError},
    command::{Command, CommandId},
    effects::EntryNumber,
    global_index::{IndexFeed, LogSize, Received},
    keys::{self, StateKey},
    reply::{IndexCount, Refusal, Reply},
    rows::{FamilyKind, ReadError, ReadRows, RowWrites, items_bounds, visit_all},
    rows_needed::item_row_key,
    transaction::{Decision, Intent, Transactions, Unfinished},
    trigger::Trigger,
};
use serde::{Deserialize, Serialize};
use stator_catalog::{GlobalIndex, LocalIndex, MappingId, StreamLabel, TableDescription, TokenRange};
use stator_changelog::{Cursors, Lineage, SequenceNumber};
use stator_item::{Bounds, IndexNumber, Key, PartitionId, TableId, Timestamp};
use std::{collections::BTreeMap, sync::Arc};

/// Most consumers of one change log.
pub const CONSUMERS_MAX: usize = 64;
/// The epoch of a partition that was made for a new table.
const FIRST_EPOCH: u64 = 1;

/// Longest name of a consumer.
pub const CONSUMER_NAME_BYTES_MAX: usize = 255;

/// How far a partition has come: what changes with every entry, in one row.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Progress {
    pub table: TableId,
    pub tokens: TokenRange,
    /// Changes only by an entry. A change of replicas is none: the catalog's epoch may be above this one.
    pub epoch: u64,
    pub closed: bool,
    pub last_entry: EntryNumber,
    pub last_timestamp: Timestamp,
    /// Commands born before this millisecond are refused.
    pub mark_ms: u64,
    /// The first change record that is kept, or where the next one goes if none is.
    pub first_change: SequenceNumber,
    pub last_change: SequenceNumber,
    /// Bytes of all change records ever written.
    pub change_bytes: u64,
    /// The last entry that deleted an item: the version of all items that are not there.
    pub last_delete: EntryNumber,
}

/// The state of one partition.
#[derive(Clone, PartialEq, Debug)]
pub struct PartitionState {
    pub(crate) partition: PartitionId,
    pub(crate) progress: Progress,
    pub(crate) description: Option<Arc<TableDescription>>,
    pub(crate) remembered: RememberedIds,
    pub(crate) counts: BTreeMap<IndexNumber, IndexCount>,
    pub(crate) cursors: Cursors,
    /// The global indexes that this partition, one of a table, feeds.
    pub(crate) feeds: Arc<BTreeMap<TableId, IndexFeed>>,
    /// What this partition, one of a global index, has of its sources.
    pub(crate) received: Received,
    pub(crate) log_size: LogSize,
    pub(crate) transactions: Transactions,
    /// The streams that have shards here.
    pub(crate) streams: Arc<BTreeMap<StreamLabel, Lineage>>,
    /// The mappings that read streams here.
    pub(crate) triggers: Arc<BTreeMap<MappingId, Trigger>>,
    /// Items lie here in the order of their expiry.
    pub(crate) expiries: Option<Arc<Expiries>>,
}

/// What answering reads needs of a state; cheap to take, so that the state is not held while rows are read.
#[derive(Clone, Debug)]
pub struct ReadState {
    pub(crate) partition: PartitionId,
    pub(crate) progress: Progress,
    pub(crate) description: Option<Arc<TableDescription>>,
    pub(crate) counts: Vec<IndexCount>,
    pub(crate) feeds: Arc<BTreeMap<TableId, IndexFeed>>,
    pub(crate) streams: Arc<BTreeMap<StreamLabel, Lineage>>,
    pub(crate) triggers: Arc<BTreeMap<MappingId, Trigger>>,
    /// Items lie here in the order of their expiry.
    pub(crate) expiries: Option<Arc<Expiries>>,
    /// Intents on the items that the command asks for, by row key. Only for strong reads of single items.
    pub(crate) intents: BTreeMap<Vec<u8>, Arc<Intent>>,
    /// The decision that the command asks for.
    pub(crate) decision: Option<Decision>,
}

impl PartitionState {
    /// A partition that has applied nothing. Every replica begins with the same, whenever it is made: what the catalog says of
    /// the partition by then, its epoch above all, has changed since.
    pub fn new(partition: PartitionId, table: TableId, tokens: TokenRange) -> PartitionState {
        let progress = Progress {
            table,
            tokens,
            epoch: FIRST_EPOCH,
            closed: false,
            last_entry: EntryNumber(0),
            last_timestamp: Timestamp::MIN,
            mark_ms: 0,
            first_change: SequenceNumber(1),
            last_change: SequenceNumber(0),
            change_bytes: 0,
            last_delete: EntryNumber(0),
        };
        PartitionState {
            partition,
            progress,
            description: None,
            remembered: RememberedIds::default(),
            counts: BTreeMap::new(),
            cursors: Cursors::default(),
            feeds: Arc::default(),
            received: Received::default(),
            log_size: LogSize::default(),
            transactions: Transactions::default(),
            streams: Arc::default(),
            triggers: Arc::default(),
            expiries: None,
        }
    }

    /// The rows of a state that [`new`](PartitionState::new) has just made.
    pub fn first_rows(&self) -> RowWrites {
        let mut writes = RowWrites::default();
        self.write_progress(&mut writes);
        writes
    }

    /// The state from its rows; `None`: this partition has none here.
    pub fn load(partition: PartitionId, rows: &dyn ReadRows) -> Result<Option<PartitionState>, ReadError> {
        let mut loading = Loading::default();
        visit_all(rows, FamilyKind::State, &keys::state_bounds(partition), |key, value| {
            loading.take(partition, key, value)
        })?;
        loading.finish(partition)
    }

    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    pub fn table(&self) -> TableId {
        self.progress.table
    }

    /// `None` before the first description is applied.
    pub fn description(&self) -> Option<&Arc<TableDescription>> {
        self.description.as_ref()
    }

    pub fn tokens(&self) -> TokenRange {
        self.progress.tokens
    }

    pub fn epoch(&self) -> u64 {
        self.progress.epoch
    }

    /// The table was deleted: no rows are left, and nothing is answered.
    pub fn is_closed(&self) -> bool {
        self.progress.closed
    }

    /// The last entry that had effect.
    pub fn last_entry(&self) -> EntryNumber {
        self.progress.last_entry
    }

    pub fn last_timestamp(&self) -> Timestamp {
        self.progress.last_timestamp
    }

    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// First and last change record that is kept; `None`: none is.
    pub fn changes(&self) -> Option<(SequenceNumber, SequenceNumber)> {
        let (first, last) = (self.progress.first_change, self.progress.last_change);
        (first <= last).then_some((first, last))
    }

    /// The local indexes whose entries lie here. A global index has none.
    fn local_indexes(&self) -> &[LocalIndex] {
        let table = self.description.as_ref().filter(|table| table.id == self.progress.table);
        table.map(|table| table.local_indexes.as_slice()).unwrap_or_default()
    }

    /// Whose partition this is, if it is a global index's and described.
    pub fn global_index(&self) -> Option<&GlobalIndex> {
        self.description.as_ref()?.global_index_by_id(self.progress.table)
    }

    /// Items and bytes, of the table and of each local index; in a partition of a global index, of its entries.
    pub fn counts(&self) -> Vec<IndexCount> {
        let local = self.local_indexes().iter().map(|index| index.number);
        let count = |index| self.counts.get(&index).copied().unwrap_or(IndexCount { index, ..IndexCount::default() });
        [IndexNumber::ITEMS].into_iter().chain(local).map(count).collect()
    }

    /// The birth (milliseconds) below which ids should be forgotten now, because too many or too old ones are kept.
    pub fn mark_due(&self, now_ms: u64) -> Option<u64> {
        let due = self.remembered.mark_due(now_ms).max(self.transactions.mark_due(now_ms));
        due.filter(|mark_ms| *mark_ms > self.progress.mark_ms)
    }

    /// The ranges of the family `Items` that hold the partition's rows.
    pub fn items_bounds(&self) -> Vec<Bounds> {
        let local: Vec<IndexNumber> = self.local_indexes().iter().map(|index| index.number).collect();
        items_bounds(self.progress.table, self.progress.tokens, &local, self.expiries.is_some())
    }

    /// What reads need, as of now. Take it together with the view of the rows, between two applies.
    pub fn for_reads(&self) -> ReadState {
        ReadState {
            partition: self.partition,
            progress: self.progress.clone(),
            description: self.description.clone(),
            counts: self.counts(),
            feeds: self.feeds.clone(),
            streams: self.streams.clone(),
            triggers: self.triggers.clone(),
            expiries: self.expiries.clone(),
            intents: BTreeMap::new(),
            decision: None,
        }
    }

    /// The same for a strong read, which must not miss what transactions have prepared or decided.
    pub fn for_strong_read(&self, command: &Command) -> ReadState {
        let mut state = self.for_reads();
        match command {
            Command::Get(get) => state.note_intents(&self.transactions, std::iter::once(&get.key)),
            Command::TransactGet(get) => {
                state.note_intents(&self.transactions, get.gets.iter().map(|get| &get.key));
            }
            Command::Decision { transaction } => {
                let aborted = self.transactions.is_aborted(*transaction).then_some(Decision::Aborted);
                let committed = self.transactions.committed(*transaction);
                state.decision = committed.map(|committed| Decision::Committed(committed.clone())).or(aborted);
            }
            _ => {}
        }
        state
    }

    /// What waits here for the end of a transaction, the oldest first, at most so many of each kind.
    pub fn unfinished_transactions(&self, at_most: usize) -> Vec<Unfinished> {
        self.transactions.unfinished(self.progress.table, at_most)
    }

    /// Whether no transaction waits here for its end.
    pub fn is_settled(&self) -> bool {
        self.transactions.is_settled()
    }

    /// Request tokens that were decided before this millisecond should be forgotten now.
    pub fn requests_due(&self, now_ms: u64) -> Option<u64> {
        self.transactions.requests_due(now_ms)
    }

    /// What the command of that id was answered, if it is remembered.
    pub(crate) fn outcome(&self, birth: Timestamp, id: CommandId) -> Result<Option<Result<Reply, Refusal>>, ReadError> {
        self.remembered.get(birth, id).map(|stored| codec::decode_outcome(stored).map_err(damaged)).transpose()
    }

    pub(crate) fn write_progress(&self, writes: &mut RowWrites) {
        writes.put(FamilyKind::State, keys::progress_key(self.partition), codec::encode(&self.progress, 128));
    }

    pub(crate) fn write_counts(&self, writes: &mut RowWrites) {
        let counts: Vec<IndexCount> = self.counts.values().copied().collect();
        writes.put(FamilyKind::State, keys::counts_key(self.partition), codec::encode(&counts, 64));
    }
}

impl ReadState {
    fn note_intents<'k>(&mut self, transactions: &Transactions, keys: impl Iterator<Item = &'k Key>) {
        let Some(table) = self.description.clone().filter(|_| transactions.has_intents()) else { return };
        for row_key in keys.map(|key| item_row_key(&table, key)) {
            if let Some(intent) = transactions.intent(&row_key) {
                self.intents.insert(row_key, intent.clone());
            }
        }
    }
}

/// A state whose rows are being read.
#[derive(Default)]
struct Loading {
    progress: Option<Progress>,
    description: Option<Arc<TableDescription>>,
    remembered: RememberedIds,
    counts: BTreeMap<IndexNumber, IndexCount>,
    cursors: Cursors,
    feeds: BTreeMap<TableId, IndexFeed>,
    received: Received,
    log_size: LogSize,
    transactions: Transactions,
    streams: BTreeMap<StreamLabel, Lineage>,
    triggers: BTreeMap<MappingId, Trigger>,
    expiries: Option<Arc<Expiries>>,
}

impl Loading {
    fn take(&mut self, partition: PartitionId, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        let unknown = || ReadError::damaged("state row", "its key is of no known kind");
        match keys::parse_state_key(partition, key).ok_or_else(unknown)? {
            StateKey::Progress => self.progress = Some(decoded(value)?),
            StateKey::Description => self.description = Some(Arc::new(decoded(value)?)),
            StateKey::Counts => {
                let counts: Vec<IndexCount> = decoded(value)?;
                self.counts = counts.into_iter().map(|count| (count.index, count)).collect();
            }
            StateKey::Cursor { consumer } => {
                self.cursors.advance(&consumer, decoded(value)?);
            }
            StateKey::Remembered { entry } => {
                let mark_ms = self.progress.as_ref().map_or(0, |progress| progress.mark_ms);
                self.remembered.load_row(entry, decoded(value)?, mark_ms);
            }
            StateKey::Feed { index } => {
                self.feeds.insert(index, decoded(value)?);
            }
            StateKey::Received { first } => self.received.load(first, decoded(value)?),
            StateKey::LogMark { record } => self.log_size.load(record, decoded(value)?),
            StateKey::Stream { label } => {
                self.streams.insert(label, decoded(value)?);
            }
            StateKey::Trigger { mapping } => {
                self.triggers.insert(mapping, decoded(value)?);
            }
            StateKey::Expiries => self.expiries = Some(Arc::new(decoded(value)?)),
            StateKey::Transactions(row) => self.transactions.load_row(row, value)?,
        }
        Ok(())
    }

    fn finish(self, partition: PartitionId) -> Result<Option<PartitionState>, ReadError> {
        let others = self.description.is_some()
            || !(self.cursors.is_empty() && self.counts.is_empty() && self.remembered.is_empty())
            || !self.transactions.is_empty();
        match self.progress {
            None if others => Err(ReadError::damaged("partition state", "the row of its progress is missing")),
            None => Ok(None),
            Some(progress) => Ok(Some(PartitionState {
                partition,
                progress,
                description: self.description,
                remembered: self.remembered,
                counts: self.counts,
                cursors: self.cursors,
                feeds: Arc::new(self.feeds),
                received: self.received,
                log_size: self.log_size,
                transactions: self.transactions,
                streams: Arc::new(self.streams),
                triggers: Arc::new(self.triggers),
                expiries: self.expiries,
            })),
        }
    }
}

fn decoded<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, ReadError> {
    codec::decode("state row", value).map_err(damaged)
}

fn damaged(error: CodecError) -> ReadError {
    ReadError::damaged("state row", error)
}
