//! Rows that lie on disk: commands and reads let others go first, and come to the same answers.

use serde_json::{Value as Json, json};
use stator_api::Operation;
use stator_catalog::{BillingSpec, TableSpec};
use stator_cluster::AllSettings;
use stator_item::NodeId;
use stator_simulation::{client::create, cluster::Cluster, run::runtime};
use std::{sync::Arc, time::Duration};

const NODE: NodeId = NodeId(1);

/// What the node answers, and how long it took.
async fn ask(cluster: &Cluster, operation: Operation, mut body: Json) -> (u16, Json, Duration) {
    body["TableName"] = "cold".into();
    let gateway = cluster.gateway(NODE).expect("the node runs");
    let asked = cluster.world.now();
    let (status, reply) = gateway.ask(operation, body.to_string().into_bytes().into()).await;
    let took = cluster.world.now() - asked;
    (status, serde_json::from_slice(&reply).expect("replies are JSON"), took)
}

/// From now on no row is in memory.
fn cool(cluster: &Cluster) {
    cluster.rows(NODE).expect("the node has a disk").flush().expect("flushed");
}

fn item(number: u64) -> Json {
    json!({"pk": {"S": "a"}, "n": {"N": number.to_string()}})
}

async fn unfold(cluster: Arc<Cluster>) {
    cluster.add(1.0).await.expect("a node");
    let spec = TableSpec::plain("cold", "pk", BillingSpec::OnDemand { throughput: None });
    create(&cluster, NODE, spec, 1).await.expect("a table");
    assert_eq!(ask(&cluster, Operation::PutItem, json!({"Item": item(1)})).await.0, 200);

    let key = json!({"pk": {"S": "a"}});
    let reads = [
        (Operation::GetItem, json!({"Key": key, "ConsistentRead": true})),
        (Operation::GetItem, json!({"Key": key})),
        (Operation::Scan, json!({"ConsistentRead": true})),
    ];
    for (operation, body) in reads {
        cool(&cluster);
        let (_, cold, cold_took) = ask(&cluster, operation, body.clone()).await;
        let (_, warm, warm_took) = ask(&cluster, operation, body).await;
        assert_eq!(cold, warm, "{operation:?}");
        assert!(cold.to_string().contains(r#"{"N":"1"}"#), "{cold}");
        assert!(cold_took > warm_took, "{operation:?} took {cold_took:?} cold and {warm_took:?} warm");
    }

    // A condition on a cold row holds, and fails, as on a warm one; writes that come meanwhile overtake it.
    let grow = |by: u64| {
        json!({
            "Key": key, "UpdateExpression": "ADD n :by", "ConditionExpression": "attribute_exists(n)",
            "ExpressionAttributeValues": {":by": {"N": by.to_string()}}, "ReturnValues": "ALL_NEW",
        })
    };
    cool(&cluster);
    let (one, other) =
        tokio::join!(ask(&cluster, Operation::UpdateItem, grow(10)), ask(&cluster, Operation::UpdateItem, grow(100)));
    for (status, reply, _) in [one, other] {
        assert_eq!(status, 200, "{reply}");
    }
    cool(&cluster);
    let anew = json!({"Item": item(5), "ConditionExpression": "attribute_not_exists(pk)"});
    let (status, refused, _) = ask(&cluster, Operation::PutItem, anew).await;
    assert_eq!(status, 400, "{refused}");
    assert!(
        refused["__type"].as_str().is_some_and(|kind| kind.ends_with("ConditionalCheckFailedException")),
        "{refused}"
    );
    let (_, got, _) = ask(&cluster, Operation::GetItem, json!({"Key": key, "ConsistentRead": true})).await;
    assert_eq!(got["Item"], item(111));
    assert_eq!(cluster.world.panics(), Vec::<String>::new());
}

#[test]
fn rows_on_disk_are_read_off_the_tasks_threads() {
    runtime(1).block_on(async {
        let cluster = Cluster::calm(1, AllSettings::default());
        unfold(cluster.clone()).await;
        cluster.dissolve();
    });
}
