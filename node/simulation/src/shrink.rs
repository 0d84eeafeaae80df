//! Which of a failing seed's faults matter.

use crate::run::{Outcome, RunSettings, run};

/// Runs after which shrinking stops.
const RUNS_MAX: usize = 80;

/// Leaves faults out, the late ones first and many at once, as long as the seed still fails. Gives the places of those that
/// are left, and the run with them.
pub fn shrink(failing: Outcome, settings: &RunSettings) -> (Vec<usize>, Outcome) {
    let mut left: Vec<usize> = (0..failing.faults.len()).collect();
    let (mut smallest, mut runs) = (failing, 0);
    let mut step = left.len().div_ceil(2);
    while step > 0 && runs < RUNS_MAX {
        let mut end = left.len();
        while end > 0 && runs < RUNS_MAX {
            let start = end.saturating_sub(step);
            let mut without = left.clone();
            without.drain(start..end);
            let outcome = run(smallest.seed, &RunSettings { only_faults: Some(without.clone()), ..settings.clone() });
            runs += 1;
            if !outcome.violations.is_empty() {
                (left, smallest) = (without, outcome);
            }
            end = start.min(left.len());
        }
        step = if step == 1 { 0 } else { step.div_ceil(2) };
    }
    (left, smallest)
}
