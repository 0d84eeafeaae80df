//! Waits that end.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// In which everything must happen that a test waits for. Generous: a test says what happens, not how fast.
pub const AMPLE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until `look` finds something.
pub fn eventually<T>(what: impl Display, look: impl FnMut() -> Option<T>) -> T {
    within(AMPLE, what, look)
}

/// As [`eventually`], with another deadline.
pub fn within<T>(time_max: Duration, what: impl Display, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + time_max;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never came within {time_max:?}: {what}");
        thread::sleep(LOOK_AGAIN);
    }
}

/// Whether tests may take the full time and the full numbers.
pub fn is_slow_allowed() -> bool {
    std::env::var("STATOR_SLOW_TESTS").is_ok_and(|value| value == "1")
}
