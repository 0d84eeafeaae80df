//! A network that can be cut, without any right on the machine: in a user namespace of its own, in which the bench runs once
//! more. Every node has a place behind a bridge; the bench and its clients sit at the bridge and reach all of them.
//!
//! Cuts and loss are rules of nftables on the bridge, which count what they drop; delay is netem's, where the kernel has it.

use crate::error::Error;
use std::{
    collections::BTreeSet,
    env,
    io::Write,
    process::{Command, ExitCode, Stdio},
};

const INSIDE: &str = "STATOR_CHAOS_INSIDE";
const UNSHARE: [&str; 4] = ["--map-root-user", "--net", "--mount", "--user"];

/// Why networks of one's own cannot be had here; `None`: they can.
pub fn forbidden() -> Option<String> {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !runs("ip", &["-V"]) {
        Some("the program `ip` (iproute2) is missing".to_owned())
    } else if !runs("nft", &["--version"]) {
        Some("the program `nft` (nftables) is missing".to_owned())
    } else if !runs("unshare", &[&UNSHARE[..], &["true"]].concat()) {
        Some("user namespaces are forbidden".to_owned())
    } else {
        None
    }
}

/// Whether this process runs inside.
pub fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// The number of the user who has started this, also inside, where everybody seems to be root.
pub fn user() -> String {
    env::var(INSIDE).unwrap_or_else(|_| rustix::process::getuid().as_raw().to_string())
}

/// Runs this program once more, inside, and ends as it ends. Signals reach both: they are of one group.
pub fn run_inside() -> Result<ExitCode, Error> {
    let this = env::current_exe().map_err(Error::machine("find this program"))?;
    let mut again = Command::new("unshare");
    again.args(UNSHARE).arg(this).args(env::args_os().skip(1)).env(INSIDE, user());
    let mut child = again.spawn().map_err(Error::machine("run unshare"))?;
    let status = child.wait().map_err(Error::machine("wait for the run inside"))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The bridge and its places, numbered from 0.
#[derive(Debug)]
pub struct Bridge {
    has_netem: bool,
    delayed: BTreeSet<usize>,
}

impl Bridge {
    pub fn build(places: usize) -> Result<Bridge, Error> {
        // Names of networks live in a file system that others do not see.
        run("mount", "-t tmpfs names /run")?;
        run("ip", "link set lo up")?;
        run("ip", "link add br0 type bridge")?;
        run("ip", "addr add 10.77.0.254/24 dev br0")?;
        run("ip", "link set br0 up")?;
        for number in 1..=places {
            run("ip", &format!("netns add n{number}"))?;
            run("ip", &format!("link add v{number} type veth peer name eth0 netns n{number}"))?;
            run("ip", &format!("link set v{number} master br0 up"))?;
            run("ip", &format!("-n n{number} addr add 10.77.0.{number}/24 dev eth0"))?;
            run("ip", &format!("-n n{number} link set eth0 up"))?;
            run("ip", &format!("-n n{number} link set lo up"))?;
        }
        nft("table bridge chaos {
               set cut { type ifname . ifname; };
               set lossy { type ifname . ifname; };
               counter cuts { }; counter losses { };
               chain between { type filter hook forward priority 0;
                 iifname . oifname @cut counter name cuts drop;
                 iifname . oifname @lossy numgen random mod 1000 < 200 counter name losses drop; }; }")?;
        let has_netem = run("tc", "qdisc add dev v1 root netem delay 1ms").is_ok();
        if has_netem {
            run("tc", "qdisc del dev v1 root")?;
        }
        Ok(Bridge { has_netem, delayed: BTreeSet::new() })
    }

    /// Whether packets can be delayed.
    pub fn has_netem(&self) -> bool {
        self.has_netem
    }

    pub fn address(&self, place: usize, port: u16) -> String {
        format!("10.77.0.{}:{port}", place + 1)
    }

    /// What runs a program in that place.
    pub fn wrapper(&self, place: usize) -> Vec<String> {
        ["ip", "netns", "exec", &format!("n{}", place + 1)].map(str::to_owned).to_vec()
    }

    /// From now on nothing that one sends to the other arrives.
    pub fn cut(&self, from: usize, to: usize) -> Result<(), Error> {
        self.add("cut", from, to)
    }

    /// A fifth of the packets is lost.
    pub fn lose(&self, from: usize, to: usize) -> Result<(), Error> {
        self.add("lossy", from, to)
    }

    fn add(&self, set: &str, from: usize, to: usize) -> Result<(), Error> {
        nft(&format!("add element bridge chaos {set} {{ \"v{}\" . \"v{}\" }}", from + 1, to + 1))
    }

    /// Delays all that this place gets.
    pub fn delay(&mut self, place: usize, ms: u64) -> Result<(), Error> {
        run("tc", &format!("qdisc replace dev v{} root netem delay {ms}ms {}ms", place + 1, ms / 2))?;
        self.delayed.insert(place);
        Ok(())
    }

    pub fn heal(&mut self) -> Result<(), Error> {
        nft("flush set bridge chaos cut")?;
        nft("flush set bridge chaos lossy")?;
        for place in std::mem::take(&mut self.delayed) {
            run("tc", &format!("qdisc del dev v{} root", place + 1))?;
        }
        Ok(())
    }

    /// Packets dropped by cuts and by loss since the last time.
    pub fn take_drops(&self) -> u64 {
        let output = Command::new("nft").args(["reset", "counters", "table", "bridge", "chaos"]).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let counts = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("packets ")?.split(' ').next()?.parse::<u64>().ok());
        counts.sum::<u64>()
    }
}

fn nft(rules: &str) -> Result<(), Error> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(Error::machine("run nft"))?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(rules.as_bytes()).map_err(Error::machine("tell nft its rules"))?;
    }
    let output = child.wait_with_output().map_err(Error::machine("wait for nft"))?;
    told("nft", output.status.success(), &output.stderr)
}

fn run(program: &str, arguments: &str) -> Result<(), Error> {
    let output = Command::new(program).args(arguments.split_whitespace()).output();
    let output = output.map_err(Error::machine(format!("run {program}")))?;
    told(&format!("{program} {arguments}"), output.status.success(), &output.stderr)
}

fn told(what: &str, success: bool, said: &[u8]) -> Result<(), Error> {
    let said = String::from_utf8_lossy(said);
    if success { Ok(()) } else { Err(Error::Cluster(format!("{what}: {}", said.trim()))) }
}
