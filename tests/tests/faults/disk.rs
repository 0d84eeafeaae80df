//! Files that are torn, damaged, or find no room.

use crate::{PADDING_BYTES, WRITERS};
use stator_tests::{
    Cluster, Ledger, Network, SmallDisk, cut_off, data_bytes, eventually, flip_byte, inside_namespace, newest_segment,
    stator, strong_get, table_files,
};
use std::path::Path;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_log_tail_is_cut_off_and_filled_again() {
    let mut cluster = Cluster::start(3).await;
    let addresses = cluster.addresses();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    ledger.progress(300).await;
    cluster.nodes[1].kill();
    ledger.progress(300).await;
    let segment = newest_segment(&cluster.nodes[1].data);
    cut_off(&segment, 777);
    cluster.nodes[1].restart();
    cluster.wait_whole();
    ledger.settle(&addresses[1..2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_before_the_log_tail_is_refused() {
    let mut cluster = Cluster::start(1).await;
    let addresses = cluster.addresses();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    ledger.progress(300).await;
    cluster.nodes[0].kill();
    let segment = newest_segment(&cluster.nodes[0].data);
    let middle = data_bytes(&segment) / 2;
    flip_byte(&segment, middle);
    cluster.nodes[0].start();
    let status = cluster.nodes[0].ended();
    let said = cluster.nodes[0].said();
    assert_eq!(status.code(), Some(1), "{said}");
    let name = segment.file_name().expect("it has one").to_string_lossy().into_owned();
    assert!(said.contains("error: ") && said.contains(&name) && !said.contains("panicked"), "{said}");

    // It was that byte and nothing else.
    flip_byte(&segment, middle);
    cluster.nodes[0].restart();
    ledger.settle(&addresses).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_in_a_table_file_is_never_served() {
    let mut cluster = Cluster::start(1).await;
    let addresses = cluster.addresses();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    ledger.progress(600).await;
    ledger.settle(&addresses).await;
    // An orderly end writes the rows into table files.
    cluster.nodes[0].stop();
    let file = table_files(&cluster.nodes[0].data).pop().expect("the rows were flushed");
    flip_byte(&file, data_bytes(&file) / 3);
    cluster.nodes[0].start();
    let node = &mut cluster.nodes[0];
    let is_up = eventually("a start or an end", || {
        let is_ready = stator_tests::get(&node.ports.clients, "/readyz").is_ok_and(|reply| reply.status == 200);
        (is_ready || !node.is_running()).then_some(is_ready)
    });
    if is_up {
        let client = cluster.client(0);
        let mut failed = false;
        for number in 0..WRITERS {
            for value in (1..).filter(|value| value % 4 != 0).take(50) {
                match strong_get(&client, Cluster::TABLE, &format!("item-{number}-{value}")).await {
                    Ok(Some(item)) => assert_eq!(stator_tests::number(&item, "value"), Some(value)),
                    Ok(None) => panic!("item-{number}-{value} is not there, and no error says why"),
                    Err(_) => failed = true,
                }
            }
        }
        assert!(failed, "the damage was met by no read");
    }
    let status = cluster.nodes[0].ended();
    let said = cluster.nodes[0].said();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("error: ") && !said.contains("panicked"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_directory_and_one_port_serve_one_process() {
    let cluster = Cluster::start(1).await;
    let node = &cluster.nodes[0];
    let start = |data: &Path, listen: &str, peers: &str| {
        let mut command = stator(&["start", "--log-level", "error", "--listen", listen, "--peer-listen", peers]);
        let output = command.arg("--data").arg(data).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = start(&node.data, "127.0.0.1:0", "127.0.0.1:0");
    assert!(said.contains("in use by another stator process") && said.contains(&node.pid().to_string()), "{said}");
    let other = cluster.directory().join("other");
    let said = start(&other, &node.ports.clients, "127.0.0.1:0");
    assert!(said.contains(&node.ports.clients) && said.contains("--listen"), "{said}");
    let said = start(&other, "127.0.0.1:0", &node.ports.peers);
    assert!(said.contains(&node.ports.peers) && said.contains("--peer-listen"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_disk_is_full_stops_nobody_else() {
    if inside_namespace("disk::a_follower_whose_disk_is_full_stops_nobody_else") {
        full_disk(|cluster| (cluster.leader() + 1) % 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_is_full_is_replaced() {
    if inside_namespace("disk::a_leader_whose_disk_is_full_is_replaced") {
        full_disk(Cluster::leader).await;
    }
}

/// Each node has a small disk, so that any can be chosen. The chosen one's is filled up during writes; the others go on.
/// With room again, the node comes back.
async fn full_disk(choose: impl FnOnce(&Cluster) -> usize) {
    const DISK_MIB: u64 = 256;
    // Rows are flushed and the log takes new segments soon: then the room is needed.
    const LARGE_BYTES: usize = 100_000;
    let _network = Network::build(0);
    let planned = Cluster::planned(3, &["--partitions", "1"]);
    let disks: Vec<SmallDisk> = planned.nodes.iter().map(|node| SmallDisk::mount(&node.data, DISK_MIB)).collect();
    let mut cluster = planned.form().await;
    let chosen = choose(&cluster);
    let others: Vec<String> =
        (0..3).filter(|node| *node != chosen).map(|node| cluster.addresses()[node].clone()).collect();
    let ledger = Ledger::begin(Cluster::TABLE, &cluster.addresses(), WRITERS, LARGE_BYTES);
    ledger.progress(20).await;
    disks[chosen].fill();
    let status = eventually("the end of the node whose disk is full", || {
        (!cluster.nodes[chosen].is_running()).then(|| cluster.nodes[chosen].ended())
    });
    let said = cluster.nodes[chosen].said();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("no space is left on the disk") && !said.contains("panicked"), "{said}");
    ledger.progress(50).await;
    disks[chosen].free();
    cluster.nodes[chosen].restart();
    ledger.settle(&others).await;
    cluster.wait_whole();
}
