//! One `stator` process, which may be stopped, broken and started again.

use crate::{deadline::eventually, http, program};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, OpenOptions},
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

/// Below the ports that the system gives to outgoing connections: one of those could take a dead node's place.
const PORTS: std::ops::Range<u16> = 11_000..32_000;
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
static CLAIMS: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// Where a node listens.
#[derive(Clone, Debug)]
pub struct Ports {
    /// HOST:PORT for clients.
    pub clients: String,
    /// HOST:PORT for other nodes.
    pub peers: String,
}

/// Two ports of loopback for TCP, which no other test gets while this process lives, not even while the node that
/// listens there is down: the process holds the UDP ports of the same numbers.
pub fn free_ports() -> Ports {
    let room = PORTS.end - PORTS.start;
    let begin = (std::process::id() % u32::from(room)) as u16;
    let mut free = (0..room).filter_map(|_| {
        let step = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (u32::from(begin) * 7 + u32::from(step)).rem_euclid(u32::from(room)) as u16;
        let claim = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
        CLAIMS.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
        Some(format!("127.0.0.1:{port}"))
    });
    let mut next = || free.next().expect("some port is free");
    Ports { clients: next(), peers: next() }
}

#[derive(Debug)]
pub struct Node {
    pub data: PathBuf,
    pub ports: Ports,
    /// Program and first arguments of what runs the node, such as another network namespace.
    wrapper: Vec<String>,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Node {
    /// `arguments` follow the directory and the ports.
    pub fn new(data: PathBuf, ports: Ports, arguments: Vec<String>) -> Node {
        let log = data.with_extension("log");
        Node { data, ports, wrapper: Vec::new(), arguments, log, child: None }
    }

    pub fn wrapped(mut self, wrapper: Vec<String>) -> Node {
        self.wrapper = wrapper;
        self
    }

    /// From now on it is started as one that joins through the node at `peer`.
    pub fn join(&mut self, peer: &str, secret_file: Option<&Path>) {
        self.arguments.extend(["--join", peer].map(str::to_owned));
        if let Some(secret_file) = secret_file {
            let secret_file = secret_file.to_str().expect("paths of tests are text");
            self.arguments.extend(["--join-secret-file", secret_file].map(str::to_owned));
        }
    }

    /// `stator start` in this node's place, not waited for.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let program = program::path();
        let mut command = match self.wrapper.split_first() {
            None => Command::new(program),
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
        };
        program::without_settings(&mut command);
        command.arg("start").arg("--data").arg(&self.data);
        command.args(["--listen", &self.ports.clients, "--peer-listen", &self.ports.peers]).args(&self.arguments);
        let log = OpenOptions::new().create(true).append(true).open(&self.log).expect("the test's directory is there");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("it is open")).stderr(log);
        self.child = Some(command.spawn().expect("the program runs"));
    }

    /// Waits until it says that it serves.
    pub fn ready(&mut self) {
        let address = self.ports.clients.clone();
        eventually(format!("readiness of {address}"), || {
            assert!(self.is_running(), "the node has ended: {}", self.said());
            http::get(&address, "/readyz").is_ok_and(|reply| reply.status == 200).then_some(())
        });
    }

    pub fn restart(&mut self) {
        self.start();
        self.ready();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().expect("it is our child").is_none())
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already; a paused process dies as well.
            let _ = child.kill();
            child.wait().expect("it is our child");
        }
    }

    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// As an operator stops it: it must end by itself and with success.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.said());
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().expect("it was started");
        let status = eventually("the end of a node", || child.try_wait().expect("it is our child"));
        self.child = None;
        status
    }

    /// All that it has said since its first start.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `stator status --json`; `None` if the node does not answer.
    pub fn status(&self) -> Option<serde_json::Value> {
        let output = self.administer(&["status", "--json"]);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// A command of administration for this node.
    pub fn administer(&self, arguments: &[&str]) -> std::process::Output {
        program::stator(arguments).arg("--data").arg(&self.data).output().expect("the program runs")
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("ids of processes are above zero");
        kill_process(pid, signal).expect("it runs and is ours");
    }

    pub(crate) fn show_log(&self) {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        eprintln!("--- {} said last:\n{}", self.data.display(), last.join("\n"));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
