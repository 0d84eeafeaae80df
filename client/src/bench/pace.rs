//! Open loop: operations are due at fixed times, whether or not earlier ones have been answered.
//!
//! Latency counts from the due time, so a server that stops for a second is charged for every operation that was due in that
//! second, not for the 64 that happened to be under way.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Tokio's timers count whole milliseconds, too coarse here; a thread of its own sleeps this long, and is late by so much.
const TICK: Duration = Duration::from_micros(200);

/// When the operations of a steady rate are due: pure arithmetic, in nanoseconds since the start.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    per_second: u64,
}

impl Schedule {
    /// `per_second` is at least 1.
    pub fn new(per_second: u64) -> Schedule {
        Schedule { per_second: per_second.max(1) }
    }

    pub fn due_ns(&self, slot: u64) -> u64 {
        (u128::from(slot) * 1_000_000_000 / u128::from(self.per_second)) as u64
    }

    /// How many slots are due at that time; slot 0 is due at once.
    pub fn slots_due(&self, elapsed_ns: u64) -> u64 {
        ((u128::from(elapsed_ns) + 1) * u128::from(self.per_second)).div_ceil(1_000_000_000) as u64
    }
}

/// Hands the slots of a schedule to the workers, each when it is due, each once. Clones share the slots.
#[derive(Clone, Debug)]
pub struct Pace(Arc<Slots>);

#[derive(Debug)]
struct Slots {
    schedule: Schedule,
    started: Instant,
    due: Semaphore,
    released: AtomicU64,
    taken: AtomicU64,
}

impl Pace {
    pub fn new(schedule: Schedule, started: Instant) -> Pace {
        let (released, taken) = (AtomicU64::new(0), AtomicU64::new(0));
        Pace(Arc::new(Slots { schedule, started, due: Semaphore::new(0), released, taken }))
    }

    /// Waits for a slot and says when it was due; `None`: the time is over.
    pub async fn slot(&self) -> Option<Instant> {
        self.0.due.acquire().await.ok()?.forget();
        let slot = self.0.taken.fetch_add(1, Ordering::Relaxed);
        Some(self.0.started + Duration::from_nanos(self.0.schedule.due_ns(slot)))
    }

    /// Releases what is due at that time.
    pub fn release(&self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.0.started);
        let due = self.0.schedule.slots_due(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX));
        let released = self.0.released.fetch_max(due, Ordering::Relaxed);
        let more = usize::try_from(due.saturating_sub(released)).unwrap_or(usize::MAX);
        self.0.due.add_permits(more.min(Semaphore::MAX_PERMITS - self.0.due.available_permits()));
    }

    /// How many slots were due and nobody was free to take.
    pub fn left(&self) -> u64 {
        self.0.released.load(Ordering::Relaxed).saturating_sub(self.0.taken.load(Ordering::Relaxed))
    }

    /// Releases slots on the calling thread until that time, then ends the waiting.
    pub fn drive(&self, until: Instant) {
        while Instant::now() < until {
            self.release(Instant::now());
            std::thread::sleep(TICK);
        }
        self.0.due.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_due_at_a_steady_rate() {
        for (per_second, slot, due_ns) in [(1, 0, 0), (1, 3, 3_000_000_000), (7, 7, 1_000_000_000), (40_000, 1, 25_000)]
        {
            assert_eq!(Schedule::new(per_second).due_ns(slot), due_ns);
        }
        for per_second in [1, 3, 999, 1_000, 33_333, 1_000_000] {
            let schedule = Schedule::new(per_second);
            for slot in 0..2_000 {
                let due = schedule.due_ns(slot);
                assert!(schedule.slots_due(due) > slot, "slot {slot} at {per_second}/s is due at its time");
                assert!(
                    due == 0 || schedule.slots_due(due - 1) <= slot,
                    "slot {slot} at {per_second}/s is not due before"
                );
            }
        }
    }

    /// On a clock of our own: a server that stops for a second, a single worker. Every slot of that second is late.
    #[tokio::test]
    async fn latency_counts_from_the_due_time() {
        let started = Instant::now();
        let pace = Pace::new(Schedule::new(10), started);
        let mut now = started + Duration::from_secs(1);
        pace.release(now);
        let mut late_ms = Vec::new();
        while pace.left() > 0 {
            let due = pace.slot().await.expect("not closed");
            now += Duration::from_millis(5);
            late_ms.push((now - due).as_millis());
        }
        assert_eq!(late_ms, [1005, 910, 815, 720, 625, 530, 435, 340, 245, 150, 55]);
        pace.release(now);
        assert_eq!(pace.left(), 0, "nothing more is due within those 55 ms");
        pace.0.due.close();
        assert!(pace.slot().await.is_none());
    }
}
