//! A node as a process: everything opened in order, and closed in the other.

use crate::{
    access_key::{self, RootKey},
    admin::{Administration, Socket},
    admission::Doorkeeper,
    edge::{Edge, serve},
    error::ServerError,
    functions::{self, NodeFunctions},
    membership::{Standing, introduce},
    settings::{Place, TtlChanges, size::Size},
    shutdown::{Signals, failed},
    sockets::Sockets,
};
use prometheus_client::registry::Registry;
use stator_cluster::{AllSettings, Node, NodeParts};
use stator_environment::{Environment, Rows};
use stator_gateway::{Authentication, Tls, TlsSettings};
use stator_storage::{DataDirectory, FileLog, LogMetrics, RocksRows};
use stator_transport::{JoinSecret, TonicNetwork};
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// The log can be purged, and a restart is short, only by what is durable in the rows.
const FLUSH_EVERY: Duration = Duration::from_secs(30);
/// How long other nodes' last calls may take when this one goes.
const NETWORK_STOP_MAX: Duration = Duration::from_secs(2);

/// What `stator dev` and `stator start` differ in.
pub struct Blueprint {
    pub data: PathBuf,
    pub listen: SocketAddr,
    pub advertise: Option<String>,
    /// `None`: the node stays alone and listens to no others.
    pub peers: Option<Peers>,
    pub zone: String,
    pub place: Place,
    pub memory: Size,
    pub storage: stator_storage::Settings,
    pub partitions: Option<u64>,
    pub tables_max: Option<u64>,
    pub throttling: stator_replica::Throttling,
    pub ttl_changes: TtlChanges,
    pub authentication: Authentication,
    pub tls: Option<TlsSettings>,
    pub functions: stator_invocation::Settings,
}

/// How a node speaks with others.
pub struct Peers {
    pub listen: SocketAddr,
    pub advertise: Option<String>,
    pub join: Option<Joining>,
}

/// Through whom a new node joins, and with what.
pub struct Joining {
    pub address: String,
    pub secret: Option<JoinSecret>,
}

/// A node that serves.
pub struct Running {
    pub client_address: SocketAddr,
    pub peer_address: Option<SocketAddr>,
    pub is_tls: bool,
    pub root_key: RootKey,
    node: Arc<Node>,
    network: Arc<TonicNetwork>,
    edge: Edge,
    functions: NodeFunctions,
    socket: Socket,
    rows: Arc<RocksRows>,
    failure: Arc<watch::Sender<Option<String>>>,
    background: Vec<JoinHandle<()>>,
    /// Dropped last: nobody else may open the data before all of it is closed.
    _directory: DataDirectory,
}

/// What is open before the node can start.
struct Ground {
    environment: Environment,
    registry: Registry,
    directory: DataDirectory,
    failure: Arc<watch::Sender<Option<String>>>,
    log: Arc<FileLog>,
    rows: Arc<RocksRows>,
}

impl Ground {
    fn open(blueprint: &Blueprint, directory: DataDirectory, environment: Environment) -> Result<Ground, ServerError> {
        let mut registry = Registry::default();
        let failure = Arc::new(watch::Sender::new(None));
        let metrics = LogMetrics::register(&mut registry);
        let log = FileLog::open(&directory.log_path(), &blueprint.storage, metrics)?;
        let told = failure.clone();
        log.on_failure(Box::new(move |error| {
            told.send_replace(Some(format!("the Raft log cannot be written any more: {error}")));
        }));
        let rows = RocksRows::open(&directory.rows_path(), &blueprint.storage)?;
        rows.register(&mut registry);
        Ok(Ground { environment, registry, directory, failure, log: Arc::new(log), rows: Arc::new(rows) })
    }
}

/// Runs a node until it is told to stop, which it may be while it still starts. `greet` is called once it serves.
pub async fn run(blueprint: Blueprint, greet: impl FnOnce(&Running)) -> Result<(), ServerError> {
    let mut signals = Signals::listen()?;
    let running = tokio::select! {
        biased;
        // As after a crash, the next start begins anew.
        () = signals.next() => return Ok(()),
        running = start(blueprint) => running?,
    };
    greet(&running);
    running.until_stopped(signals).await
}

/// Starts a node. When this returns, it serves.
async fn start(blueprint: Blueprint) -> Result<Running, ServerError> {
    let tls = blueprint.tls.as_ref().map(Tls::load).transpose()?;
    let directory = DataDirectory::open(&blueprint.data)?;
    let sockets = Sockets::bind(&blueprint).await?;
    let environment = Environment::system();
    let addresses = sockets.addresses(&blueprint)?;
    let mut standing = Standing::reach(&blueprint, &directory, &addresses, &environment).await?;
    let mut ground = Ground::open(&blueprint, directory, environment)?;

    let (client_address, peer_address) = (sockets.client_address()?, sockets.peer_address()?);
    let is_beyond_loopback = peer_address.is_some_and(|address| !address.ip().is_loopback());
    let network = Arc::new(TonicNetwork::new(
        standing.transport_identity(),
        ground.environment.clone(),
        standing.security(is_beyond_loopback)?,
        &mut ground.registry,
    )?);
    introduce(&network, &standing.member);
    let doorkeeper = Arc::new(Doorkeeper::default());
    if let Some(listener) = sockets.peers {
        // Before the node starts: a majority of a cluster that starts anew has to hear each other for that.
        network.listen(listener, doorkeeper.clone())?;
    }
    let mut settings = AllSettings::default();
    settings.cluster.partitions_of_new_table = blueprint.partitions;
    settings.cluster.tables_max = blueprint.tables_max;
    settings.replica.throttling = blueprint.throttling;
    settings.cluster.time_to_live_at_any_time = blueprint.ttl_changes == TtlChanges::Unlimited;
    let parts = NodeParts {
        node: standing.member.node(),
        start: standing.node_start(addresses, blueprint.zone.clone()),
        founder: standing.founder()?,
        contacts: standing.member.contacts().map(|(node, _)| node).collect(),
        environment: ground.environment.clone(),
        network: network.clone(),
        rows: ground.rows.clone(),
        log: ground.log.clone(),
        settings,
        failure: ground.failure.clone(),
    };
    let node = start_node(parts, &mut ground, &network).await?;
    standing.joined()?;
    doorkeeper.begin(node.clone());
    let root_key = match blueprint.authentication {
        Authentication::Verify => access_key::ensure_root(&node, &*ground.environment.random).await?,
        Authentication::Anyone => RootKey::NotNeeded,
    };
    let following = standing.follow(node.clone(), network.clone(), ground.failure.clone());
    let background =
        vec![tokio::spawn(following), tokio::spawn(flush_often(ground.rows.clone(), ground.failure.clone()))];
    let is_tls = tls.is_some();
    let gateway = stator_gateway::Settings { authentication: blueprint.authentication, ..Default::default() };
    let plain = Sockets::plain(is_tls).await?;
    let plain_address = plain.as_ref().map_or(Ok(client_address), TcpListener::local_addr);
    let plain_address = plain_address.map_err(ServerError::io("read the port for functions"))?;
    let function_settings = stator_invocation::Settings { is_tls, ..blueprint.functions };
    let ground_parts = (&ground.environment, &mut ground.registry);
    let functions = functions::open(function_settings, &blueprint.data, plain_address, &node, ground_parts)?;
    let administration = Administration {
        node: node.clone(),
        logs: functions.logs.clone(),
        environment: ground.environment.clone(),
        data: blueprint.data.clone(),
        rows: ground.rows.clone(),
        memory_bytes: blueprint.memory.0,
        is_tls,
        started: ground.environment.clock.elapsed(),
    };
    let socket = Socket::serve(&blueprint.data, administration)?;
    let edge = serve(
        gateway,
        (sockets.clients, tls),
        plain,
        &node,
        (&functions.functions, &functions.logs),
        (ground.environment, ground.registry),
    );
    Ok(Running {
        client_address,
        peer_address,
        is_tls,
        root_key,
        node,
        network,
        edge,
        functions,
        socket,
        rows: ground.rows,
        failure: ground.failure,
        background,
        _directory: ground.directory,
    })
}

/// Whatever is told to end the node ends its start, too.
async fn start_node(parts: NodeParts, ground: &mut Ground, network: &TonicNetwork) -> Result<Arc<Node>, ServerError> {
    let mut failure = ground.failure.subscribe();
    tokio::select! {
        biased;
        reason = failed(&mut failure) => Err(ServerError::Stopped(reason)),
        reason = network.outcast() => Err(ServerError::Stopped(reason)),
        node = Node::start(parts, &mut ground.registry) => Ok(node?),
    }
}

async fn flush_often(rows: Arc<RocksRows>, failure: Arc<watch::Sender<Option<String>>>) {
    loop {
        tokio::time::sleep(FLUSH_EVERY).await;
        if let Err(error) = flush(&rows).await {
            failure.send_replace(Some(format!("the rows cannot be flushed: {error}")));
            return;
        }
    }
}

async fn flush(rows: &Arc<RocksRows>) -> Result<(), String> {
    let rows = rows.clone();
    match tokio::task::spawn_blocking(move || rows.flush()).await {
        Ok(flushed) => flushed.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

impl Running {
    /// Serves until a signal comes, then stops in order; or until the node must not go on, which is an error.
    async fn until_stopped(self, mut signals: Signals) -> Result<(), ServerError> {
        let mut failure = self.failure.subscribe();
        tokio::select! {
            biased;
            reason = failed(&mut failure) => return Err(ServerError::Stopped(reason)),
            reason = self.network.outcast() => return Err(ServerError::Stopped(reason)),
            () = signals.next() => {}
        }
        tracing::info!("stopping");
        signals.exit_at_next();
        tokio::select! {
            biased;
            // What cannot be trusted is not closed with care.
            reason = failed(&mut failure) => Err(ServerError::Stopped(reason)),
            closed = self.close() => closed,
        }
    }

    async fn close(self) -> Result<(), ServerError> {
        self.edge.close().await;
        self.functions.close().await;
        for task in &self.background {
            task.abort();
        }
        self.node.close().await;
        self.network.stop(NETWORK_STOP_MAX).await;
        self.socket.close().await;
        flush(&self.rows).await.map_err(ServerError::Stopped)?;
        tracing::info!("stopped");
        Ok(())
    }
}
