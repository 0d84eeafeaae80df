//! `stator-sim`: runs seeds, and replays one.

use clap::Parser;
use stator_simulation::run::{Outcome, RunSettings, run};
use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

/// Runs whole clusters on simulated time, broken as the seed says, and checks that they keep their promises.
#[derive(Parser)]
#[command(name = "stator-sim", version)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Runs this seed alone.
    #[arg(long, conflicts_with_all = ["seeds", "first", "forever"])]
    seed: Option<u64>,
    /// Runs seeds until it is stopped or one fails.
    #[arg(long)]
    forever: bool,
    /// With --seed: writes the trace to this file.
    #[arg(long, requires = "seed")]
    trace: Option<PathBuf>,
    /// Simulated seconds of faults in each run.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// Nodes of each cluster.
    #[arg(long, default_value_t = 3)]
    nodes: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let settings = RunSettings {
        torment: Duration::from_secs(arguments.seconds),
        nodes_count: arguments.nodes,
        keep_lines: arguments.trace.is_some(),
        ..RunSettings::default()
    };
    let begun = Instant::now();
    let mut total = Total::default();
    let seeds: Box<dyn Iterator<Item = u64>> = match arguments.seed {
        Some(seed) => Box::new(std::iter::once(seed)),
        None if arguments.forever => Box::new(arguments.first..),
        None => Box::new(arguments.first..arguments.first.saturating_add(arguments.seeds)),
    };
    for seed in seeds {
        let outcome = run(seed, &settings);
        if let Some(file) = &arguments.trace
            && let Err(error) = std::fs::write(file, outcome.lines.join("\n") + "\n")
        {
            eprintln!("the trace cannot be written to {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
        total.add(&outcome);
        if !outcome.violations.is_empty() {
            report(&outcome, &settings);
            return ExitCode::FAILURE;
        }
    }
    total.print(begun.elapsed());
    ExitCode::SUCCESS
}

fn report(outcome: &Outcome, settings: &RunSettings) {
    println!("seed {} FAILED", outcome.seed);
    for violation in &outcome.violations {
        println!("{violation}");
    }
    println!(
        "again: stator-sim --seed {} --seconds {} --nodes {} --trace trace.txt",
        outcome.seed,
        settings.torment.as_secs(),
        settings.nodes_count
    );
}

#[derive(Default)]
struct Total {
    runs: u64,
    succeeded: u64,
    failed: u64,
    unknown: u64,
    simulated: Duration,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.succeeded += outcome.counts.succeeded;
        self.failed += outcome.counts.failed;
        self.unknown += outcome.counts.unknown;
        self.simulated += outcome.simulated;
    }

    fn print(&self, took: Duration) {
        let speed = self.simulated.as_secs_f64() / took.as_secs_f64().max(0.001);
        println!(
            "{} seeds passed: {} operations succeeded, {} failed, {} unknown; {:.0} simulated seconds in {:.1} s ({speed:.0} a second)",
            self.runs,
            self.succeeded,
            self.failed,
            self.unknown,
            self.simulated.as_secs_f64(),
            took.as_secs_f64(),
        );
    }
}
