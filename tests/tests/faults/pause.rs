//! A leader stands still for longer than its lease, and goes on as if nothing had been.

use crate::{PADDING_BYTES, WRITERS};
use aws_sdk_dynamodb::{Client, types::AttributeValue};
use stator_tests::{AMPLE, Cluster, Ledger, client, is_slow_allowed, key, number, strong_get};
use std::time::{Duration, Instant};

const READS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_stood_still_answers_nothing_old() {
    let pause = Duration::from_secs(if is_slow_allowed() { 20 } else { 4 });
    let cluster = Cluster::start_with(3, &["--partitions", "1"]).await;
    let addresses = cluster.addresses();
    let leader = cluster.leader();
    let others: Vec<String> =
        addresses.iter().enumerate().filter(|(node, _)| *node != leader).map(|(_, address)| address.clone()).collect();
    let ledger = Ledger::begin(Cluster::TABLE, &addresses, WRITERS, PADDING_BYTES);
    // Its connection is there before the pause: what is sent then waits in the socket, to be read first of all.
    let to_leader = client(&addresses[leader], pause + AMPLE);
    let elsewhere = client(&others[0], AMPLE);
    write(&elsewhere, 1).await;
    assert_eq!(version(&to_leader).await, Ok(Some(1)));

    let begin = Instant::now();
    cluster.nodes[leader].pause();
    let mut waiting = Vec::new();
    for version_now in 2..2 + READS {
        write(&elsewhere, version_now).await;
        let client = to_leader.clone();
        waiting.push((version_now, tokio::spawn(async move { version(&client).await })));
        ledger.progress(20).await;
    }
    tokio::time::sleep(pause.saturating_sub(begin.elapsed())).await;
    cluster.nodes[leader].resume();
    let mut answered = 0;
    for (least, read) in waiting {
        match read.await.expect("no panic") {
            Ok(found) => {
                assert!(found >= Some(least), "version {least} was acknowledged before version {found:?} was read");
                answered += 1;
            }
            Err(error) => println!("a read through the paused leader failed: {error}"),
        }
    }
    println!("{answered} of {READS} reads that waited through the pause were answered");
    ledger.progress(100).await;
    cluster.wait_whole();
    ledger.settle(&addresses).await;
}

/// Until it is acknowledged; the same again does no harm.
async fn write(client: &Client, version: u64) {
    let deadline = Instant::now() + AMPLE;
    loop {
        let put = client.put_item().table_name(Cluster::TABLE).set_item(Some(key("register")));
        match put.item("version", AttributeValue::N(version.to_string())).send().await {
            Ok(_) => return,
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
    }
}

async fn version(client: &Client) -> Result<Option<u64>, String> {
    let item = strong_get(client, Cluster::TABLE, "register").await?;
    Ok(item.and_then(|item| number(&item, "version")))
}
