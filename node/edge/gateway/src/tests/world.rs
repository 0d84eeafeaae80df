//! A cluster in memory behind a gateway on a real listener.

use super::partitions::Partition;
use crate::{Authentication, Gateway, GatewayParts, Settings, Tls};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use stator_catalog::{
    Catalog, Change, ClusterIdentity, NodeStart, Outcome, Secret, Stamp, TableDescription, TableStatus, TokenRange,
};
use stator_cluster::{CatalogTest, ChangeError, Consistency, Deadline, Door, Tables};
use stator_environment::{BoxFuture, Environment};
use stator_invocation::Functions;
use stator_item::{TableId, Timestamp, Token};
use stator_partition::{Command, Refusal, Reply};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub const ACCESS_KEY: &str = "AKIDSTATOR";
pub const SECRET: &str = "a secret of the tests";

/// What the next commands meet.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Weather {
    #[default]
    Fair,
    Refuse(Refusal),
    Panic,
    /// Commands wait until the weather changes.
    Wait,
}

pub struct World {
    catalog: watch::Sender<Arc<Catalog>>,
    partitions: Mutex<Vec<(TableId, Partition)>>,
    /// What this node knows of the catalog, when it lags behind.
    copy: Mutex<Option<Arc<Catalog>>>,
    pub weather: watch::Sender<Weather>,
    /// Whether a table becomes ready, or gone, by itself.
    pub finishes: Mutex<bool>,
}

impl World {
    pub fn new() -> Arc<World> {
        let mut catalog = Catalog::default();
        let node = NodeStart {
            directory: 1,
            start_counter: 1,
            peer_address: "127.0.0.1:8100".into(),
            client_address: "127.0.0.1:8000".into(),
            zone: "a".into(),
            version: "0.1.0".into(),
            format: 1,
        };
        let identity = ClusterIdentity {
            cluster_id: 7,
            region: "eu-central-1".into(),
            account_id: "000000000000".into(),
            authority: Secret(bytes::Bytes::from_static(b"ca")),
        };
        let (id, secret) = (ACCESS_KEY.into(), Secret(SECRET.into()));
        let key = Change::CreateKey { id, secret, description: String::new(), is_root: true };
        for change in [Change::InitCluster { identity, node }, key] {
            catalog.step(change, &Stamp { now_ms: 1_000 }).expect("the change is made");
        }
        Arc::new(World {
            catalog: watch::Sender::new(Arc::new(catalog)),
            partitions: Mutex::default(),
            copy: Mutex::default(),
            weather: watch::Sender::new(Weather::Fair),
            finishes: Mutex::new(true),
        })
    }

    fn step(&self, change: Change) -> Result<Outcome, ChangeError> {
        let mut catalog = Catalog::clone(&self.catalog.borrow());
        let outcome = catalog.step(change, &Stamp { now_ms: 1_000 })?;
        self.catalog.send_replace(Arc::new(catalog));
        Ok(outcome)
    }

    /// From now on this node hears nothing of the catalog, until it asks.
    pub fn lag(&self) {
        *self.copy.lock() = Some(self.catalog.borrow().clone());
    }

    /// Does for the tables on their way what the cluster does.
    pub fn finish(&self) {
        let catalog = self.catalog.borrow().clone();
        for table in catalog.tables() {
            let (id, version) = (table.id, table.version);
            let done = match table.status {
                TableStatus::Active => continue,
                TableStatus::Deleting => {
                    self.partitions.lock().retain(|(table, _)| *table != id);
                    Change::TableGone { id }
                }
                TableStatus::Creating | TableStatus::Updating => {
                    self.describe(&catalog, table);
                    Change::TableReady { id, version }
                }
            };
            self.step(done).expect("the change is made");
        }
    }

    fn describe(&self, catalog: &Catalog, table: &TableDescription) {
        let mut partitions = self.partitions.lock();
        if !partitions.iter().any(|(id, _)| *id == table.id) {
            for partition in catalog.partitions().filter(|partition| partition.table == table.id) {
                partitions.push((table.id, Partition::new(partition.id, table.id, partition.tokens)));
            }
        }
        for (_, partition) in partitions.iter_mut().filter(|(id, _)| *id == table.id) {
            partition.answer(&Command::Describe(Box::new(table.clone()))).expect("the description is taken");
        }
    }

    async fn answer(&self, table: TableId, token: Token, command: Command) -> Result<Reply, Refusal> {
        let mut weather = self.weather.subscribe();
        let weather = weather.wait_for(|weather| *weather != Weather::Wait).await.map(|weather| weather.clone());
        match weather.expect("the world stands") {
            Weather::Refuse(refusal) => return Err(refusal),
            Weather::Panic => panic!("a mistake, as the test wants it"),
            Weather::Fair | Weather::Wait => {}
        }
        let mut partitions = self.partitions.lock();
        let holds = |(id, partition): &&mut (TableId, Partition)| *id == table && partition.tokens().contains(token);
        let (_, partition) = partitions.iter_mut().find(holds).ok_or(Refusal::NoSuchTable)?;
        partition.answer(&command)
    }
}

impl Door for World {
    fn table<'a>(
        &'a self,
        name: &'a str,
        _deadline: Deadline,
    ) -> BoxFuture<'a, Result<Option<Arc<TableDescription>>, Refusal>> {
        // What its copy lacks a node asks the catalog's leader for.
        Box::pin(async move {
            let known = self.catalog().table(name).cloned();
            Ok(known.or_else(|| self.catalog.borrow().table(name).cloned()))
        })
    }

    fn submit(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        _consistency: Consistency,
        _deadline: Deadline,
    ) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(self.answer(table, token, command))
    }

    fn submit_born(
        &self,
        table: TableId,
        token: Token,
        command: Command,
        _birth: Timestamp,
        _deadline: Deadline,
    ) -> BoxFuture<'_, Result<Reply, Refusal>> {
        Box::pin(self.answer(table, token, command))
    }

    fn partition_tokens(&self, table: TableId, token: Token) -> Option<TokenRange> {
        self.catalog().routing().partition(table, token).map(|partition| partition.tokens)
    }
}

impl Tables for World {
    fn catalog(&self) -> Arc<Catalog> {
        self.copy.lock().clone().unwrap_or_else(|| self.catalog.borrow().clone())
    }

    fn newest(&self, _deadline: Deadline) -> BoxFuture<'_, Arc<Catalog>> {
        *self.copy.lock() = None;
        Box::pin(async move { self.catalog.borrow().clone() })
    }

    fn change(&self, change: Change, _deadline: Deadline) -> BoxFuture<'_, Result<Outcome, ChangeError>> {
        let change = match change {
            Change::CreateTable { table, avoid, .. } => {
                Change::CreateTable { table, partitions: Some(3), tables_max: None, avoid }
            }
            other => other,
        };
        let outcome = self.step(change);
        if *self.finishes.lock() {
            self.finish();
        }
        Box::pin(async move { outcome })
    }

    fn becomes<'a>(&'a self, is_so: CatalogTest<'a>, deadline: Deadline) -> BoxFuture<'a, bool> {
        let left = deadline.0.saturating_sub(Environment::system().clock.elapsed());
        Box::pin(async move {
            let mut changes = self.catalog.subscribe();
            tokio::time::timeout(left, changes.wait_for(|catalog| is_so(catalog))).await.is_ok()
        })
    }

    fn fresh(&self, deadline: Deadline) -> BoxFuture<'_, Option<Arc<Catalog>>> {
        Box::pin(async move { Some(self.newest(deadline).await) })
    }

    fn leads(&self, _table: TableId, _token: Token) -> bool {
        true
    }
}

/// A gateway that serves.
pub struct Edge {
    pub address: SocketAddr,
    pub world: Arc<World>,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<()>,
    pub ready: watch::Sender<bool>,
}

/// Settings for callers without credentials.
pub fn open() -> Settings {
    Settings { authentication: Authentication::Anyone, ..Settings::default() }
}

impl Edge {
    pub async fn start(settings: Settings) -> Edge {
        Edge::start_with(settings, None).await
    }

    pub async fn start_with(settings: Settings, tls: Option<Tls>) -> Edge {
        Edge::serve(World::new(), None, settings, tls).await
    }

    /// Over a world that is there already, maybe with functions.
    pub async fn serve(
        world: Arc<World>,
        functions: Option<Arc<Functions>>,
        settings: Settings,
        tls: Option<Tls>,
    ) -> Edge {
        let ready = watch::Sender::new(true);
        let is_ready = ready.subscribe();
        let gateway = Gateway::new(GatewayParts {
            environment: Environment::system(),
            door: world.clone(),
            tables: world.clone(),
            ready: Arc::new(move || if *is_ready.borrow() { Ok(()) } else { Err("the test says so".into()) }),
            registry: Arc::new(Mutex::new(Registry::default())),
            settings,
            functions,
            logs: None,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(gateway.serve(listener, tls, shutdown.clone()));
        Edge { address, world, shutdown, serving, ready }
    }
}

/// Longer than anything takes here; a test that waits so long has failed.
pub async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it happens soon")
}
