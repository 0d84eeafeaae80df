//! What the server tells the helper, and what it is told.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The argument by which the program knows that it is the helper.
pub(crate) const ARGUMENT: &str = "sandbox-exec";
/// Where a function in a network namespace of its own finds the Runtime API, as in Lambda.
pub(crate) const RUNTIME_API_PORT: u16 = 9001;
/// Where it finds Stator.
pub(crate) const ENDPOINT_PORT: u16 = 9002;
/// The user that a function believes to be.
pub(crate) const INNER_USER: u32 = 1000;
/// Folders of the machine that every function may read.
pub(crate) const SYSTEM_FOLDERS: [&str; 15] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/pki",
    "/etc/ssl",
    "/etc/protocols",
];

/// Parts of the sandbox. Those that are `false` are not there on this machine (or are not wanted in a test).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Layers {
    /// User, process, mount, IPC, host name and (unless it is opened) network namespaces.
    pub namespaces: bool,
    pub landlock: bool,
    pub seccomp: bool,
}

impl Layers {
    pub const ALL: Layers = Layers { namespaces: true, landlock: true, seccomp: true };

    pub fn missing(self) -> Vec<&'static str> {
        [(self.namespaces, "namespaces"), (self.landlock, "landlock"), (self.seccomp, "seccomp")]
            .into_iter()
            .filter_map(|(there, name)| (!there).then_some(name))
            .collect()
    }
}

/// A file or folder of the machine that the function may read, and where it sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub source: PathBuf,
    pub target: PathBuf,
}

/// What is to run, and behind what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Begins nothing: tells only whether the layers can be had.
    pub probe: bool,
    pub layers: Layers,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// The working directory.
    pub directory: PathBuf,
    /// An empty folder on which the function's root is mounted, in its own namespace only.
    pub root: PathBuf,
    /// Beside [`SYSTEM_FOLDERS`].
    pub binds: Vec<Bind>,
    /// Folders that are empty for the function even where they lie within a bind.
    pub hidden: Vec<PathBuf>,
    /// Where the function may write without namespaces; with them it is a `/tmp` of its own.
    pub scratch: PathBuf,
    pub scratch_bytes: u64,
    /// The network of the machine instead of a loopback of its own.
    pub open_network: bool,
    /// Without a network namespace: the loopback ports that may be connected to, unless the network is open.
    pub ports: Vec<u16>,
    /// If the server is root: which user of the machine the function is.
    pub user: Option<u32>,
    pub limits: Limits,
}

/// Limits of a process that need no cgroup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// Processes and threads (Lambda: 1,024).
    pub processes: u64,
    /// Open files (Lambda: 1,024).
    pub files: u64,
    /// Memory of each process, where no cgroup limits that of all.
    pub data_bytes: Option<u64>,
}

/// What the helper tells the server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    /// The sandbox stands. With namespaces and without an open network two listening sockets come along: Runtime API, endpoint.
    Ready,
    /// A step failed, and nothing runs.
    Failed { step: String, reason: String },
    /// The function's program could not be begun.
    NotStarted { reason: String },
    /// The function's first process ended by itself.
    Exited { code: i32 },
    /// It was ended by a signal.
    Killed { signal: i32 },
}
