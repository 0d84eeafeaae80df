//! `stator-sim`: runs seeds, and replays one.

use clap::Parser;
use parking_lot::Mutex;
use stator_simulation::run::{Outcome, RunSettings, run};
use std::{
    ops::Range,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
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
    /// What the nodes log, to standard error; for example debug, or warn,stator_consensus=trace.
    #[arg(long)]
    log: Option<String>,
    /// Runs at once; each is a thread of its own [default: the machine's cores].
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(filter) = &arguments.log {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    }
    let settings = RunSettings {
        torment: Duration::from_secs(arguments.seconds),
        nodes_count: arguments.nodes,
        keep_lines: arguments.trace.is_some(),
        ..RunSettings::default()
    };
    let seeds = match arguments.seed {
        Some(seed) => seed..seed.saturating_add(1),
        None if arguments.forever => arguments.first..u64::MAX,
        None => arguments.first..arguments.first.saturating_add(arguments.seeds),
    };
    let begun = Instant::now();
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let (total, failed) = run_all(seeds, &settings, jobs);
    if let Some(outcome) = failed {
        report(&outcome, &settings);
        write_trace(&arguments, &outcome);
        return ExitCode::FAILURE;
    }
    if let Some(outcome) = &total.last {
        write_trace(&arguments, outcome);
    }
    total.print(begun.elapsed());
    ExitCode::SUCCESS
}

/// Runs seeds until all have passed or one has failed. Each run has a runtime of its own, so they do not touch one another.
fn run_all(seeds: Range<u64>, settings: &RunSettings, jobs: usize) -> (Total, Option<Outcome>) {
    let (next, total, failed) = (AtomicU64::new(seeds.start), Mutex::new(Total::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().is_some() {
                        return;
                    }
                    let outcome = run(seed, settings);
                    if outcome.violations.is_empty() {
                        total.lock().add(outcome);
                    } else {
                        failed.lock().get_or_insert(outcome);
                    }
                }
            });
        }
    });
    (total.into_inner(), failed.into_inner())
}

fn write_trace(arguments: &Arguments, outcome: &Outcome) {
    if let Some(file) = &arguments.trace
        && let Err(error) = std::fs::write(file, outcome.lines.join("\n") + "\n")
    {
        eprintln!("the trace cannot be written to {}: {error}", file.display());
    }
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
    last: Option<Outcome>,
}

impl Total {
    fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.succeeded += outcome.counts.succeeded;
        self.failed += outcome.counts.failed;
        self.unknown += outcome.counts.unknown;
        self.simulated += outcome.simulated;
        self.last = Some(outcome);
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
