//! Clients of a simulated cluster. They stand outside of it: their messages to a node take time, and a node's death leaves them
//! without an answer.

use crate::{clock, cluster::Cluster, functions, wire, world::World};
use bytes::Bytes;
use stator_catalog::{BillingSpec, Change, TableSpec, TableStatus};
use stator_gateway::Gateway;
use stator_item::{NodeId, TableId};
use stator_workloads::{BoxFuture, Operation, Outcome, Surroundings, client::Failure};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How long a client waits for an answer: a little longer than a node tries.
const CLIENT_WAIT: Duration = Duration::from_secs(5);
/// How long a node tries.
pub const NODE_WAIT: Duration = Duration::from_secs(4);

pub struct Client {
    pub cluster: Arc<Cluster>,
    pub number: u64,
}

impl Client {
    /// A node, a random one, if it runs.
    fn choose(&self) -> Option<(NodeId, Arc<Gateway>)> {
        let nodes = self.cluster.staying();
        let at = self.cluster.world.throw(|dice| dice.below(nodes.len() as u64)) as usize;
        let node = *nodes.get(at)?;
        Some((node, self.cluster.gateway(node)?))
    }

    /// A message between client and node is under way.
    async fn travel(&self) {
        let delay = self.cluster.world.throw(|dice| dice.between(Duration::from_micros(100), Duration::from_millis(3)));
        tokio::time::sleep(delay).await;
    }

    async fn carry_out(&self, operation: Operation) -> Outcome {
        self.travel().await;
        let world = &self.cluster.world;
        let refused = || Err(Failure::Definite("connection refused".to_owned()));
        let (Some((id, gateway)), number) = (self.choose(), self.number) else {
            // Nothing was sent.
            tokio::time::sleep(Duration::from_millis(50)).await;
            return refused();
        };
        let Some(environment) = self.cluster.environment(id) else { return refused() };
        world.note(|| format!("client {number} -> node {id}: {}", brief(&operation)));
        if let Some(outcome) = functions::carry_out(&self.cluster, id, &operation).await {
            self.travel().await;
            return outcome;
        }
        let (api, body) = wire::request(&operation);
        let (sender, receiver) = oneshot::channel();
        let answering = async move {
            // The client may have gone.
            let _ = sender.send(gateway.ask(api, Bytes::from(body)).await);
        };
        environment.tasks.spawn("request", Box::pin(answering));
        let outcome = match tokio::time::timeout(CLIENT_WAIT, receiver).await {
            Ok(Ok((status, body))) => wire::outcome(&operation, status, &body),
            Ok(Err(_)) => Err(Failure::Unknown("connection reset".to_owned())),
            Err(_) => Err(Failure::Unknown("no answer".to_owned())),
        };
        self.travel().await;
        world.note(|| format!("client {number} <- node {id}: {outcome:?}"));
        outcome
    }
}

impl stator_workloads::Client for Client {
    fn call(&self, operation: Operation) -> BoxFuture<'_, Outcome> {
        Box::pin(self.carry_out(operation))
    }
}

/// An operation in a line.
fn brief(operation: &Operation) -> String {
    format!("{operation:?}").replace("Text(", "(").replace("Number(", "(")
}

impl Surroundings for World {
    fn random_below(&self, end: u64) -> u64 {
        self.throw(|dice| dice.below(end))
    }

    fn now_us(&self) -> u64 {
        self.now().as_micros() as u64
    }

    fn wall_s(&self) -> i64 {
        clock::right_wall_ms(self.now()) as i64 / 1_000
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'_, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Makes a table and waits until it is active.
pub async fn create_table(cluster: &Cluster, through: NodeId, name: &str) -> Result<TableId, String> {
    let table = TableSpec::plain(name, "pk", BillingSpec::OnDemand { throughput: None });
    create(cluster, through, table, 2).await
}

/// The same of any table, with so many partitions.
pub async fn create(cluster: &Cluster, through: NodeId, table: TableSpec, partitions: u64) -> Result<TableId, String> {
    let node = cluster.node(through).ok_or("the node is down")?;
    let name = &table.name.clone();
    let partitions = Some(partitions);
    let change = Change::CreateTable { table: Box::new(table), partitions, tables_max: None, avoid: Vec::new() };
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
