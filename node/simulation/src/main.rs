//! `stator-sim`: runs seeds, and replays one.

use clap::{Parser, ValueEnum};
use parking_lot::Mutex;
use stator_simulation::{
    faults::Kind,
    run::{Outcome, RunSettings, run},
    schedules::{ALL, Played},
    shrink::shrink,
};
use std::{
    ops::Range,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// A simulation makes and drops tasks, messages and timers, and little else.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs whole clusters on simulated time, broken as the seed says, and checks that they keep their promises.
#[derive(Parser)]
#[command(name = "stator-sim", version)]
struct Arguments {
    /// How many seeds to run [default: 200; with each schedule 3].
    #[arg(long)]
    seeds: Option<u64>,
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
    /// Nodes of each cluster [default: as the seed has it, most often three].
    #[arg(long)]
    nodes: Option<usize>,
    /// Workloads of each run [default: as the seed has it].
    #[arg(long, value_delimiter = ',', value_parser = workload_names())]
    workloads: Vec<String>,
    /// Kinds of faults of each run [default: as the seed has it].
    #[arg(long, value_delimiter = ',', value_enum)]
    kinds: Vec<Kind>,
    /// Only these of the seed's faults happen, by their numbers.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    faults: Option<Vec<usize>>,
    /// What the nodes log, to standard error; for example debug, or warn,stator_consensus=trace.
    #[arg(long)]
    log: Option<String>,
    /// Plays the schedules of `schedules.rs` (or those named) instead of the swarm.
    #[arg(long, num_args = 0.., value_delimiter = ',', conflicts_with_all = ["seed", "forever"])]
    schedules: Option<Vec<String>>,
    /// Has the product make one mistake after the other (or those named), and fails if one survives its hunt.
    #[cfg(feature = "mutants")]
    #[arg(long, num_args = 0.., value_delimiter = ',', conflicts_with_all = ["seed", "forever"])]
    mutants: Option<Vec<String>>,
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
        workloads: named(&arguments.workloads),
        kinds: arguments.kinds.clone(),
        only_faults: arguments.faults.clone(),
        keep_lines: arguments.trace.is_some(),
        ..RunSettings::default()
    };
    let seeds = match arguments.seed {
        Some(seed) => seed..seed.saturating_add(1),
        None if arguments.forever => arguments.first..u64::MAX,
        None => arguments.first..arguments.first.saturating_add(arguments.seeds.unwrap_or(200)),
    };
    let begun = Instant::now();
    // A panic of a node is a finding, told with the others.
    std::panic::set_hook(Box::new(|_| {}));
    let jobs = arguments.jobs.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    #[cfg(feature = "mutants")]
    if let Some(names) = &arguments.mutants {
        return hunt_all(names, jobs);
    }
    if let Some(names) = &arguments.schedules {
        let seeds = arguments.first..arguments.first.saturating_add(arguments.seeds.unwrap_or(3));
        return play_all(names, seeds);
    }
    let (total, failed) = run_all(seeds, &settings, jobs);
    if let Some(outcome) = failed {
        report(outcome, &settings, &arguments);
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

/// Plays schedules, and tells how often the moment of each came about.
fn play_all(names: &[String], seeds: Range<u64>) -> ExitCode {
    let wanted = ALL.iter().filter(|schedule| names.is_empty() || names.iter().any(|name| name == schedule.name));
    let (mut played_count, mut is_sound) = (0, true);
    for schedule in wanted {
        let begun = Instant::now();
        let played: Vec<(u64, Played)> = seeds.clone().map(|seed| (seed, (schedule.play)(seed))).collect();
        let moments: u32 = played.iter().map(|(_, played)| played.moments).sum();
        println!("{}: {moments} moments, {:.1} s", schedule.name, begun.elapsed().as_secs_f64());
        let broken = played.iter().flat_map(|(seed, played)| played.broken.iter().map(move |said| (seed, said)));
        broken.for_each(|(seed, said)| println!("  seed {seed}: {said}"));
        is_sound &= moments > 0 && played.iter().all(|(_, played)| played.broken.is_empty());
        played_count += 1;
    }
    if is_sound && played_count > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Hunts mutants, each in its own way, several at once, and tells what showed them.
#[cfg(feature = "mutants")]
fn hunt_all(names: &[String], jobs: usize) -> ExitCode {
    use stator_mutants::Mutant;
    use stator_simulation::mutants::{Catch, hunt};
    let wanted = |mutant: &Mutant| names.is_empty() || names.iter().any(|name| name == mutant.name());
    let mutants: Vec<Mutant> = Mutant::ALL.iter().copied().filter(wanted).collect();
    let (next, survivors) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let begun = Instant::now();
                    let hunted = hunt(*mutant);
                    let took = begun.elapsed().as_secs_f64();
                    match hunted {
                        Ok(Catch { by, seed, tried, violation }) => {
                            println!("{}: {by}, seed {seed}, {tried} tried, {took:.1} s: {violation}", mutant.name());
                        }
                        Err(survived) => {
                            survivors.fetch_add(1, Ordering::Relaxed);
                            println!("{}: SURVIVED: {survived}", mutant.name());
                        }
                    }
                }
            });
        }
    });
    if mutants.is_empty() || survivors.into_inner() > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn write_trace(arguments: &Arguments, outcome: &Outcome) {
    if let Some(file) = &arguments.trace
        && let Err(error) = std::fs::write(file, outcome.lines.join("\n") + "\n")
    {
        eprintln!("the trace cannot be written to {}: {error}", file.display());
    }
}

/// All workloads that can be asked for.
fn known() -> impl Iterator<Item = &'static str> {
    stator_workloads::NAMES.into_iter()
}

/// What `--workloads` takes.
fn workload_names() -> clap::builder::PossibleValuesParser {
    known().collect::<Vec<_>>().into()
}

fn named(workloads: &[String]) -> Vec<&'static str> {
    known().filter(|name| workloads.iter().any(|given| given == name)).collect()
}

fn kind_names(kinds: &[Kind]) -> String {
    let names = kinds.iter().filter_map(Kind::to_possible_value).map(|kind| kind.get_name().to_owned());
    names.collect::<Vec<_>>().join(",")
}

/// Tells what failed, which of the faults matter, and how to see it again.
fn report(outcome: Outcome, settings: &RunSettings, arguments: &Arguments) {
    println!("seed {} FAILED, with workloads {}", outcome.seed, outcome.workloads.join(", "));
    for violation in &outcome.violations {
        println!("{violation}");
    }
    let mut again = format!("stator-sim --seed {} --seconds {}", outcome.seed, settings.torment.as_secs());
    if let Some(nodes) = settings.nodes_count {
        again += &format!(" --nodes {nodes}");
    }
    if !arguments.workloads.is_empty() {
        again += &format!(" --workloads {}", arguments.workloads.join(","));
    }
    if !arguments.kinds.is_empty() {
        again += &format!(" --kinds {}", kind_names(&arguments.kinds));
    }
    println!("again: {again} --trace trace.txt");
    if settings.only_faults.is_some() {
        return write_trace(arguments, &outcome);
    }
    println!("looking for the faults that matter ...");
    let (left, smallest) = shrink(outcome, &RunSettings { keep_lines: true, ..settings.clone() });
    let numbers: Vec<String> = left.iter().map(usize::to_string).collect();
    println!("it fails with {} faults as well: {again} --faults {}", left.len(), numbers.join(","));
    for (number, fault) in numbers.iter().zip(&smallest.faults) {
        println!("  {number}: {fault}");
    }
    for violation in &smallest.violations {
        println!("{violation}");
    }
    write_trace(arguments, &smallest);
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
