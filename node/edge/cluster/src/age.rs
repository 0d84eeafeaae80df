//! By what time things become old: the wall clock's, but for its jumps ahead.
//!
//! What is kept for a day must not go because a clock was set forward. A clock that was wrong at the beginning is believed.

use stator_environment::Clock;
use std::{sync::Arc, time::Duration};

/// Tells how late it is, for whoever drops what is old.
pub(crate) struct Age {
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

/// By what time items expire: the latest that more than half of these clocks have reached. `None`: so few are known, of a
/// cluster of so many nodes, that a wrong one might be taken for all.
pub(crate) fn agreed_ms(mut clocks: Vec<u64>, nodes_count: usize) -> Option<u64> {
    if 2 * clocks.len() < nodes_count {
        return None;
    }
    clocks.sort_unstable();
    clocks.get(clocks.len().saturating_sub(1) / 2).copied()
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
    fn more_than_half_of_the_clocks_agree() {
        for (clocks, nodes_count, agreed) in [
            (vec![5], 1, Some(5)),
            (vec![90, 5], 2, Some(5)),
            (vec![90], 2, Some(90)),
            (vec![90, 5, 6], 3, Some(6)),
            (vec![1, 6, 5], 3, Some(5)),
            (vec![90, 5], 3, Some(5)),
            (vec![90], 3, None),
            (vec![90, 91, 5, 6], 4, Some(6)),
            (vec![90, 91, 5], 5, Some(90)),
            (vec![90, 91], 5, None),
            (vec![], 0, None),
        ] {
            assert_eq!(agreed_ms(clocks.clone(), nodes_count), agreed, "{clocks:?} of {nodes_count}");
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
