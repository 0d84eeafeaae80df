//! Brings changes of tables to their global indexes: for each partition that this node leads, and each index that it feeds, one
//! carrier. Which delivery goes to whom is decided by [`stator_partition::global_index::Session`]; here are only tasks and I/O.
//!
//! Guarantees: a carrier works only while its replica leads, and reads under the lease; it ends with its index or its replica.

mod carrier;
mod lag;

pub(crate) use lag::{Lag, Lags};

use crate::{host::Hosted, metrics::Metrics, router::Router};
use carrier::Carrier;
use parking_lot::Mutex;
use stator_item::{ReplicaId, TableId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// How often the lag is told to the metrics: it grows by itself.
const TELL_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Indexer {
    pub router: Arc<Router>,
    pub metrics: Arc<Metrics>,
}

impl Indexer {
    /// Runs for as long as the node does.
    pub async fn run(self: Arc<Indexer>) {
        let host = self.router.host.clone();
        let mut changes = host.hosting.subscribe();
        let mut known: BTreeSet<ReplicaId> = BTreeSet::new();
        loop {
            let hosted: BTreeMap<ReplicaId, Arc<Hosted>> =
                host.replicas.read().values().map(|hosted| (hosted.id, hosted.clone())).collect();
            known.retain(|replica| hosted.contains_key(replica));
            for (replica, hosted) in &hosted {
                if known.insert(*replica) {
                    let watch = self.clone().watch(hosted.clone());
                    host.parts.environment.tasks.spawn("source", Box::pin(watch));
                }
            }
            self.tell(hosted.values());
            if let Some(Err(_)) = host.parts.environment.timeout(TELL_EVERY, changes.changed()).await {
                return;
            }
        }
    }

    fn tell<'a>(&self, hosted: impl Iterator<Item = &'a Arc<Hosted>>) {
        let now_ms = self.router.host.parts.environment.clock.wall_ms();
        let lags: Vec<Lag> = hosted.filter_map(|hosted| hosted.lags.lock().worst(now_ms)).collect();
        let longest_ms = lags.iter().map(|lag| lag.ms).max().unwrap_or(0);
        self.metrics.index_lag_ms.set(i64::try_from(longest_ms).unwrap_or(i64::MAX));
        let waiting: u64 = lags.iter().map(|lag| lag.records).sum();
        self.metrics.index_records_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Starts a carrier for each index that a replica's partition feeds, once it leads. Ends with the replica.
    async fn watch(self: Arc<Indexer>, hosted: Arc<Hosted>) {
        let mut feeding = hosted.replica.feeding();
        let mut leadership = hosted.replica.group().leadership();
        let carried: Arc<Mutex<BTreeSet<TableId>>> = Arc::default();
        loop {
            let leads = leadership.borrow_and_update().leads;
            let now = feeding.borrow_and_update().clone();
            if now.closed {
                return;
            }
            for index in now.indexes.iter().copied().filter(|_| leads) {
                if carried.lock().insert(index) {
                    let carrier = Carrier::new(self.clone(), hosted.clone(), index);
                    let carried = carried.clone();
                    let carry = async move {
                        carrier.run().await;
                        carried.lock().remove(&index);
                    };
                    self.router.host.parts.environment.tasks.spawn("carrier", Box::pin(carry));
                }
            }
            let changed = tokio::select! {
                changed = feeding.changed() => changed,
                changed = leadership.changed() => changed,
            };
            if changed.is_err() {
                return;
            }
        }
    }
}
