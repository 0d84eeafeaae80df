//! What an operator may choose. One definition serves flags, environment (`STATOR_...`) and the TOML file: see [`mod@file`].

pub mod file;
pub mod size;
#[cfg(test)]
mod tests;
pub mod time;

use crate::error::ServerError;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use size::Size;
use std::{
    ffi::OsString,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    time::Duration,
};
use time::{Ago, Retention};

/// A self-hosted, replicated DynamoDB.
#[derive(Parser, Debug)]
#[command(name = "stator", version, max_term_width = 110, arg_required_else_help = true, subcommand_required = true)]
#[command(after_help = "Begin with `stator dev`, then point any DynamoDB client at http://127.0.0.1:8000.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// One node on this machine, for development: any credentials, or none
    Dev(Box<DevSettings>),
    /// One node of a cluster; alone it is a whole cluster
    Start(Box<StartSettings>),
    /// Access keys: who may call the API
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
        #[command(flatten)]
        target: Target,
    },
    /// The nodes of the cluster
    Nodes {
        #[command(subcommand)]
        command: NodesCommand,
        #[command(flatten)]
        target: Target,
    },
    /// Prints a new join secret, with which nodes on other machines may join for 24 hours
    JoinSecret {
        #[command(flatten)]
        target: Target,
    },
    /// What the cluster is made of and how it is doing
    Status {
        #[command(flatten)]
        target: Target,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// Which keys of a table are asked for most, while it has Contributor Insights enabled
    Insights {
        table: String,
        #[command(flatten)]
        target: Target,
        /// Keys of each list
        #[arg(long, default_value = "10", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=100))]
        top: u64,
        /// For programs
        #[arg(long)]
        json: bool,
    },
    /// What a function has printed, on whichever node it ran
    Logs {
        function: String,
        #[command(flatten)]
        target: Target,
        /// Go on with what it prints until this is interrupted
        #[arg(long, short)]
        follow: bool,
        /// From how long ago on: a number and s, m, h or d
        #[arg(long, default_value = "10m", value_name = "TIME")]
        since: Ago,
        /// Only what a filter pattern of CloudWatch Logs lets through
        #[arg(long, default_value = "", hide_default_value = true, value_name = "PATTERN")]
        filter: String,
    },
    /// Reads all data of a node that is stopped, and tells what is wrong with it
    Check(crate::commands::check::CheckArgs),
    /// Measures nodes under load, and other systems beside them
    Bench(Box<stator_client::bench::BenchArgs>),
}

#[derive(Subcommand, Debug)]
pub enum KeysCommand {
    /// Makes an access key and shows its secret, once
    Create {
        /// What it is for, as `stator keys list` shows it
        #[arg(long, default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Lists the access keys, without their secrets
    List,
    /// Refuses requests that are signed with the key, until it is deleted
    Disable { access_key_id: String },
    /// Deletes the key for good
    Delete { access_key_id: String },
}

#[derive(Subcommand, Debug)]
pub enum NodesCommand {
    /// Lists the nodes
    List,
    /// Takes a dead or damaged node out for good; others take over its replicas
    Remove {
        /// As `stator nodes list` shows it
        id: u64,
    },
}

/// Which running node is asked.
#[derive(Args, Debug)]
pub struct Target {
    /// The data directory of a node that runs on this machine
    #[arg(long, env = "STATOR_DATA", default_value = "./stator-data", value_name = "DIR", global = true)]
    pub data: PathBuf,
}

#[derive(Args, Debug)]
pub struct DevSettings {
    /// Where the data is kept between two starts
    #[arg(long, env = "STATOR_DATA", default_value = "./stator-data", value_name = "DIR")]
    pub data: PathBuf,
    /// Keep the data in a temporary directory and remove it at the end
    #[arg(long, env = "STATOR_EPHEMERAL", conflicts_with = "data")]
    pub ephemeral: bool,
    /// Where clients reach the node; loopback only
    #[arg(long, env = "STATOR_LISTEN", default_value = "127.0.0.1:8000", value_name = "HOST:PORT", value_parser = address)]
    pub listen: SocketAddr,
    /// Memory for caches and write buffers; grows only with use
    #[arg(long, env = "STATOR_MEMORY", default_value = "256MiB", value_name = "SIZE")]
    pub memory: Size,
    #[command(flatten)]
    pub capacity: Capacity,
    #[command(flatten)]
    pub expiry: Expiry,
    #[command(flatten)]
    pub functions: FunctionSettings,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub source: Source,
}

#[derive(Args, Debug)]
#[command(after_help = "Secrets come from the environment or from files, never from flags, which others can see:\n  \
    STATOR_ROOT_ACCESS_KEY, STATOR_ROOT_SECRET_KEY  the first access key; without them the first start makes one\n  \
    STATOR_JOIN_SECRET                              what `stator join-secret` printed")]
pub struct StartSettings {
    /// Where the data is kept; made if it is missing
    #[arg(long, env = "STATOR_DATA", value_name = "DIR", help_heading = "Data")]
    pub data: PathBuf,
    /// Memory that the node may use [default: half of the machine's]
    #[arg(long, env = "STATOR_MEMORY", value_name = "SIZE", help_heading = "Data")]
    pub memory: Option<Size>,
    /// Threads that serve; one is enough where several nodes share few cores [default: as many as cores, at least 2]
    #[arg(long, env = "STATOR_THREADS", value_name = "COUNT", help_heading = "Data", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// When a write is acknowledged: on the disks of a quorum, or in the memory of their operating systems, which loses
    /// acknowledged writes when machines crash together
    #[arg(long, env = "STATOR_DURABILITY", default_value = "strict", help_heading = "Data")]
    pub durability: Durability,
    /// Partitions of a new table [default: as many as DynamoDB would give it, on one node 1]
    #[arg(long, env = "STATOR_PARTITIONS", value_name = "COUNT", help_heading = "Data", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub partitions: Option<u64>,
    /// Most tables of the cluster; give all nodes the same [default: 2500, as DynamoDB]
    #[arg(long, env = "STATOR_TABLES_MAX", value_name = "COUNT", help_heading = "Data", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub tables_max: Option<u64>,

    /// Where clients reach the node
    #[arg(long, env = "STATOR_LISTEN", default_value = "127.0.0.1:8000", value_name = "HOST:PORT", help_heading = "Clients", value_parser = address)]
    pub listen: SocketAddr,
    /// The same as clients see it [default: as --listen; if that is 0.0.0.0, the machine's name]
    #[arg(long, env = "STATOR_ADVERTISE", value_name = "HOST:PORT", help_heading = "Clients")]
    pub advertise: Option<String>,
    /// Serve HTTPS with this certificate chain (PEM); goes with --tls-key
    #[arg(long, env = "STATOR_TLS_CERT", value_name = "FILE", help_heading = "Clients")]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, env = "STATOR_TLS_KEY", value_name = "FILE", help_heading = "Clients")]
    pub tls_key: Option<PathBuf>,

    /// Where other nodes reach this one; beyond loopback they speak mutual TLS
    #[arg(long, env = "STATOR_PEER_LISTEN", default_value = "127.0.0.1:8100", value_name = "HOST:PORT", help_heading = "Cluster", value_parser = address)]
    pub peer_listen: SocketAddr,
    /// The same as the other nodes see it [default: as --peer-listen; if that is 0.0.0.0, the machine's name]
    #[arg(long, env = "STATOR_PEER_ADVERTISE", value_name = "HOST:PORT", help_heading = "Cluster")]
    pub peer_advertise: Option<String>,
    /// Join the cluster of the node whose --peer-listen this is; without effect once the node has joined
    #[arg(long, env = "STATOR_JOIN", value_name = "HOST:PORT", help_heading = "Cluster")]
    pub join: Option<String>,
    /// A file with what `stator join-secret` printed; needed to join beyond loopback
    #[arg(long, env = "STATOR_JOIN_SECRET_FILE", value_name = "FILE", help_heading = "Cluster")]
    pub join_secret_file: Option<PathBuf>,
    /// The node's failure domain, such as a rack: replicas of a partition go to different ones
    #[arg(
        long,
        env = "STATOR_ZONE",
        default_value = "",
        hide_default_value = true,
        value_name = "NAME",
        help_heading = "Cluster"
    )]
    pub zone: String,
    #[command(flatten)]
    pub capacity: Capacity,
    #[command(flatten)]
    pub expiry: Expiry,
    #[command(flatten)]
    pub functions: FunctionSettings,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub logs: Logs,
    #[command(flatten)]
    pub source: Source,
}

/// How tables are held to their capacity.
#[derive(Args, Debug)]
pub struct Capacity {
    /// Whether requests beyond a table's capacity are throttled as DynamoDB does, or only counted; give all nodes the same
    #[arg(long, env = "STATOR_THROTTLING", default_value = "count", help_heading = "Capacity")]
    pub throttling: Throttling,
}

/// How items expire.
#[derive(Args, Debug)]
pub struct Expiry {
    /// How often time to live of a table may be enabled or disabled: once an hour as in DynamoDB, or at any time
    #[arg(long, env = "STATOR_TTL_CHANGES", default_value = "hourly", help_heading = "Time to live")]
    pub ttl_changes: TtlChanges,
}

/// What functions may take, and when failed events are tried again.
#[derive(Args, Debug)]
pub struct FunctionSettings {
    /// Most code of all functions and versions together; give all nodes the same [default: 75GiB, as Lambda]
    #[arg(long, env = "STATOR_FUNCTIONS_CODE_MAX", value_name = "SIZE", help_heading = "Functions")]
    pub functions_code_max: Option<Size>,
    /// Seconds until an event is tried again on which its function has failed; until the next retry twice as many
    #[arg(
        long,
        env = "STATOR_FUNCTIONS_RETRY_WAIT",
        default_value = "60",
        value_name = "SECONDS",
        help_heading = "Functions",
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub functions_retry_wait: u64,
    /// Days for which what functions print is kept, in log groups that they make; `forever`: until it is deleted
    #[arg(
        long,
        env = "STATOR_FUNCTIONS_LOG_RETENTION",
        default_value = "14",
        value_name = "DAYS",
        help_heading = "Functions"
    )]
    pub functions_log_retention: Retention,
}

impl From<FunctionSettings> for stator_invocation::Settings {
    fn from(settings: FunctionSettings) -> stator_invocation::Settings {
        let wait = Duration::from_secs(settings.functions_retry_wait);
        stator_invocation::Settings {
            code_bytes_max: settings.functions_code_max.map(|size| size.0),
            retry_waits: [wait, wait * 2],
            log_retention_days: settings.functions_log_retention.0,
            ..stator_invocation::Settings::default()
        }
    }
}

/// What stands in ARNs. Fixed at a cluster's first start.
#[derive(Args, Debug)]
pub struct Place {
    /// The region in ARNs; fixed at the first start [default: us-east-1]
    #[arg(long, env = "STATOR_REGION", value_name = "NAME", help_heading = "ARNs", value_parser = region)]
    pub region: Option<String>,
    /// The account in ARNs; fixed at the first start [default: 000000000000]
    #[arg(long, env = "STATOR_ACCOUNT_ID", value_name = "12 DIGITS", help_heading = "ARNs", value_parser = account_id)]
    pub account_id: Option<String>,
}

#[derive(Args, Debug)]
pub struct Logs {
    /// How logs are written to the standard error output
    #[arg(long, env = "STATOR_LOG", default_value = "text", value_name = "FORMAT", help_heading = "Logs")]
    pub log: LogFormat,
    /// error, warn, info, debug or trace, also by module: `info,stator_cluster=debug` [default: info; dev: warn]
    #[arg(long, env = "STATOR_LOG_LEVEL", value_name = "LEVEL", help_heading = "Logs")]
    pub log_level: Option<String>,
}

#[derive(Args, Debug)]
pub struct Source {
    /// A TOML file of settings, each named like its flag: `peer-listen = "10.0.0.1:8100"`. Flags and environment come first
    #[arg(long, env = "STATOR_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Throttling {
    Enforce,
    Count,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum TtlChanges {
    Hourly,
    Unlimited,
}

impl From<Throttling> for stator_replica::Throttling {
    fn from(throttling: Throttling) -> stator_replica::Throttling {
        match throttling {
            Throttling::Enforce => stator_replica::Throttling::Enforce,
            Throttling::Count => stator_replica::Throttling::Count,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub enum Durability {
    Strict,
    Relaxed,
}

impl From<Durability> for stator_storage::Durability {
    fn from(durability: Durability) -> stator_storage::Durability {
        match durability {
            Durability::Strict => stator_storage::Durability::Strict,
            Durability::Relaxed => stator_storage::Durability::Relaxed,
        }
    }
}

/// Reads the command line, what of the environment belongs to it, and the file that either names.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, ServerError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut command = Cli::command();
    if let Some((subcommand, path)) = settings_file(&arguments) {
        command = file::with_file(command, &subcommand, &path).map_err(ServerError::Usage)?;
    }
    let matches = command.try_get_matches_from(arguments)?;
    Ok(Cli::from_arg_matches(&matches)?)
}

/// The subcommand and its `--config`, if it has one. Whatever else may be wrong is told when all is read.
fn settings_file(arguments: &[OsString]) -> Option<(String, PathBuf)> {
    let matches = Cli::command().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    let (subcommand, matches) = matches.subcommand()?;
    let path = matches.try_get_one::<PathBuf>("config").ok()??;
    Some((subcommand.to_owned(), path.clone()))
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| format!("an address is HOST:PORT: {error}"))?;
    found.next().ok_or_else(|| "the host has no address".to_owned())
}

fn region(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=40).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("a region is 1 to 40 of a-z, 0-9 and hyphens".to_owned())
    }
}

fn account_id(text: &str) -> Result<String, String> {
    if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(text.to_owned())
    } else {
        Err("an account id is twelve digits".to_owned())
    }
}

/// Half of the memory that this process may have: the machine's, or what its container is given.
pub fn memory_default() -> Size {
    let machine = rustix::system::sysinfo();
    let machine = (machine.totalram as u64).saturating_mul(u64::from(machine.mem_unit));
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX);
    Size(machine.min(container) / 2)
}
