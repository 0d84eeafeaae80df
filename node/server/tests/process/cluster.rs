//! Several nodes: they join, hold the data together, go and come again.

use crate::{
    client::{CREATE_TABLE, Key, done, has, put, table_is_active},
    stator::{Stator, command, eventually, printed, refused, text},
};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

fn status(data: &Path) -> Value {
    serde_json::from_str(&printed(&["status", "--json", "--data", text(data)])).expect("JSON")
}

/// HOST:PORT for other nodes.
fn peers(stator: &mut Stator) -> String {
    stator.line().rsplit(' ').next().expect("a line").to_owned()
}

/// The first node of a cluster: where others join it, and its access key.
fn first_node(data: &Path) -> (Stator, String, Key) {
    let mut one = Stator::start(data, &[]);
    let (address, key) = (peers(&mut one), root_key(&mut one));
    (one, address, key)
}

/// A cluster of one node that has the table.
fn first_node_with_table(data: &Path) -> (Stator, String, Key) {
    let (one, address, key) = first_node(data);
    done(&one.endpoint, Some(&key), "CreateTable", CREATE_TABLE);
    table_is_active(&one.endpoint, Some(&key));
    (one, address, key)
}

fn join(data: &Path, address: &str) -> Stator {
    Stator::start(data, &["--join", address])
}

fn root_key(stator: &mut Stator) -> Key {
    let lines: Vec<String> = (0..3).map(|_| stator.line()).collect();
    Key::printed(&lines.join("\n"))
}

fn three_voters_everywhere(data: &Path) {
    eventually("three voters of every partition, none behind", || {
        let status = status(data);
        let partitions = status["partitions"].as_array().cloned().unwrap_or_default();
        !partitions.is_empty()
            && partitions.iter().all(|partition| {
                let replicas = partition["replicas"].as_array().cloned().unwrap_or_default();
                replicas.len() == 3
                    && replicas.iter().all(|replica| replica["role"] != "learner" && replica["lag"] == 0)
            })
    });
}

#[test]
fn three_nodes_join_on_loopback_and_survive_a_crash() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = |name: &str| directory.path().join(name);
    let (one, address, key) = first_node_with_table(&data("1"));
    put(&one.endpoint, Some(&key), "alone");

    let two = join(&data("2"), &address);
    let three = join(&data("3"), &address);
    assert!(has(&two.endpoint, Some(&key), "alone") && has(&three.endpoint, Some(&key), "alone"));
    three_voters_everywhere(&data("1"));

    one.crash();
    put(&two.endpoint, Some(&key), "without one");
    assert!(has(&three.endpoint, Some(&key), "without one"));
    eventually("a warning about the dead node", || status(&data("2"))["warnings"].to_string().contains("node 1"));

    let one = join(&data("1"), &address);
    assert!(has(&one.endpoint, Some(&key), "without one"));
    for node in [&one, &two, &three] {
        node.signal("-TERM");
    }
    for node in [one, two, three] {
        assert_eq!(node.ended().0, Some(0));
    }
}

#[test]
fn beyond_loopback_a_node_joins_with_the_secret_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = |name: &str| directory.path().join(name);
    // All addresses, and so beyond loopback, but called on this machine.
    let beyond = |name: &str, more: &[&str]| {
        let port = free_port();
        let (listen, advertise) = (format!("0.0.0.0:{port}"), format!("127.0.0.1:{port}"));
        let mut start =
            command(&["start", "--listen", "127.0.0.1:0", "--data", text(&data(name)), "--log-level", "warn"]);
        start.args(["--peer-listen", &listen, "--peer-advertise", &advertise]).args(more);
        (start, advertise)
    };
    let (start, address) = beyond("1", &[]);
    let mut one = Stator::spawn(start);
    peers(&mut one);
    let key = root_key(&mut one);

    let (mut without, _) = beyond("2", &["--join", &address]);
    let stranger = without.output().expect("it runs");
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(!stranger.status.success() && said.contains("--join-secret-file"), "{said}");

    let secret = directory.path().join("join-secret");
    let printed = printed(&["join-secret", "--data", text(&data("1"))]);
    let guessed = format!("{}{}", "0".repeat(64), &printed[64..]);
    fs::write(&secret, guessed).expect("written");
    let (mut wrong, _) = beyond("2", &["--join", &address, "--join-secret-file", text(&secret)]);
    let output = wrong.output().expect("it runs");
    assert!(String::from_utf8_lossy(&output.stderr).contains("not (or no longer) valid"));

    fs::write(&secret, printed).expect("written");
    let (right, _) = beyond("2", &["--join", &address, "--join-secret-file", text(&secret)]);
    let two = Stator::spawn(right);
    done(&two.endpoint, Some(&key), "ListTables", "{}");
}

#[test]
fn what_can_never_be_joined_is_not_tried_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = |name: &str| directory.path().join(name);
    let (one, address, _) = first_node(&data("1"));
    let secret = directory.path().join("join-secret");
    fs::write(&secret, printed(&["join-secret", "--data", text(&data("1"))])).expect("written");
    let refused_join = |name: &str, address: &str, more: &[&str]| {
        let start = ["start", "--log-level", "error", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
        let data = data(name);
        let began = Instant::now();
        let said = refused(&[&start[..], &["--data", text(&data), "--join", address], more].concat(), 1);
        assert!(began.elapsed() < Duration::from_secs(30), "it was tried again and again");
        said
    };
    let said = refused_join("2", &address, &["--join-secret-file", text(&secret)]);
    assert!(said.contains("no join secret is needed"), "{said}");
    let said = refused_join("3", &one.endpoint, &[]);
    assert!(said.contains("nodes do not join there"), "{said}");
}

#[test]
fn a_node_waits_for_the_others_and_can_be_stopped_meanwhile() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = |name: &str| directory.path().join(name);
    let (one, address, _) = first_node_with_table(&data("1"));
    let two = join(&data("2"), &address);
    let three = join(&data("3"), &address);
    three_voters_everywhere(&data("1"));
    for node in [one, two, three] {
        node.crash();
    }
    let ports = ["start", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--data"];
    let mut alone = command(&[&ports[..], &[text(&data("2"))]].concat());
    let mut waiting = alone.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut said = BufReader::new(waiting.stderr.take().expect("it is piped")).lines();
    assert!(said.any(|line| line.is_ok_and(|line| line.contains("the catalog has no leader"))), "it says so");
    let sent = std::process::Command::new("kill").args(["-TERM", &waiting.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
    assert!(waiting.wait().expect("it is our child").success(), "it can be stopped while it waits");
}

#[test]
fn a_removed_node_stops_and_a_copied_directory_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = |name: &str| directory.path().join(name);
    let (_one, address, _) = first_node(&data("1"));
    let two = join(&data("2"), &address);
    let said = refused(&["dev", "--data", text(&data("1")), "--listen", "127.0.0.1:0"], 1);
    assert!(said.contains("in use"), "{said}");
    printed(&["nodes", "remove", "2", "--data", text(&data("1"))]);
    assert_eq!(two.ended().0, Some(1));
    let again = ["start", "--log-level", "error", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0"];
    let said = refused(&[&again[..], &["--data", text(&data("2"))]].concat(), 1);
    assert!(said.contains("removed"), "{said}");
}

/// One that nobody listens on at this moment.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}
