//! Intents, decisions and request tokens of one partition.
//!
//! Bounds: intents by their bytes ([`INTENTS_BYTES_MAX`]), request tokens by count ([`REQUESTS_MAX`]), both asked for before more
//! are taken; aborts by age and count, through the mark; commits by the intents that they belong to.

use super::{
    Committed, Decision, Intent, Place, REQUEST_AGE_MS_MAX, RememberedRequest, TransactionChange, TransactionId,
};
use crate::{
    codec, keys,
    rows::{FamilyKind, ReadError, RowWrites},
    state::{REMEMBERED_AGE_MS_MAX, REMEMBERED_COUNT_MAX},
};
use bytes::Bytes;
use stator_item::{PartitionId, TableId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Intents of one partition above which nothing more is prepared.
pub(crate) const INTENTS_BYTES_MAX: usize = 64 << 20;
/// Request tokens of one partition above which no request with a token is taken: to forget one early would break its promise.
pub(crate) const REQUESTS_MAX: usize = 1 << 19;

/// Something that the partition has to see the end of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unfinished {
    /// A transaction has intents here; `place` is that of one of their items.
    Intent { transaction: TransactionId, home: Place, place: Place },
    /// A commit that not all participants are known to have applied.
    Committed { transaction: TransactionId, committed: Committed },
}

impl Unfinished {
    pub fn transaction(&self) -> TransactionId {
        match self {
            Unfinished::Intent { transaction, .. } | Unfinished::Committed { transaction, .. } => *transaction,
        }
    }
}

/// What a stored row is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TransactionsRow {
    Intent { row_key: Bytes },
    Committed(TransactionId),
    Aborted(TransactionId),
    Request { decided_ms: u64, token: String },
}

/// What a partition knows of transactions.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Transactions {
    intents: BTreeMap<Bytes, Arc<Intent>>,
    /// The row keys of each transaction's intents.
    of_transaction: BTreeMap<TransactionId, BTreeSet<Bytes>>,
    intents_bytes: usize,
    committed: BTreeMap<TransactionId, Committed>,
    aborted: BTreeSet<TransactionId>,
    requests: BTreeMap<String, RememberedRequest>,
    requests_by_age: BTreeSet<(u64, String)>,
}

impl Transactions {
    pub fn intent(&self, row_key: &[u8]) -> Option<&Arc<Intent>> {
        self.intents.get(row_key)
    }

    pub fn has_intents(&self) -> bool {
        !self.intents.is_empty()
    }

    /// The row keys of a transaction's intents.
    pub fn intents_of(&self, transaction: TransactionId) -> impl Iterator<Item = &Bytes> {
        self.of_transaction.get(&transaction).into_iter().flatten()
    }

    pub fn is_full(&self) -> bool {
        self.intents_bytes >= INTENTS_BYTES_MAX
    }

    pub fn has_room_for_requests(&self) -> bool {
        self.requests.len() < REQUESTS_MAX
    }

    pub fn committed(&self, transaction: TransactionId) -> Option<&Committed> {
        self.committed.get(&transaction)
    }

    pub fn is_aborted(&self, transaction: TransactionId) -> bool {
        self.aborted.contains(&transaction)
    }

    /// Commits that are not forgotten.
    pub fn committed_all(&self) -> impl Iterator<Item = TransactionId> {
        self.committed.keys().copied()
    }

    pub fn request(&self, token: &str) -> Option<&RememberedRequest> {
        self.requests.get(token)
    }

    /// Whether anything waits for the end of a transaction.
    pub fn is_settled(&self) -> bool {
        self.intents.is_empty() && self.committed.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        *self == Transactions::default()
    }

    /// What waits for the end of a transaction, the oldest first, at most so many of each kind.
    pub fn unfinished(&self, table: TableId, at_most: usize) -> Vec<Unfinished> {
        let committed = self.committed.iter().take(at_most).map(|(transaction, committed)| Unfinished::Committed {
            transaction: *transaction,
            committed: committed.clone(),
        });
        let intents = self.of_transaction.iter().take(at_most).filter_map(|(transaction, row_keys)| {
            let intent = self.intents.get(row_keys.first()?)?;
            let place = Place { table, token: intent.key.token() };
            Some(Unfinished::Intent { transaction: *transaction, home: intent.home, place })
        });
        committed.chain(intents).collect()
    }

    /// The birth (milliseconds) below which aborts should be forgotten now, because too many or too old ones are kept.
    pub fn mark_due(&self, now_ms: u64) -> Option<u64> {
        if self.aborted.len() > REMEMBERED_COUNT_MAX {
            let middle = self.aborted.iter().nth(self.aborted.len() / 4);
            return middle.and_then(|transaction| transaction.birth.wall_ms.checked_add(1));
        }
        let oldest = self.aborted.first()?.birth.wall_ms;
        let too_old = oldest.saturating_add(2 * REMEMBERED_AGE_MS_MAX) <= now_ms;
        too_old.then(|| now_ms - REMEMBERED_AGE_MS_MAX)
    }

    /// Request tokens that were decided before this millisecond can be forgotten now, and some were.
    pub fn requests_due(&self, now_ms: u64) -> Option<u64> {
        let (oldest_ms, _) = self.requests_by_age.first()?;
        let before_ms = now_ms.checked_sub(REQUEST_AGE_MS_MAX)?;
        // Not for each by itself.
        let is_due = oldest_ms.saturating_add(REQUEST_AGE_MS_MAX / 60) < before_ms;
        is_due.then_some(before_ms)
    }

    pub fn apply(&mut self, partition: PartitionId, change: &TransactionChange, writes: &mut RowWrites) {
        match change {
            TransactionChange::Intend { row_key, intent } => {
                writes.put(FamilyKind::State, keys::intent_key(partition, row_key), codec::encode(intent, 256));
                self.intend(row_key.clone(), Arc::new((**intent).clone()));
            }
            TransactionChange::Settle { row_key } => {
                writes.delete(FamilyKind::State, keys::intent_key(partition, row_key));
                self.settle(row_key);
            }
            TransactionChange::Decide { transaction, decision } => {
                self.decide(partition, *transaction, decision, writes)
            }
            TransactionChange::Forget { transaction } => {
                self.committed.remove(transaction);
                writes.delete(FamilyKind::State, keys::committed_key(partition, *transaction));
            }
            TransactionChange::Remember { token, request } => {
                let key = keys::request_key(partition, request.decided_ms, token);
                if let Some(former) = self.remember(token.clone(), request.clone()) {
                    writes.delete(FamilyKind::State, keys::request_key(partition, former.decided_ms, token));
                }
                writes.put(FamilyKind::State, key, codec::encode(request, 64));
            }
            TransactionChange::ForgetRequests { before_ms } => {
                let kept = self.requests_by_age.split_off(&(*before_ms, String::new()));
                for (_, token) in std::mem::replace(&mut self.requests_by_age, kept) {
                    self.requests.remove(&token);
                }
                writes.delete_range(FamilyKind::State, keys::requests_before(partition, *before_ms));
            }
        }
    }

    fn intend(&mut self, row_key: Bytes, intent: Arc<Intent>) {
        self.intents_bytes += intent.bytes() + row_key.len();
        self.of_transaction.entry(intent.transaction).or_default().insert(row_key.clone());
        let replaced = self.intents.insert(row_key, intent);
        assert!(replaced.is_none(), "an item has one intent at a time");
    }

    fn settle(&mut self, row_key: &Bytes) {
        let intent = self.intents.remove(row_key).expect("an intent is settled once");
        self.intents_bytes -= intent.bytes() + row_key.len();
        if let Some(row_keys) = self.of_transaction.get_mut(&intent.transaction) {
            row_keys.remove(row_key);
            if row_keys.is_empty() {
                self.of_transaction.remove(&intent.transaction);
            }
        }
    }

    fn decide(
        &mut self,
        partition: PartitionId,
        transaction: TransactionId,
        decision: &Decision,
        writes: &mut RowWrites,
    ) {
        match decision {
            Decision::Committed(committed) => {
                writes.put(
                    FamilyKind::State,
                    keys::committed_key(partition, transaction),
                    codec::encode(committed, 64 + committed.participants.len() * 16),
                );
                self.committed.insert(transaction, committed.clone());
            }
            Decision::Aborted => {
                writes.put(FamilyKind::State, keys::aborted_key(partition, transaction), codec::encode(&(), 0));
                self.aborted.insert(transaction);
            }
        }
    }

    fn remember(&mut self, token: String, request: RememberedRequest) -> Option<RememberedRequest> {
        self.requests_by_age.insert((request.decided_ms, token.clone()));
        let decided_ms = request.decided_ms;
        let former = self.requests.insert(token.clone(), request).filter(|former| former.decided_ms != decided_ms)?;
        self.requests_by_age.remove(&(former.decided_ms, token));
        Some(former)
    }

    /// Forgets the aborts of transactions born below this millisecond: no command of theirs is taken any more.
    pub fn forget_aborts_below(&mut self, partition: PartitionId, birth_ms: u64, writes: &mut RowWrites) {
        let mark = TransactionId::first_of(birth_ms);
        let kept = self.aborted.split_off(&mark);
        let forgotten = std::mem::replace(&mut self.aborted, kept);
        if !forgotten.is_empty() {
            writes.delete_range(FamilyKind::State, keys::aborted_below(partition, mark));
        }
    }

    /// The table is gone. Decisions stay: others may still ask for them.
    pub fn close(&mut self, partition: PartitionId, writes: &mut RowWrites) {
        writes.delete_range(FamilyKind::State, keys::intents_bounds(partition));
        writes.delete_range(FamilyKind::State, keys::requests_bounds(partition));
        let (committed, aborted) = (std::mem::take(&mut self.committed), std::mem::take(&mut self.aborted));
        *self = Transactions { committed, aborted, ..Transactions::default() };
    }

    /// Takes a stored row.
    pub fn load_row(&mut self, row: TransactionsRow, value: &[u8]) -> Result<(), ReadError> {
        match row {
            TransactionsRow::Intent { row_key } => {
                let intent: Intent = decoded(value)?;
                self.intend(row_key, Arc::new(intent));
            }
            TransactionsRow::Committed(transaction) => {
                self.committed.insert(transaction, decoded(value)?);
            }
            TransactionsRow::Aborted(transaction) => {
                decoded::<()>(value)?;
                self.aborted.insert(transaction);
            }
            TransactionsRow::Request { decided_ms, token } => {
                let request: RememberedRequest = decoded(value)?;
                if request.decided_ms != decided_ms {
                    return Err(ReadError::damaged(
                        "state row",
                        "a request token stands under another time than its own",
                    ));
                }
                self.remember(token, request);
            }
        }
        Ok(())
    }
}

fn decoded<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, ReadError> {
    codec::decode("state row", value).map_err(|error| ReadError::damaged("state row", error))
}
