//! Two clocks: wall time, which may jump, and elapsed time, which may not.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A node's clocks.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970. May jump either way; decides only what `docs/architecture.md` lists under "Time".
    fn wall_ms(&self) -> u64;

    /// Time since some fixed moment before this process began. Never jumps, and counts the time in which the machine
    /// was suspended (CLOCK_BOOTTIME): a lease must not survive a suspension.
    fn elapsed(&self) -> Duration;

    /// How long the runtime has to wait until `duration` has passed on this clock. Other than the same only in simulation.
    fn real_duration(&self, duration: Duration) -> Duration {
        duration
    }
}

/// The machine's clocks.
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_ms(&self) -> u64 {
        // A machine whose clock stands before 1970 has other worries; zero is below every timestamp in use.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    }

    fn elapsed(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
    }
}
