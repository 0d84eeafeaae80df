//! Several nodes that hold one table together.

use crate::{
    Network,
    client::{client, create_table, described},
    deadline::{AMPLE, eventually},
    node::{Node, free_ports},
};
use aws_sdk_dynamodb::{Client, types::TableStatus};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};
use tempfile::TempDir;

/// How long a client of [`Cluster::client`] waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Entries that a replica may still have to apply: under load there are always some on their way.
const LAG_MAX: u64 = 32;

/// Dropped, it kills its nodes; in a failing test it shows what they said first.
#[derive(Debug)]
pub struct Cluster {
    pub nodes: Vec<Node>,
    directory: TempDir,
}

impl Cluster {
    /// The table that every cluster begins with.
    pub const TABLE: &str = "things";

    /// One node or three, a table of four partitions, and in the end as many voters as nodes everywhere.
    pub async fn start(count: usize) -> Cluster {
        Cluster::start_with(count, &["--partitions", "4"]).await
    }

    /// As [`Cluster::start`], with these arguments for every node.
    pub async fn start_with(count: usize, arguments: &[&str]) -> Cluster {
        Cluster::planned(count, arguments).form().await
    }

    /// As [`Cluster::start`], in places of their own on the network, which know each other by a join secret.
    pub async fn start_on(network: &Network) -> Cluster {
        let mut cluster = Cluster::planned(0, &[]);
        for number in 1..=network.places() {
            let data = cluster.directory.path().join(format!("node-{number}"));
            let arguments = arguments(&["--partitions", "4"]);
            cluster.nodes.push(Node::new(data, network.ports(number), arguments).wrapped(network.wrapper(number)));
        }
        cluster.form().await
    }

    /// Nodes that were not started yet; [`Cluster::form`] does that.
    pub fn planned(count: usize, more: &[&str]) -> Cluster {
        let directory = tempfile::tempdir().expect("a directory");
        let nodes = (1..=count)
            .map(|number| Node::new(directory.path().join(format!("node-{number}")), free_ports(), arguments(more)));
        Cluster { nodes: nodes.collect(), directory }
    }

    /// The table is made while the first node is alone: with it grow the partitions that are there.
    pub async fn form(mut self) -> Cluster {
        self.nodes[0].restart();
        self.make_table(0, Cluster::TABLE).await;
        if self.nodes.len() > 1 {
            let first = self.nodes[0].ports.peers.clone();
            // On loopback nodes prove nothing to each other.
            let secret = (!first.starts_with("127.")).then(|| self.directory.path().join("join-secret"));
            if let Some(secret) = &secret {
                fs::write(secret, self.nodes[0].administer(&["join-secret"]).stdout).expect("writable");
            }
            for node in &mut self.nodes[1..] {
                node.join(&first, secret.as_deref());
                node.start();
            }
            self.nodes[1..].iter_mut().for_each(Node::ready);
        }
        self.wait_whole();
        self
    }

    /// A directory of the test's own.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn client(&self, node: usize) -> Client {
        client(&self.nodes[node].ports.clients, ANSWER_MAX)
    }

    /// Where clients reach the nodes.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.ports.clients.clone()).collect()
    }

    /// Makes a table through that node and waits until it is ACTIVE.
    pub async fn make_table(&self, node: usize, table: &str) {
        let client = self.client(node);
        create_table(&client, table).await.expect("no such table is there");
        self.wait_settled(node, table).await;
    }

    /// Waits until the table is ACTIVE or gone; which of both.
    pub async fn wait_settled(&self, node: usize, table: &str) -> Option<TableStatus> {
        let client = self.client(node);
        let deadline = tokio::time::Instant::now() + AMPLE;
        loop {
            let status = described(&client, table).await;
            if matches!(status, Ok(None | Some(TableStatus::Active))) {
                return status.expect("it was just found to be good");
            }
            assert!(tokio::time::Instant::now() < deadline, "{table} stays {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until every partition has a replica on every node, of three a voter, with a leader among them and none left behind.
    pub fn wait_whole(&self) {
        let count = self.nodes.len();
        eventually(format!("{count} replicas of every partition, none left behind"), || {
            let status = self.status()?;
            let partitions = status["partitions"].as_array()?;
            let is_whole = |partition: &Value| {
                let replicas = partition["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
                let is_good = |replica: &Value| {
                    (count < 3 || replica["role"] != "learner")
                        && replica["lag"].as_u64().is_some_and(|lag| lag <= LAG_MAX)
                };
                replicas.len() == count && !partition["leader"].is_null() && replicas.iter().all(is_good)
            };
            let is_alive = |node: &Value| node["alive"] == true;
            let nodes = status["nodes"].as_array()?;
            let is_so = !partitions.is_empty() && partitions.iter().all(is_whole);
            (is_so && nodes.len() == count && nodes.iter().all(is_alive)).then_some(())
        });
    }

    /// The place among `nodes` of the one that leads most partitions.
    pub fn leader(&self) -> usize {
        eventually("a leader of every partition", || {
            let status = self.status()?;
            let mut led: BTreeMap<u64, usize> = BTreeMap::new();
            for partition in status["partitions"].as_array()? {
                *led.entry(partition["leader"].as_u64()?).or_default() += 1;
            }
            let leader = led.into_iter().max_by_key(|(_, count)| *count)?.0;
            let nodes = status["nodes"].as_array()?;
            let address = &nodes.iter().find(|node| node["id"].as_u64() == Some(leader))?["client_address"];
            self.nodes.iter().position(|node| *address == node.ports.clients)
        })
    }

    /// What the first node that answers says.
    fn status(&self) -> Option<Value> {
        self.nodes.iter().find_map(Node::status)
    }
}

/// What every node of a test gets: of a machine's memory, which others need as well, only a part.
fn arguments(more: &[&str]) -> Vec<String> {
    ["--memory", "128MiB", "--log-level", "info,openraft=error"]
        .iter()
        .chain(more)
        .map(|text| (*text).to_owned())
        .collect()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.nodes.iter().for_each(Node::show_log);
        }
    }
}
