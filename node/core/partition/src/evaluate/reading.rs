//! Reads of one evaluation: applied state and rows under the overlay. Notes the newest entry in flight that was seen.

use super::Base;
use crate::{
    command::CommandId,
    effects::EntryNumber,
    reply::{Refusal, Reply},
    rows::ReadError,
    state::PartitionState,
};
use bytes::Bytes;
use stator_catalog::{TableDescription, TokenRange};
use stator_changelog::SequenceNumber;
use stator_item::{Timestamp, Token};
use std::sync::Arc;

pub(crate) struct Reading<'a> {
    base: &'a Base<'a>,
    based_on: Option<EntryNumber>,
}

impl<'a> Reading<'a> {
    pub fn new(base: &'a Base<'a>) -> Reading<'a> {
        Reading { base, based_on: None }
    }

    pub fn based_on(&self) -> Option<EntryNumber> {
        self.based_on
    }

    /// Of what only rises, or is looked at without harm before it is applied: the applied state.
    pub fn state(&self) -> &'a PartitionState {
        self.base.state
    }

    pub fn row(&mut self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        match self.base.overlay.row(key) {
            Some((value, entry)) => {
                self.saw(entry);
                Ok(value)
            }
            None => self.base.rows.get(key),
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
