//! One shard of one mapping: its records become batches, lane by lane, and what comes of them a position.
//!
//! Guarantees: a record is dealt with when the function took it, or the destination was told of it; the position has no other.
//! Records of one item are in one lane, where a batch is begun only when the one before is dealt with. What is kept of records is
//! bounded (`is_full`).

mod lane;
#[cfg(test)]
mod tests;
mod windows;

use crate::{
    answer::{Answer, Judged, Reading, StateOfAnswer, judge},
    discard::{Condition, Discard},
    event::{self, EVENT_BYTES_MAX, Source, TakenRecord},
    filter::Filter,
};
use bytes::Bytes;
use lane::{Job, Lane, Phase, Piece, Queued, Work};
use stator_catalog::{MappingSettings, STREAM_RETENTION_MS};
use stator_changelog::{HOPS_MAX, SequenceNumber, ShardId};
use stator_mutants::{Mutant, is};
use stator_partition::trigger::{RETRIES_MAX, Retry, TriggerPosition, TriggerWindow};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Bytes of records that are kept at most, but for the last read.
const KEPT_BYTES_MAX: usize = 16 << 20;
/// Records that are kept, at least and at most: two batches a lane where that lies between.
const KEPT_RECORDS: (usize, usize) = (1_000, 20_000);
/// Most records of one read (AWS: GetRecords returns up to 1,000).
const READ_RECORDS_MAX: u64 = 1_000;
/// After a failure, at first and at most; jitter takes up to half of it away.
const BACK_OFF_LEAST: Duration = Duration::from_millis(100);
const BACK_OFF_MOST: Duration = Duration::from_secs(30);
/// Tries to tell a destination of a batch; some minutes.
const TELLING_TRIES_MAX: u32 = 20;

/// The moment at which the machine is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    pub elapsed: Duration,
    /// Milliseconds since 1970.
    pub wall_ms: u64,
    /// The last change record that is known of.
    pub last_change: SequenceNumber,
    /// Any number: for jitter.
    pub dice: u64,
}

/// What is to be done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Call the function, and say what came of it: [`Batches::answered`].
    /// `hops`: calls in a row, this one included.
    Call { lane: usize, event: Bytes, records: usize, hops: u8 },
    /// Tell the destination, if there is one, and say so: [`Batches::told`].
    Tell { lane: usize, discard: Discard },
}

pub struct Batches {
    settings: Arc<MappingSettings>,
    filter: Arc<Filter>,
    source: Arc<Source>,
    shard: ShardId,
    lanes: Vec<Lane>,
    /// All records up to there were read.
    taken: SequenceNumber,
    /// The shard has no more.
    is_at_end: bool,
    /// Those among them that are not dealt with.
    open: BTreeSet<SequenceNumber>,
    /// Bytes of those.
    kept_bytes: usize,
    /// What is known of records from before, as far as they were not read again.
    before: TriggerPosition,
    window: Option<TriggerWindow>,
    /// The most calls in a row that led to the window's state, as far as it was made from here.
    window_hops: u8,
    is_stopping: bool,
    has_read: bool,
    /// Something was dealt with since the position was saved.
    has_moved: bool,
}

impl Batches {
    /// Begins, or goes on, in `position`'s shard.
    pub fn new(
        settings: Arc<MappingSettings>,
        filter: Arc<Filter>,
        source: Arc<Source>,
        (shard, position): (ShardId, TriggerPosition),
    ) -> Batches {
        // Windows belong to a whole shard: the catalog is asked for one lane then.
        let lanes_count = if settings.tumbling_window_s > 0 { 1 } else { settings.parallelization.max(1) };
        Batches {
            lanes: (0..lanes_count).map(|_| Lane::default()).collect(),
            taken: position.done,
            is_at_end: false,
            open: BTreeSet::new(),
            kept_bytes: 0,
            window: position.window.clone().filter(|_| settings.tumbling_window_s > 0),
            before: position,
            window_hops: 0,
            is_stopping: false,
            has_read: false,
            has_moved: false,
            settings,
            filter,
            source,
            shard,
        }
    }

    /// Which records to read next, from where on and how many at most; `None`: none for now.
    pub fn wants(&self) -> Option<(SequenceNumber, u64)> {
        let may = !self.is_stopping && !self.is_at_end && !self.is_full();
        may.then(|| (self.taken.next(), READ_RECORDS_MAX))
    }

    fn is_full(&self) -> bool {
        let two_batches = 2 * self.settings.batch_size as usize * self.lanes.len();
        let (least, most) = KEPT_RECORDS;
        self.open.len() >= two_batches.clamp(least, most) || self.kept_bytes >= KEPT_BYTES_MAX
    }

    /// The next records of the shard, in order; `is_at_end`: it is closed, and these are its last.
    pub fn take(&mut self, records: Vec<TakenRecord>, is_at_end: bool, now: &Now) {
        self.has_moved |= !records.is_empty();
        for record in records {
            debug_assert!(record.sequence > self.taken, "records come in order, and once");
            self.taken = record.sequence;
            let is_first = !std::mem::replace(&mut self.has_read, true);
            let is_lost = is_first && is(Mutant::ResumeTriggerLate);
            if !self.before.has(record.sequence) && !is_lost && self.is_wanted(&record) {
                self.open.insert(record.sequence);
                self.kept_bytes += record.json.len();
                let lane = (record.key_hash % self.lanes.len() as u64) as usize;
                self.lanes[lane].queue.push_back(Queued { record, since: now.elapsed });
            }
        }
        self.is_at_end |= is_at_end;
    }

    fn is_wanted(&self, record: &TakenRecord) -> bool {
        // What cannot be read as JSON would be our mistake: then the function is to see it.
        self.filter.is_open() || serde_json::from_slice(&record.json).map_or(true, |json| self.filter.matches(&json))
    }

    /// No more is begun from now on.
    pub fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Whether nothing is begun any more.
    pub fn is_stopped(&self) -> bool {
        self.is_stopping
    }

    /// Whether the position may be another than when it was saved last.
    pub fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// The position as it is now is being saved.
    pub fn saved(&mut self) {
        self.has_moved = false;
    }

    /// That came to nothing.
    pub fn not_saved(&mut self) {
        self.has_moved = true;
    }

    /// Whether an answer is waited for.
    pub fn is_waiting(&self) -> bool {
        let waits = |work: &Work| matches!(work.phase, Phase::Calling | Phase::Telling);
        self.lanes.iter().any(|lane| lane.work.as_ref().is_some_and(waits))
    }

    /// Whether the shard is at its end, and everything in it dealt with.
    pub fn is_done(&self) -> bool {
        self.is_at_end && self.open.is_empty() && self.window.is_none() && !self.is_waiting()
    }

    /// When the oldest record was made that is not dealt with.
    pub fn oldest_ms(&self) -> Option<u64> {
        self.lanes.iter().filter_map(|lane| lane.queue.front()).map(|queued| queued.record.created_ms).min()
    }

    /// Bytes of records that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// How far the shard was read.
    pub fn taken(&self) -> SequenceNumber {
        self.taken
    }

    /// How far everything is dealt with.
    pub fn position(&self) -> TriggerPosition {
        let is_open = |sequence: &SequenceNumber| !is(Mutant::MoveTriggerEarly) || !self.is_on_its_way(*sequence);
        let open = self.open.iter().copied().filter(is_open);
        let mut position = TriggerPosition::new(Some(self.shard), self.taken, open);
        if self.lanes.len() == 1 {
            // What is beyond the first open record was only filtered out.
            position.finished.clear();
        }
        let known = self.before.retries.iter().copied().filter(|retry| retry.records.first > self.taken);
        position.retries = self.lanes.iter().flat_map(Lane::retries).chain(known).take(RETRIES_MAX).collect();
        position.retries.sort_unstable_by_key(|retry: &Retry| retry.records);
        position.window = self.window.clone();
        position
    }

    /// Whether the function is being called with that record.
    fn is_on_its_way(&self, sequence: SequenceNumber) -> bool {
        self.lanes.iter().any(|lane| lane.calling().any(|record| record.sequence == sequence))
    }

    /// What is to be done now. Every action is asked for once.
    pub fn poll(&mut self, now: &Now) -> Vec<Action> {
        if self.is_stopping {
            return Vec::new();
        }
        (0..self.lanes.len()).filter_map(|lane| self.advance(lane, now)).collect()
    }

    fn advance(&mut self, lane: usize, now: &Now) -> Option<Action> {
        if self.lanes[lane].work.is_none() {
            let job = self.next_job(lane, now)?;
            self.lanes[lane].work = Some(Work { job, phase: Phase::Ready, stumbles: 0 });
        }
        let phase = &self.lanes[lane].work.as_ref()?.phase;
        let is_due = match phase {
            Phase::Ready => true,
            Phase::Waiting { until } => *until <= now.elapsed,
            Phase::Calling | Phase::Telling => false,
        };
        if is_due { self.begin(lane, now) } else { None }
    }

    /// When to ask again though nothing has happened. What was due before this was asked waits for something else.
    pub fn wake_at(&self, now: &Now) -> Option<Duration> {
        if self.is_stopping {
            return None;
        }
        let lanes = self.lanes.iter().filter_map(|lane| match &lane.work {
            Some(Work { phase: Phase::Waiting { until }, .. }) => Some(*until),
            Some(_) => None,
            None => lane.queue.front().map(|first| first.since + self.batching_window()),
        });
        lanes.chain(self.window_wakes_at(now)).filter(|at| *at > now.elapsed).min()
    }

    fn batching_window(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.batching_window_s))
    }

    /// The next batch of an idle lane, or the end of its window.
    fn next_job(&mut self, lane: usize, now: &Now) -> Option<Job> {
        if let Some(end) = self.window_end(lane, now) {
            return Some(end);
        }
        let first = self.lanes[lane].queue.front()?;
        let (sequence, since) = (first.record.sequence, first.since);
        if let Some(retry) = self.before.retries.iter().copied().find(|retry| retry.records.first == sequence) {
            // A batch that failed under an earlier leader: the same records again.
            if self.taken < retry.records.last && !self.is_at_end && !self.is_full() {
                return None;
            }
            self.before.retries.retain(|other| *other != retry);
            let count = self.lanes[lane].queue.iter().take_while(|of| of.record.sequence <= retry.records.last).count();
            return Some(Job::Records(vec![Piece::new(count, retry.attempts)]));
        }
        let (count, is_cut) = self.batch_of(lane);
        let is_due = is_cut || self.is_at_end || self.is_full() || since + self.batching_window() <= now.elapsed;
        is_due.then(|| Job::Records(vec![Piece::new(count, 0)]))
    }

    /// How many records the next batch has, and whether no other could come into it.
    fn batch_of(&self, lane: usize) -> (usize, bool) {
        let (count_max, bytes_max) = (self.settings.batch_size.max(1) as usize, self.event_bytes_max());
        let queue = &self.lanes[lane].queue;
        let of = |record: &TakenRecord| (self.window_of(record.created_ms), record.hops >= HOPS_MAX);
        let first = queue.front().map(|first| of(&first.record));
        let (mut count, mut bytes) = (0, 0);
        for queued in queue {
            bytes += queued.record.json.len() + 1;
            let is_beyond = bytes > bytes_max || first != Some(of(&queued.record));
            if count > 0 && is_beyond || count == count_max {
                return (count, true);
            }
            count += 1;
        }
        (count, count == count_max)
    }

    fn event_bytes_max(&self) -> usize {
        let state_bytes = self.window.as_ref().map_or(0, |window| window.state.len());
        EVENT_BYTES_MAX.saturating_sub(state_bytes)
    }

    /// Begins what the lane has to do.
    fn begin(&mut self, lane: usize, now: &Now) -> Option<Action> {
        self.split_off_old(lane, now);
        let work = self.lanes[lane].work.as_ref()?;
        let piece = match &work.job {
            Job::WindowEnd(_) => {
                let event = self.final_event(lane)?;
                self.lanes[lane].work.as_mut()?.phase = Phase::Calling;
                return Some(Action::Call { lane, event, records: 0, hops: self.window_hops });
            }
            Job::Records(pieces) => *pieces.last()?,
        };
        let exhausted = self.settings.retries_max.is_some_and(|most| piece.attempts > most);
        let condition = piece.given_up.or(exhausted.then_some(Condition::RetryAttemptsExhausted));
        match condition {
            Some(condition) => self.lanes[lane].give_up(condition),
            None => self.open_window(lane),
        }
        let records = self.lanes[lane].queue.iter().take(piece.count).map(|queued| &queued.record);
        let (phase, action) = match condition {
            Some(condition) => {
                let (attempts, is_function_error) = (piece.attempts, piece.is_function_error);
                let (shard, records) = (self.shard, records.cloned().collect());
                let discard = Discard { shard, records, condition, attempts, is_function_error };
                (Phase::Telling, Action::Tell { lane, discard })
            }
            None => {
                let hops = records.clone().map(|record| record.hops).max().unwrap_or(0).saturating_add(1);
                let event = event::event(records, self.window_of_call(false, false));
                self.window_hops = self.window_hops.max(hops);
                (Phase::Calling, Action::Call { lane, event, records: piece.count, hops })
            }
        };
        self.lanes[lane].work.as_mut()?.phase = phase;
        Some(action)
    }

    /// Gives up the first records of a batch that have become too old.
    fn split_off_old(&mut self, lane: usize, now: &Now) {
        // The stream has older ones no more.
        let asked_ms = self.settings.age_max_s.map_or(STREAM_RETENTION_MS, |seconds| u64::from(seconds) * 1_000);
        let age_max_ms = asked_ms.min(STREAM_RETENTION_MS);
        let Lane { queue, work } = &mut self.lanes[lane];
        let Some(Work { job: Job::Records(pieces), stumbles, .. }) = work else { return };
        let Some(piece) = pieces.last_mut().filter(|piece| piece.given_up.is_none()) else { return };
        let is_old = |queued: &&Queued| now.wall_ms.saturating_sub(queued.record.created_ms) > age_max_ms;
        let old = queue.iter().take(piece.count).take_while(is_old).count();
        if old == 0 {
            return;
        }
        *stumbles = 0;
        let given_up = Piece { count: old, given_up: Some(Condition::RecordAgeExceeded), ..*piece };
        if old == piece.count {
            *piece = given_up;
        } else {
            piece.count -= old;
            pieces.push(given_up);
        }
    }

    /// What came of a call.
    pub fn answered(&mut self, lane: usize, answer: Answer, now: &Now) {
        self.has_moved = true;
        let Some(Work { phase: Phase::Calling, job, .. }) = &self.lanes[lane].work else {
            debug_assert!(false, "an answer to no call");
            return;
        };
        let piece = match job {
            Job::WindowEnd(_) => return self.window_answered(lane, answer, now),
            Job::Records(pieces) => pieces.last().copied(),
        };
        let Some(piece) = piece else { return };
        match answer {
            Answer::Answered(answer) => {
                let records: Vec<SequenceNumber> =
                    self.lanes[lane].queue.iter().take(piece.count).map(|queued| queued.record.sequence).collect();
                let has_windows = self.settings.tumbling_window_s > 0;
                let reading = Reading {
                    reports_failures: self.settings.reports_failures,
                    state: if has_windows { StateOfAnswer::Required } else { StateOfAnswer::None },
                };
                match judge(&answer, &records, reading) {
                    Judged::Done { up_to, state } => self.partly_done(lane, up_to, state, now),
                    Judged::Failed => self.failed(lane, Failure::OfFunction, now),
                }
            }
            Answer::Failed => self.failed(lane, Failure::OfFunction, now),
            Answer::Throttled => self.failed(lane, Failure::Throttled, now),
            Answer::Looped => self.give_up(lane, Condition::RecursiveInvocation),
            Answer::NotCalled => self.wait(lane, now),
        }
    }

    /// The lane's piece is brought to the function no more.
    fn give_up(&mut self, lane: usize, condition: Condition) {
        self.lanes[lane].give_up(condition);
        if let Some(work) = &mut self.lanes[lane].work {
            work.phase = Phase::Ready;
        }
    }

    /// The first records of the lane's piece are done; the others, if any, failed.
    fn partly_done(&mut self, lane: usize, up_to: usize, state: Option<Bytes>, now: &Now) {
        if up_to == 0 {
            return self.failed(lane, Failure::Reported, now);
        }
        if let Some(state) = state
            && !self.keep_state(lane, up_to, state)
        {
            // The window ends before anything is done.
            return;
        }
        self.finish(lane, up_to);
        let Some(Work { job: Job::Records(pieces), stumbles, phase }) = &mut self.lanes[lane].work else { return };
        *stumbles = 0;
        *phase = Phase::Ready;
        if let Some(piece) = pieces.last_mut() {
            piece.count -= up_to;
            // It has come forward: what failed now failed for the first time.
            piece.attempts = 0;
            if piece.count > 0 {
                return self.failed(lane, Failure::ReportedBehind, now);
            }
            pieces.pop();
        }
        self.settle(lane);
    }

    /// The lane's piece failed.
    fn failed(&mut self, lane: usize, failure: Failure, now: &Now) {
        let bisects = self.settings.bisects && failure != Failure::Throttled;
        let Some(Work { job: Job::Records(pieces), .. }) = &mut self.lanes[lane].work else { return };
        let Some(piece) = pieces.last_mut() else { return };
        piece.is_function_error = matches!(failure, Failure::OfFunction | Failure::Throttled);
        if bisects && failure == Failure::ReportedBehind {
            // It was cut where the answer said.
        } else if bisects && piece.count > 1 {
            let first = piece.count / 2;
            piece.count -= first;
            let half = Piece { count: first, ..*piece };
            pieces.push(half);
        } else {
            piece.attempts = piece.attempts.saturating_add(1);
        }
        self.wait(lane, now);
    }

    /// Tries again, later and later.
    fn wait(&mut self, lane: usize, now: &Now) {
        let Some(work) = &mut self.lanes[lane].work else { return };
        let longest = BACK_OFF_LEAST.saturating_mul(1 << work.stumbles.min(16)).min(BACK_OFF_MOST);
        let half_ms = u64::try_from(longest.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        let wait = longest / 2 + Duration::from_millis(now.dice % half_ms);
        work.stumbles += 1;
        work.phase = Phase::Waiting { until: now.elapsed + wait };
    }

    /// Whether the destination took what it was told. What it never takes is lost; `true` is answered then.
    pub fn told(&mut self, lane: usize, is_taken: bool, now: &Now) -> bool {
        self.has_moved = true;
        let Some(Work { phase: Phase::Telling, job: Job::Records(pieces), stumbles }) = &mut self.lanes[lane].work
        else {
            debug_assert!(false, "nothing was told");
            return false;
        };
        let Some(piece) = pieces.last().copied() else { return false };
        let is_lost = !is_taken && *stumbles + 1 >= TELLING_TRIES_MAX;
        if !is_taken && !is_lost {
            self.wait(lane, now);
            return false;
        }
        pieces.pop();
        if let Some(work) = &mut self.lanes[lane].work {
            (work.phase, work.stumbles) = (Phase::Ready, 0);
        }
        self.finish(lane, piece.count);
        self.settle(lane);
        is_lost
    }

    /// The first records of a lane are dealt with.
    fn finish(&mut self, lane: usize, count: usize) {
        for queued in self.lanes[lane].queue.drain(..count) {
            self.open.remove(&queued.record.sequence);
            self.kept_bytes -= queued.record.json.len();
        }
    }

    /// A lane without pieces has nothing to do.
    fn settle(&mut self, lane: usize) {
        let work = &mut self.lanes[lane].work;
        if matches!(work, Some(Work { job: Job::Records(pieces), .. }) if pieces.is_empty()) {
            *work = None;
        }
    }
}

/// In which way a batch failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failure {
    OfFunction,
    Throttled,
    /// The answer names its first record.
    Reported,
    /// The answer named it, behind others that are done.
    ReportedBehind,
}
