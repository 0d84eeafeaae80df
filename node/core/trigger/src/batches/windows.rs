//! Tumbling windows: records of a shard by the time of their making, a state that goes from call to call, and one more call at the
//! end (Lambda Developer Guide, "Tumbling windows").

use super::{
    Answer, Batches, Now,
    lane::{EarlyEnd, Job, Phase, WindowEnd, Work},
};
use crate::event::{self, EVENT_BYTES_MAX, WindowOfCall};
use bytes::Bytes;
use stator_catalog::STREAM_RETENTION_MS;
use stator_partition::trigger::{TriggerWindow, WINDOW_STATE_BYTES_MAX};
use std::time::Duration;

/// A record that was made in a window may be applied so much later.
const GRACE: Duration = Duration::from_secs(1);
/// The state of a window that begins.
const FIRST_STATE: &[u8] = b"{}";

impl Batches {
    fn window_ms(&self) -> u64 {
        u64::from(self.settings.tumbling_window_s) * 1_000
    }

    /// The beginning of the window to which a record belongs; the same for all where there are no windows.
    pub(super) fn window_of(&self, created_ms: u64) -> u64 {
        match self.window_ms() {
            0 => 0,
            // One that is older than the open window comes into that: a clock was set back.
            length => (created_ms - created_ms % length).max(self.window.as_ref().map_or(0, |window| window.start_ms)),
        }
    }

    fn is_over(&self, window: &TriggerWindow, now: &Now) -> bool {
        let over_ms = window.start_ms + self.window_ms() + GRACE.as_millis() as u64;
        self.is_at_end || self.taken >= now.last_change && now.wall_ms >= over_ms
    }

    /// When the open window ends by itself.
    pub(super) fn window_wakes_at(&self, now: &Now) -> Option<Duration> {
        let window = self.window.as_ref()?;
        let is_idle = self.lanes.iter().all(|lane| lane.work.is_none() && lane.queue.is_empty());
        let over_ms = window.start_ms + self.window_ms() + GRACE.as_millis() as u64;
        is_idle.then(|| now.elapsed + Duration::from_millis(over_ms.saturating_sub(now.wall_ms).max(1)))
    }

    /// The end of the open window, if nothing more comes into it.
    pub(super) fn window_end(&self, lane: usize, now: &Now) -> Option<Job> {
        let window = self.window.as_ref()?;
        let is_over = match self.lanes[lane].queue.front() {
            Some(first) => self.window_of(first.record.created_ms) > window.start_ms,
            None => self.is_over(window, now),
        };
        is_over.then_some(Job::WindowEnd(WindowEnd { attempts: 0, early: None }))
    }

    /// Opens the window of the records that the lane is about to bring.
    pub(super) fn open_window(&mut self, lane: usize) {
        let first = self.lanes[lane].queue.front().map(|queued| queued.record.created_ms);
        let is_records = matches!(&self.lanes[lane].work, Some(Work { job: Job::Records(_), .. }));
        if let Some(created_ms) = first
            && is_records
            && self.window_ms() > 0
            && self.window.is_none()
        {
            let start_ms = self.window_of(created_ms);
            self.window = Some(TriggerWindow { start_ms, state: Bytes::from_static(FIRST_STATE) });
        }
    }

    pub(super) fn window_of_call(&self, is_final: bool, is_terminated_early: bool) -> Option<WindowOfCall<'_>> {
        let window = self.window.as_ref()?;
        Some(WindowOfCall {
            start_ms: window.start_ms,
            end_ms: window.start_ms + self.window_ms(),
            state: &window.state,
            shard: self.shard,
            source_arn: self.source.arn(),
            is_final,
            is_terminated_early,
        })
    }

    /// The event of the last call.
    pub(super) fn final_event(&self, lane: usize) -> Option<Bytes> {
        let Some(Work { job: Job::WindowEnd(end), .. }) = &self.lanes[lane].work else { return None };
        let call = self.window_of_call(true, end.early.is_some())?;
        let state = end.early.as_ref().map_or(call.state, |early| &early.state);
        Some(event::event([], Some(WindowOfCall { state, ..call })))
    }

    /// Keeps the state that the function answered. `false`: it is too large, and the window ends before the records that made it
    /// count as done: else the next leader would have neither them nor the state.
    pub(super) fn keep_state(&mut self, lane: usize, done: usize, state: Bytes) -> bool {
        if state.len() <= WINDOW_STATE_BYTES_MAX {
            if let Some(window) = &mut self.window {
                window.state = state;
            }
            return true;
        }
        let Some(work) = &mut self.lanes[lane].work else { return true };
        let Job::Records(pieces) = &mut work.job else { return true };
        let mut then = std::mem::take(pieces);
        if let Some(mut piece) = then.pop()
            && piece.count > done
        {
            piece.count -= done;
            then.push(piece);
        }
        // The last call has to bear it.
        let state = if state.len() <= EVENT_BYTES_MAX { state } else { Bytes::from_static(FIRST_STATE) };
        work.job = Job::WindowEnd(WindowEnd { attempts: 0, early: Some(EarlyEnd { state, done, then }) });
        work.phase = Phase::Ready;
        work.stumbles = 0;
        false
    }

    /// What came of a window's last call.
    pub(super) fn window_answered(&mut self, lane: usize, answer: Answer, now: &Now) {
        let retries_max = self.settings.retries_max;
        let end_ms = self.window.as_ref().map_or(0, |window| window.start_ms) + self.window_ms();
        let Some(Work { job: Job::WindowEnd(end), .. }) = &mut self.lanes[lane].work else { return };
        if matches!(answer, Answer::Failed | Answer::Throttled) {
            end.attempts = end.attempts.saturating_add(1);
        }
        let is_given_up = answer == Answer::Looped
            || retries_max.is_some_and(|most| end.attempts > most)
            || now.wall_ms.saturating_sub(end_ms) > STREAM_RETENTION_MS;
        if !matches!(answer, Answer::Answered(_)) && !is_given_up {
            return self.wait(lane, now);
        }
        let early = end.early.take();
        self.window = None;
        self.window_hops = 0;
        self.lanes[lane].work = None;
        if let Some(EarlyEnd { done, then, .. }) = early {
            self.finish(lane, done);
            if !then.is_empty() {
                self.lanes[lane].work = Some(Work { job: Job::Records(then), phase: Phase::Ready, stumbles: 0 });
            }
        }
    }
}
