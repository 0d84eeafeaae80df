//! `kill -9` of one node, two, and all, during writes.

use crate::{PADDING_BYTES, WRITERS};
use stator_tests::{Cluster, Ledger, Node};
use std::time::Duration;

/// The aim is 3 s; a machine that is busy with other tests says nothing about that.
const GAP_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_alone_keeps_its_word() {
    let mut cluster = Cluster::start(1).await;
    let addresses = cluster.addresses();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    for _ in 0..3 {
        ledger.progress(200).await;
        cluster.nodes[0].kill();
        cluster.nodes[0].restart();
    }
    ledger.progress(100).await;
    ledger.settle(&addresses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_of_three_dies_and_comes_back() {
    let mut cluster = Cluster::start_with(3, &["--partitions", "1"]).await;
    let addresses = cluster.addresses();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    for _ in 0..2 {
        ledger.progress(300).await;
        let leader = cluster.leader();
        cluster.nodes[leader].kill();
        ledger.progress(300).await;
        cluster.nodes[leader].restart();
        cluster.wait_whole();
    }
    let outcome = ledger.settle(&addresses).await;
    println!("leader killed: {outcome:?}");
    assert!(outcome.longest_gap <= GAP_MAX, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_and_all_three_die_and_come_back() {
    let mut cluster = Cluster::start(3).await;
    let addresses = cluster.addresses();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    // The first with the second, then the second with the third: each pair once without the other.
    for dead in [[0, 1], [1, 2]] {
        ledger.progress(200).await;
        dead.iter().for_each(|node| cluster.nodes[*node].kill());
        dead.iter().for_each(|node| cluster.nodes[*node].start());
        dead.iter().for_each(|node| cluster.nodes[*node].ready());
    }
    for _ in 0..2 {
        ledger.progress(200).await;
        cluster.nodes.iter_mut().for_each(Node::kill);
        cluster.nodes.iter_mut().for_each(Node::start);
        cluster.nodes.iter_mut().for_each(Node::ready);
    }
    ledger.progress(200).await;
    cluster.wait_whole();
    ledger.settle(&addresses).await;
    cluster.nodes.iter_mut().for_each(Node::stop);
}
