//! Nodes over real sockets of 127.0.0.1.

mod calls;
mod faults;
mod joining;
mod proof;

use crate::{
    Admission, Authority, Identity, JoinReply, JoinRequest, Limits, NodeKey, Refusal, Security, TonicNetwork, Trust,
};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use stator_environment::{BoxFuture, Environment, Handler, Network, NetworkError, Service};
use stator_item::NodeId;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};

const CLUSTER: &str = "c1";
const AMPLE: Duration = Duration::from_secs(20);
/// In which calls that must fail by themselves are made.
const SHORT: Duration = Duration::from_millis(200);

/// Waits until `condition` holds.
async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(AMPLE, waiting).await.is_ok(), "never came: {what}");
}

/// How a node of a test is started.
#[derive(Clone)]
struct Spec {
    cluster: &'static str,
    node: u64,
    start: u64,
    security: Security,
    limits: Limits,
}

impl Spec {
    fn node(node: u64) -> Spec {
        Spec { cluster: CLUSTER, node, start: 1, security: Security::Loopback, limits: Limits::default() }
    }

    fn network(&self) -> Arc<TonicNetwork> {
        let identity = Identity { cluster: self.cluster.to_owned(), node: NodeId(self.node), start: self.start };
        let environment = Environment::system();
        let security = self.security.clone();
        let network =
            TonicNetwork::with_limits(identity, environment, security, &mut Registry::default(), self.limits.clone());
        Arc::new(network.expect("the specification is valid"))
    }

    /// Listens on a port of its own, and echoes on every service but the catalog.
    async fn start(&self) -> Node {
        self.start_at("127.0.0.1:0").await
    }

    async fn start_at(&self, address: &str) -> Node {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let network = self.network();
        for service in [Service::Raft, Service::Forward, Service::Snapshot] {
            network.serve(service, Arc::new(Echo));
        }
        network.listen(listener, Arc::new(TokenOnly)).expect("the address is on loopback");
        Node { network, address, id: NodeId(self.node) }
    }
}

struct Node {
    network: Arc<TonicNetwork>,
    address: String,
    id: NodeId,
}

impl Node {
    fn introduce(&self, other: &Node) {
        self.network.introduce(other.id, &other.address);
    }

    async fn call(&self, to: u64, body: &str) -> Result<Bytes, NetworkError> {
        self.call_for(to, body, AMPLE).await
    }

    async fn call_for(&self, to: u64, body: &str, deadline: Duration) -> Result<Bytes, NetworkError> {
        self.network.call(NodeId(to), Service::Forward, Bytes::copy_from_slice(body.as_bytes()), deadline).await
    }

    /// Calls until an answer comes.
    async fn reach(&self, to: u64) {
        eventually("an answer", async || self.call_for(to, "are you there", SHORT).await.is_ok()).await;
    }

    /// The reason why `to` is unreachable.
    async fn unreachable(&self, to: u64) -> String {
        match self.call(to, "are you there").await {
            Err(NetworkError::Unreachable(node, reason)) if node == NodeId(to) => reason,
            other => panic!("not unreachable: {other:?}"),
        }
    }
}

/// Two nodes that know each other.
async fn pair(one: Spec, two: Spec) -> (Node, Node) {
    let (one, two) = (one.start().await, two.start().await);
    one.introduce(&two);
    two.introduce(&one);
    (one, two)
}

/// Answers with the message.
struct Echo;

impl Handler for Echo {
    fn handle(&self, _from: NodeId, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        Box::pin(async { Ok(body) })
    }
}

/// Answers with the message as soon as it is let; counts what it has begun.
struct Gate {
    begun: Arc<std::sync::atomic::AtomicUsize>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Arc<Gate> {
        Arc::new(Gate { begun: Arc::default(), open: Arc::new(Semaphore::new(0)) })
    }

    fn begun(&self) -> usize {
        self.begun.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn open(&self) {
        self.open.add_permits(1_000_000);
    }
}

impl Handler for Gate {
    fn handle(&self, _from: NodeId, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        self.begun.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let open = self.open.clone();
        Box::pin(async move {
            let _permit = open.acquire().await.map_err(|error| error.to_string())?;
            Ok(body)
        })
    }
}

/// Admits who is on loopback or knows the word.
struct TokenOnly;

impl Admission for TokenOnly {
    fn admit(&self, request: JoinRequest, trust: Trust) -> BoxFuture<'static, Result<JoinReply, Refusal>> {
        Box::pin(async move {
            match trust {
                Trust::Token if request.token != "open sesame" => Err(Refusal::WrongToken),
                _ if request.zone == "full" => Err(Refusal::Impossible("the zone is full".to_owned())),
                _ if request.zone == "busy" => Err(Refusal::Later("no leader yet".to_owned())),
                trust => Ok(JoinReply {
                    cluster_id: CLUSTER.to_owned(),
                    node_id: 7,
                    // What a test wants back as the authority's certificate.
                    ca_pem: request.version,
                    region: format!("{trust:?}"),
                    ..JoinReply::default()
                }),
            }
        })
    }
}

/// The credentials of a node whom `authority` knows.
fn mutual(authority: &Authority, node: u64) -> Security {
    let key = NodeKey::generate().expect("the key is made");
    let certificate_pem = authority.sign(NodeId(node), &key.public_key).expect("the key is one of P-256");
    Security::Mutual { ca_pem: authority.certificate_pem().to_owned(), certificate_pem, key_pem: key.key_pem }
}
