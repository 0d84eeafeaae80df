//! Databases that are not Stator: known by their endpoints, and by the commands that start their nodes, if those are given.

use super::{Cluster, Node, Plan, Roster, Seat};
use crate::{
    error::Error,
    leftovers::RunDirectory,
    links::Links,
    process::{Process, Recipe},
    sdk::AccessKey,
};
use serde::Deserialize;
use std::path::Path;

/// A system as its TOML file describes it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    pub name: String,
    #[serde(rename = "node")]
    pub nodes: Vec<SystemNode>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemNode {
    /// HOST:PORT, where it serves DynamoDB's API over plain HTTP.
    pub endpoint: String,
    /// Program and arguments; it must stay in the foreground. None: it runs already, and is not ours to break.
    #[serde(default)]
    pub command: Vec<String>,
}

impl System {
    pub fn read(path: &Path) -> Result<System, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::machine(format!("read {}", path.display())))?;
        let system: System =
            toml::from_str(&text).map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
        if system.nodes.is_empty() {
            return Err(Error::Usage(format!("{}: there is no [[node]]", path.display())));
        }
        Ok(system)
    }

    /// Nodes that run already.
    pub fn attached(urls: &[String]) -> Result<System, Error> {
        let nodes = urls.iter().map(|url| match url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/')) {
            Some(endpoint) if endpoint.contains(':') && !endpoint.contains('/') => {
                Ok(SystemNode { endpoint: endpoint.to_owned(), command: Vec::new() })
            }
            _ => Err(Error::Usage(format!("{url:?}: an endpoint is http://HOST:PORT"))),
        });
        Ok(System { name: urls.join(", "), nodes: nodes.collect::<Result<_, _>>()? })
    }

    /// Whether all its nodes are started by this bench.
    pub fn is_ours(&self) -> bool {
        self.nodes.iter().all(|node| !node.command.is_empty())
    }
}

impl Cluster {
    /// Starts what is to be started, and waits until all endpoints accept connections.
    pub async fn attach(plan: Plan, system: System, directory: RunDirectory, key: AccessKey) -> Result<Cluster, Error> {
        let links = Links::new(plan.seed);
        let mut cluster = Cluster {
            plan,
            nodes: Vec::new(),
            links,
            bridge: None,
            directory,
            roster: Roster::default(),
            environment: Vec::new(),
            foreign: Some(system.clone()),
            key,
        };
        for (place, node) in system.nodes.into_iter().enumerate() {
            let data = cluster.directory.path().join(format!("node-{}", place + 1));
            let (client_address, proxy) = cluster.way_for_clients(place, &node.endpoint).await?;
            let recipe = Recipe { command: node.command, environment: Vec::new(), log: data.with_extension("log") };
            cluster.nodes.push(Node {
                process: Process::new(recipe),
                data,
                listen: node.endpoint,
                client_address,
                peer_address: String::new(),
                is_member: true,
                _proxies: proxy.into_iter().collect(),
            });
            cluster.launch(place)?;
        }
        for place in cluster.members() {
            cluster.wait_ready(place).await?;
        }
        Ok(cluster)
    }

    /// Notes a process that was just started.
    pub(super) fn note(&mut self, place: usize, pid: u32) -> Result<(), Error> {
        self.links.set_process(place, Some(pid));
        self.roster.set(Seat { number: place + 1, data: self.nodes[place].data.clone(), pid });
        self.directory.note(pid)
    }
}

/// Whether somebody listens there.
pub(super) async fn accepts(address: &str) -> bool {
    let connect = tokio::net::TcpStream::connect(address);
    matches!(tokio::time::timeout(std::time::Duration::from_secs(2), connect).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_read_from_toml_and_urls() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("system.toml");
        let read = |text: &str| {
            std::fs::write(&path, text).expect("writable");
            System::read(&path)
        };
        let good = "name = 'x'\n[[node]]\nendpoint = '127.0.0.1:4567'\ncommand = ['npx', 'x']\n";
        assert!(read(good).is_ok_and(|system| system.is_ours()));
        assert!(read("name = 'x'\nnode = []\n").is_err());
        assert!(read(&good.replace("command", "comand")).is_err_and(|error| error.to_string().contains("comand")));
        assert!(System::attached(&["http://a:1/".to_owned()]).is_ok_and(|system| !system.is_ours()));
        assert!(System::attached(&["https://a:1".to_owned()]).is_err());
    }
}
