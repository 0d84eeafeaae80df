//! Carrying a source's changes to the partitions of an index: which delivery goes to whom, and when the cursor may move. The
//! consumer around it does nothing but send what this says and tell it the replies.
//!
//! Guarantees: a delivery to a receiver joins on to the one before; the cursor moves only to where every receiver has
//! everything, those too to which nothing of late was for; a page of a backfill counts only if every receiver of a row of it
//! took it where it was read. One batch is on its way at a time. A session is worth nothing once its leader is deposed: the
//! next one begins at the cursor.

use super::{
    delivery::Delivery,
    feed::{Backfill, Feed, FeedStatus},
};
use crate::command::Command;
use stator_catalog::TokenRange;
use stator_changelog::SequenceNumber;
use stator_item::{PartitionId, TableId, key};
use stator_mutants::{Mutant, is};
use std::collections::BTreeMap;

/// A partition of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receiver {
    pub partition: PartitionId,
    pub tokens: TokenRange,
}

/// Why a session is over: it has to begin anew at the cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SessionError {
    #[error("a receiver lacks what was before the delivery")]
    Gap,
    #[error("a receiver has gone on from where the page was read")]
    Overtaken,
    #[error("no receiver holds the token of a row, or the row has no token")]
    NoReceiver,
}

/// A batch on its way.
#[derive(Clone, Debug)]
struct Batch {
    up_to: SequenceNumber,
    backfill: Backfill,
    /// Who is waited for, and what was sent to them.
    waiting: BTreeMap<PartitionId, Sent>,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    after: SequenceNumber,
    has_page: bool,
}

/// One index's changes on their way from one source.
#[derive(Clone, Debug)]
pub struct Session {
    index: TableId,
    source: TokenRange,
    begun: SequenceNumber,
    /// As the source's state has them.
    saved: (SequenceNumber, Backfill),
    /// What every receiver has of what concerns it.
    position: SequenceNumber,
    backfill: Backfill,
    /// What receivers were told beyond the cursor.
    confirmed: BTreeMap<PartitionId, SequenceNumber>,
    batch: Option<Batch>,
}

impl Session {
    /// Begins where the source's state says.
    pub fn new(source: TokenRange, status: FeedStatus) -> Session {
        let FeedStatus { index, cursor, backfill } = status;
        Session {
            index,
            source,
            begun: cursor,
            saved: (cursor, backfill.clone()),
            position: cursor,
            backfill,
            confirmed: BTreeMap::new(),
            batch: None,
        }
    }

    /// What every receiver has of what concerns it.
    pub fn position(&self) -> SequenceNumber {
        self.position
    }

    /// Whether a batch is on its way.
    pub fn is_waiting(&self) -> bool {
        self.batch.is_some()
    }

    /// Asks for what comes next.
    pub fn read(&self, bytes_max: u64) -> Command {
        Command::ReadFeed { index: self.index, after: Some(self.position), bytes_max }
    }

    fn after(&self, receiver: PartitionId) -> SequenceNumber {
        self.confirmed.get(&receiver).copied().unwrap_or(self.saved.0).max(self.saved.0)
    }

    /// What is to be sent for the source's answer to [`read`](Session::read). None: there is nothing new for anybody.
    pub fn deliver(
        &mut self,
        feed: Feed,
        receivers: &[Receiver],
    ) -> Result<Vec<(PartitionId, Delivery)>, SessionError> {
        debug_assert_eq!(feed.after, self.position, "the answer is to another question");
        debug_assert!(!self.is_waiting(), "one batch is on its way at a time");
        self.begun = feed.begun;
        let (page, backfill) = feed.page.unwrap_or_else(|| (Vec::new(), self.backfill.clone()));
        let mut deliveries: BTreeMap<PartitionId, Delivery> = BTreeMap::new();
        let rows = feed.changes.into_iter().map(|row| (row, false)).chain(page.into_iter().map(|row| (row, true)));
        for (row, of_page) in rows {
            let (_, token) = key::row_key_token(&row.key).map_err(|_| SessionError::NoReceiver)?;
            let receiver = receivers.iter().find(|receiver| receiver.tokens.contains(token));
            let receiver = receiver.ok_or(SessionError::NoReceiver)?.partition;
            let delivery =
                deliveries.entry(receiver).or_insert_with(|| self.delivery(self.after(receiver), feed.up_to));
            if of_page { &mut delivery.page } else { &mut delivery.changes }.push(row);
        }
        Ok(self.send(deliveries, feed.up_to, backfill))
    }

    /// Tells the receivers for which there was nothing of late that there was nothing, so that the cursor may move.
    pub fn tell_others(&mut self, receivers: &[Receiver]) -> Vec<(PartitionId, Delivery)> {
        let up_to = self.position;
        let others = receivers.iter().map(|receiver| receiver.partition);
        let others = others.filter(|receiver| self.after(*receiver) < up_to);
        let deliveries = others.map(|receiver| (receiver, self.delivery(self.after(receiver), up_to))).collect();
        self.send(deliveries, up_to, self.backfill.clone())
    }

    fn delivery(&self, after: SequenceNumber, up_to: SequenceNumber) -> Delivery {
        let (changes, page) = (Vec::new(), Vec::new());
        Delivery { index: self.index, source: self.source, begun: self.begun, after, up_to, changes, page }
    }

    fn send(
        &mut self,
        deliveries: BTreeMap<PartitionId, Delivery>,
        up_to: SequenceNumber,
        backfill: Backfill,
    ) -> Vec<(PartitionId, Delivery)> {
        let sent = |delivery: &Delivery| Sent { after: delivery.after, has_page: !delivery.page.is_empty() };
        let waiting = deliveries.iter().map(|(receiver, delivery)| (*receiver, sent(delivery))).collect();
        self.batch = Some(Batch { up_to, backfill, waiting });
        self.finish_batch();
        deliveries.into_iter().collect()
    }

    /// A receiver has answered a delivery: up to there it has everything.
    pub fn confirm(&mut self, receiver: PartitionId, up_to: SequenceNumber) -> Result<(), SessionError> {
        let Some(batch) = &mut self.batch else { return Ok(()) };
        let Some(sent) = batch.waiting.remove(&receiver) else { return Ok(()) };
        if up_to < sent.after || up_to < batch.up_to {
            return Err(SessionError::Gap);
        }
        if sent.has_page && up_to != batch.up_to {
            return Err(SessionError::Overtaken);
        }
        let known = self.confirmed.entry(receiver).or_default();
        *known = up_to.max(*known);
        self.finish_batch();
        Ok(())
    }

    fn finish_batch(&mut self) {
        if let Some(batch) = self.batch.take_if(|batch| batch.waiting.is_empty() || is(Mutant::MoveCursorEarly)) {
            self.position = batch.up_to;
            self.backfill = batch.backfill;
        }
    }

    /// Whether the source's state is behind.
    pub fn is_ahead(&self) -> bool {
        (self.position, &self.backfill) != (self.saved.0, &self.saved.1)
    }

    /// Whether the backfill is done and the source does not know it: others wait for that.
    pub fn is_just_filled(&self) -> bool {
        self.backfill == Backfill::Done && self.saved.1 != Backfill::Done
    }

    /// The cursor's move, once all receivers have been told up to there ([`tell_others`](Session::tell_others)); `None`: it
    /// stands there, or may not move yet.
    pub fn save(&self, receivers: &[Receiver]) -> Option<Command> {
        let is_told = |receiver: &Receiver| self.after(receiver.partition) >= self.position;
        let may = self.is_ahead() && self.batch.is_none() && receivers.iter().all(is_told);
        let command = Command::MoveFeed { index: self.index, to: self.position, backfill: self.backfill.clone() };
        (may || is(Mutant::MoveCursorEarly)).then_some(command)
    }

    /// The cursor has moved as [`save`](Session::save) said.
    pub fn saved(&mut self) {
        self.saved = (self.position, self.backfill.clone());
        self.confirmed.retain(|_, confirmed| *confirmed > self.position);
    }
}
