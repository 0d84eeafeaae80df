//! What all replicas of a node share.

use crate::{Failure, Settings, contact::Turns, heartbeats::Lanes, metrics::Metrics, replica::Replica, runtime};
use bytes::Bytes;
use parking_lot::Mutex;
use stator_environment::{BoxFuture, Environment, Network, NetworkError, RaftLog, Service};
use stator_item::{NodeId, ReplicaId};
use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};
use tokio::sync::watch;

pub(crate) struct Node {
    pub(crate) settings: Settings,
    pub(crate) id: NodeId,
    pub(crate) environment: Arc<Environment>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) log: Arc<dyn RaftLog>,
    pub(crate) metrics: Metrics,
    pub(crate) heartbeats: Lanes,
    pub(crate) turns: Turns,
    pub(crate) replicas: Mutex<BTreeMap<ReplicaId, Arc<Replica>>>,
    pub(crate) failure: watch::Sender<Option<Failure>>,
    /// When the next piece of a snapshot may go out, on the elapsed clock.
    next_piece_at: Mutex<Duration>,
}

impl Node {
    pub(crate) fn new(
        settings: Settings,
        id: NodeId,
        environment: Environment,
        network: Arc<dyn Network>,
        log: Arc<dyn RaftLog>,
        metrics: Metrics,
    ) -> Arc<Node> {
        Arc::new(Node {
            settings,
            id,
            environment: Arc::new(environment),
            network,
            log,
            metrics,
            heartbeats: Lanes::default(),
            turns: Turns::default(),
            replicas: Mutex::default(),
            failure: watch::Sender::new(None),
            next_piece_at: Mutex::default(),
        })
    }

    pub(crate) fn replica(&self, replica: ReplicaId) -> Option<Arc<Replica>> {
        self.replicas.lock().get(&replica).cloned()
    }

    /// All replicas, in order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<Replica>> {
        self.replicas.lock().values().cloned().collect()
    }

    pub(crate) fn now(&self) -> Duration {
        self.environment.clock.elapsed()
    }

    /// Starts a task of this node inside the scope that openraft needs.
    pub(crate) fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let task: BoxFuture<'static, ()> = Box::pin(runtime::scope(self.environment.clone(), task));
        self.environment.tasks.spawn(name, task);
    }

    pub(crate) async fn call(
        &self,
        to: NodeId,
        service: Service,
        message: Bytes,
        deadline: Duration,
    ) -> Result<Bytes, NetworkError> {
        let answer = self.network.call(to, service, message, deadline).await;
        if answer.is_err() {
            self.metrics.message_errors.inc();
        }
        answer
    }

    /// The first failure is the one that is reported.
    pub(crate) fn report(&self, failure: Failure) {
        tracing::error!(replica = failure.replica.0, reason = failure.reason, "a replica failed");
        self.failure.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(failure);
            }
            is_first
        });
    }

    /// Waits for this piece's turn, so that all snapshots together stay below their rate.
    pub(crate) async fn pace(&self, bytes: usize) {
        let rate = self.settings.snapshot_bytes_per_second.max(1);
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let wait = {
            let now = self.now();
            let mut next = self.next_piece_at.lock();
            let start = (*next).max(now);
            *next = start + cost;
            start - now
        };
        if !wait.is_zero() {
            self.environment.sleep(wait).await;
        }
    }
}
