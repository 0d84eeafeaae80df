//! A clock that is set forward for a while stops nobody afterwards.

use serde_json::json;
use stator_api::Operation;
use stator_catalog::{BillingSpec, TableSpec};
use stator_cluster::AllSettings;
use stator_item::NodeId;
use stator_simulation::{client::create, cluster::Cluster, run::runtime};
use std::{sync::Arc, time::Duration};

const NODE: NodeId = NodeId(1);
const HOUR_MS: i64 = 3_600_000;

/// Writes twice a second; how often it was refused.
async fn write(cluster: &Cluster, seconds: u64) -> usize {
    let mut refused = 0;
    for number in 0..2 * seconds {
        let body = json!({"TableName": "clocked", "Item": {"pk": {"S": number.to_string()}}}).to_string();
        let gateway = cluster.gateway(NODE).expect("the node runs");
        let (status, _) = gateway.ask(Operation::PutItem, body.into_bytes().into()).await;
        refused += usize::from(status != 200);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    refused
}

async fn unfold(cluster: Arc<Cluster>) {
    cluster.add(1.0).await.expect("a node");
    let spec = TableSpec::plain("clocked", "pk", BillingSpec::OnDemand { throughput: None });
    create(&cluster, NODE, spec, 1).await.expect("a table");
    assert_eq!(write(&cluster, 10).await, 0);
    cluster.jump(NODE, HOUR_MS);
    assert_eq!(write(&cluster, 20).await, 0);
    cluster.set_clocks_right();
    assert_eq!(write(&cluster, 20).await, 0, "what is remembered was forgotten up to a time that has not come");
    assert_eq!(cluster.world.panics(), Vec::<String>::new());
}

#[test]
fn a_clock_that_was_an_hour_ahead_leaves_nothing_behind() {
    runtime(1).block_on(async {
        let cluster = Cluster::calm(1, AllSettings::default());
        unfold(cluster.clone()).await;
        cluster.dissolve();
    });
}
