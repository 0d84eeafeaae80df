//! The product passes every schedule, and in each the moment that it is about comes about.

use stator_simulation::schedules::{ALL, Schedule};

const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;

fn failures(schedule: &Schedule) -> Vec<String> {
    let mut moments = 0;
    let mut found = Vec::new();
    for seed in SEEDS {
        let played = (schedule.play)(seed);
        found.extend(played.broken.into_iter().map(|broken| format!("{}, seed {seed}: {broken}", schedule.name)));
        moments += played.moments;
    }
    if moments == 0 {
        found.push(format!("{}: its moment never came about", schedule.name));
    }
    found
}

#[test]
fn the_product_passes_every_schedule() {
    let failures: Vec<String> = ALL.iter().flat_map(failures).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
