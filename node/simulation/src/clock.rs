//! A node's clocks in simulated time: they may run fast or slow, and its wall clock may jump.

use parking_lot::Mutex;
use stator_environment::Clock;
use std::time::Duration;
use tokio::time::Instant;

/// 2026-01-01: where simulated wall clocks begin.
const WALL_MS_AT_START: u64 = 1_767_225_600_000;

/// What clocks show at first as elapsed: code may look back from the start.
const ELAPSED_AT_START: Duration = Duration::from_secs(3_600);

/// What a wall clock shows that is right, so long after the start.
pub fn right_wall_ms(since_start: Duration) -> u64 {
    WALL_MS_AT_START + (ELAPSED_AT_START + since_start).as_millis() as u64
}

/// Ticks `rate` times as fast as simulated time.
pub struct SimulatedClock {
    pace: Mutex<Pace>,
    wall_offset_ms: Mutex<i64>,
}

/// What a clock showed at a moment, and how fast it ticks since.
#[derive(Clone, Copy)]
struct Pace {
    at: Instant,
    shown: Duration,
    rate: f64,
}

impl Pace {
    fn elapsed(self) -> Duration {
        let since = self.at.elapsed();
        self.shown + if self.rate == 1.0 { since } else { since.mul_f64(self.rate) }
    }
}

impl SimulatedClock {
    pub fn new(rate: f64) -> SimulatedClock {
        let shown = ELAPSED_AT_START;
        SimulatedClock { pace: Mutex::new(Pace { at: Instant::now(), shown, rate }), wall_offset_ms: Mutex::new(0) }
    }

    /// From now on it ticks so fast. Sleeps that have begun end when the former speed has it.
    pub fn set_rate(&self, rate: f64) {
        let mut pace = self.pace.lock();
        *pace = Pace { at: Instant::now(), shown: pace.elapsed(), rate };
    }

    /// Moves the wall clock, as an operator or a time daemon may do at any moment.
    pub fn jump(&self, by_ms: i64) {
        *self.wall_offset_ms.lock() += by_ms;
    }

    /// Undoes all jumps.
    pub fn set_right(&self) {
        *self.wall_offset_ms.lock() = 0;
    }
}

impl Clock for SimulatedClock {
    fn wall_ms(&self) -> u64 {
        let elapsed_ms = self.elapsed().as_millis() as u64;
        (WALL_MS_AT_START + elapsed_ms).saturating_add_signed(*self.wall_offset_ms.lock())
    }

    fn elapsed(&self) -> Duration {
        self.pace.lock().elapsed()
    }

    fn real_duration(&self, duration: Duration) -> Duration {
        let rate = self.pace.lock().rate;
        if rate == 1.0 { duration } else { duration.div_f64(rate) }
    }
}
