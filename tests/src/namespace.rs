//! Networks that can be cut and disks that can be full, without any right on the machine: in a user namespace with networks
//! and mounts of its own, in which the test runs once more.
//!
//! Every node has a place in the network, joined to the others by a bridge; the test itself sits at the bridge and reaches all
//! of them. A cut in one direction gives the sender a wrong hardware address: its packets vanish, as in a broken switch.

use crate::node::Ports;
use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const INSIDE: &str = "STATOR_TESTS_INSIDE";
/// Nobody's.
const WRONG_HARDWARE: &str = "02:00:00:00:00:fe";

/// Whether this is the run inside. Outside, it runs the test of this name inside, or says that it is skipped.
pub fn inside_namespace(test: &str) -> bool {
    if env::var(INSIDE).is_ok_and(|inside| inside == test) {
        return true;
    }
    if let Some(reason) = forbidden() {
        // Not by a macro: what a test that passes prints is kept back, and this must be seen.
        let _ = writeln!(io::stderr(), "skipped: {test} ({reason})");
        return false;
    }
    let this = env::current_exe().expect("a process knows its program");
    let mut again = Command::new("unshare");
    again.args(["--map-root-user", "--net", "--mount", "--user"]).arg(this);
    again.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, test);
    let output = again.output().expect("it ran a moment ago");
    let said = [output.stdout, output.stderr].concat();
    print!("{}", String::from_utf8_lossy(&said));
    assert!(output.status.success(), "{test} failed inside its namespace");
    false
}

fn forbidden() -> Option<&'static str> {
    let runs = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !runs("ip", &["-V"]) {
        Some("the program `ip` is missing")
    } else if !runs("unshare", &["--map-root-user", "--net", "--mount", "--user", "true"]) {
        Some("user namespaces are forbidden here")
    } else {
        None
    }
}

/// A bridge with places for nodes, numbered from 1.
#[derive(Debug)]
pub struct Network {
    places: usize,
}

impl Network {
    /// Only inside.
    pub fn build(places: usize) -> Network {
        run("mount", "-t tmpfs names /run");
        run("ip", "link set lo up");
        run("ip", "link add br0 type bridge");
        run("ip", "addr add 10.77.0.254/24 dev br0");
        run("ip", "link set br0 up");
        for number in 1..=places {
            run("ip", &format!("netns add n{number}"));
            run("ip", &format!("link add v{number} type veth peer name eth0 netns n{number}"));
            run("ip", &format!("link set v{number} master br0 up"));
            run("ip", &format!("-n n{number} addr add 10.77.0.{number}/24 dev eth0"));
            run("ip", &format!("-n n{number} link set eth0 up"));
            run("ip", &format!("-n n{number} link set lo up"));
        }
        Network { places }
    }

    pub fn places(&self) -> usize {
        self.places
    }

    pub fn ports(&self, number: usize) -> Ports {
        Ports { clients: format!("10.77.0.{number}:8000"), peers: format!("10.77.0.{number}:8100") }
    }

    /// What runs a program in that place.
    pub fn wrapper(&self, number: usize) -> Vec<String> {
        ["ip", "netns", "exec", &format!("n{number}")].map(str::to_owned).to_vec()
    }

    /// From now on nothing that `from` sends to `to` arrives.
    pub fn cut(&self, from: usize, to: usize) {
        run("ip", &format!("-n n{from} neigh replace 10.77.0.{to} lladdr {WRONG_HARDWARE} dev eth0 nud permanent"));
    }

    /// Undoes [`Network::cut`].
    pub fn heal(&self, from: usize, to: usize) {
        run("ip", &format!("-n n{from} neigh del 10.77.0.{to} dev eth0"));
    }
}

/// A disk of a few MiB.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Only inside. The directory is made.
    pub fn mount(path: &Path, mib: u64) -> SmallDisk {
        std::fs::create_dir_all(path).expect("the test's directory is there");
        run("mount", &format!("-t tmpfs -o size={mib}m,mode=0700 disk {}", path.display()));
        SmallDisk { path: path.to_owned() }
    }

    /// Takes all the space that is left, until [`SmallDisk::free`].
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.ballast()).expect("a name takes no space");
        while file.write_all(&[1; 4096]).is_ok() {}
    }

    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("it was filled");
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The namespace takes it along otherwise.
        let _ = Command::new("umount").arg("--lazy").arg(&self.path).status();
    }
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().expect("it runs");
    assert!(output.status.success(), "{program} {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
