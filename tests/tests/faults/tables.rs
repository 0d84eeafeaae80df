//! `kill -9` while tables are made and deleted.

use stator_tests::{AMPLE, Cluster, Node, create_table, key, strong_get};
use std::time::Duration;
use tokio::time;

/// Each is one kill, so long after the request was sent.
const MOMENTS: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(3), Duration::from_millis(10), Duration::from_millis(40)];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_dies_while_tables_come_and_go() {
    let mut cluster = Cluster::start(1).await;
    come_and_go(&mut cluster, &[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_die_while_tables_come_and_go() {
    let mut cluster = Cluster::start(3).await;
    come_and_go(&mut cluster, &[0, 1, 2]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_asked_node_of_three_dies_while_tables_come_and_go() {
    let mut cluster = Cluster::start(3).await;
    come_and_go(&mut cluster, &[2]).await;
}

/// Whatever a kill leaves, a table ends ACTIVE or gone, and its name can be used.
async fn come_and_go(cluster: &mut Cluster, dead: &[usize]) {
    let asked = dead[dead.len() - 1];
    for (number, moment) in MOMENTS.into_iter().enumerate() {
        let table = format!("table-{number}");
        let client = cluster.client(asked);
        let request = {
            let table = table.clone();
            tokio::spawn(async move { create_table(&client, &table).await.map_err(drop) })
        };
        die(cluster, dead, moment).await;
        let is_acknowledged = request.await.expect("no panic").is_ok();
        let status = cluster.wait_settled(asked, &table).await;
        assert!(status.is_some() || !is_acknowledged, "{table} was acknowledged and is gone");
        if status.is_none() {
            cluster.make_table(0, &table).await;
        }
        write(cluster, asked, &table).await;

        let client = cluster.client(asked);
        let request = {
            let table = table.clone();
            tokio::spawn(async move { client.delete_table().table_name(table).send().await.map(drop).map_err(drop) })
        };
        die(cluster, dead, moment).await;
        let is_acknowledged = request.await.expect("no panic").is_ok();
        let status = cluster.wait_settled(asked, &table).await;
        assert!(status.is_none() || !is_acknowledged, "the deletion of {table} was acknowledged, and it is there");
        if status.is_some() {
            // Nothing of it may be lost by half a deletion.
            let item = strong_get(&cluster.client(0), &table, "a").await;
            assert!(item.expect("it is ACTIVE").is_some(), "{table} is ACTIVE and has lost its item");
            cluster.client(0).delete_table().table_name(&table).send().await.expect("it is ACTIVE");
            cluster.wait_settled(0, &table).await;
        }
        cluster.make_table(0, &table).await;
        let item = strong_get(&cluster.client(asked), &table, "a").await;
        assert_eq!(item.expect("it is ACTIVE"), None, "{table} is new and holds what another one held");
        write(cluster, 0, &table).await;
    }
    cluster.wait_whole();
}

async fn die(cluster: &mut Cluster, dead: &[usize], moment: Duration) {
    time::sleep(moment).await;
    dead.iter().for_each(|node| cluster.nodes[*node].kill());
    dead.iter().for_each(|node| cluster.nodes[*node].start());
    cluster.nodes.iter_mut().for_each(Node::ready);
}

async fn write(cluster: &Cluster, node: usize, table: &str) {
    let client = cluster.client(node);
    let put = || client.put_item().table_name(table).set_item(Some(key("a"))).send();
    let deadline = time::Instant::now() + AMPLE;
    while let Err(error) = put().await {
        assert!(time::Instant::now() < deadline, "{table} is ACTIVE and takes nothing: {error:?}");
    }
}
