//! The command line.

use crate::fault::FaultName;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{path::PathBuf, time::Duration};

/// Breaks a database on purpose, and checks what its clients saw.
#[derive(Parser, Debug)]
#[command(name = "stator-chaos", version, max_term_width = 110, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Runs workloads against a cluster while it is being broken, and judges the result
    Run(Box<RunArgs>),
    /// Lists the faults, and which of them this machine permits
    Faults,
    /// Lists the workloads
    Workloads,
    /// Judges a history that an earlier run has left, whole or not
    Judge {
        /// As `run --history` wrote it
        history: PathBuf,
    },
    /// Prints a history of lists or registers for Elle and Knossos
    Export {
        /// As `run --history` wrote it
        history: PathBuf,
        /// As EDN, which is the only form
        #[arg(long, required = true)]
        edn: bool,
    },
}

/// Exit status 0: every check holds. 1: the run could not be made. 2: the command line is wrong. 3: unknown. 4: INVALID.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// What clients do: one or more names, or `all`; see `stator-chaos workloads`
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "register")]
    pub workload: Vec<String>,
    /// What is done to the cluster: names, or pairs of a placement change and another, as join+kill; see `stator-chaos faults`
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = str::parse::<FaultName>)]
    pub faults: Vec<FaultName>,
    /// Nodes to start
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=7))]
    pub nodes: u64,
    /// How long clients work, as 90s, 2m or 1h
    #[arg(long, default_value = "1m", value_name = "TIME", value_parser = duration)]
    pub duration: Duration,
    /// Clients of each workload
    #[arg(long, default_value_t = 6, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=200))]
    pub clients: u64,
    /// Turns a second of all clients together
    #[arg(long, default_value_t = 200, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub rate: u64,
    /// Decides which faults come when, and what clients do
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Write a report here, one page of HTML
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Write the history here, while it happens, as lines of JSON
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Write the checks here, as JUnit's XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// How nodes reach each other
    #[arg(long, value_enum, default_value_t = NetworkChoice::Auto)]
    pub network: NetworkChoice,
    /// The program under test [default: `stator` beside this program]
    #[arg(long, env = "STATOR_BINARY", value_name = "FILE")]
    pub stator: Option<PathBuf>,
    /// Keep the nodes' directories and logs
    #[arg(long)]
    pub keep: bool,
    /// Attach to these nodes of any DynamoDB instead of starting some; then only faults between it and the clients
    #[arg(long, value_name = "URLS", value_delimiter = ',', conflicts_with_all = ["nodes", "system", "stator", "network"])]
    pub endpoint: Vec<String>,
    /// Start the nodes of another system as this TOML file says
    #[arg(long, value_name = "FILE", conflicts_with_all = ["nodes", "stator", "network"])]
    pub system: Option<PathBuf>,
    /// Access key for --endpoint and --system
    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "chaos", value_name = "KEY")]
    pub access_key: String,
    /// Its secret
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", default_value = "chaos", hide_env_values = true, value_name = "SECRET")]
    pub secret_key: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum NetworkChoice {
    /// Proxies
    Auto,
    /// Namespaces with nftables, and netem where the kernel has it; nodes speak TLS
    Namespaces,
    /// Proxies of the bench, on loopback: anywhere
    Proxies,
}

fn duration(text: &str) -> Result<Duration, String> {
    let told = || format!("{text:?} is no time: write 90s, 2m or 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| told())?;
    let seconds = match text.get(digits.len()..).unwrap_or_default() {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(told()),
    };
    match number.checked_mul(seconds) {
        Some(seconds @ 1..=604_800) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("{text:?}: a run lasts from a second to a week")),
    }
}

/// The workloads that are meant.
pub fn workloads(names: &[String]) -> Result<Vec<String>, String> {
    let known = stator_workloads::NAMES;
    if names.iter().any(|name| name == "all") {
        return Ok(known.map(str::to_owned).to_vec());
    }
    let mut chosen: Vec<String> = Vec::new();
    for name in names {
        if !known.contains(&name.as_str()) {
            return Err(format!("there is no workload {name:?}; there are: {}, all", known.join(", ")));
        }
        if !chosen.contains(name) {
            chosen.push(name.clone());
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        let good = [("90s", 90), ("2m", 120), ("1h", 3_600), ("7", 7)];
        assert!(good.iter().all(|(text, expected)| seconds(text) == Ok(*expected)));
        for bad in ["", "s", "2x", "-1s", "0s", "1.5m", "99999999999999999999s", "8000h"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_known_or_it_is_told() {
        let parse = |arguments: &[&str]| Cli::try_parse_from([&["stator-chaos", "run"], arguments].concat());
        assert!(parse(&["--faults", "kill,join+pause", "--duration", "2m"]).is_ok());
        let told = parse(&["--faults", "earthquake"]).expect_err("no such fault").to_string();
        assert!(told.contains("there is no fault"), "{told}");
        assert!(parse(&["--endpoint", "http://a:1", "--nodes", "3"]).is_err());
        assert!(workloads(&["nothing".to_owned()]).is_err_and(|told| told.contains("register")));
        assert_eq!(workloads(&["all".to_owned()]).map(|names| names.len()), Ok(stator_workloads::NAMES.len()));
    }
}
