//! What an operator may choose about functions.

use std::{path::PathBuf, time::Duration};

/// How much the sandbox matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SandboxMode {
    /// Functions run with the layers that this machine allows; the log names those that are missing.
    #[default]
    BestEffort,
    /// Functions do not run where a layer is missing.
    Required,
}

/// The runner's settings. [`RunnerSettings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct RunnerSettings {
    /// A folder of this node's own, for unpacked code. What it holds can be made again.
    pub folder: PathBuf,
    /// The node's data directory, which no function may see.
    pub data: PathBuf,
    /// The program that enters the sandbox when called with `sandbox-exec`; see [`crate::sandbox::entry`].
    pub helper: PathBuf,
    pub sandbox: SandboxMode,
    /// The interpreter of `python3.x`; else `python3.x`, then `python3`, is looked for in `PATH`.
    pub python: Option<PathBuf>,
    /// The interpreter of `nodejs*`; else `node` is looked for in `PATH`.
    pub node: Option<PathBuf>,
    /// What `AWS_REGION` says.
    pub region: String,
    /// Most instances at a time, of all functions.
    pub instances_max: usize,
    /// Most memory that all instances together may be given. One that is larger runs alone.
    pub memory_max_mb: u64,
    /// How long an instance without work is kept.
    pub idle_max: Duration,
    /// How long an instance may take to start before it takes from the invocation's own time (Lambda: 10 seconds).
    pub init_max: Duration,
    /// Most bytes of unpacked code that nothing uses at the moment.
    pub code_cache_bytes: u64,
    /// If the server runs as root, functions run as this user of the machine, who should own nothing.
    pub user: u32,
    /// A cgroup (version 2) that is the server's to divide; else its own one, if it is writable.
    pub cgroup: Option<PathBuf>,
}

impl RunnerSettings {
    /// The defaults: a quarter of the machine's memory, 64 instances.
    pub fn new(data: PathBuf) -> RunnerSettings {
        RunnerSettings {
            folder: data.join("functions"),
            data,
            helper: PathBuf::from("/proc/self/exe"),
            sandbox: SandboxMode::BestEffort,
            python: None,
            node: None,
            region: "us-east-1".to_owned(),
            instances_max: 64,
            memory_max_mb: machine_memory_mb() / 4,
            idle_max: Duration::from_secs(300),
            init_max: Duration::from_secs(10),
            code_cache_bytes: 2 << 30,
            user: 65_534,
            cgroup: None,
        }
    }
}

/// The machine's memory in MiB; 4 GiB where it cannot be asked.
fn machine_memory_mb() -> u64 {
    let total = || {
        let text = std::fs::read_to_string("/proc/meminfo").ok()?;
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    total().map_or(4096, |kib| kib / 1024)
}
