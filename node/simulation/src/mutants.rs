//! Shows that the simulation would notice: the product makes one mistake after the other, until a check fails.

use crate::{
    run::{RunSettings, run},
    throttling,
};
use stator_mutants::Mutant;

/// What came of a mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hunt {
    pub mutant: Mutant,
    /// Seeds that were run.
    pub seeds: u64,
    /// The seed that showed it, the first thing that was not true, and the workloads; `None`: none did.
    pub caught: Option<(u64, String, Vec<&'static str>)>,
}

/// Runs seeds with a mistake until one fails, at most so many.
pub fn hunt(mutant: Mutant, settings: &RunSettings, seeds_max: u64) -> Hunt {
    stator_mutants::activate(Some(mutant));
    let mut hunt = Hunt { mutant, seeds: 0, caught: None };
    for seed in 1..=seeds_max {
        hunt.seeds = seed;
        let (violations, workloads) = match mutant {
            // No workload of the swarm asks for more than a table's capacity.
            Mutant::ThrottleTooLate | Mutant::LendAndKeep => (throttling::violations(seed), vec!["throttling"]),
            _ => {
                let outcome = run(seed, settings);
                (outcome.violations, outcome.workloads)
            }
        };
        if let Some(violation) = violations.first() {
            let first = violation.lines().next().unwrap_or_default().to_owned();
            hunt.caught = Some((seed, first, workloads));
            break;
        }
    }
    stator_mutants::activate(None);
    hunt
}
