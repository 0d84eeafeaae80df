//! How fast the Raft log is here: 1, 16 and 256 appenders, each waiting for its own entry to be durable.
//!
//!     cargo run --release -p stator-storage --example log_bench -- DIRECTORY [SECONDS]

use bytes::Bytes;
use stator_environment::RaftLog;
use stator_item::ReplicaId;
use stator_storage::{FileLog, LogMetrics, Settings};
use std::{
    path::PathBuf,
    sync::{Arc, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

const ENTRY_BYTES: usize = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("give a directory")?);
    let seconds = arguments.next().map_or(Ok(3), |seconds| seconds.parse())?;
    for appenders in [1, 16, 256] {
        let directory = directory.join(format!("log-{appenders}"));
        std::fs::create_dir_all(&directory)?;
        let log = Arc::new(FileLog::open(&directory, &Settings::default(), LogMetrics::default())?);
        let end = Instant::now() + Duration::from_secs(seconds);
        let threads: Vec<_> = (0..appenders)
            .map(|number| {
                thread::spawn({
                    let log = Arc::clone(&log);
                    move || append_until(&log, ReplicaId(number), end)
                })
            })
            .collect();
        let mut latencies = Vec::new();
        for thread in threads {
            latencies.extend(thread.join().map_err(|_| "an appender panicked")?);
        }
        latencies.sort_unstable();
        let at = |share: usize| latencies.get(latencies.len() * share / 1000).copied().unwrap_or_default();
        println!(
            "{appenders:4} appenders: {:7} entries/s, p50 {:?}, p99 {:?}, max {:?}",
            latencies.len() as u64 / seconds,
            at(500),
            at(990),
            latencies.last().copied().unwrap_or_default(),
        );
        let started = Instant::now();
        drop(log);
        drop(FileLog::open(&directory, &Settings::default(), LogMetrics::default())?);
        println!("                reopened in {:?}", started.elapsed());
    }
    Ok(())
}

fn append_until(log: &FileLog, replica: ReplicaId, end: Instant) -> Vec<Duration> {
    let entry = Bytes::from(vec![7; ENTRY_BYTES]);
    let mut index = log.state(replica).last.unwrap_or(0);
    let mut latencies = Vec::new();
    while Instant::now() < end {
        index += 1;
        let start = Instant::now();
        let (sender, done) = sync_channel(1);
        // The receiver waits below, in this very loop.
        log.append(replica, vec![(index, entry.clone())], Box::new(move |result| drop(sender.send(result))));
        if !matches!(done.recv(), Ok(Ok(()))) {
            break;
        }
        latencies.push(start.elapsed());
        if index.is_multiple_of(10_000) {
            log.purge(replica, index - 1000, Bytes::new());
        }
    }
    latencies
}
