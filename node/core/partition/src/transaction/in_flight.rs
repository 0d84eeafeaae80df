//! The overlay's part of transactions: what is evaluated and not yet applied.

use super::{Committed, Decision, Intent, RememberedRequest, TransactionChange, TransactionId};
use crate::effects::EntryNumber;
use bytes::Bytes;
use std::{collections::BTreeMap, sync::Arc};

/// Something in flight, and the entry that carries it.
type InFlight<T> = (T, EntryNumber);

/// Changes of transactions in flight. Small: what is applied is let go of.
#[derive(Debug, Default)]
pub(crate) struct TransactionsInFlight {
    /// `None`: the intent is taken away.
    intents: BTreeMap<Bytes, InFlight<Option<Arc<Intent>>>>,
    /// `None`: the commit is forgotten.
    committed: BTreeMap<TransactionId, InFlight<Option<Committed>>>,
    aborted: BTreeMap<TransactionId, EntryNumber>,
    requests: BTreeMap<String, InFlight<RememberedRequest>>,
}

impl TransactionsInFlight {
    pub fn add(&mut self, entry: EntryNumber, change: &TransactionChange) {
        match change {
            TransactionChange::Intend { row_key, intent } => {
                self.intents.insert(row_key.clone(), (Some(Arc::new((**intent).clone())), entry));
            }
            TransactionChange::Settle { row_key } => {
                self.intents.insert(row_key.clone(), (None, entry));
            }
            TransactionChange::Decide { transaction, decision: Decision::Committed(committed) } => {
                self.committed.insert(*transaction, (Some(committed.clone()), entry));
            }
            TransactionChange::Decide { transaction, decision: Decision::Aborted } => {
                self.aborted.insert(*transaction, entry);
            }
            TransactionChange::Forget { transaction } => {
                self.committed.insert(*transaction, (None, entry));
            }
            TransactionChange::Remember { token, request } => {
                self.requests.insert(token.clone(), (request.clone(), entry));
            }
            // What is forgotten is too old to be found, applied or not.
            TransactionChange::ForgetRequests { .. } => {}
        }
    }

    /// Lets go of what the entries up to `applied` carried.
    pub fn release(&mut self, applied: EntryNumber) {
        self.intents.retain(|_, (_, entry)| *entry > applied);
        self.committed.retain(|_, (_, entry)| *entry > applied);
        self.aborted.retain(|_, entry| *entry > applied);
        self.requests.retain(|_, (_, entry)| *entry > applied);
    }

    pub fn intent(&self, row_key: &[u8]) -> Option<&InFlight<Option<Arc<Intent>>>> {
        self.intents.get(row_key)
    }

    /// Intents of the transaction in flight: left, or taken away.
    pub fn intents(&self) -> impl Iterator<Item = (&Bytes, &InFlight<Option<Arc<Intent>>>)> {
        self.intents.iter()
    }

    pub fn committed(&self, transaction: TransactionId) -> Option<&InFlight<Option<Committed>>> {
        self.committed.get(&transaction)
    }

    /// A commit in flight that is not forgotten, and the newest entry that touches any.
    pub fn committed_all(&self) -> impl Iterator<Item = (TransactionId, &InFlight<Option<Committed>>)> {
        self.committed.iter().map(|(transaction, committed)| (*transaction, committed))
    }

    pub fn aborted(&self, transaction: TransactionId) -> Option<EntryNumber> {
        self.aborted.get(&transaction).copied()
    }

    pub fn request(&self, token: &str) -> Option<&InFlight<RememberedRequest>> {
        self.requests.get(token)
    }
}
