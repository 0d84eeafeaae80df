//! Tables held to their capacity, in a cluster whose leader dies: what is throttled has no effect, no more passes than was
//! earned, and what was earned passes, though only one partition of three is asked.
//!
//! The swarm's workloads know no capacity, so this is a scenario of its own.

use crate::{client::create, cluster::Cluster, faults::heal, run::runtime};
use parking_lot::Mutex;
use serde_json::{Value as Json, json};
use stator_api::Operation;
use stator_catalog::{BillingSpec, TableSpec, Throughput};
use stator_cluster::AllSettings;
use stator_item::{KeyPart, NodeId, PartitionId, TableId, Token};
use stator_replica::Throttling;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::timeout};

const TABLE: &str = "held";
/// Units a second, of all three partitions together.
const WRITE_UNITS: u64 = 30;
const READ_UNITS: u64 = 3_000;
const PARTITIONS: u64 = 3;
const CLIENTS: u64 = 6;
/// When the hot partition's leader dies, when it comes back, and when clients stop.
const DEATH: Duration = Duration::from_secs(15);
const RETURN: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(45);
/// In these the hot partition should get all that the table has. Seconds.
const STEADY: [std::ops::Range<u64>; 2] = [5..15, 30..45];
/// What must pass of what is earned, in percent: what siblings leave is lent a little later than it is earned.
const STEADY_PERCENT: u64 = 80;
/// Seconds of units that new leaders begin with, and debts that ended with old ones.
const BEGINNINGS: u64 = 6;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Came {
    /// At that second.
    Through(u64),
    Throttled,
    /// Refused otherwise, or without an answer.
    Unknown,
}

/// What was not true.
pub fn violations(seed: u64) -> Vec<String> {
    runtime(seed).block_on(async {
        let mut settings = AllSettings::default();
        settings.replica.throttling = Throttling::Enforce;
        let cluster = Cluster::calm(seed, settings);
        let lived = live(&cluster).await;
        let mut violations = lived.unwrap_or_else(|reason| vec![reason]);
        violations.extend(cluster.world.panics());
        cluster.dissolve();
        violations
    })
}

fn spec() -> TableSpec {
    TableSpec::plain(
        TABLE,
        "pk",
        BillingSpec::Provisioned { throughput: Throughput { read_units: READ_UNITS, write_units: WRITE_UNITS } },
    )
}

async fn live(cluster: &Arc<Cluster>) -> Result<Vec<String>, String> {
    for _ in 0..3 {
        cluster.add(1.0).await?;
    }
    let table = create(cluster, NodeId(1), spec(), PARTITIONS).await?;
    let node = cluster.node(NodeId(1)).ok_or("the node is down")?;
    let is_replicated = |catalog: &stator_catalog::Catalog| {
        catalog.plans().len() == 0 && catalog.partitions().all(|partition| partition.members.len() == 3)
    };
    if !node.catalog_becomes(is_replicated, node.deadline(Duration::from_secs(120))).await {
        return Err("the partitions were not replicated within two minutes".to_owned());
    }
    // Leaders spread.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let began = cluster.world.now();
    let outcomes: Arc<Mutex<BTreeMap<String, Came>>> = Arc::default();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| tokio::spawn(work(cluster.clone(), (table, number), began, outcomes.clone())))
        .collect();
    tokio::time::sleep(DEATH).await;
    let victim = leader_of_hot(cluster, table).await.ok_or("the hot partition has no leader")?;
    cluster.kill(victim);
    tokio::time::sleep(RETURN - DEATH).await;
    // It comes up by itself.
    drop(cluster.launch(victim)?);
    for client in clients {
        client.await.map_err(|error| format!("a client ended: {error}"))?;
    }
    heal(cluster);
    let outcomes = outcomes.lock().clone();
    let mut violations = rates(&outcomes);
    violations.extend(effects(cluster, &outcomes).await);
    Ok(violations)
}

fn hot_partition(cluster: &Cluster, table: TableId) -> Option<PartitionId> {
    Some(cluster.newest_catalog()?.routing().partition(table, Token(0))?.id)
}

async fn leader_of_hot(cluster: &Cluster, table: TableId) -> Option<NodeId> {
    let hot = hot_partition(cluster, table)?;
    for id in cluster.nodes() {
        let Some(node) = cluster.node(id) else { continue };
        let report = node.report_of(id).await.unwrap_or_default();
        if report.replicas.iter().any(|replica| replica.partition == hot && replica.leads) {
            return Some(id);
        }
    }
    None
}

/// Writes items of the hot partition, each once, as fast as it can.
async fn work(
    cluster: Arc<Cluster>,
    (table, number): (TableId, u64),
    began: Duration,
    outcomes: Arc<Mutex<BTreeMap<String, Came>>>,
) {
    let Some(hot) = hot_partition(&cluster, table) else { return };
    for at in 0.. {
        let pk = format!("{number}/{at}");
        let Some(catalog) = cluster.newest_catalog() else { return };
        let token = Token::of(&KeyPart::String(pk.clone()));
        if catalog.routing().partition(table, token).is_none_or(|partition| partition.id != hot) {
            continue;
        }
        let body = json!({"TableName": TABLE, "Item": {"pk": {"S": pk}}});
        let through = NodeId(1 + cluster.world.throw(|dice| dice.below(3)));
        let came = match ask(&cluster, through, Operation::PutItem, body).await {
            Some((200, _)) => Came::Through((cluster.world.now() - began).as_secs()),
            Some((_, error)) if is_throttled(&error) => Came::Throttled,
            _ => Came::Unknown,
        };
        outcomes.lock().insert(pk, came);
        if cluster.world.now() - began >= END {
            return;
        }
        let pause = if came == Came::Throttled { Duration::from_millis(40) } else { Duration::from_millis(5) };
        let pause = cluster.world.throw(|dice| dice.between(pause / 2, pause));
        tokio::time::sleep(pause).await;
    }
}

fn is_throttled(error: &Json) -> bool {
    error["__type"].as_str().is_some_and(|name| name.ends_with("#ProvisionedThroughputExceededException"))
}

/// `None`: nobody answered.
async fn ask(cluster: &Cluster, through: NodeId, operation: Operation, body: Json) -> Option<(u16, Json)> {
    let (gateway, environment) = (cluster.gateway(through)?, cluster.environment(through)?);
    let (sender, receiver) = oneshot::channel();
    let answering = async move {
        // The client may have gone.
        let _ = sender.send(gateway.ask(operation, body.to_string().into_bytes().into()).await);
    };
    environment.tasks.spawn("request", Box::pin(answering));
    let (status, body) = timeout(Duration::from_secs(6), receiver).await.ok()?.ok()?;
    Some((status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// No more than was earned, and in quiet times nearly as much.
fn rates(outcomes: &BTreeMap<String, Came>) -> Vec<String> {
    let passed = |during: std::ops::Range<u64>| {
        let came = outcomes.values();
        came.filter(|came| matches!(came, Came::Through(second) if during.contains(second))).count() as u64
    };
    let mut violations = Vec::new();
    let (all, earned) = (passed(0..u64::MAX), WRITE_UNITS * (END.as_secs() + 1));
    if all > earned + WRITE_UNITS * BEGINNINGS {
        violations.push(format!("{all} units passed where {earned} were earned"));
    }
    for steady in STEADY {
        let (some, earned) = (passed(steady.clone()), WRITE_UNITS * (steady.end - steady.start));
        if some * 100 < earned * STEADY_PERCENT {
            violations.push(format!("{some} units passed in the seconds {steady:?}, where {earned} were earned"));
        }
        if some > earned + WRITE_UNITS * BEGINNINGS {
            violations.push(format!("{some} units passed in the seconds {steady:?}, where {earned} were earned only"));
        }
    }
    if !outcomes.values().any(|came| *came == Came::Throttled) {
        violations.push("nothing was throttled: nothing is known".to_owned());
    }
    violations
}

/// What came through is there, and what was throttled is not.
async fn effects(cluster: &Cluster, outcomes: &BTreeMap<String, Came>) -> Vec<String> {
    let mut violations = Vec::new();
    for (pk, came) in outcomes {
        let body = json!({"TableName": TABLE, "Key": {"pk": {"S": pk}}, "ConsistentRead": true});
        let mut answer = None;
        for attempt in 0..600 {
            answer = ask(cluster, NodeId(1 + attempt % 3), Operation::GetItem, body.clone()).await;
            if matches!(answer, Some((200, _))) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let Some((200, answer)) = answer else { return vec![format!("{pk} cannot be read: {answer:?}")] };
        let is_there = answer.get("Item").is_some();
        match came {
            Came::Through(second) if !is_there => {
                violations.push(format!("{pk} was acknowledged in second {second} and is not there"));
            }
            Came::Throttled if is_there => violations.push(format!("{pk} was throttled and is there all the same")),
            _ => {}
        }
    }
    violations
}
