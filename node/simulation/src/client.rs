//! Clients of a simulated cluster. They stand outside of it: their messages to a node take time, and a node's death leaves them
//! without an answer.

use crate::cluster::Cluster;
use stator_catalog::{BillingSpec, Change, KeyAttribute, KeySchema, TableClass, TableSpec, TableStatus, Throughput};
use stator_cluster::{Consistency, Deadline, Node};
use stator_expression::{Condition, Kind, Placeholders};
use stator_item::{Item, Key, KeyPart, KeyType, NodeId, Number, TableId, Value, row};
use stator_partition::{
    Command, Refusal, Reply,
    command::{Get, Put, WriteOptions},
};
use stator_workloads::{Failure, register::RegisterClient};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How long a client waits for an answer.
const CLIENT_WAIT: Duration = Duration::from_secs(5);
/// How long a node tries: a little less, as it answers before its client has gone.
const NODE_WAIT: Duration = Duration::from_secs(4);

pub struct Client {
    pub cluster: Arc<Cluster>,
    pub table: TableId,
    /// Which node the client talks to next.
    pub number: u64,
}

impl Client {
    /// A node that runs, a random one.
    fn choose(&self) -> Option<(NodeId, Arc<Node>)> {
        let nodes = self.cluster.nodes();
        let at = self.cluster.world.throw(|dice| dice.below(nodes.len() as u64)) as usize;
        let node = *nodes.get(at)?;
        Some((node, self.cluster.node(node)?))
    }

    /// Sends a command through some node; `None`: its condition failed.
    async fn submit(&self, key: u64, command: Command) -> Result<Option<Reply>, Failure> {
        let world = &self.cluster.world;
        let delay = world.throw(|dice| dice.between(Duration::from_micros(100), Duration::from_millis(3)));
        tokio::time::sleep(delay).await;
        let Some((id, node)) = self.choose() else {
            // Connection refused: nothing was sent.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return Err(Failure::Definite);
        };
        let Some(environment) = self.cluster.environment(id) else { return Err(Failure::Definite) };
        let number = self.number;
        world.note(|| format!("client {number} -> node {id}: key {key} {}", kind(&command)));
        let (table, token) = (self.table, item_key(key).token());
        let (sender, receiver) = oneshot::channel();
        let deadline = Deadline(environment.clock.elapsed() + NODE_WAIT);
        environment.tasks.spawn(
            "request",
            Box::pin(async move {
                let outcome = node.door().submit(table, token, command, Consistency::Strong, deadline).await;
                // The client may have gone.
                let _ = sender.send(outcome);
            }),
        );
        let outcome = match tokio::time::timeout(CLIENT_WAIT, receiver).await {
            Ok(Ok(Ok(reply))) => Ok(Some(reply)),
            // An answer about the item, not a failure.
            Ok(Ok(Err(Refusal::ConditionFailed { .. }))) => Ok(None),
            Ok(Ok(Err(refusal))) => Err(failure(&refusal)),
            Ok(Err(_)) | Err(_) => Err(Failure::Unknown),
        };
        let delay = world.throw(|dice| dice.between(Duration::from_micros(100), Duration::from_millis(3)));
        tokio::time::sleep(delay).await;
        world.note(|| format!("client {number} <- node {id}: key {key} {outcome:?}"));
        outcome
    }
}

fn kind(command: &Command) -> &'static str {
    match command {
        Command::Get(_) => "get",
        Command::Put(put) if put.options.condition.is_some() => "put on condition",
        Command::Put(_) => "put",
        _ => "other",
    }
}

/// What a refusal says about the effect.
fn failure(refusal: &Refusal) -> Failure {
    match refusal {
        Refusal::Invalid(_) | Refusal::CollectionFull | Refusal::NoSuchTable | Refusal::Overloaded => Failure::Definite,
        _ => Failure::Unknown,
    }
}

fn item_key(key: u64) -> Key {
    Key { hash: KeyPart::String(format!("register-{key}")), range: None }
}

fn put(key: u64, value: u64, condition: Option<Condition>) -> Command {
    let hash = item_key(key);
    let item =
        Item::from([("pk".to_owned(), hash.hash.to_value()), ("v".to_owned(), Value::Number(Number::from_u64(value)))]);
    let options = WriteOptions { condition, ..WriteOptions::default() };
    Command::Put(Put { key: hash, item: row::item_encoding(&item).into(), options })
}

/// "The register holds this".
fn holds(value: Option<u64>) -> Condition {
    let names = BTreeMap::new();
    let (text, values) = match value {
        None => ("attribute_not_exists(pk)", BTreeMap::new()),
        Some(value) => ("v = :v", BTreeMap::from([(":v".to_owned(), Value::Number(Number::from_u64(value)))])),
    };
    Condition::parse(text, Kind::Condition, &Placeholders::new(&names, &values)).expect("the condition is a legal one")
}

impl RegisterClient for Client {
    async fn read(&self, key: u64) -> Result<Option<u64>, Failure> {
        match self.submit(key, Command::Get(Get { key: item_key(key), projection: None })).await? {
            Some(Reply::Got(got)) => Ok(got.item.and_then(|item| stored_value(&item))),
            _ => Err(Failure::Unknown),
        }
    }

    async fn write(&self, key: u64, value: u64) -> Result<(), Failure> {
        self.submit(key, put(key, value, None)).await.map(|_| ())
    }

    async fn compare_and_set(&self, key: u64, from: Option<u64>, to: u64) -> Result<bool, Failure> {
        self.submit(key, put(key, to, Some(holds(from)))).await.map(|reply| reply.is_some())
    }
}

fn stored_value(item: &[u8]) -> Option<u64> {
    match row::get_item_attribute(item, "v") {
        Ok(Some(Value::Number(number))) => number.to_i64().and_then(|value| u64::try_from(value).ok()),
        _ => None,
    }
}

/// Makes a table and waits until it is active.
pub async fn create_table(cluster: &Cluster, through: NodeId, name: &str) -> Result<TableId, String> {
    let node = cluster.node(through).ok_or("the node is down")?;
    let table = TableSpec {
        name: name.to_owned(),
        key: KeySchema { hash: KeyAttribute { name: "pk".to_owned(), key_type: KeyType::String }, range: None },
        local_indexes: Vec::new(),
        billing: BillingSpec::OnDemand { throughput: None },
        warm_throughput: Throughput::default(),
        class: TableClass::Standard,
        deletion_protection: false,
        sse: None,
        tags: BTreeMap::new(),
    };
    let change = Change::CreateTable { table: Box::new(table), partitions: Some(2), avoid: Vec::new() };
    let deadline = node.deadline(Duration::from_secs(30));
    node.change(change, deadline).await.map_err(|error| error.to_string())?;
    let active = node
        .catalog_becomes(
            |catalog| catalog.table(name).is_some_and(|table| table.status == TableStatus::Active),
            deadline,
        )
        .await;
    match node.catalog().table(name) {
        Some(table) if active => Ok(table.id),
        _ => Err("the table did not become active".to_owned()),
    }
}
