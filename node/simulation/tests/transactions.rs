//! A transaction whose coordinator, leaders of its partitions, or both are killed, at every step in turn: one whose home decides
//! with its own writes, and one whose home has so much to write that it prepares as the others do.

use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use stator_api::Operation;
use stator_cluster::{AllSettings, Tables};
use stator_environment::Service;
use stator_item::{KeyPart, NodeId, PartitionId, Token};
use stator_simulation::{cluster::Cluster, replicas::differences, run::runtime};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// It has no replica of the tables, so that every command of its transactions is a message.
const COORDINATOR: NodeId = NodeId(4);
/// Everything must be as it shall be within this time, simulated.
const AMPLE: u32 = 60;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victims {
    Coordinator,
    /// The leader that a message of this step goes to: of a participant, of the home, or of where the request's token is claimed.
    Participant,
    Both,
    /// The leader of the home, whoever the message goes to.
    Home,
}

/// What is written at home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Load {
    /// It fits the entry of the decision.
    Small,
    /// It does not: the home prepares, decides, and finishes in several entries.
    Large,
}

impl Load {
    /// Items at home, under one partition key.
    fn items(self) -> u32 {
        match self {
            Load::Small => 2,
            Load::Large => 10,
        }
    }

    /// What each of them is filled with. With an entry in each of two local indexes ten of the large ones are more than 8 MB, and
    /// with the item elsewhere they stay below the 4 MB of a transaction.
    fn filler(self) -> String {
        match self {
            Load::Small => String::new(),
            Load::Large => "x".repeat(390_000),
        }
    }
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

fn key((pk, sk): (&str, u32)) -> Json {
    json!({"pk": {"S": pk}, "sk": {"N": sk.to_string()}})
}

/// It is in both local indexes.
fn item(place: (&str, u32), n: u32) -> Json {
    let mut item = key(place);
    item["n"] = json!({"N": n.to_string()});
    item["m"] = json!({"N": "0"});
    item
}

async fn create_table(cluster: &Cluster) {
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let keys =
        |range: &str| json!([{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let index = |range: &str| json!({"IndexName": format!("by_{range}"), "KeySchema": keys(range), "Projection": {"ProjectionType": "ALL"}});
    let body = json!({
        "TableName": "table", "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys("sk"),
        "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "N"), attribute("n", "N"), attribute("m", "N")],
        "LocalSecondaryIndexes": [index("n"), index("m")],
    });
    surely(cluster, Operation::CreateTable, body).await;
}

/// One more in each item, with a request token: done twice it would show.
fn addition(places: &[(&str, u32)], load: Load) -> Json {
    let add = |place: &(&str, u32)| {
        let filler = if place.0 == places[0].0 { load.filler() } else { String::new() };
        let values = json!({":one": {"N": "1"}, ":filler": {"S": filler}});
        json!({"Update": {"TableName": "table", "Key": key(*place), "UpdateExpression": "SET n = n + :one, filler = :filler",
            "ExpressionAttributeValues": values}})
    };
    json!({"TransactItems": places.iter().map(add).collect::<Vec<_>>(), "ClientRequestToken": "token"})
}

/// Asks until a node says something that no other attempt can change: a client's mistake.
async fn definitely(cluster: &Cluster, operation: Operation, body: Json) -> Json {
    for attempt in 0..4 * AMPLE {
        let (status, said) = ask(cluster, NodeId(1 + u64::from(attempt % 3)), operation, body.clone()).await;
        if (200..500).contains(&status) {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("{operation:?} is not answered in a minute");
}

/// Who leads the partition of a key.
fn leader(cluster: &Cluster, pk: &str) -> NodeId {
    let catalog = cluster.newest_catalog().expect("a node is up");
    let table = catalog.table("table").expect("the table is there").id;
    let token = Token::of(&KeyPart::String(pk.into()));
    let leads = |id: &NodeId| cluster.node(*id).is_some_and(|node| Tables::leads(&*node, table, token));
    cluster.nodes().into_iter().find(leads).expect("somebody leads")
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
    create_table(cluster).await;
    // Request tokens have their table before the coordinator is there: it shall hold nothing.
    let put = json!({"Put": {"TableName": "table", "Item": item(("first", 1), 1)}});
    let first = json!({"TransactItems": [put], "ClientRequestToken": "first"});
    surely(cluster, Operation::TransactWriteItems, first).await;
    let node = cluster.node(NodeId(1)).expect("the node runs");
    let is_replicated = |catalog: &stator_catalog::Catalog| {
        catalog.plans().len() == 0 && catalog.partitions().all(|partition| partition.members.len() == 3)
    };
    assert!(node.catalog_becomes(is_replicated, node.deadline(Duration::from_secs(120))).await);
    assert_eq!(cluster.add(1.0).await, Ok(COORDINATOR));
}

/// Kills at a step, waits, and looks what became of the transaction. Steps are arrivals and answers of the coordinator's messages.
async fn kill_at(cluster: Arc<Cluster>, victims: Victims, load: Load, step: u64) -> End {
    grow(&cluster).await;
    let [home, other] = keys(&cluster, "table");
    let places: Vec<(&str, u32)> = (1..=load.items()).map(|sk| (&*home, sk)).chain([(&*other, 1)]).collect();
    for place in &places {
        surely(&cluster, Operation::PutItem, json!({"TableName": "table", "Item": item(*place, 1)})).await;
    }
    let home_leader = leader(&cluster, &home);
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
            Victims::Home => vec![home_leader],
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
    let request = addition(&places, load);
    let transaction = ask(&cluster, COORDINATOR, Operation::TransactWriteItems, request.clone());
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
    let number = number_in_all(&cluster, &places).await;
    settle(&cluster).await;
    assert_eq!(number_in_all(&cluster, &places).await, number, "what was read once stays so");
    // The same request once more has its effect if it had none, and else has none. Another one under its token has none at all.
    surely(&cluster, Operation::TransactWriteItems, request).await;
    let others = addition(&places[1..].iter().rev().copied().collect::<Vec<_>>(), load);
    let refused = definitely(&cluster, Operation::TransactWriteItems, others).await;
    assert!(
        refused["__type"].as_str().is_some_and(|kind| kind.ends_with("IdempotentParameterMismatchException")),
        "{refused}"
    );
    assert_eq!(number_in_all(&cluster, &places).await, 2, "a request counts once");
    for place in &places {
        surely(&cluster, Operation::PutItem, json!({"TableName": "table", "Item": item(*place, 3)})).await;
    }
    assert_eq!(cluster.world.panics(), Vec::<String>::new());
    End { is_reached: !killed.is_empty(), is_acknowledged, has_happened: number == 2 }
}

/// The number that all of the items have.
async fn number_in_all(cluster: &Cluster, places: &[(&str, u32)]) -> u32 {
    let get =
        |place: &(&str, u32)| json!({"Get": {"TableName": "table", "Key": key(*place), "ProjectionExpression": "n"}});
    let gets: Vec<Json> = places.iter().map(get).collect();
    let read = surely(cluster, Operation::TransactGetItems, json!({"TransactItems": gets})).await;
    let numbers: BTreeSet<&str> =
        (0..places.len()).filter_map(|at| read["Responses"][at]["Item"]["n"]["N"].as_str()).collect();
    assert_eq!(numbers.len(), 1, "half of a transaction: {read}");
    numbers.first().and_then(|number| number.parse().ok()).expect("it is a number")
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

fn run(victims: Victims, load: Load, step: u64) -> End {
    runtime(step).block_on(async {
        let mut settings = AllSettings::default();
        settings.cluster.transaction_old_after = Duration::from_secs(2);
        let cluster = Cluster::calm(step, settings);
        let end = kill_at(cluster.clone(), victims, load, step).await;
        cluster.dissolve();
        end
    })
}

fn kill_at_every_step(victims: Victims, load: Load) {
    let (mut happened, mut did_not) = (0, 0);
    for step in 1.. {
        let end = run(victims, load, step);
        assert!(
            !end.is_acknowledged || end.has_happened,
            "{victims:?} killed at step {step}: acknowledged and not there"
        );
        if !end.is_reached {
            assert!(end.is_acknowledged, "without a kill it succeeds");
            // The token's claim, a prepare, the decision, an end, and a commit that is forgotten, each with its answer. The large one
            // is refused in one entry, prepares and decides at home, and ends there in at least four entries.
            let least = if load == Load::Small { 5 } else { 5 + 2 + 4 };
            assert!(step > 2 * least, "a transaction had {step} steps only");
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
    kill_at_every_step(Victims::Coordinator, Load::Small);
}

#[test]
fn a_leader_that_dies_leaves_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Participant, Load::Small);
}

#[test]
fn both_at_once_leave_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Both, Load::Small);
}

#[test]
fn a_homes_leader_that_dies_leaves_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Home, Load::Small);
}

#[test]
fn a_coordinator_of_much_that_dies_leaves_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Coordinator, Load::Large);
}

#[test]
fn a_leader_of_much_that_dies_leaves_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Participant, Load::Large);
}

#[test]
fn both_of_much_at_once_leave_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Both, Load::Large);
}

#[test]
fn a_homes_leader_of_much_that_dies_leaves_nothing_locked_and_nothing_half_done() {
    kill_at_every_step(Victims::Home, Load::Large);
}
