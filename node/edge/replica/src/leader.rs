//! The leader's task: one per replica, it owns the overlay, waits for one event, deals with it, waits again.
//!
//! Commands are evaluated one after the other against applied rows under the overlay, those that gathered are packed into one entry,
//! and up to `entries_in_flight_max` entries are on their way at once. A reply goes out when everything it was evaluated on is applied.
//! After a lost proposal nothing is mended: the reign ends, its replies become "try again", and a new one begins on what is applied.
//!
//! Guarantees: nothing is evaluated before an entry of the own term is applied. A reply that changes nothing is a strong read: it
//! goes out only if the lease, or a quorum asked after the command arrived, says that this replica still led.

mod gathering;
mod reign;

use crate::{mailbox::Waiting, shared::Shared};
use futures::{StreamExt, stream::FuturesUnordered};
use gathering::Gathering;
use reign::{Answer, Reign, Turn};
use stator_consensus::{Group, Leadership, ProposeError, Wakefulness};
use stator_environment::{Age, BoxFuture, Family, Reach};
use stator_item::Timestamp;
use stator_mutants::Mutant;
use stator_partition::{Command, CommandId, Refusal, effects::EntryNumber, rows_needed};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// Commands taken from the mailbox at once.
const COMMANDS_AT_ONCE: usize = 256;
/// Commands whose rows are read ahead; while there are as many, no others are taken.
const READ_AHEAD_MAX: usize = 256;
/// How long a quorum may take to confirm leadership for a reply without a lease.
const CONFIRM_MAX: Duration = Duration::from_secs(1);

pub(crate) struct Leader {
    shared: Arc<Shared>,
    group: Group,
    /// Tells the state machine that notices of applied entries are wanted.
    leads: Arc<AtomicBool>,
    mailbox: mpsc::Receiver<Waiting>,
    leadership: watch::Receiver<Leadership>,
    reign: Option<Reign>,
    /// The highest entry number given out, in the term. A number is never used twice: an entry that was given up may still be
    /// committed, and what was evaluated on its successor must not take it for the other.
    numbered: (u64, EntryNumber),
    /// Each with the moment in which it was proposed.
    proposals: FuturesUnordered<BoxFuture<'static, (Duration, Result<(), ProposeError>)>>,
    /// Commands that wait for others to share an entry with.
    gathering: Gathering<Waiting>,
    /// By what time remembered ids are old.
    age: Age,
    /// Commands whose rows are being read from disk. They come back into the gathering: nobody waits for them but their clients.
    reading_ahead: FuturesUnordered<BoxFuture<'static, Waiting>>,
    /// Commands that came while the group slept, and the call that wakes it: a sleeping leader can propose nothing.
    waking: Option<(Vec<Waiting>, BoxFuture<'static, bool>)>,
    /// Replies that wait for a quorum to confirm the leadership under which they were evaluated.
    doubtful: FuturesUnordered<BoxFuture<'static, (Box<Answer>, bool)>>,
}

enum Event {
    Leadership,
    Applied,
    Proposal(Duration, Result<(), ProposeError>),
    Confirmed(Box<Answer>, bool),
    Commands,
    Gathered,
    Woken(bool),
    Mark,
    Closed,
}

impl Leader {
    pub fn new(shared: Arc<Shared>, group: Group, leads: Arc<AtomicBool>, mailbox: mpsc::Receiver<Waiting>) -> Leader {
        let leadership = group.leadership();
        let age = Age::new(shared.environment.clock.clone());
        Leader {
            shared,
            group,
            leads,
            mailbox,
            leadership,
            reign: None,
            numbered: (0, EntryNumber(0)),
            proposals: FuturesUnordered::new(),
            gathering: Gathering::default(),
            age,
            reading_ahead: FuturesUnordered::new(),
            waking: None,
            doubtful: FuturesUnordered::new(),
        }
    }

    /// Runs until every sender of the mailbox is gone.
    pub async fn run(mut self) {
        let mut progress = self.shared.progress.subscribe();
        // Only after a command: a thousand quiet partitions have no timers.
        let mut next_mark = None;
        loop {
            let now = self.shared.environment.clock.elapsed();
            self.settle(now);
            let takes = self.takes_commands();
            let takes_new = takes && self.reading_ahead.len() < READ_AHEAD_MAX;
            let until_mark = next_mark.map_or(Duration::MAX, |at: Duration| at.saturating_sub(now));
            let until_gathered = self.gathering.time_left(now);
            let event = tokio::select! {
                biased;
                changed = self.leadership.changed() => if changed.is_ok() { Event::Leadership } else { Event::Closed },
                Some((proposed, outcome)) = self.proposals.next() => Event::Proposal(proposed, outcome),
                Some((answer, confirmed)) = self.doubtful.next() => Event::Confirmed(answer, confirmed),
                woken = wait_for(&mut self.waking) => Event::Woken(woken),
                // Only a leader that waits for the first entry of its term needs to hear of others.
                changed = progress.changed(), if self.reign.is_none() && self.leadership.borrow().leads =>
                    if changed.is_ok() { Event::Applied } else { Event::Closed },
                Some(waiting) = self.reading_ahead.next(), if takes => {
                    self.gathering.commands().push(waiting);
                    Event::Commands
                }
                count = self.mailbox.recv_many(self.gathering.commands(), COMMANDS_AT_ONCE), if takes_new =>
                    if count == 0 { Event::Closed } else { Event::Commands },
                () = self.shared.environment.sleep(until_gathered.unwrap_or_default()), if until_gathered.is_some() =>
                    Event::Gathered,
                () = self.shared.environment.sleep(until_mark), if next_mark.is_some() => Event::Mark,
            };
            match event {
                Event::Leadership | Event::Applied => {}
                Event::Proposal(proposed, outcome) => {
                    self.gathering.took(self.shared.environment.clock.elapsed().saturating_sub(proposed));
                    self.on_proposal(outcome);
                }
                Event::Confirmed(answer, confirmed) => self.on_confirmed(*answer, confirmed),
                Event::Commands if self.is_asleep() => self.wake(),
                Event::Commands => {
                    next_mark.get_or_insert(now + self.shared.settings.mark_every);
                    if self.gathering.is_enough(now, self.shared.settings.commands_ahead_min) {
                        self.on_gathered();
                    }
                }
                Event::Gathered => self.on_gathered(),
                Event::Woken(woken) => self.on_woken(woken),
                Event::Mark => {
                    next_mark = None;
                    // Not worth waking anybody: what is remembered does not grow in its sleep.
                    if !self.is_asleep() {
                        self.raise_mark();
                    }
                }
                Event::Closed => {
                    self.end_reign("the replica is closed");
                    return;
                }
            }
        }
    }

    /// Restores what must hold before the next event: a reign exists if and only if this replica may evaluate.
    fn settle(&mut self, now: Duration) {
        let leadership = *self.leadership.borrow();
        if self.reign.as_ref().is_some_and(|reign| !leadership.leads || reign.term() != leadership.term) {
            self.end_reign("leadership was lost");
        }
        let begun =
            self.shared.progress.borrow().term == leadership.term || stator_mutants::is(Mutant::EvaluateBeforeOwnTerm);
        // Entries in flight from an earlier reign would make those of a new one void: wait until each is applied or refused.
        if self.reign.is_none() && leadership.leads && begun && self.proposals.is_empty() {
            self.leads.store(true, Ordering::Release);
            self.shared.take_notices();
            let state = self.shared.state.read();
            if self.numbered.0 != leadership.term {
                self.numbered = (leadership.term, state.last_entry());
            }
            self.reign = Some(Reign::new(leadership.term, &state, self.numbered.1));
            self.shared.metering.lead(state.tokens(), now);
            self.shared.metrics.leaders.inc();
        }
        if self.gathering.is_empty() {
            return;
        }
        let is_due = match &self.reign {
            // They are refused: another one leads.
            None => !leadership.leads,
            Some(reign) => reign.is_idle() && self.gathering.hurry(now),
        };
        if is_due {
            self.on_gathered();
        }
    }

    fn end_reign(&mut self, reason: &'static str) {
        let Some(reign) = self.reign.take() else { return };
        self.leads.store(false, Ordering::Release);
        // A reign that begins anew begins without savings, too: it may not be this replica's.
        self.shared.metering.leave(self.shared.environment.clock.elapsed());
        self.numbered.1 = reign.last_number();
        self.shared.metrics.leaders.dec();
        self.shared.metrics.evaluations_begun_anew.inc();
        reign.abandon(reason);
        // Confirmations of the ended reign speak of its effects.
        self.doubtful.clear();
    }

    fn is_asleep(&self) -> bool {
        self.reign.is_some() && self.group.wakefulness() == Wakefulness::Asleep
    }

    /// Wakes the group; the commands wait for it.
    fn wake(&mut self) {
        let commands = self.gathering.take();
        let group = self.group.clone();
        let woken = Box::pin(async move { group.read_index(CONFIRM_MAX).await.is_ok() });
        self.waking = Some((commands, woken));
    }

    fn on_woken(&mut self, woken: bool) {
        let Some((commands, _)) = self.waking.take() else { return };
        if woken {
            return self.on_commands(commands);
        }
        for waiting in commands {
            waiting.answer(Err(Refusal::Unavailable("its group could not be woken".to_owned())));
        }
    }

    /// A replica that does not lead takes commands only to refuse them; one that is about to lead lets them wait.
    fn takes_commands(&self) -> bool {
        if self.waking.is_some() {
            return false;
        }
        match &self.reign {
            Some(reign) => reign.has_room(&self.shared.settings) && self.gathering.has_room(),
            None => !self.leadership.borrow().leads,
        }
    }

    fn on_gathered(&mut self) {
        let commands = self.gathering.take();
        self.on_commands(commands);
    }

    fn on_commands(&mut self, commands: Vec<Waiting>) {
        let leader = self.leadership.borrow().leader.map(|(_, node)| node);
        for waiting in commands {
            let Some(reign) = &mut self.reign else {
                waiting.answer(Err(Refusal::NotLeader { leader }));
                continue;
            };
            match reign.evaluate(&self.shared, waiting) {
                Turn::Taken => {}
                Turn::NeedsLease(answer) => self.confirm(answer),
                Turn::NeedsRows(waiting) => self.read_ahead(*waiting),
            }
            if self.reign.as_ref().is_some_and(Reign::is_entry_full) {
                self.propose();
            }
        }
        self.propose();
    }

    /// Has a command's rows read into memory before it has another turn. What is read is not kept, so nothing of it can be old.
    fn read_ahead(&mut self, mut waiting: Waiting) {
        self.shared.metrics.commands_read_ahead.inc();
        let shared = self.shared.clone();
        self.reading_ahead.push(Box::pin(async move {
            let description = shared.state.read().description().cloned();
            let keys = description.map(|table| rows_needed(&waiting.request.command, &table)).unwrap_or_default();
            let rows = shared.rows.clone();
            // Rows that cannot be read are met again in the turn, which knows what to do.
            let read = move || keys.iter().for_each(|key| drop(rows.get(Family::Items, key)));
            shared.environment.blocking(read).await;
            waiting.reach = Reach::Disk;
            waiting
        }));
    }

    /// Proposes what is packed.
    fn propose(&mut self) {
        let Some(payload) = self.reign.as_mut().and_then(Reign::close_entry) else { return };
        let proposal = self.group.propose(payload);
        let proposed = self.shared.environment.clock.elapsed();
        self.proposals.push(Box::pin(async move { (proposed, proposal.await.map(|_| ())) }));
    }

    fn on_proposal(&mut self, outcome: Result<(), ProposeError>) {
        let notices = self.shared.take_notices();
        if let Some(reign) = &mut self.reign {
            let is_sound = reign.on_applied(&notices);
            if !is_sound {
                self.end_reign("an entry had no effect");
            }
        }
        if let Err(error) = outcome {
            tracing::debug!(partition = %self.shared.partition, %error, "a proposal was lost");
            self.end_reign("a proposal was lost");
        }
    }

    /// Sends a reply that changes nothing, now if the lease allows it, else when a quorum has confirmed the leadership.
    fn confirm(&mut self, answer: Box<Answer>) {
        let lease = self.group.lease().filter(|_| self.shared.settings.lease_reads);
        let term = self.reign.as_ref().map(Reign::term);
        if lease.is_some_and(|lease| Some(lease.term) == term) || stator_mutants::is(Mutant::RefuseWithoutLease) {
            self.shared.metrics.reads_under_lease.inc();
            self.on_confirmed(*answer, true);
            return;
        }
        self.shared.metrics.reads_by_quorum.inc();
        let group = self.group.clone();
        self.doubtful.push(Box::pin(async move {
            let confirmed = group.read_index(CONFIRM_MAX).await.is_ok();
            (answer, confirmed)
        }));
    }

    fn on_confirmed(&mut self, answer: Answer, confirmed: bool) {
        match &mut self.reign {
            Some(reign) if confirmed => reign.hold(answer),
            _ => answer.unavailable("leadership could not be confirmed"),
        }
    }

    /// Lets old ids go, so that what is remembered stays bounded. Who is born below the mark is refused, so it must not follow a
    /// clock that was set far forward: then nothing could be written until that time has come.
    fn raise_mark(&mut self) {
        let lowest_birth_ms = self.reign.as_mut().and_then(Reign::take_lowest_birth_ms);
        let now_ms = self.age.now_ms().min(lowest_birth_ms.unwrap_or(u64::MAX));
        let (mark_due, requests_due) = {
            let state = self.shared.state.read();
            (state.mark_due(now_ms), state.requests_due(now_ms))
        };
        let mark = mark_due.map(|birth_ms| Command::RaiseMark { birth_ms });
        let requests = requests_due.map(|before_ms| Command::ForgetRequests { before_ms });
        for command in mark.iter().chain(&requests) {
            let Some(reign) = &mut self.reign else { return };
            let id = CommandId(self.shared.environment.random.next_u128());
            let birth = Timestamp { wall_ms: now_ms, counter: 0, node: 0 };
            reign.evaluate_own(&self.shared, id, birth, command);
            self.propose();
        }
    }
}

/// Waits for the group to wake, if it is being woken; else for ever.
async fn wait_for(waking: &mut Option<(Vec<Waiting>, BoxFuture<'static, bool>)>) -> bool {
    match waking {
        Some((_, woken)) => woken.await,
        None => std::future::pending().await,
    }
}
