//! A cluster of `stator` nodes of this bench: formed, asked, grown and shrunk.
//!
//! Guarantees: every wait ends; every process is noted in the run's directory before anything else happens to it.

mod foreign;
mod network;
mod plan;
mod roster;

pub use foreign::{System, SystemNode};
pub use network::Trouble;
pub use plan::{Network, Plan};
pub use roster::{Roster, Seat};

use crate::{
    error::Error,
    leftovers::RunDirectory,
    links::{Callers, Links, Proxy},
    namespace::Bridge,
    process::{Process, Recipe, state},
    sdk::AccessKey,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long a node may take until it serves.
pub const READY_MAX: Duration = Duration::from_secs(60);
/// How long replicas may take to be whole again.
pub const WHOLE_MAX: Duration = Duration::from_secs(120);
/// How long an orderly end may take.
pub const STOP_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Under load there are always some entries on their way.
const LAG_MAX: u64 = 64;
/// Places for nodes, those that join later included.
pub const PLACES_MAX: usize = 9;

/// One node, in its place.
#[derive(Debug)]
pub struct Node {
    pub process: Process,
    pub data: PathBuf,
    /// Where it listens to clients, and where it is told that they reach it.
    pub listen: String,
    pub client_address: String,
    pub peer_address: String,
    /// It was taken out of the cluster, or is not in it yet.
    pub is_member: bool,
    _proxies: Vec<Proxy>,
}

pub struct Cluster {
    pub plan: Plan,
    pub nodes: Vec<Node>,
    pub links: Links,
    /// Where nodes live in networks of their own.
    pub bridge: Option<Bridge>,
    pub directory: RunDirectory,
    pub roster: Roster,
    /// Added to every node's environment.
    pub environment: Vec<(String, String)>,
    /// Another system than Stator.
    pub foreign: Option<System>,
    /// With which clients sign.
    pub key: AccessKey,
}

impl Cluster {
    pub async fn form(plan: Plan, directory: RunDirectory, key: AccessKey) -> Result<Cluster, Error> {
        let bridge = match plan.network {
            Network::Namespaces => Some(Bridge::build(PLACES_MAX)?),
            Network::Proxies => None,
        };
        let links = Links::new(plan.seed);
        let mut cluster = Cluster {
            plan,
            nodes: Vec::new(),
            links,
            bridge,
            directory,
            roster: Roster::default(),
            environment: Vec::new(),
            foreign: None,
            key,
        };
        cluster.environment = cluster.plan.preloads(cluster.directory.path())?;
        for _ in 0..cluster.plan.nodes {
            let place = cluster.add().await?;
            cluster.start(place).await?;
        }
        cluster.wait_whole(WHOLE_MAX).await?;
        Ok(cluster)
    }

    /// Prepares a node in the next place. The first one founds the cluster, all others join.
    pub async fn add(&mut self) -> Result<usize, Error> {
        let place = self.nodes.len();
        if let Some(system) = &self.foreign {
            return Err(Error::Cluster(format!("{} cannot be given one more node", system.name)));
        }
        let (clients, peers) = match &self.bridge {
            Some(bridge) if place < PLACES_MAX => (bridge.address(place, 8000), bridge.address(place, 8100)),
            Some(_) => return Err(Error::Cluster("there is no place for one more node".to_owned())),
            None => (plan::free_address()?, plan::free_address()?),
        };
        let mut proxies = Vec::new();
        let (mut client_address, mut peer_address) = (clients.clone(), peers.clone());
        if self.bridge.is_none() {
            proxies.push(self.links.listen(Callers::Nodes, place, peers.clone()).await?);
            peer_address = proxies[0].address.to_string();
            let (address, proxy) = self.way_for_clients(place, &clients).await?;
            client_address = address;
            proxies.extend(proxy);
        }
        let data = self.directory.path().join(format!("node-{}", place + 1));
        let mut command = self.bridge.as_ref().map(|bridge| bridge.wrapper(place)).unwrap_or_default();
        command.push(self.plan.program.display().to_string());
        command.extend(self.plan.arguments.iter().cloned());
        let pairs = [
            ("--data", data.display().to_string()),
            ("--listen", clients.clone()),
            ("--advertise", client_address.clone()),
            ("--peer-listen", peers),
            ("--peer-advertise", peer_address.clone()),
        ];
        command.extend(pairs.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        if let Some(living) = self.members().into_iter().find(|member| self.answers(*member)) {
            command.extend(["--join".to_owned(), self.nodes[living].peer_address.clone()]);
            if self.bridge.is_some() {
                let secret = self.administer(living, &["join-secret"])?;
                let path = self.directory.path().join("join-secret");
                std::fs::write(&path, secret).map_err(Error::machine("write a join secret"))?;
                command.extend(["--join-secret-file".to_owned(), path.display().to_string()]);
            }
        }
        let mut environment = self.environment.clone();
        environment.extend(self.plan.environment_of(self.directory.path(), place)?);
        environment.push(("STATOR_ROOT_ACCESS_KEY".to_owned(), self.key.id.clone()));
        environment.push(("STATOR_ROOT_SECRET_KEY".to_owned(), self.key.secret.clone()));
        let recipe = Recipe { command, environment, log: data.with_extension("log") };
        self.nodes.push(Node {
            process: Process::new(recipe),
            data,
            listen: clients,
            client_address,
            peer_address,
            is_member: false,
            _proxies: proxies,
        });
        Ok(place)
    }

    /// Where clients reach a node. A proxy stands between only where faults need one: it accepts connections for a node that is
    /// down, and then nobody knows what became of a request.
    async fn way_for_clients(&self, place: usize, address: &str) -> Result<(String, Option<Proxy>), Error> {
        if !self.plan.proxied_clients {
            return Ok((address.to_owned(), None));
        }
        let proxy = self.links.listen(Callers::Clients, place, address.to_owned()).await?;
        Ok((proxy.address.to_string(), Some(proxy)))
    }

    /// Starts the node without waiting for it.
    pub fn launch(&mut self, place: usize) -> Result<(), Error> {
        let node = &mut self.nodes[place];
        node.is_member = true;
        if node.process.recipe.command.is_empty() {
            // It runs already, and somebody else started it.
            return Ok(());
        }
        let pid = node.process.start()?;
        self.note(place, pid)
    }

    /// Starts the node and waits until it serves.
    pub async fn start(&mut self, place: usize) -> Result<(), Error> {
        self.launch(place)?;
        self.wait_ready(place).await
    }

    /// Starts several nodes and waits until all of them serve. All are launched first: one alone may have to wait for the others.
    pub async fn start_all(&mut self, places: &[usize]) -> Result<(), Error> {
        for place in places {
            self.launch(*place)?;
        }
        for place in places {
            self.wait_ready(*place).await?;
        }
        Ok(())
    }

    pub async fn wait_ready(&mut self, place: usize) -> Result<(), Error> {
        let deadline = Instant::now() + READY_MAX;
        loop {
            let is_foreign = self.foreign.is_some();
            let node = &mut self.nodes[place];
            let is_ready = match is_foreign {
                true => foreign::accepts(&node.listen).await,
                false => probe(&node.listen, "/readyz").await.is_some_and(|head| head.starts_with("HTTP/1.1 200")),
            };
            if is_ready {
                return Ok(());
            }
            let (name, said) = (place + 1, node.process.said());
            if !node.process.recipe.command.is_empty() && !node.process.is_running() {
                return Err(Error::Cluster(format!("node {name} has ended by itself; it said last:\n{said}")));
            }
            if Instant::now() >= deadline {
                let waited = READY_MAX.as_secs();
                return Err(Error::Cluster(format!(
                    "node {name} does not serve after {waited} s; it said last:\n{said}"
                )));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub fn kill(&mut self, place: usize) {
        self.nodes[place].process.kill();
    }

    /// The places of all nodes that belong to the cluster.
    pub fn members(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|place| self.nodes[*place].is_member).collect()
    }

    /// Where clients reach the nodes.
    pub fn client_addresses(&self) -> Vec<String> {
        self.members().into_iter().map(|place| self.nodes[place].client_address.clone()).collect()
    }

    /// What a subcommand of `stator` for that node prints.
    pub fn administer(&self, place: usize, arguments: &[&str]) -> Result<String, Error> {
        let data = self.nodes[place].data.display().to_string();
        run_stator(&self.plan, &[arguments, &["--data", &data]].concat())
    }

    /// What the first node that answers says of the cluster.
    pub fn status(&self) -> Option<Value> {
        let mut members = self.members().into_iter().filter(|_| self.foreign.is_none());
        let answer =
            |place: usize| self.answers(place).then(|| self.administer(place, &["status", "--json"]).ok()).flatten();
        members.find_map(|place| serde_json::from_str(&answer(place)?).ok())
    }

    /// Whether the node runs. A stopped process takes questions and answers none.
    fn answers(&self, place: usize) -> bool {
        let state = self.nodes[place].process.pid().and_then(state);
        state.is_some_and(|state| !matches!(state, 'T' | 'Z'))
    }

    /// The node that leads most partitions, by its place.
    pub fn leader(&self) -> Option<usize> {
        let mut led: BTreeMap<usize, usize> = BTreeMap::new();
        for place in self.leaders().into_values() {
            *led.entry(place).or_default() += 1;
        }
        Some(led.into_iter().max_by_key(|(_, count)| *count)?.0)
    }

    /// Which node leads each partition, by its place; those without a leader are left out.
    pub fn leaders(&self) -> BTreeMap<u64, usize> {
        let Some(status) = self.status() else { return BTreeMap::new() };
        let partitions = status["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let led = |partition: &Value| {
            let leader = self.place_of(&status, partition["leader"].as_u64()?)?;
            Some((partition["id"].as_u64()?, leader))
        };
        partitions.iter().filter_map(led).collect()
    }

    fn place_of(&self, status: &Value, id: u64) -> Option<usize> {
        let nodes = status["nodes"].as_array()?;
        let address = &nodes.iter().find(|node| node["id"].as_u64() == Some(id))?["client_address"];
        self.nodes.iter().position(|node| *address == node.client_address)
    }

    /// What the cluster says of the node in that place.
    pub fn told_of(&self, place: usize) -> Option<Value> {
        let mut status = self.status()?;
        let nodes = status["nodes"].as_array_mut()?;
        let at = nodes.iter().position(|node| node["client_address"] == self.nodes[place].client_address.as_str())?;
        Some(nodes.swap_remove(at))
    }

    /// Takes a node out for good. It need not run.
    pub async fn remove(&mut self, place: usize) -> Result<(), Error> {
        let id = self.told_of(place).and_then(|node| node["id"].as_u64());
        let id = id.ok_or_else(|| Error::Cluster(format!("nobody knows node {}", place + 1)))?;
        let others: Vec<usize> = self.members().into_iter().filter(|member| *member != place).collect();
        let mut last = Error::Cluster("there is no other node".to_owned());
        for other in others {
            match self.administer(other, &["nodes", "remove", &id.to_string()]) {
                Ok(_) => {
                    self.nodes[place].is_member = false;
                    return Ok(());
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Waits until every partition has its full number of voters, a leader among them, and none left behind.
    pub async fn wait_whole(&self, time_max: Duration) -> Result<(), Error> {
        if self.foreign.is_some() {
            // How its replicas are, only it could tell.
            return Ok(());
        }
        let deadline = Instant::now() + time_max;
        let mut missing;
        loop {
            missing = match self.status() {
                Some(status) => what_is_missing(&status, self.members().len()),
                None => Some("no node answers".to_owned()),
            };
            match missing {
                None => return Ok(()),
                Some(missing) if Instant::now() >= deadline => {
                    let waited = time_max.as_secs();
                    return Err(Error::Cluster(format!("the cluster is not whole after {waited} s: {missing}")));
                }
                Some(_) => tokio::time::sleep(LOOK_AGAIN * 3).await,
            }
        }
    }
}

/// Runs a subcommand of the program under test; an error with its words.
pub fn run_stator(plan: &Plan, arguments: &[&str]) -> Result<String, Error> {
    let mut command = Command::new(&plan.program);
    let output = tokio::task::block_in_place(|| command.args(arguments).stdin(Stdio::null()).output());
    let output = output.map_err(Error::machine(format!("run {}", plan.program.display())))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Cluster(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

/// Why a cluster of so many nodes is not whole.
fn what_is_missing(status: &Value, nodes_count: usize) -> Option<String> {
    let none = Vec::new();
    let nodes = status["nodes"].as_array().unwrap_or(&none);
    let alive = nodes.iter().filter(|node| node["alive"] == true).count();
    if (nodes.len(), alive) != (nodes_count, nodes_count) {
        return Some(format!("{alive} of {} nodes are alive, {nodes_count} were started", nodes.len()));
    }
    let replicas_wanted = if nodes_count >= 3 { 3 } else { nodes_count };
    for partition in status["partitions"].as_array().unwrap_or(&none) {
        let replicas = partition["replicas"].as_array().unwrap_or(&none);
        let is_good = |replica: &&Value| {
            (nodes_count < 3 || replica["role"] != "learner")
                && replica["lag"].as_u64().is_some_and(|lag| lag <= LAG_MAX)
        };
        let good = replicas.iter().filter(is_good).count();
        if partition["leader"].is_null() || replicas.len() != replicas_wanted || good != replicas_wanted {
            return Some(format!(
                "partition {} has {good} of {replicas_wanted} replicas ({} in all), leader {}",
                partition["id"],
                replicas.len(),
                partition["leader"]
            ));
        }
    }
    None
}

/// The head of a reply to a GET; `None`: nobody answered in time.
pub async fn probe(address: &str, path: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let exchange = async {
        let mut stream = tokio::net::TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut reply = Vec::new();
        stream.take(64 << 10).read_to_end(&mut reply).await.ok()?;
        Some(String::from_utf8_lossy(&reply).into_owned())
    };
    tokio::time::timeout(Duration::from_secs(2), exchange).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cluster_is_whole_or_it_is_told_why_not() {
        let node = |alive: bool| json!({ "alive": alive });
        let replica = |role: &str, lag: Option<u64>| json!({ "role": role, "lag": lag });
        let voters = || json!([replica("leader", Some(0)), replica("voter", Some(64)), replica("voter", Some(0))]);
        let status = |alive: [bool; 3], leader: Option<u64>, replicas: Value| {
            json!({
                "nodes": alive.map(node),
                "partitions": [{ "id": 1, "leader": leader, "replicas": replicas }],
            })
        };
        let learner = json!([replica("leader", Some(0)), replica("voter", Some(0)), replica("learner", Some(0))]);
        let behind = json!([replica("leader", Some(0)), replica("voter", Some(65)), replica("voter", None)]);
        let cases = [
            (status([true; 3], Some(1), voters()), None),
            (status([true, true, false], Some(1), voters()), Some("2 of 3 nodes are alive")),
            (status([true; 3], None, voters()), Some("leader null")),
            (status([true; 3], Some(1), learner), Some("2 of 3 replicas")),
            (status([true; 3], Some(1), behind), Some("1 of 3 replicas")),
        ];
        for (status, expected) in cases {
            let told = what_is_missing(&status, 3);
            match expected {
                None => assert_eq!(told, None),
                Some(words) => assert!(told.as_deref().is_some_and(|told| told.contains(words)), "{told:?}"),
            }
        }
    }
}
