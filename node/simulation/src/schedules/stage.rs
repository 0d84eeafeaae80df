//! What schedules play on: nodes with a table of two partitions on three of them, and a hand on everything.

use super::Played;
use crate::{client::create_table, cluster::Cluster, run::runtime};
use bytes::Bytes;
use serde_json::{Value as Json, json};
use stator_api::Operation;
use stator_catalog::Catalog;
use stator_cluster::{AllSettings, ReplicaReport};
use stator_item::{KeyPart, NodeId, PartitionId, TableId, Token};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};
use tokio::sync::oneshot;

/// Whatever must come about at all has come about by then, in simulated time.
const AMPLE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A write that is not done by then is given up.
pub const WRITE_MAX: Duration = Duration::from_secs(1);
/// A leader that is sure of itself answers sooner.
pub const READ_MAX: Duration = Duration::from_millis(40);
/// The nodes that hold the table.
pub const HOLDERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

pub struct Stage {
    pub cluster: Arc<Cluster>,
    table: TableId,
    /// The last number that was written, or may have been.
    last: u32,
}

/// Who leads a partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reign {
    pub term: u64,
    pub leader: NodeId,
}

/// An answer of the API: status and body.
pub type Answer = (u16, Json);

/// A request that a node works on.
pub type Begun = oneshot::Receiver<(u16, Vec<u8>)>;

/// Plays on a cluster of three that is dissolved afterwards. What breaks in the nodes, or never comes about, is broken as well.
pub fn play(seed: u64, settings: AllSettings, schedule: impl AsyncFnOnce(&mut Stage) -> Played) -> Played {
    let whole = async {
        // What is lost, or late, is the schedule's business.
        let cluster = Cluster::calm(seed, settings);
        let mut stage = Stage::build(cluster.clone()).await;
        let mut played = schedule(&mut stage).await;
        cluster.dissolve();
        played.broken.extend(cluster.world.panics());
        played
    };
    let unwound = catch_unwind(AssertUnwindSafe(|| runtime(seed).block_on(whole)));
    unwound.unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "a panic without words".to_owned());
        Played { moments: 0, broken: vec![said] }
    })
}

/// Groups that do not sleep: a schedule knows what it waits for.
pub fn sleepless() -> AllSettings {
    let mut settings = AllSettings::default();
    settings.consensus.sleep_after_ms = None;
    settings
}

fn key(pk: &str) -> Json {
    json!({"pk": {"S": pk}})
}

fn item(pk: &str, n: u32) -> Json {
    json!({"pk": {"S": pk}, "n": {"N": n.to_string()}})
}

impl Stage {
    pub const TABLE: &str = "table";

    async fn build(cluster: Arc<Cluster>) -> Stage {
        for id in HOLDERS {
            assert_eq!(cluster.add(1.0).await, Ok(id));
        }
        let table = create_table(&cluster, HOLDERS[0], Stage::TABLE).await.expect("a table");
        let node = cluster.node(HOLDERS[0]).expect("it has just started");
        let is_replicated = |catalog: &Catalog| {
            catalog.plans().len() == 0 && catalog.partitions().all(|partition| partition.members.len() == 3)
        };
        assert!(node.catalog_becomes(is_replicated, node.deadline(AMPLE)).await, "the table never had three replicas");
        Stage { cluster, table, last: 0 }
    }

    /// The table was made again, and is another one.
    pub fn know_table(&mut self) {
        let catalog = self.cluster.newest_catalog().expect("a node is up");
        self.table = catalog.table(Stage::TABLE).expect("it was made").id;
    }

    /// Asks a node to make a table.
    pub fn begin_table(&self, through: NodeId, name: &str) -> Option<Begun> {
        let body = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        });
        self.begin(through, Operation::CreateTable, body)
    }

    /// Waits until it is so; `false`: not within that time.
    pub async fn comes(&self, within: Duration, is_so: impl Fn(&Stage) -> bool) -> bool {
        let by = self.now() + within;
        while !is_so(self) {
            if self.now() >= by {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        true
    }

    pub fn now(&self) -> Duration {
        self.cluster.world.now()
    }

    pub fn partition_of(&self, pk: &str) -> PartitionId {
        let catalog = self.cluster.newest_catalog().expect("a node is up");
        let token = Token::of(&KeyPart::String(pk.into()));
        catalog.routing().partition(self.table, token).expect("each token has a partition").id
    }

    /// The `number`th key of the partition in which "key 0" is, or of the other one.
    pub fn pk(&self, number: usize, is_beside: bool) -> String {
        let first = self.partition_of("key 0");
        let mut all = (0..).map(|number: usize| format!("key {number}"));
        all.by_ref().filter(|pk| (self.partition_of(pk) == first) == is_beside).nth(number).expect("keys have no end")
    }

    /// A request, worked on as a task of the node; `None`: no answer in time.
    pub async fn ask(&self, through: NodeId, operation: Operation, body: Json, patience: Duration) -> Option<Answer> {
        let begun = self.begin(through, operation, body)?;
        self.end(begun, patience).await
    }

    /// Waits for the answer to a request; `None`: none in time.
    pub async fn end(&self, begun: Begun, patience: Duration) -> Option<Answer> {
        let (status, body) = tokio::time::timeout(patience, begun).await.ok()?.ok()?;
        Some((status, serde_json::from_slice(&body).expect("answers are JSON")))
    }

    /// Hands a request to a node; `None`: it does not run.
    pub fn begin(&self, through: NodeId, operation: Operation, body: Json) -> Option<Begun> {
        let (gateway, environment) = (self.cluster.gateway(through)?, self.cluster.environment(through)?);
        let (sender, receiver) = oneshot::channel();
        let answering = async move {
            // Whoever asked may have given up.
            let _ = sender.send(gateway.ask(operation, Bytes::from(body.to_string())).await);
        };
        environment.tasks.spawn("request", Box::pin(answering));
        Some(receiver)
    }

    /// Whether the next number was written and acknowledged; it is in [`last`](Stage::last) either way.
    pub async fn put_next(&mut self, through: NodeId, pk: &str, patience: Duration) -> bool {
        self.put(through, pk, patience).await.is_some_and(|(status, _)| status == 200)
    }

    /// Writes the next number; it is in [`last`](Stage::last) whatever the answer.
    pub async fn put(&mut self, through: NodeId, pk: &str, patience: Duration) -> Option<Answer> {
        self.last += 1;
        let body = json!({"TableName": Stage::TABLE, "Item": item(pk, self.last)});
        self.ask(through, Operation::PutItem, body, patience).await
    }

    /// Begins a write.
    pub fn begin_put(&self, through: NodeId, pk: &str) -> Option<Begun> {
        self.begin(through, Operation::PutItem, json!({"TableName": Stage::TABLE, "Item": item(pk, 0)}))
    }

    pub fn last(&self) -> u32 {
        self.last
    }

    /// A strong read, as a request.
    pub fn get(pk: &str) -> Json {
        json!({"TableName": Stage::TABLE, "Key": key(pk), "ConsistentRead": true})
    }

    /// The number that an item has, read strongly; `None`: no answer in time, or a refusal. An item that is not there has 0.
    pub async fn read(&self, through: NodeId, pk: &str, patience: Duration) -> Option<u32> {
        number_in(self.ask(through, Operation::GetItem, Stage::get(pk), patience).await?)
    }

    /// A write on condition that the item is there.
    pub async fn put_if_there(&self, through: NodeId, pk: &str, patience: Duration) -> Option<Answer> {
        let body =
            json!({"TableName": Stage::TABLE, "Item": item(pk, 0), "ConditionExpression": "attribute_exists(pk)"});
        self.ask(through, Operation::PutItem, body, patience).await
    }

    /// A transaction that puts the number to all these keys.
    pub fn put_all(pks: &[&str], n: u32) -> Json {
        let puts: Vec<Json> =
            pks.iter().map(|pk| json!({"Put": {"TableName": Stage::TABLE, "Item": item(pk, n)}})).collect();
        json!({"TransactItems": puts})
    }

    async fn reports(&self, partition: PartitionId) -> Vec<(NodeId, ReplicaReport)> {
        let mut found = Vec::new();
        for id in self.cluster.nodes() {
            let Some(node) = self.cluster.node(id) else { continue };
            let report = node.report_of(id).await.unwrap_or_default();
            found.extend(report.replicas.into_iter().filter(|replica| replica.partition == partition).map(|r| (id, r)));
        }
        found
    }

    /// The newest leader that believes to be one.
    pub async fn reign(&self, partition: PartitionId) -> Option<Reign> {
        let leading = self.reports(partition).await.into_iter().filter(|(_, replica)| replica.leads);
        leading.map(|(leader, replica)| Reign { term: replica.term, leader }).max()
    }

    /// Whether the node leads the partition and its group sleeps.
    pub async fn sleeps(&self, leader: NodeId, partition: PartitionId) -> bool {
        let reports = self.reports(partition).await;
        reports.iter().any(|(id, replica)| *id == leader && replica.leads && replica.asleep)
    }

    /// Waits until the partition of the key has a leader that writes, and all replicas have all entries.
    pub async fn settled(&mut self, pk: &str) -> Reign {
        let (partition, by) = (self.partition_of(pk), self.now() + AMPLE);
        loop {
            assert!(self.now() < by, "the partition did not settle: {:?}", self.reports(partition).await);
            tokio::time::sleep(Duration::from_millis(300)).await;
            let Some(reign) = self.reign(partition).await else { continue };
            if !self.put_next(reign.leader, pk, WRITE_MAX).await {
                continue;
            }
            tokio::time::sleep(Duration::from_millis(600)).await;
            let reports = self.reports(partition).await;
            let first = reports.first().map_or(0, |(_, replica)| replica.applied_index);
            let is_even = |(_, replica): &(NodeId, ReplicaReport)| {
                replica.term == reign.term && replica.applied_index == first && replica.last_index == first
            };
            if reports.len() == 3 && reports.iter().all(is_even) && self.reign(partition).await == Some(reign) {
                return reign;
            }
        }
    }

    /// Waits for another leader of a later term; `None`: there was none within that time.
    pub async fn successor(&self, pk: &str, former: Reign, within: Duration) -> Option<Reign> {
        let (partition, by) = (self.partition_of(pk), self.now() + within);
        while self.now() < by {
            let now = self.reign(partition).await;
            if let Some(next) = now.filter(|now| now.term > former.term && now.leader != former.leader) {
                return Some(next);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }

    /// Nobody hears the node, and it hears nobody.
    pub fn isolate(&self, node: NodeId) {
        for other in self.others(node) {
            self.cluster.wires.cut(node, other);
            self.cluster.wires.cut(other, node);
        }
    }

    pub fn others(&self, node: NodeId) -> Vec<NodeId> {
        self.cluster.nodes().into_iter().filter(|other| *other != node).collect()
    }

    /// Has a successor acknowledge writes, and asks the former leader for each at once. `None`: nobody acknowledged anything within
    /// that time; else what the former leader answered from the past, if it did.
    pub async fn stale_read(&mut self, pk: &str, former: Reign, within: Duration) -> Option<Option<String>> {
        let by = self.now() + within;
        let mut acknowledged = None;
        while self.now() < by {
            let left = by - self.now();
            let Some(next) = self.successor(pk, former, left).await else { break };
            if !self.put_next(next.leader, pk, WRITE_MAX).await {
                continue;
            }
            let written = self.last;
            acknowledged = Some(None);
            match self.read(former.leader, pk, READ_MAX).await {
                Some(read) if read < written => {
                    let (former, next) = (former.leader, next.leader);
                    return Some(Some(format!(
                        "node {former} answered {read}, node {next} had acknowledged {written}"
                    )));
                }
                Some(_) => {}
                // It is not sure of itself any more.
                None => break,
            }
        }
        acknowledged
    }
}

/// The number in an answer to a read.
pub fn number_in((status, body): Answer) -> Option<u32> {
    match &body["Item"]["n"]["N"] {
        _ if status != 200 => None,
        Json::String(text) => text.parse().ok(),
        _ => Some(0),
    }
}
