//! One reign: what a leader has evaluated since it last began anew, and who waits for it.
//!
//! Guarantees: a reply is sent when everything that it was evaluated on is applied, and never before; replies of a reign that
//! ends are "try again", whatever became of their entries.

use crate::{
    mailbox::Waiting,
    rows::{LiveRows, is_beyond_reach},
    settings::Settings,
    shared::{Notice, Shared},
};
use bytes::Bytes;
use stator_environment::Reach;
use stator_item::Timestamp;
use stator_mutants::Mutant;
use stator_partition::{
    Command, CommandId, PartitionState, Refusal, Reply, codec,
    effects::EntryNumber,
    evaluate::{Attempt, Base, Call, Evaluated, Now, evaluate},
    overlay::Overlay,
    pack::Pack,
    rows::ReadError,
};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// A reply on hold.
pub(super) struct Answer {
    reply: Result<Reply, Refusal>,
    reply_to: oneshot::Sender<Result<Reply, Refusal>>,
    /// Goes out once this entry is applied; `None`: it depends on nothing in flight.
    after: Option<EntryNumber>,
}

impl Answer {
    fn send(self) {
        // Nobody waits any more: the deadline has passed.
        let _ = self.reply_to.send(self.reply);
    }

    pub fn unavailable(self, reason: &'static str) {
        let _ = self.reply_to.send(Err(Refusal::Unavailable(reason.to_owned())));
    }
}

/// What became of a command's turn.
pub(super) enum Turn {
    /// It is answered, or will be once its effects are applied.
    Taken,
    /// It changes nothing, so its answer needs the lease.
    NeedsLease(Box<Answer>),
    /// Nothing was done yet: a row of it is not in memory.
    NeedsRows(Box<Waiting>),
}

/// An entry that is packed or proposed, and not yet applied.
struct InFlight {
    number: EntryNumber,
    answers: Vec<Answer>,
}

pub(super) struct Reign {
    overlay: Overlay,
    pack: Pack,
    /// In the order of their numbers; the last one may still be open.
    in_flight: VecDeque<InFlight>,
    /// The lowest birth among the commands of late, those that were too old apart.
    lowest_birth_ms: Option<u64>,
}

impl Reign {
    /// Begins on what is applied. `numbered` is the highest entry number given out in the term.
    pub fn new(term: u64, state: &PartitionState, numbered: EntryNumber) -> Reign {
        Reign {
            overlay: Overlay::new(term, state, numbered),
            pack: Pack::default(),
            in_flight: VecDeque::new(),
            lowest_birth_ms: None,
        }
    }

    pub fn term(&self) -> u64 {
        self.overlay.term()
    }

    pub fn last_number(&self) -> EntryNumber {
        self.overlay.last_number()
    }

    pub fn has_room(&self, settings: &Settings) -> bool {
        self.in_flight.len() < settings.entries_in_flight_max && !self.overlay.is_full()
    }

    /// Nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// The lowest birth among the commands since the last call, by the clocks of the nodes that they came to first.
    pub fn take_lowest_birth_ms(&mut self) -> Option<u64> {
        self.lowest_birth_ms.take()
    }

    pub fn is_entry_full(&self) -> bool {
        self.pack.is_full()
    }

    /// Evaluates a command in its turn.
    pub fn evaluate(&mut self, shared: &Shared, waiting: Waiting) -> Turn {
        let Waiting { request, reply_to, reach } = waiting;
        let now = shared.environment.clock.elapsed();
        if request.deadline <= now {
            let _ = reply_to.send(Err(Refusal::DeadlinePassed));
            return Turn::Taken;
        }
        let table = shared.limiting_table();
        let admitted = shared.metering.admit(&request, table.as_deref(), now);
        if let Err(throttled) = &admitted
            && !request.command.has_request_token()
            && !stator_mutants::is(Mutant::ThrottleTooLate)
        {
            // No strong read: that nothing was done is so whoever leads.
            let _ = reply_to.send(Err(Refusal::Throttled(throttled.clone())));
            return Turn::Taken;
        }
        let call = Call { id: request.id, birth: request.birth, attempt: request.attempt, command: &request.command };
        let evaluated = match self.call(shared, &call, request.epoch, reach) {
            Ok(evaluated) => evaluated,
            Err(error) if is_beyond_reach(&error) => {
                return Turn::NeedsRows(Box::new(Waiting { request, reply_to, reach }));
            }
            Err(error) => {
                shared.fail(&error);
                let _ = reply_to.send(Err(Refusal::Unavailable("its rows cannot be read".to_owned())));
                return Turn::Taken;
            }
        };
        if !matches!(evaluated.reply, Err(Refusal::TooOld)) {
            let birth_ms = request.birth.wall_ms;
            self.lowest_birth_ms = Some(self.lowest_birth_ms.map_or(birth_ms, |lowest| lowest.min(birth_ms)));
        }
        if let Err(throttled) = &admitted
            && !tells_of_earlier_request(&evaluated.reply)
            && !stator_mutants::is(Mutant::ThrottleTooLate)
        {
            // Its effects go no further.
            let _ = reply_to.send(Err(Refusal::Throttled(throttled.clone())));
            return Turn::Taken;
        }
        // A repeat that changes nothing was paid for by the first attempt.
        let is_paid = evaluated.effects.is_none() && request.attempt == Attempt::Repeated;
        if !is_paid && let Err(throttled) = shared.metering.charge(&request, &evaluated.reply, table.as_deref(), now) {
            let _ = reply_to.send(Err(Refusal::Throttled(throttled)));
            return Turn::Taken;
        }
        let Some(effects) = evaluated.effects else {
            let answer = Answer { reply: evaluated.reply, reply_to, after: evaluated.based_on };
            return Turn::NeedsLease(Box::new(answer));
        };
        self.pack.add(effects, evaluated.timestamp, &mut self.overlay);
        let reply = admitted.map_err(Refusal::Throttled).and(evaluated.reply);
        self.hold(Answer { reply, reply_to, after: Some(self.overlay.last_entry()) });
        Turn::Taken
    }

    /// Evaluates a command of the replica itself, for whose reply nobody waits.
    pub fn evaluate_own(&mut self, shared: &Shared, id: CommandId, birth: Timestamp, command: &Command) {
        let epoch = shared.state.read().epoch();
        let call = Call { id, birth, attempt: Attempt::First, command };
        match self.call(shared, &call, epoch, Reach::Disk) {
            Ok(Evaluated { effects: Some(effects), timestamp, .. }) => {
                self.pack.add(effects, timestamp, &mut self.overlay);
                self.in_flight_entry(self.overlay.last_entry());
            }
            Ok(_) => {}
            Err(error) => shared.fail(&error),
        }
    }

    fn call(&self, shared: &Shared, call: &Call<'_>, epoch: u64, reach: Reach) -> Result<Evaluated, ReadError> {
        shared.metrics.evaluated();
        let state = shared.state.read();
        if epoch < state.epoch() {
            return Ok(Evaluated {
                effects: None,
                timestamp: state.last_timestamp(),
                reply: Err(Refusal::StaleEpoch { current: state.epoch() }),
                based_on: None,
            });
        }
        // Rows are read after the overlay, which lets an effect go only when it is in the rows: no write falls between the two.
        let base = Base { state: &state, overlay: &self.overlay, rows: &LiveRows { rows: &*shared.rows, reach } };
        let now = Now { wall_ms: shared.environment.clock.wall_ms(), node: shared.replica.0 as u32 };
        evaluate(call, &base, now)
    }

    /// Keeps a reply until what it was evaluated on is applied; sends it if that is so already.
    pub fn hold(&mut self, answer: Answer) {
        let Some(number) = answer.after else { return answer.send() };
        if number > self.overlay.applied_entry() && !stator_mutants::is(stator_mutants::Mutant::ReplyBeforeApplied) {
            self.in_flight_entry(number).answers.push(answer);
        } else {
            answer.send();
        }
    }

    fn in_flight_entry(&mut self, number: EntryNumber) -> &mut InFlight {
        let at = self.in_flight.partition_point(|entry| entry.number < number);
        if self.in_flight.get(at).is_none_or(|entry| entry.number != number) {
            self.in_flight.insert(at, InFlight { number, answers: Vec::new() });
        }
        &mut self.in_flight[at]
    }

    /// The entry with everything that waits, encoded, if there is anything.
    pub fn close_entry(&mut self) -> Option<Bytes> {
        let entry = self.pack.take(&self.overlay)?;
        Some(codec::encode_entry(&entry).into())
    }

    /// Takes notice of what was applied. `false`: an entry of this reign had no effect, so all that was evaluated on it is void.
    pub fn on_applied(&mut self, notices: &[Notice]) -> bool {
        let term = self.term();
        for notice in notices.iter().filter(|notice| notice.term == term) {
            let Some(front) = self.in_flight.front() else { continue };
            if notice.number < front.number {
                continue;
            }
            if !notice.had_effect {
                return false;
            }
            self.overlay.release(notice.number);
            while let Some(entry) = self.in_flight.pop_front_if(|entry| entry.number <= notice.number) {
                entry.answers.into_iter().for_each(Answer::send);
            }
        }
        true
    }

    /// Ends the reign: everything that waits has to be tried again.
    pub fn abandon(self, reason: &'static str) {
        for answer in self.in_flight.into_iter().flat_map(|entry| entry.answers) {
            answer.unavailable(reason);
        }
    }
}

/// Whether a request token was used before: "nothing was done" would be wrong of what was.
fn tells_of_earlier_request(reply: &Result<Reply, Refusal>) -> bool {
    matches!(reply, Ok(Reply::Repeated(_)) | Err(Refusal::TokenMismatch | Refusal::TransactionInProgress))
}
