//! The judge itself: it repeats, and it can condemn. (`make test` runs 200 seeds with `stator-sim` besides.)

use stator_simulation::{
    run::{RunSettings, run},
    shrink::shrink,
};
use std::time::Duration;

fn settings() -> RunSettings {
    RunSettings { torment: Duration::from_secs(8), keep_lines: true, ..RunSettings::default() }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2] {
        let (one, other) = (run(seed, &settings()), run(seed, &settings()));
        let first = one.lines.iter().zip(&other.lines).find(|(ours, theirs)| ours != theirs);
        assert_eq!(first, None, "the runs of seed {seed} part here");
        assert_eq!(one, other);
        assert_eq!(one.violations, Vec::<String>::new());
    }
}

#[test]
fn different_seeds_give_different_runs() {
    assert_ne!(run(3, &settings()).fingerprint, run(4, &settings()).fingerprint);
}

/// With a lease far beyond the no-vote time a deposed leader answers from the past; and the faults that show it are found.
#[test]
fn a_lease_that_is_too_long_is_caught() {
    let workloads = vec!["register"];
    let mut settings = RunSettings { torment: Duration::from_secs(20), workloads, ..RunSettings::default() };
    settings.cluster.consensus.lease_ms = 30_000;
    let caught = (1..=60)
        .map(|seed| run(seed, &settings))
        .find(|outcome| outcome.violations.iter().any(|text| text.contains("an item is linearizable")));
    let caught = caught.expect("60 seeds did not show a stale read");
    let (all, (left, smallest)) = (caught.faults.len(), shrink(caught, &settings));
    assert!(left.len() < all && !smallest.violations.is_empty(), "{left:?} of {all} faults");
}
