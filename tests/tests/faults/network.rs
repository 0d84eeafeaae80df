//! Cuts between nodes that live beyond loopback, and so speak mutual TLS.

use crate::{PADDING_BYTES, WRITERS};
use stator_tests::{AMPLE, Cluster, Ledger, Network, inside_namespace, stator};
use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_is_cut_off_both_ways_and_one_way() {
    if !inside_namespace("network::a_leader_is_cut_off_both_ways_and_one_way") {
        return;
    }
    let network = Network::build(3);
    let cluster = Cluster::start_on(&network).await;
    let addresses = cluster.addresses();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    for cut in [Cut::BothWays, Cut::FromLeader, Cut::ToLeader] {
        ledger.progress(100).await;
        // Places are numbered from 1.
        let leader = cluster.leader() + 1;
        let pairs: Vec<(usize, usize)> = (1..=3)
            .filter(|other| *other != leader)
            .flat_map(|other| match cut {
                Cut::BothWays => vec![(leader, other), (other, leader)],
                Cut::FromLeader => vec![(leader, other)],
                Cut::ToLeader => vec![(other, leader)],
            })
            .collect();
        pairs.iter().for_each(|(from, to)| network.cut(*from, *to));
        // Those who were at the leader turn to others, who have elected one.
        ledger.progress(300).await;
        pairs.iter().for_each(|(from, to)| network.heal(*from, *to));
        cluster.wait_whole();
    }
    let outcome = ledger.settle(&addresses).await;
    println!("cuts: {outcome:?}");
}

#[derive(Clone, Copy)]
enum Cut {
    BothWays,
    FromLeader,
    ToLeader,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_reaches_nothing() {
    if !inside_namespace("network::a_stranger_reaches_nothing") {
        return;
    }
    let network = Network::build(2);
    let cluster = Cluster::start_on(&network).await;
    let peers = &cluster.nodes[0].ports.peers;

    // Without TLS nobody is listened to: what comes back, if anything, is an alert, never HTTP.
    for begin in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut stream = TcpStream::connect(peers).expect("it listens");
        stream.set_read_timeout(Some(AMPLE)).expect("above zero");
        stream.write_all(begin.as_bytes()).expect("it is connected");
        let mut answer = Vec::new();
        // A reset is as good an answer.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer[0] == 21, "{answer:?}");
    }

    let right = String::from_utf8(cluster.nodes[0].administer(&["join-secret"]).stdout).expect("text");
    let secret = cluster.directory().join("guessed");
    fs::write(&secret, format!("{}{}", "0".repeat(64), &right[64..])).expect("writable");
    let mut start = Command::new("ip");
    let program = stator(&[]);
    start.args(["netns", "exec", "n2"]).arg(program.get_program());
    start.args(["start", "--listen", "10.77.0.2:9000", "--peer-listen", "10.77.0.2:9100", "--join", peers]);
    start.arg("--data").arg(cluster.directory().join("stranger")).arg("--join-secret-file").arg(&secret);
    let output = start.stdin(Stdio::null()).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("not (or no longer) valid"), "{said}");
    let nodes = cluster.nodes[0].status().expect("it answers");
    assert_eq!(nodes["nodes"].as_array().map(Vec::len), Some(2));
}
