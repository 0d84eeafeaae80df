//! A node's clocks in simulated time: they may run fast or slow, and its wall clock may jump.

use parking_lot::Mutex;
use stator_environment::Clock;
use std::time::Duration;
use tokio::time::Instant;

/// 2026-01-01: where simulated wall clocks begin.
const WALL_MS_AT_START: u64 = 1_767_225_600_000;

/// Ticks `rate` times as fast as simulated time.
pub struct SimulatedClock {
    started: Instant,
    rate: f64,
    wall_offset_ms: Mutex<i64>,
}

impl SimulatedClock {
    pub fn new(rate: f64) -> SimulatedClock {
        SimulatedClock { started: Instant::now(), rate, wall_offset_ms: Mutex::new(0) }
    }

    /// Moves the wall clock, as an operator or a time daemon may do at any moment.
    pub fn jump(&self, by_ms: i64) {
        *self.wall_offset_ms.lock() += by_ms;
    }
}

impl Clock for SimulatedClock {
    fn wall_ms(&self) -> u64 {
        let elapsed_ms = self.elapsed().as_millis() as u64;
        (WALL_MS_AT_START + elapsed_ms).saturating_add_signed(*self.wall_offset_ms.lock())
    }

    fn elapsed(&self) -> Duration {
        // An hour ahead of zero, so that code may look back from the start.
        Duration::from_secs(3_600) + self.started.elapsed().mul_f64(self.rate)
    }

    fn real_duration(&self, duration: Duration) -> Duration {
        if self.rate == 1.0 { duration } else { duration.div_f64(self.rate) }
    }
}
