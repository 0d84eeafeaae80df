//! What the workers saw in one measurement.

use hdrhistogram::Histogram;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Latencies beyond this count as this. Longer than connecting and waiting for two replies can take.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Kinds of errors that are told apart.
const ERROR_KINDS_MAX: usize = 32;

/// Operations and errors of some workers.
#[derive(Debug)]
pub struct Tally {
    pub latency_us: Histogram<u64>,
    pub errors: BTreeMap<String, u64>,
    /// One error in full.
    pub error_example: Option<String>,
}

impl Tally {
    pub fn new() -> Tally {
        let latency_us =
            Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("bounds and digits are those it takes");
        Tally { latency_us, errors: BTreeMap::new(), error_example: None }
    }

    pub fn succeeded(&mut self, latency: Duration) {
        self.latency_us.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    pub fn failed(&mut self, kind: String, example: impl FnOnce() -> String) {
        self.error_example.get_or_insert_with(example);
        if self.errors.len() < ERROR_KINDS_MAX || self.errors.contains_key(&kind) {
            *self.errors.entry(kind).or_default() += 1;
        } else {
            *self.errors.entry("other".into()).or_default() += 1;
        }
    }

    pub fn add(&mut self, other: Tally) {
        self.latency_us.add(&other.latency_us).expect("all histograms have the same bounds");
        for (kind, count) in other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        self.error_example = self.error_example.take().or(other.error_example);
    }
}

/// The part of a run that counts: from the end of the warm-up on.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: Instant,
    pub until: Instant,
}

impl Window {
    pub fn contains(&self, at: Instant) -> bool {
        self.from <= at && at <= self.until
    }
}

/// Seen by all workers and by the progress line.
#[derive(Debug)]
pub struct Progress {
    started: Instant,
    done: AtomicU64,
    failed: AtomicU64,
    /// In microseconds since the start.
    last_success_us: AtomicU64,
    gap_us_max: AtomicU64,
}

impl Progress {
    pub fn new(started: Instant) -> Progress {
        Progress {
            started,
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_success_us: AtomicU64::new(0),
            gap_us_max: AtomicU64::new(0),
        }
    }

    pub fn succeeded(&self, at: Instant, window: &Window) {
        self.done.fetch_add(1, Ordering::Relaxed);
        if window.contains(at) {
            self.close_gap(at, window);
        }
    }

    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The longest time without a success anywhere, within the window; call it when the workers have ended.
    pub fn gap_max(&self, window: &Window) -> Duration {
        self.close_gap(window.until, window);
        Duration::from_micros(self.gap_us_max.load(Ordering::Relaxed))
    }

    /// Operations and errors so far, warm-up included.
    pub fn counts(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    fn close_gap(&self, at: Instant, window: &Window) {
        let us =
            |at: Instant| u64::try_from(at.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX);
        let last = self.last_success_us.fetch_max(us(at), Ordering::Relaxed).max(us(window.from));
        self.gap_us_max.fetch_max(us(at).saturating_sub(last), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_is_found() {
        let started = Instant::now();
        let at = |ms| started + Duration::from_millis(ms);
        let window = Window { from: at(100), until: at(1_000) };
        for (successes, gap_ms) in
            [(vec![], 900), (vec![50], 900), (vec![50, 300, 400], 600), (vec![150, 700, 990, 1_200], 550)]
        {
            let progress = Progress::new(started);
            successes.iter().for_each(|&ms| progress.succeeded(at(ms), &window));
            assert_eq!(progress.gap_max(&window), Duration::from_millis(gap_ms), "{successes:?}");
        }
    }

    #[test]
    fn kinds_of_errors_are_bounded() {
        let mut tally = Tally::new();
        for number in 0..1_000 {
            tally.failed(format!("kind {number}"), || number.to_string());
        }
        assert_eq!((tally.errors.len(), tally.errors["other"]), (ERROR_KINDS_MAX + 1, 968));
        assert_eq!(tally.error_example.as_deref(), Some("0"));
    }
}
