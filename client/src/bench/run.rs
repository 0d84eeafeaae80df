//! The run as a whole: tables, rounds, cells, peers in turn.

use super::{
    args::BenchArgs,
    cell::Chooser,
    cpu,
    load::load,
    pace::{Pace, Schedule},
    peer::Peer,
    report::{CpuUsed, Figures, Measurement, Report, summarise, table},
    tables,
    tally::{Progress, Tally, Window},
    worker::{self, Work},
};
use crate::Error;
use parking_lot::Mutex;
use std::{
    io::{IsTerminal, Write, stderr},
    process::ExitCode,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::{runtime, task::JoinSet};

const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Runs the bench and prints the report on standard output, progress on standard error. Makes its own runtimes: call it from
/// none.
pub fn run(args: BenchArgs) -> ExitCode {
    match measure_all(&args) {
        Ok(report) => {
            print!("{}", table(&report.summary));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("stator bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Everything the command line asks for, the JSON file included.
pub(super) fn measure_all(args: &BenchArgs) -> Result<Report, Error> {
    args.check()?;
    // Discovery, tables and loading; measuring has runtimes of its own.
    let control = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Error::machine("start a runtime"))?;
    let peers = control.block_on(Peer::all(args))?;
    let mut result = control.block_on(prepare(args, &peers)).and_then(|()| rounds(args, &peers));
    if !args.keep {
        let removed = control.block_on(remove(args, &peers));
        result = result.and_then(|measurements| removed.map(|()| measurements));
    }
    let measurements = result?;
    let report = Report {
        connections: args.connections,
        items: args.items,
        item_bytes: args.item_bytes,
        duration_s: args.duration.as_secs_f64(),
        warmup_s: args.warmup.as_secs_f64(),
        rate: args.rate,
        summary: summarise(&measurements),
        measurements,
    };
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report).expect("names and numbers always have a JSON form");
        std::fs::write(path, text + "\n").map_err(Error::machine(format!("write {}", path.display())))?;
    }
    Ok(report)
}

async fn prepare(args: &BenchArgs, peers: &[Peer]) -> Result<(), Error> {
    for peer in peers {
        for table in peer.tables_for(&args.cells) {
            tell(&format!("loading {} items of {} bytes into {}", args.items, args.item_bytes, peer.name));
            tables::create(peer, table).await?;
            load(peer, table, args.items, args.connections).await?;
        }
    }
    Ok(())
}

async fn remove(args: &BenchArgs, peers: &[Peer]) -> Result<(), Error> {
    for peer in peers {
        for table in peer.tables_for(&args.cells) {
            tables::delete(peer, table).await?;
        }
    }
    Ok(())
}

fn rounds(args: &BenchArgs, peers: &[Peer]) -> Result<Vec<Measurement>, Error> {
    let mut measurements = Vec::new();
    for round in 0..args.rounds {
        for &cell in &args.cells {
            let zipf = Arc::new(Chooser::zipf(cell, args.items));
            // Another one begins in each round, so that none always follows the same other.
            for turn in 0..peers.len() {
                let Some(peer) = peers.get((turn + round as usize) % peers.len()) else { continue };
                if !peer.answers(cell) {
                    continue;
                }
                let started = Instant::now();
                let window = window(args, started);
                let work = Arc::new(Work {
                    peer: peer.clone(),
                    cell,
                    items: args.items,
                    zipf: zipf.clone(),
                    window,
                    pace: args.rate.map(|rate| Pace::new(Schedule::new(rate), started)),
                    progress: Progress::new(started),
                });
                let measurement = measure(args, round, &work)?;
                if let Some(example) = &measurement.error_example {
                    tell(&format!("{} errors, one of them: {example}", measurement.failed));
                }
                measurements.push(measurement);
            }
        }
    }
    Ok(measurements)
}

fn window(args: &BenchArgs, started: Instant) -> Window {
    let from = started + args.warmup;
    Window { from, until: from + args.duration }
}

/// One cell at one peer.
fn measure(args: &BenchArgs, round: u64, work: &Arc<Work>) -> Result<Measurement, Error> {
    let threads = (0..args.threads).map(|number| start(args, number, work)).collect::<Result<Vec<_>, _>>()?;
    let pacer = match work.pace.clone() {
        None => None,
        Some(pace) => Some(spawn("pacer", {
            let until = work.window.until;
            move || pace.drive(until)
        })?),
    };
    let label = format!("round {} of {}: {} at {}", round + 1, args.rounds, work.cell.name(), work.peer.name);
    watch(&label, work, work.window.from);
    let before = used(&work.peer)?;
    watch(&label, work, work.window.until);
    let after = used(&work.peer)?;

    let broke = |what| Error::Arguments(format!("{what} broke; its message stands above"));
    let mut tally = Tally::new();
    for thread in threads {
        tally.add(thread.join().map_err(|_| broke("a thread of the generator"))??);
    }
    if let Some(pacer) = pacer {
        pacer.join().map_err(|_| broke("the thread that tells what is due"))?;
    }
    let cpu = CpuUsed {
        server_us: after.server_us.zip(before.server_us).map(|(after, before)| after.saturating_sub(before)),
        generator_us: after.generator_us.saturating_sub(before.generator_us),
    };
    let gap_max = work.progress.gap_max(&work.window);
    let figures = Figures::new(&tally.latency_us, args.duration, gap_max, cpu);
    let not_begun = work.pace.as_ref().map_or(0, Pace::left);
    let (per_second, p99) = (figures.operations_per_second, figures.latency_us_p99 / 1_000.0);
    tell(&format!("{label}: {per_second:.0} operations/s, p99 {p99:.2} ms"));
    Ok(Measurement::new(round, work.cell, &work.peer.name, tally, not_begun, figures))
}

fn used(peer: &Peer) -> Result<CpuUsed, Error> {
    let server_us = if peer.pids.is_empty() { None } else { Some(cpu::used_us(&peer.pids)?) };
    Ok(CpuUsed { server_us, generator_us: cpu::own_us()? })
}

/// One thread of the generator: a runtime of its own, and its share of the connections.
fn start(args: &BenchArgs, number: u64, work: &Arc<Work>) -> Result<JoinHandle<Result<Tally, Error>>, Error> {
    let (connections, threads) = (args.connections, args.threads);
    let workers: Vec<u64> = (0..connections).filter(|worker| worker % threads == number).collect();
    let shared = work.clone();
    spawn("generator", move || {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(Error::machine("start a runtime"))?;
        let tally = Arc::new(Mutex::new(Tally::new()));
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for number in workers {
                tasks.spawn(worker::work(shared.clone(), number, tally.clone()));
            }
            tasks.join_all().await
        });
        let mut whole = Tally::new();
        std::mem::swap(&mut whole, &mut *tally.lock());
        Ok(whole)
    })
}

fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Error> {
    thread::Builder::new().name(name.into()).spawn(body).map_err(Error::machine("start a thread"))
}

/// Waits until then; on a terminal, with a line that says once a second how it goes.
fn watch(label: &str, work: &Work, until: Instant) {
    let (mut counted, terminal) = (work.progress.counts().0, stderr().is_terminal());
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(PROGRESS_INTERVAL));
        let (done, failed) = work.progress.counts();
        if terminal && left >= PROGRESS_INTERVAL {
            eprint!("\r\x1b[K{label}: {} operations/s, {failed} errors", done - counted);
            let _ = stderr().flush(); // a progress line that is late harms nobody
        }
        counted = done;
    }
}

/// A line on standard error, over the progress line.
fn tell(text: &str) {
    if stderr().is_terminal() {
        eprintln!("\r\x1b[K{text}");
    } else {
        eprintln!("{text}");
    }
}
