//! A transaction whose coordinator, participant's leader, or both are killed, at every step in turn.

use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use stator_api::Operation;
use stator_cluster::AllSettings;
use stator_environment::Service;
use stator_item::{KeyPart, NodeId, PartitionId, Token};
use stator_simulation::{
    client::create_table,
    cluster::Cluster,
    network::{Weather, Wires},
    replicas::differences,
    run::runtime,
    world::World,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// It has no replica of the tables, so that every command of its transactions is a message.
const COORDINATOR: NodeId = NodeId(4);
/// Everything must be as it shall be within this time, simulated.
const AMPLE: u32 = 60;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victims {
    Coordinator,
    /// The leader that a message of this step goes to.
    Participant,
    Both,
}

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct End {
    /// The step at which somebody was killed was reached.
    is_reached: bool,
    is_acknowledged: bool,
    has_happened: bool,
}

async fn ask(cluster: &Cluster, through: NodeId, operation: Operation, body: Json) -> (u16, Json) {
    let Some(gateway) = cluster.gateway(through) else { return (0, json!("the node is down")) };
    let (status, body) = gateway.ask(operation, body.to_string().into_bytes().into()).await;
    (status, serde_json::from_slice(&body).expect("replies are JSON"))
}

/// Asks until it is done, also through other nodes.
async fn surely(cluster: &Cluster, operation: Operation, body: Json) -> Json {
    let mut last = (0, Json::Null);
    for attempt in 0..4 * AMPLE {
        last = ask(cluster, NodeId(1 + u64::from(attempt % 3)), operation, body.clone()).await;
        if last.0 == 200 {
            return last.1;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{operation:?} is not done after a minute: {last:?}");
}

fn item(pk: &str, n: u32) -> Json {
    json!({"pk": {"S": pk}, "n": {"N": n.to_string()}})
}

/// Keys of the table's two partitions.
fn keys(cluster: &Cluster, table: &str) -> [String; 2] {
    let catalog = cluster.newest_catalog().expect("a node is up");
    let id = catalog.table(table).expect("the table is there").id;
    let of = |pk: &str| {
        let token = Token::of(&KeyPart::String(pk.into()));
        catalog.routing().partition(id, token).expect("each token has a partition").id
    };
    let all: Vec<String> = (0..100).map(|number| format!("key {number}")).collect();
    let other = all.iter().find(|pk| of(pk) != of(&all[0])).expect("there are two partitions");
    [all[0].clone(), other.clone()]
}

async fn grow(cluster: &Arc<Cluster>) {
    for number in 1..=3 {
        assert_eq!(cluster.add(1.0).await, Ok(NodeId(number)));
    }
    create_table(cluster, NodeId(1), "table").await.expect("a table");
    let node = cluster.node(NodeId(1)).expect("the node runs");
    let is_replicated = |catalog: &stator_catalog::Catalog| {
        catalog.plans().len() == 0 && catalog.partitions().all(|partition| partition.members.len() == 3)
    };
    assert!(node.catalog_becomes(is_replicated, node.deadline(Duration::from_secs(120))).await);
    assert_eq!(cluster.add(1.0).await, Ok(COORDINATOR));
}

/// Kills at a step, waits, and looks what became of the transaction. Steps are arrivals and answers of the coordinator's messages.
async fn kill_at(cluster: Arc<Cluster>, victims: Victims, step: u64) -> End {
    grow(&cluster).await;
    let pks = keys(&cluster, "table");
    for pk in &pks {
        surely(&cluster, Operation::PutItem, json!({"TableName": "table", "Item": item(pk, 1)})).await;
    }
    let killed: Arc<Mutex<BTreeSet<NodeId>>> = Arc::default();
    let (steps, killing, world) = (Arc::new(Mutex::new(0)), killed.clone(), Arc::downgrade(&cluster));
    let watch = move |from: NodeId, to: NodeId, service: Service, _| {
        if from != COORDINATOR || service != Service::Forward {
            return;
        }
        let mut steps = steps.lock();
        *steps += 1;
        if *steps != step {
            return;
        }
        let chosen = match victims {
            Victims::Coordinator => vec![COORDINATOR],
            Victims::Participant => vec![to],
            Victims::Both => vec![COORDINATOR, to],
        };
        killing.lock().extend(&chosen);
        // A process does not end in the middle of its own turn; nothing else happens before.
        let world = world.clone();
        tokio::spawn(async move {
            if let Some(cluster) = world.upgrade() {
                chosen.into_iter().for_each(|id| cluster.kill(id));
            }
        });
    };
    cluster.wires.watch(Some(Arc::new(watch)));
    let puts: Vec<Json> = pks.iter().map(|pk| json!({"Put": {"TableName": "table", "Item": item(pk, 2)}})).collect();
    let transaction = ask(&cluster, COORDINATOR, Operation::TransactWriteItems, json!({"TransactItems": puts}));
    // Its own process may die, and nobody answers.
    let answered = tokio::time::timeout(Duration::from_secs(10), transaction).await;
    let is_acknowledged = answered.is_ok_and(|(status, _)| status == 200);
    // What is still on its way, as a commit's forgetting, counts as well.
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.wires.watch(None);
    let killed: Vec<NodeId> = killed.lock().iter().copied().collect();
    for id in &killed {
        // It comes up by itself.
        drop(cluster.launch(*id));
    }
    let gets: Vec<Json> =
        pks.iter().map(|pk| json!({"Get": {"TableName": "table", "Key": {"pk": {"S": pk}}}})).collect();
    let read = surely(&cluster, Operation::TransactGetItems, json!({"TransactItems": gets})).await;
    let numbers: Vec<&str> = (0..2).filter_map(|at| read["Responses"][at]["Item"]["n"]["N"].as_str()).collect();
    assert!(numbers == ["1", "1"] || numbers == ["2", "2"], "half of a transaction: {read}");
    settle(&cluster).await;
    let read = surely(&cluster, Operation::TransactGetItems, json!({"TransactItems": gets})).await;
    assert_eq!(read["Responses"][0]["Item"]["n"]["N"], numbers[0], "what was read once stays so");
    for pk in &pks {
        surely(&cluster, Operation::PutItem, json!({"TableName": "table", "Item": item(pk, 3)})).await;
    }
    assert_eq!(cluster.world.panics(), Vec::<String>::new());
    End { is_reached: !killed.is_empty(), is_acknowledged, has_happened: numbers[0] == "2" }
}

/// Waits until nothing is locked and replicas are the same.
async fn settle(cluster: &Cluster) {
    let waiting = || -> Vec<(NodeId, Vec<PartitionId>)> {
        let nodes =
            cluster.nodes().into_iter().filter_map(|id| Some((id, cluster.node(id)?.unfinished_transactions())));
        nodes.filter(|(_, partitions)| !partitions.is_empty()).collect()
    };
    for _ in 0..AMPLE {
        if waiting().is_empty() && differences(cluster).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("after a minute these wait for the end of a transaction: {:?}, and {:?}", waiting(), differences(cluster));
}

fn run(victims: Victims, step: u64) -> End {
    runtime(step).block_on(async {
        let world = World::new(step, false);
        let weather = Weather { loss_per_mille: 0, has_stragglers: false, ..Weather::default() };
        let wires = Wires::new(world.clone(), weather);
        let mut settings = AllSettings::default();
        settings.cluster.transaction_old_after = Duration::from_secs(2);
        let cluster = Cluster::new(world, wires, settings);
        let end = kill_at(cluster.clone(), victims, step).await;
        cluster.dissolve();
        end
    })
}

fn kill_at_every_step(victims: Victims) {
    let (mut happened, mut did_not) = (0, 0);
    for step in 1.. {
        let end = run(victims, step);
        assert!(
            !end.is_acknowledged || end.has_happened,
            "{victims:?} killed at step {step}: acknowledged and not there"
        );
        if !end.is_reached {
            assert!(end.is_acknowledged, "without a kill it succeeds");
            // A prepare, the decision, an end, and a commit that is forgotten, each with its answer.
            assert!(step > 8, "a transaction had {step} steps only");
            break;
        }
        *(if end.has_happened { &mut happened } else { &mut did_not }) += 1;
    }
    assert!(
        happened > 0 && did_not > 0,
        "{victims:?}: {happened} happened, {did_not} did not: all steps were the same"
    );
}

#[test]
fn a_coordinator_that_dies_leaves_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Coordinator);
}

#[test]
fn a_leader_that_dies_leaves_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Participant);
}

#[test]
fn both_at_once_leave_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Both);
}
