//! The seam `Network` over gRPC.

use crate::{
    answer::Answerer,
    authority::{check_cluster_id, node_name},
    dial::Demand,
    error::TransportError,
    hello::{Caller, Identity, Introduction, Mistrust, Processes},
    join::{self, Admission},
    lane::{HTTP_FRAME_BYTES, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, Lane, Limits, WINDOW_BYTES},
    listen::accept,
    metrics::Metrics,
    peer::Peer,
    security::{Security, Wire},
    services::Services,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use prometheus_client::registry::Registry;
use rustls_pki_types::ServerName;
use stator_environment::{BoxFuture, Environment, Handler, Network, NetworkError, Service, Task};
use stator_item::NodeId;
use stator_proto::link::{Hello, link_server::LinkServer};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};
use tokio_util::sync::CancellationToken;

/// A node's connection to all others.
pub struct TonicNetwork {
    pub(crate) local: Arc<Local>,
    peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    servers: Mutex<Vec<Task>>,
}

/// What all parts know of this node.
pub(crate) struct Local {
    pub identity: Identity,
    process: u64,
    pub environment: Environment,
    pub wire: Wire,
    pub limits: Limits,
    pub metrics: Metrics,
    handlers: RwLock<[Option<Arc<dyn Handler>>; 4]>,
    processes: Processes,
    pub outcast: watch::Sender<Option<String>>,
    pub stop: CancellationToken,
}

/// A call, as the network takes it.
pub(crate) struct Message {
    pub to: NodeId,
    pub service: Service,
    pub body: Bytes,
    pub deadline: Duration,
}

impl TonicNetwork {
    /// A network with the usual limits. It speaks at once, and listens after [`TonicNetwork::listen`].
    pub fn new(
        identity: Identity,
        environment: Environment,
        security: Security,
        registry: &mut Registry,
    ) -> Result<TonicNetwork, TransportError> {
        TonicNetwork::with_limits(identity, environment, security, registry, Limits::default())
    }

    /// A network with limits of its own.
    pub fn with_limits(
        identity: Identity,
        environment: Environment,
        security: Security,
        registry: &mut Registry,
        limits: Limits,
    ) -> Result<TonicNetwork, TransportError> {
        check_cluster_id(&identity.cluster)?;
        let local = Local {
            identity,
            process: environment.random.next_u64(),
            environment,
            wire: security.wire()?,
            limits,
            metrics: Metrics::new(registry),
            handlers: RwLock::default(),
            processes: Processes::default(),
            outcast: watch::Sender::new(None),
            stop: CancellationToken::new(),
        };
        Ok(TonicNetwork { local: Arc::new(local), peers: RwLock::default(), servers: Mutex::default() })
    }

    /// Answers other nodes, and those that want to join, until [`TonicNetwork::stop`].
    pub fn listen(&self, listener: TcpListener, admission: Arc<dyn Admission>) -> Result<(), TransportError> {
        let address = listener.local_addr()?;
        if matches!(self.local.wire, Wire::Plain) && !address.ip().is_loopback() {
            return Err(TransportError::NotLoopback(address));
        }
        let message_bytes_max = self.local.limits.message_bytes_max();
        let links =
            LinkServer::new(Answerer { local: self.local.clone() }).max_decoding_message_size(message_bytes_max);
        let server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_frame_size(HTTP_FRAME_BYTES)
            .max_concurrent_streams(16u32);
        let services = Services { links, joins: join::service(admission) };
        let incoming = accept(&self.local, listener);
        let stop = self.local.stop.clone();
        let serve = async move {
            if let Err(error) = server.serve_with_incoming_shutdown(services, incoming, stop.cancelled_owned()).await {
                tracing::error!("the server for other nodes ended: {error}");
            }
        };
        self.servers.lock().push(self.local.environment.tasks.spawn("serve nodes", Box::pin(serve)));
        Ok(())
    }

    /// No further call is taken either way; waits, at most `deadline`, until the handlers at work have answered.
    pub async fn stop(&self, deadline: Duration) {
        self.local.stop.cancel();
        let servers = std::mem::take(&mut *self.servers.lock());
        let ended = async {
            for server in servers {
                server.ended().await;
            }
        };
        // Who is not done by then loses its answers with the process.
        let _ = self.local.environment.timeout(deadline, ended).await;
    }

    /// The node was removed: it is not spoken with again, whatever certificate it shows.
    pub fn forget(&self, node: NodeId) {
        self.local.processes.remove(node);
        if let Some(peer) = self.peers.write().remove(&node) {
            peer.stop();
        }
    }

    /// Processes of `node` with a lower start counter, whose data directory is an old copy, are refused from now on.
    /// Each is remembered without this as soon as it is heard; this tells what the cluster knows from before.
    pub fn require_start(&self, node: NodeId, start_min: u64) {
        self.local.processes.require_start(node, start_min);
    }

    /// Waits until another node says that this one must not run: its data directory was copied or set back, or it was
    /// removed from the cluster. Returns that node's words.
    pub async fn outcast(&self) -> String {
        let mut told = self.local.outcast.subscribe();
        match told.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            // The sender lives in `self`.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for TonicNetwork {
    fn drop(&mut self) {
        self.local.stop.cancel();
    }
}

impl Network for TonicNetwork {
    fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>> {
        let local = self.local.clone();
        let message = Message { to, service, body, deadline };
        if to == local.identity.node {
            return Box::pin(answer_self(local, message));
        }
        let bytes_max = local.limits.body_bytes_max;
        if message.body.len() > bytes_max {
            let reason = format!("the message has {} bytes, more than {bytes_max}", message.body.len());
            return Box::pin(std::future::ready(Err(NetworkError::Refused(to, reason))));
        }
        let peer = self.peers.read().get(&to).cloned();
        Box::pin(async move {
            let unreachable = |reason: String| NetworkError::Unreachable(to, reason);
            let peer = peer.ok_or_else(|| unreachable("its address is not known here".to_owned()))?;
            let link = peer.link(&local, Lane::of(service)).map_err(unreachable)?;
            link.call(&local, message).await
        })
    }

    fn serve(&self, service: Service, handler: Arc<dyn Handler>) {
        self.local.handlers.write()[slot(service)] = Some(handler);
    }

    fn introduce(&self, node: NodeId, address: &str) {
        let mut peers = self.peers.write();
        if peers.get(&node).is_some_and(|peer| peer.address == address) {
            return;
        }
        if let Some(old) = peers.insert(node, Arc::new(Peer::new(node, address))) {
            old.stop();
        }
    }
}

impl Local {
    pub fn introduction(&self) -> Introduction<'_> {
        Introduction { identity: &self.identity, process: self.process }
    }

    /// What a connection to `node` has to prove.
    pub fn demand(&self, node: NodeId) -> Result<Demand, String> {
        match &self.wire {
            Wire::Plain => Ok(Demand::Loopback),
            Wire::Tls { client, .. } => {
                let name = ServerName::try_from(node_name(&self.identity.cluster, node));
                Ok(Demand::Tls(client.clone(), name.map_err(|error| error.to_string())?))
            }
        }
    }

    /// Whether to speak with who says `hello`; the token is cancelled when that is over.
    pub fn trust(&self, hello: &Hello, caller: &Caller) -> Result<CancellationToken, Mistrust> {
        self.introduction().check(hello, caller)?;
        self.processes.hear(NodeId(hello.node_id), hello.start_counter, hello.process_id)
    }

    pub fn handler(&self, service: Service) -> Option<Arc<dyn Handler>> {
        self.handlers.read()[slot(service)].clone()
    }
}

fn slot(service: Service) -> usize {
    service as usize - 1
}

/// A call to the own node: the handler runs as its own task here too, so that a deadline never cuts it in half.
async fn answer_self(local: Arc<Local>, message: Message) -> Result<Bytes, NetworkError> {
    let Message { to, service, body, deadline } = message;
    let handler = local.handler(service);
    let handler = handler.ok_or_else(|| NetworkError::Refused(to, format!("nothing answers {service:?} here yet")))?;
    let (sender, answer) = oneshot::channel();
    let work = async move {
        // A caller whose deadline has passed does not mind.
        let _ = sender.send(handler.handle(to, body).await);
    };
    local.environment.tasks.spawn("answer", Box::pin(work));
    match local.environment.timeout(deadline, answer).await {
        Some(Ok(outcome)) => outcome.map_err(|reason| NetworkError::Refused(to, reason)),
        Some(Err(_)) => Err(NetworkError::Unreachable(to, "the handler ended without an answer".to_owned())),
        None => Err(NetworkError::TimedOut(to)),
    }
}
