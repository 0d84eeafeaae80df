//! By what time things become old: the wall clock's, but for its jumps ahead.
//!
//! What is kept for a day must not go because a clock was set forward. A clock that was wrong at the beginning is believed.

use crate::Clock;
use std::{sync::Arc, time::Duration};

/// Tells how late it is, for whoever drops what is old.
pub struct Age {
    clock: Arc<dyn Clock>,
    begun_ms: u64,
    begun: Duration,
}

impl Age {
    pub fn new(clock: Arc<dyn Clock>) -> Age {
        let (begun_ms, begun) = (clock.wall_ms(), clock.elapsed());
        Age { clock, begun_ms, begun }
    }

    /// Milliseconds since 1970: as the wall clock has it, and at most as many as have passed since the beginning.
    pub fn now_ms(&self) -> u64 {
        let passed = self.clock.elapsed().saturating_sub(self.begun);
        let most_ms = self.begun_ms.saturating_add(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        self.clock.wall_ms().min(most_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Both in milliseconds.
    struct SetClock {
        wall: AtomicU64,
        elapsed: AtomicU64,
    }

    impl Clock for SetClock {
        fn wall_ms(&self) -> u64 {
            self.wall.load(Ordering::Relaxed)
        }

        fn elapsed(&self) -> Duration {
            Duration::from_millis(self.elapsed.load(Ordering::Relaxed))
        }
    }

    #[test]
    fn a_clock_that_is_set_forward_makes_nothing_older() {
        let clock = Arc::new(SetClock { wall: AtomicU64::new(1_000), elapsed: AtomicU64::new(50) });
        let age = Age::new(clock.clone());
        for (wall, elapsed, now) in [(1_000, 50, 1_000), (1_200, 250, 1_200), (90_000_000, 350, 1_300), (700, 450, 700)]
        {
            clock.wall.store(wall, Ordering::Relaxed);
            clock.elapsed.store(elapsed, Ordering::Relaxed);
            assert_eq!(age.now_ms(), now);
        }
    }
}
