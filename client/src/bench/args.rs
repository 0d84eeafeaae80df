//! The command line of the bench.

// The brackets in the help texts mean "may be left out"; they are no links.
#![allow(rustdoc::broken_intra_doc_links)]

use super::{
    cell::{BATCH_ITEMS, COLLECTION_ITEMS, Cell},
    request::{ITEM_BYTES_MAX, ITEM_BYTES_MIN, Identity},
};
use crate::Error;
use std::{path::PathBuf, time::Duration};

const _: () = assert!(COLLECTION_ITEMS >= BATCH_ITEMS, "the fewest items that are taken must fill a batch");
const CONNECTIONS_MAX: u64 = 10_000;

/// Measures a cluster: operations a second, latencies, and CPU time an operation.
///
/// Makes its own tables, loads them, and removes them afterwards.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// Nodes to begin with; the others are found from these
    #[arg(long, value_name = "URL", value_delimiter = ',', default_value = "http://127.0.0.1:8000")]
    pub endpoints: Vec<String>,

    /// Use only the nodes given by --endpoints
    #[arg(long)]
    pub no_discovery: bool,

    /// Access key to sign with
    #[arg(long, value_name = "KEY", env = "AWS_ACCESS_KEY_ID", default_value = "dummy")]
    pub access_key: String,

    /// Its secret
    #[arg(long, value_name = "SECRET", env = "AWS_SECRET_ACCESS_KEY", default_value = "dummy", hide_env_values = true)]
    pub secret_key: String,

    /// Region in the signature
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    pub region: String,

    /// What to measure, one after another
    #[arg(long, value_name = "CELL", value_delimiter = ',', default_value = "put,get,strong-get,query")]
    pub cells: Vec<Cell>,

    /// Connections, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=CONNECTIONS_MAX))]
    pub connections: u64,

    /// Threads of the generator
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    pub threads: u64,

    /// Items to load
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(COLLECTION_ITEMS..=100_000_000_000))]
    pub items: u64,

    /// Size of an item as DynamoDB counts it, key and attribute names included
    #[arg(long, value_name = "BYTES", default_value_t = 1_024, value_parser = item_bytes)]
    pub item_bytes: usize,

    /// Send each transaction with a ClientRequestToken of its own, as SDKs do
    #[arg(long)]
    pub request_tokens: bool,

    /// How long each cell is measured
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub duration: Duration,

    /// How long each cell runs before it is measured
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub warmup: Duration,

    /// Open loop: so many operations a second are due, and latency counts from the due time (default: closed loop)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub rate: Option<u64>,

    /// Measure everything so many times, peers in turn, and report medians
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rounds: u64,

    /// Measure this one as well: etcd=URL[,URL] or [NAME:]dynamodb=URL[,URL]; may be repeated
    #[arg(long, value_name = "PEER")]
    pub compare: Vec<String>,

    /// Processes whose CPU time to count: PID[,PID], or PEER=PID[,PID]; may be repeated
    #[arg(long, value_name = "PIDS")]
    pub pids: Vec<String>,

    /// The tables are called PREFIX-items, PREFIX-collections and the like; existing ones are replaced
    #[arg(long, value_name = "PREFIX", default_value = "stator-bench", value_parser = table_prefix)]
    pub table_prefix: String,

    /// Leave the tables when done
    #[arg(long)]
    pub keep: bool,

    /// Write all measurements and medians to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl BenchArgs {
    pub(super) fn identity(&self) -> Identity {
        Identity {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            region: self.region.clone(),
        }
    }

    /// What clap cannot see from one option alone.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.duration.is_zero() {
            return Err(Error::Arguments("--duration must be longer than nothing".into()));
        }
        if self.connections < self.threads {
            return Err(Error::Arguments("--connections must be at least --threads".into()));
        }
        if self.cells.iter().any(|cell| self.cells.iter().filter(|other| *other == cell).count() > 1) {
            return Err(Error::Arguments("--cells names a cell twice; use --rounds to repeat".into()));
        }
        Ok(())
    }
}

fn item_bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if (ITEM_BYTES_MIN..=ITEM_BYTES_MAX).contains(&bytes) => Ok(bytes),
        _ => Err(format!("an item has from {ITEM_BYTES_MIN} to {ITEM_BYTES_MAX} bytes")),
    }
}

/// `10s`, `500ms`, `2m`, or seconds without a unit; at most a day.
fn duration(text: &str) -> Result<Duration, String> {
    const DAY_MS: u64 = 86_400_000;
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit_ms = match text.get(digits.len()..) {
        Some("ms") => 1,
        Some("" | "s") => 1_000,
        Some("m") => 60_000,
        _ => return Err("a time is like 10s, 500ms or 2m".into()),
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)) {
        Some(ms) if ms <= DAY_MS => Ok(Duration::from_millis(ms)),
        _ => Err("a time is like 10s, 500ms or 2m, and at most a day".into()),
    }
}

fn table_prefix(text: &str) -> Result<String, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match (1..=200).contains(&text.len()) && text.bytes().all(fits) {
        true => Ok(text.to_owned()),
        false => Err("letters, digits, '-', '_' and '.', from 1 to 200 of them".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn read(line: &str) -> Option<BenchArgs> {
        Program::try_parse_from(line.split(' ')).ok().map(|program| program.bench).filter(|args| args.check().is_ok())
    }

    #[test]
    fn command_lines_are_read() {
        let args = read("bench").expect("everything has a default");
        assert_eq!((args.connections, args.item_bytes, args.cells.len()), (64, 1_024, 4));
        let args = read("bench --cells ycsb-a,batch-get --duration 500ms --warmup 0 --rate 10 --endpoints a:1,b:2")
            .expect("all of it is there");
        assert_eq!(args.cells, [Cell::YcsbA, Cell::BatchGet]);
        assert_eq!((args.duration, args.warmup), (Duration::from_millis(500), Duration::ZERO));
        assert_eq!((args.rate, args.endpoints.len()), (Some(10), 2));
        for line in [
            "bench --cells putt",
            "bench --cells put,put",
            "bench --duration 0s",
            "bench --duration 1h",
            "bench --duration 2000m",
            "bench --items 99",
            "bench --item-bytes 63",
            "bench --item-bytes 409601",
            "bench --rate 0",
            "bench --connections 1 --threads 2",
            "bench --table-prefix a/b",
        ] {
            assert!(read(line).is_none(), "{line}");
        }
    }
}
