//! Brings the records of streams to functions: for each partition that this node leads, and each event source mapping of its
//! table's streams, one runner. Which batch is brought when is decided by [`stator_trigger::Batches`]; here are only tasks and
//! I/O.
//!
//! Guarantees: a runner works only while its replica leads, and reads under the lease; what it saves is fenced by its session.

mod invoke;
mod runner;
mod session;
mod telling;

pub use invoke::{Invoke, InvokeError, Invoked};

use crate::{host::Hosted, router::Router};
use parking_lot::Mutex;
use runner::Runner;
use stator_catalog::MappingId;
use stator_environment::Age;
use stator_item::ReplicaId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Semaphore;

/// Most calls of functions that runners of a node wait for at once.
const CALLS_MAX: usize = 256;
/// Bytes of records that a node's runners keep: beyond that each reads on only when it has nothing left.
const KEPT_BYTES_MAX: usize = 256 << 20;
/// How often the age of what waits is told to the metrics: it grows by itself.
const TELL_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Triggers {
    pub router: Arc<Router>,
    pub invoke: Arc<dyn Invoke>,
    /// Of records, so that a clock that is set forward discards none.
    pub age: Age,
    pub calls: Semaphore,
    kept_bytes: AtomicUsize,
    /// The runners that are at work.
    running: Mutex<BTreeSet<(ReplicaId, MappingId)>>,
}

impl Triggers {
    pub fn new(router: Arc<Router>, invoke: Arc<dyn Invoke>) -> Triggers {
        let age = Age::new(router.host.parts.environment.clock.clone());
        Triggers {
            router,
            invoke,
            age,
            calls: Semaphore::new(CALLS_MAX),
            kept_bytes: AtomicUsize::new(0),
            running: Mutex::default(),
        }
    }

    /// Runs for as long as the node does.
    pub async fn run(self: Arc<Triggers>) {
        let host = self.router.host.clone();
        let (mut hosting, mut catalog) = (host.hosting.subscribe(), self.router.client.copy.subscribe());
        loop {
            self.begin_all();
            self.tell();
            let changed = async {
                tokio::select! {
                    changed = hosting.changed() => changed.is_ok(),
                    changed = catalog.changed() => changed.is_ok(),
                }
            };
            if host.parts.environment.timeout(TELL_EVERY, changed).await == Some(false) {
                return;
            }
        }
    }

    /// Starts the runners that are missing.
    fn begin_all(self: &Arc<Triggers>) {
        let catalog = self.router.client.copy.catalog();
        if catalog.mappings().len() == 0 {
            return;
        }
        let mut by_table: BTreeMap<_, Vec<MappingId>> = BTreeMap::new();
        for mapping in catalog.mappings().filter(|mapping| mapping.has_begun()) {
            by_table.entry(mapping.table).or_default().push(mapping.id);
        }
        let hosted: Vec<Arc<Hosted>> = self.router.host.replicas.read().values().cloned().collect();
        for hosted in hosted {
            for mapping in by_table.get(&hosted.place().table).into_iter().flatten().copied() {
                let name = (hosted.id, mapping);
                if !self.running.lock().insert(name) {
                    continue;
                }
                let (triggers, runner) = (self.clone(), Runner::new(self.clone(), hosted.clone(), mapping));
                let run = async move {
                    runner.run().await;
                    triggers.running.lock().remove(&name);
                };
                self.router.host.parts.environment.tasks.spawn("trigger", Box::pin(run));
            }
        }
    }

    fn tell(&self) {
        let now_ms = self.router.host.parts.environment.clock.wall_ms();
        let replicas = self.router.host.replicas.read();
        let age_ms = replicas.values().filter_map(|hosted| hosted.waiting.records_ms(now_ms)).max().unwrap_or(0);
        self.router.metrics.trigger_age_ms.set(i64::try_from(age_ms).unwrap_or(i64::MAX));
    }

    /// Counts what a runner keeps.
    pub fn keep(self: &Arc<Triggers>) -> Kept {
        Kept { triggers: self.clone(), bytes: 0 }
    }
}

/// Bytes of records that one runner keeps; none when it is dropped.
pub(crate) struct Kept {
    triggers: Arc<Triggers>,
    bytes: usize,
}

impl Kept {
    pub fn set(&mut self, bytes: usize) {
        self.triggers.kept_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.triggers.kept_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }

    /// Whether there is room for more, or there must be.
    pub fn may_grow(&self) -> bool {
        self.bytes == 0 || self.triggers.kept_bytes.load(Ordering::Relaxed) < KEPT_BYTES_MAX
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.set(0);
    }
}
