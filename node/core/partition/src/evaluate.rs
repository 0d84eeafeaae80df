//! Evaluation: a command becomes effects and a reply. Runs on the leader, for one command after the other.
//!
//! Guarantees: what is read is what all commands evaluated before have left (applied rows under the overlay), and nothing
//! is changed; a command that is remembered has no second effect; [`Evaluated::based_on`] names the newest entry in flight
//! that anything in the reply was read from.

mod administer;
mod expiry;
mod image;
mod indexes;
mod reading;
#[cfg(test)]
mod tests;
mod transaction;
mod write;

pub(crate) use indexes::index_entry_of_row;
pub(crate) use reading::Reading;
pub(crate) use write::encode_size as encode_collection_size;

use crate::{
    command::{Command, CommandId},
    effects::{Effects, EntryNumber, Remembered},
    global_index::delivery,
    overlay::Overlay,
    reply::{Refusal, Reply},
    rows::{ReadError, ReadRow},
    state::PartitionState,
};
use serde::{Deserialize, Serialize};
use stator_item::Timestamp;

/// Whether an earlier attempt of the command may have come through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Attempt {
    First,
    /// The outcome is remembered even if nothing changes: else the first attempt, arriving late, might still have an effect
    /// after the caller was told that there was none.
    Repeated,
}

/// A command in its turn.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The same in every attempt, like the birth.
    pub id: CommandId,
    pub birth: Timestamp,
    pub attempt: Attempt,
    pub command: &'a Command,
}

/// What a command is evaluated on. The state and the rows may be older than the overlay's begin only if the overlay still
/// holds every effect applied since they were read.
#[derive(Clone, Copy)]
pub struct Base<'a> {
    pub state: &'a PartitionState,
    pub overlay: &'a Overlay,
    pub rows: &'a dyn ReadRow,
}

/// This node's wall clock and its id in timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    pub wall_ms: u64,
    pub node: u32,
}

/// What came of a command.
#[derive(Clone, PartialEq, Debug)]
pub struct Evaluated {
    /// `None`: nothing changes, and the reply is a strong read, for which the leader needs its lease.
    pub effects: Option<Effects>,
    /// Above all timestamps of the partition. Meant for the effects; lost without them.
    pub timestamp: Timestamp,
    pub reply: Result<Reply, Refusal>,
    /// The reply must not be sent before this entry is applied (with effects: before their own is).
    pub based_on: Option<EntryNumber>,
}

/// Evaluates a command that [may change something](Command::is_write).
pub fn evaluate(call: &Call<'_>, base: &Base<'_>, now: Now) -> Result<Evaluated, ReadError> {
    let mut reading = Reading::new(base);
    let timestamp = reading.last_timestamp().next(now.wall_ms, now.node);
    let forgets = stator_mutants::is(stator_mutants::Mutant::ForgetIds);
    let (effects, timestamp, reply) = match reading.remembered(call.birth, call.id)?.filter(|_| !forgets) {
        Some(outcome) => (None, timestamp, outcome),
        None => {
            let turn = Turn { call, now, timestamp };
            let (effects, timestamp, reply) = turn.evaluate(&mut reading)?;
            (turn.remember(effects, &reply), timestamp, reply)
        }
    };
    debug_assert!(effects.is_none() || timestamp > base.state.last_timestamp(), "a partition's timestamps only rise");
    Ok(Evaluated { effects, timestamp, reply, based_on: reading.based_on() })
}

/// Effects, the timestamp they were made at, and the reply.
type Outcome = (Option<Effects>, Timestamp, Result<Reply, Refusal>);

/// One command's turn.
struct Turn<'a> {
    call: &'a Call<'a>,
    now: Now,
    timestamp: Timestamp,
}

impl Turn<'_> {
    fn evaluate(&self, reading: &mut Reading<'_>) -> Result<Outcome, ReadError> {
        // A begun transaction is brought to its end, however old it is.
        if self.call.birth.wall_ms < reading.mark_ms() && !self.call.command.ends_transaction() {
            return Ok(self.refused(Refusal::TooOld));
        }
        match self.call.command {
            Command::Put(put) => write::evaluate(self, reading, write::Change::Put(put)),
            Command::Update(update) => write::evaluate(self, reading, write::Change::Update(update)),
            Command::Delete(delete) => write::evaluate(self, reading, write::Change::Delete(delete)),
            Command::Deliver(delivery) => {
                let (effects, reply) = delivery::evaluate(delivery, reading)?;
                Ok((effects, self.timestamp, reply))
            }
            Command::TransactOne(one) => transaction::one(self, reading, one),
            Command::Prepare(prepare) => transaction::prepare(self, reading, prepare),
            Command::Decide(decide) => Ok(transaction::decide(self, reading, decide)),
            Command::Finish(finish) => transaction::finish(self, reading, finish),
            Command::Forget { transactions } => Ok(transaction::forget(self, reading, transactions)),
            Command::Expire(expire) => expiry::expire(self, reading, expire),
            Command::IndexExpiries(page) => expiry::index(self, reading, page),
            Command::ForgetRequests { before_ms } => Ok(transaction::forget_requests(self, *before_ms)),
            other => {
                let (change, reply) = administer::evaluate(other, reading);
                let effects = change.map(|change| Effects { state: Some(change), ..Effects::default() });
                Ok((effects, self.timestamp, reply))
            }
        }
    }

    fn refused(&self, refusal: Refusal) -> Outcome {
        (None, self.timestamp, Err(refusal))
    }

    /// Adds what keeps a repeat of this command from having another effect.
    fn remember(&self, effects: Option<Effects>, reply: &Result<Reply, Refusal>) -> Option<Effects> {
        let is_item_write = matches!(
            self.call.command,
            Command::Put(_) | Command::Update(_) | Command::Delete(_) | Command::TransactOne(_) | Command::Prepare(_)
        );
        let decided = match reply {
            Ok(_) => true,
            Err(refusal) => {
                matches!(
                    refusal,
                    Refusal::ConditionFailed { .. }
                        | Refusal::Invalid(_)
                        | Refusal::CollectionFull
                        | Refusal::TransactionConflict
                        | Refusal::Cancelled(_)
                        | Refusal::TokenMismatch
                        | Refusal::TransactionInProgress
                        | Refusal::TooLargeForOne
                        | Refusal::TransactionTooLarge
                )
            }
        };
        let repeated = self.call.attempt == Attempt::Repeated && decided;
        if !is_item_write || effects.is_none() && !repeated {
            // Commands of our own change nothing when they come again: cursors, marks and versions only rise.
            return effects;
        }
        let Call { id, birth, .. } = *self.call;
        let remembered = Some(Remembered { id, birth, outcome: reply.clone() });
        Some(Effects { remembered, ..effects.unwrap_or_default() })
    }
}
