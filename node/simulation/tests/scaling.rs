//! Application Auto Scaling on simulated time: capacity follows what is consumed, on whichever nodes.

use serde_json::{Value as Json, json};
use stator_api::Operation;
use stator_catalog::{Billing, BillingSpec, TableSpec, Throughput};
use stator_cluster::AllSettings;
use stator_item::NodeId;
use stator_simulation::{client::create, cluster::Cluster, run::runtime};
use std::{sync::Arc, time::Duration};

const MINUTE: Duration = Duration::from_secs(60);
const BEFORE: u64 = 10;
/// Writes a second, of one unit each.
const LOAD: u64 = 21;

fn spec() -> TableSpec {
    let throughput = Throughput { read_units: BEFORE, write_units: BEFORE };
    TableSpec::plain("scaled", "pk", BillingSpec::Provisioned { throughput })
}

async fn ask(cluster: &Cluster, through: NodeId, operation: Operation, body: Json) -> Json {
    let gateway = cluster.gateway(through).expect("the node runs");
    let (status, body) = gateway.ask(operation, body.to_string().into_bytes().into()).await;
    let body: Json = serde_json::from_slice(&body).expect("replies are JSON");
    assert_eq!(status, 200, "{operation:?}: {body}");
    body
}

fn units(cluster: &Cluster) -> (u64, u64) {
    let catalog = cluster.newest_catalog().expect("a node is up");
    match catalog.table("scaled").expect("the table is there").billing {
        Billing::Provisioned { throughput, .. } => (throughput.read_units, throughput.write_units),
        Billing::OnDemand { .. } => panic!("the table is provisioned"),
    }
}

/// Writes for so long, through all nodes.
async fn load(cluster: &Cluster, how_long: Duration) {
    let began = cluster.world.now();
    for number in 0.. {
        if cluster.world.now() - began >= how_long {
            return;
        }
        let item = json!({"TableName": "scaled", "Item": {"pk": {"S": (number % 100).to_string()}}});
        let asked = cluster.world.now();
        ask(cluster, NodeId(1 + number % 3), Operation::PutItem, item).await;
        let took = cluster.world.now() - asked;
        tokio::time::sleep((Duration::from_secs(1) / LOAD as u32).saturating_sub(took)).await;
    }
}

async fn unfold(cluster: Arc<Cluster>) {
    for _ in 0..3 {
        cluster.add(1.0).await.expect("a node");
    }
    create(&cluster, NodeId(1), spec(), 3).await.expect("a table");
    let of = |dimension: &str, more: Json| {
        let mut body = json!({
            "ServiceNamespace": "dynamodb", "ResourceId": "table/scaled",
            "ScalableDimension": format!("dynamodb:table:{dimension}CapacityUnits"),
        });
        for (name, value) in more.as_object().expect("an object") {
            body[name] = value.clone();
        }
        body
    };
    for way in ["Read", "Write"] {
        let bounds = json!({"MinCapacity": 2, "MaxCapacity": 100});
        ask(&cluster, NodeId(2), Operation::RegisterScalableTarget, of(way, bounds)).await;
        let metric = format!("DynamoDB{way}CapacityUtilization");
        let configuration =
            json!({"TargetValue": 70, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}});
        let policy = json!({
            "PolicyName": "p", "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": configuration,
        });
        ask(&cluster, NodeId(3), Operation::PutScalingPolicy, of(way, policy)).await;
    }

    load(&cluster, 2 * MINUTE - Duration::from_secs(10)).await;
    assert_eq!(units(&cluster), (BEFORE, BEFORE), "two minutes in a row are not over");
    load(&cluster, 3 * MINUTE).await;
    let (read, write) = units(&cluster);
    assert_eq!(read, BEFORE, "nothing is read, but not for a quarter of an hour yet");
    assert!((27..=31).contains(&write), "{write} units for {LOAD} a second");
    load(&cluster, 5 * MINUTE).await;
    assert_eq!(units(&cluster), (BEFORE, write), "it is enough");

    tokio::time::sleep(8 * MINUTE).await;
    assert_eq!(units(&cluster), (2, write), "reads have been quiet for a quarter of an hour");
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(units(&cluster), (2, 2));
    let told = ask(&cluster, NodeId(1), Operation::DescribeScalingActivities, json!({"ServiceNamespace": "dynamodb"}));
    let told = told.await;
    let activities = told["ScalingActivities"].as_array().expect("a list");
    assert!(activities.len() >= 3 && activities.iter().all(|activity| activity["StatusCode"] == "Successful"));
    assert_eq!(cluster.world.panics(), Vec::<String>::new());
}

#[test]
fn capacity_follows_what_is_consumed() {
    runtime(1).block_on(async {
        let cluster = Cluster::calm(1, AllSettings::default());
        unfold(cluster.clone()).await;
        cluster.dissolve();
    });
}
