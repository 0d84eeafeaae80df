//! What makes one seed differ from another, beside chance: which workloads, which faults, which numbers.

use crate::{
    faults::{Planned, plan},
    run::RunSettings,
    world::Dice,
};
use stator_cluster::AllSettings;
use std::time::Duration;

/// The first so many workloads of all; those that came later have dice of their own.
const CHOSEN_FROM: u64 = 13;

/// A run as the seed has it.
#[derive(Clone, Debug)]
pub struct Mix {
    pub workloads: Vec<&'static str>,
    pub clients_each: u64,
    pub nodes_count: usize,
    /// How fast each node's clock ticks.
    pub clock_rates: Vec<f64>,
    pub faults: Vec<Planned>,
    pub cluster: AllSettings,
    /// How long rows stay unflushed at most.
    pub flush_most: Duration,
}

/// The mix of a seed.
pub fn mix(seed: u64, settings: &RunSettings) -> Mix {
    // Dice of their own, so that leaving a fault out changes nothing else of the mix.
    let mut dice = Dice::new(seed ^ 0x5eed_0f5e_ed0f_5eed);
    let dice = &mut dice;
    let mut workloads = Vec::new();
    for _ in 0..=dice.below(3) {
        let name = stator_workloads::NAMES[dice.below(CHOSEN_FROM) as usize];
        if !workloads.contains(&name) {
            workloads.push(name);
        }
    }
    // Dice of their own: the workloads that came later change nothing else of the mix.
    let mut later = Dice::new(seed ^ 0x7419_9e45_7419_9e45);
    if later.chance(150) {
        workloads.push("trigger");
    }
    let nodes_count = settings.nodes_count.unwrap_or(if dice.chance(800) { 3 } else { 4 + dice.below(4) as usize });
    // Clocks differ in one of five runs, by less than a factor of two.
    let skewed = dice.chance(200);
    let rate = |dice: &mut Dice| if skewed { 0.72 + dice.below(670) as f64 / 1_000.0 } else { 1.0 };
    Mix {
        workloads: if settings.workloads.is_empty() { workloads } else { settings.workloads.clone() },
        clients_each: 2 + dice.below(4),
        nodes_count,
        clock_rates: (0..nodes_count).map(|_| rate(dice)).collect(),
        faults: plan(dice, settings.torment, &settings.kinds),
        cluster: vary(dice, &settings.cluster),
        flush_most: if dice.chance(300) { Duration::from_secs(60) } else { Duration::from_secs(5) },
    }
}

/// Tiny logs make snapshots, short rests make groups sleep, tiny batches make many entries, tiny queues overflow.
fn vary(dice: &mut Dice, settings: &AllSettings) -> AllSettings {
    let mut varied = settings.clone();
    varied.cluster.partitions_of_new_table = Some(1 + dice.below(3));
    if dice.chance(500) {
        varied.consensus.log_entries_kept = 1 + dice.below(50);
        varied.consensus.purge_every_ms = 200 + dice.below(2_000);
        varied.consensus.snapshot_piece_bytes = 256 + dice.below(8_192) as usize;
    }
    if dice.chance(500) {
        varied.consensus.sleep_after_ms = Some(500 + dice.below(2_000));
        // Twice the no-vote time is the least.
        varied.consensus.dormant_after_ms = Some(2_500 + dice.below(3_000));
        varied.consensus.awake_for_turns_max = 1 + dice.below(20) as usize;
    }
    if dice.chance(500) {
        varied.replica.entries_in_flight_max = 2 + dice.below(7) as usize;
        varied.replica.commands_ahead_min = 1 + dice.below(8) as usize;
    }
    if dice.chance(200) {
        varied.replica.lease_reads = false;
    }
    if dice.chance(200) {
        varied.replica.mailbox_commands_max = 1 + dice.below(3) as usize;
    }
    // Coordinators are taken for dead while they work, or only after seconds.
    varied.cluster.transaction_old_after = dice.between(Duration::from_millis(20), Duration::from_secs(3));
    varied.cluster.streams_look_every = dice.between(Duration::from_millis(50), Duration::from_secs(1));
    varied.cluster.shard_open_for = dice.between(Duration::from_millis(500), Duration::from_secs(5));
    varied.cluster.expiries_look_every = dice.between(Duration::from_millis(20), Duration::from_millis(500));
    varied
}
