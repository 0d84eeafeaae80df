//! Reads of one evaluation: applied state and rows under the overlay. Notes the newest entry in flight that was seen.

use super::Base;
use crate::{
    command::CommandId,
    effects::{EntryNumber, RowWrite},
    reply::{Refusal, Reply},
    rows::ReadError,
    state::PartitionState,
    transaction::{Decision, Intent, RememberedRequest, TransactionId},
};
use bytes::Bytes;
use stator_catalog::{TableDescription, TokenRange};
use stator_changelog::SequenceNumber;
use stator_item::{Timestamp, Token};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(crate) struct Reading<'a> {
    base: &'a Base<'a>,
    based_on: Option<EntryNumber>,
    /// Rows as the command itself leaves them, item by item.
    written: BTreeMap<Bytes, Option<Bytes>>,
}

impl<'a> Reading<'a> {
    pub fn new(base: &'a Base<'a>) -> Reading<'a> {
        Reading { base, based_on: None, written: BTreeMap::new() }
    }

    pub fn based_on(&self) -> Option<EntryNumber> {
        self.based_on
    }

    /// Of what only rises, or is looked at without harm before it is applied: the applied state.
    pub fn state(&self) -> &'a PartitionState {
        self.base.state
    }

    pub fn row(&mut self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        if let Some(written) = self.written.get(key) {
            return Ok(written.clone());
        }
        match self.base.overlay.row(key) {
            Some((value, entry)) => {
                self.saw(entry);
                Ok(value)
            }
            None => self.base.rows.get(key),
        }
    }

    /// The command goes on with another item, on top of these rows.
    pub fn wrote(&mut self, rows: &[RowWrite]) {
        self.written.extend(rows.iter().map(|row| (row.key.clone(), row.value.clone())));
    }

    /// The intent on the item with that row key.
    pub fn intent(&mut self, row_key: &[u8]) -> Option<Arc<Intent>> {
        match self.base.overlay.transactions().intent(row_key) {
            Some((intent, entry)) => {
                self.saw(*entry);
                intent.clone()
            }
            None => self.base.state.transactions.intent(row_key).cloned(),
        }
    }

    /// The intents of a transaction, by row key.
    pub fn intents_of(&mut self, transaction: TransactionId) -> BTreeMap<Bytes, Arc<Intent>> {
        let state = &self.base.state.transactions;
        let applied = state.intents_of(transaction);
        let mut intents: BTreeMap<Bytes, Arc<Intent>> =
            applied.filter_map(|row_key| Some((row_key.clone(), state.intent(row_key)?.clone()))).collect();
        for (row_key, (intent, entry)) in self.base.overlay.transactions().intents() {
            match intent {
                Some(intent) if intent.transaction == transaction => {
                    intents.insert(row_key.clone(), intent.clone());
                }
                // Whoever took it away, another transaction's may stand there by now.
                Some(_) | None if intents.remove(row_key).is_some() => {}
                Some(_) | None => continue,
            }
            self.saw(*entry);
        }
        intents
    }

    /// What was decided of a transaction.
    pub fn decision(&mut self, transaction: TransactionId) -> Option<Decision> {
        let in_flight = self.base.overlay.transactions();
        if let Some(entry) = in_flight.aborted(transaction) {
            self.saw(entry);
            return Some(Decision::Aborted);
        }
        if let Some((committed, entry)) = in_flight.committed(transaction) {
            self.saw(*entry);
            return committed.clone().map(Decision::Committed);
        }
        let state = &self.base.state.transactions;
        let aborted = || state.is_aborted(transaction).then_some(Decision::Aborted);
        state.committed(transaction).cloned().map(Decision::Committed).or_else(aborted)
    }

    /// Whether a commit stands that is not forgotten.
    pub fn has_commits(&mut self) -> bool {
        let in_flight: Vec<_> = self.base.overlay.transactions().committed_all().collect();
        let mut forgotten = BTreeSet::new();
        for (transaction, (committed, entry)) in in_flight {
            self.saw(*entry);
            match committed {
                Some(_) => return true,
                None => forgotten.insert(transaction),
            };
        }
        self.base.state.transactions.committed_all().any(|transaction| !forgotten.contains(&transaction))
    }

    /// What is remembered of a request token.
    pub fn request(&mut self, token: &str) -> Option<RememberedRequest> {
        match self.base.overlay.transactions().request(token) {
            Some((request, entry)) => {
                self.saw(*entry);
                Some(request.clone())
            }
            None => self.base.state.transactions.request(token).cloned(),
        }
    }

    /// The outcome of an earlier attempt of this command.
    pub fn remembered(&mut self, birth: Timestamp, id: CommandId) -> Result<Option<Result<Reply, Refusal>>, ReadError> {
        match self.base.overlay.outcome(birth, id) {
            Some((outcome, entry)) => {
                self.saw(entry);
                Ok(Some(outcome.clone()))
            }
            None => self.base.state.outcome(birth, id),
        }
    }

    pub fn mark_ms(&mut self) -> u64 {
        match self.base.overlay.mark_ms() {
            Some((mark_ms, entry)) if mark_ms > self.base.state.progress.mark_ms => {
                self.saw(entry);
                mark_ms
            }
            _ => self.base.state.progress.mark_ms,
        }
    }

    pub fn is_closed(&mut self) -> bool {
        if let Some(entry) = self.base.overlay.closed() {
            self.saw(entry);
            return true;
        }
        self.base.state.is_closed()
    }

    /// The description as the commands before this one have left it.
    pub fn description(&mut self) -> Option<&'a Arc<TableDescription>> {
        match self.base.overlay.description() {
            Some((description, entry)) => {
                self.saw(entry);
                Some(description)
            }
            None => self.base.state.description(),
        }
    }

    /// The description, if items with this token may be written here.
    pub fn table_for(&mut self, token: Token) -> Result<&'a TableDescription, Refusal> {
        if self.is_closed() {
            return Err(Refusal::NoSuchTable);
        }
        if self.base.state.global_index().is_some() {
            return Err(Refusal::Invalid("items are not written to an index".to_owned()));
        }
        if !self.base.state.tokens().contains(token) {
            return Err(Refusal::StaleEpoch { current: self.base.state.epoch() });
        }
        let table = self.description().ok_or_else(|| Refusal::Unavailable("the table is being made".to_owned()))?;
        Ok(table)
    }

    /// Up to where everything of a source is here, as the commands before this one have left it.
    pub fn received(&mut self, source: TokenRange) -> Option<SequenceNumber> {
        match self.base.overlay.received(source) {
            Some((up_to, entry)) => {
                self.saw(entry);
                Some(up_to)
            }
            None => self.base.state.received.position(source),
        }
    }

    pub fn last_timestamp(&self) -> Timestamp {
        self.base.overlay.last_timestamp().max(self.base.state.last_timestamp())
    }

    fn saw(&mut self, entry: EntryNumber) {
        self.based_on = self.based_on.max(Some(entry));
    }
}
