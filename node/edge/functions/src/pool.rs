//! The node's room for instances, and those that wait for work.
//!
//! Invariant: the leases are the instances whose processes may exist, however they stand; a lease ends only when they are gone.
//! Neither their number nor their memory exceeds the bounds, but for one instance that is larger than all room.

use crate::{deployment::RunError, instance::Instance, metrics::Metrics};
use parking_lot::Mutex;
use stator_environment::Environment;
use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long the processes of evicted instances may take to end before an event is throttled.
const EVICTION_MAX: Duration = Duration::from_secs(5);

/// Which instances are alike.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    pub arn: String,
    pub revision: String,
}

/// The room of one instance, from before its start until its processes are gone.
pub(crate) struct Lease {
    number: u64,
    memory_mb: u64,
    terms: Arc<Terms>,
    pool: Arc<Pool>,
}

/// What the pool knows of a lease. Apart from it, as the end of a lease locks the pool.
struct Terms {
    key: Key,
    retired: AtomicBool,
    end: CancellationToken,
}

impl Lease {
    /// Ends the instance.
    pub fn end(&self) -> &CancellationToken {
        &self.terms.end
    }

    fn is_retired(&self) -> bool {
        self.terms.retired.load(Ordering::Acquire)
    }
}

struct Idle {
    instance: Instance,
    since: Duration,
}

#[derive(Default)]
struct State {
    /// Ordered by when their work ended.
    idle: VecDeque<Idle>,
    leases: HashMap<u64, Arc<Terms>>,
    memory_mb: u64,
    next: u64,
    closed: bool,
}

pub(crate) struct Pool {
    state: Mutex<State>,
    freed: Notify,
    environment: Environment,
    metrics: Arc<Metrics>,
    instances_max: usize,
    memory_max_mb: u64,
}

impl Pool {
    pub fn new(environment: Environment, metrics: Arc<Metrics>, instances_max: usize, memory_max_mb: u64) -> Pool {
        Pool { state: Mutex::default(), freed: Notify::new(), environment, metrics, instances_max, memory_max_mb }
    }

    // In all that follows: an instance is never dropped while the pool is locked, as it may bring its lease to its end.

    /// An instance that waits for work, the one that worked last.
    pub fn take(&self, key: &Key) -> Option<Instance> {
        let mut unusable = Vec::new();
        let mut state = self.state.lock();
        let mut found = None;
        while let Some(at) = state.idle.iter().rposition(|idle| idle.instance.lease().terms.key == *key) {
            let Some(idle) = state.idle.remove(at) else { break };
            if idle.instance.is_usable(self.environment.clock.wall_ms()) {
                found = Some(idle.instance);
                break;
            }
            unusable.push(idle.instance);
        }
        drop(state);
        found
    }

    /// Takes an instance back after its work. One that cannot work any more is ended.
    pub fn give_back(&self, instance: Instance) {
        let mut state = self.state.lock();
        let usable = !state.closed && !instance.lease().is_retired();
        if usable && instance.is_usable(self.environment.clock.wall_ms()) {
            state.idle.push_back(Idle { instance, since: self.environment.clock.elapsed() });
        } else {
            drop(state);
            drop(instance);
        }
    }

    /// Room for a new instance. If there is none, those that have waited longest for work make it.
    pub async fn reserve(self: &Arc<Self>, key: Key, memory_mb: u32) -> Result<Arc<Lease>, RunError> {
        let started = self.environment.clock.elapsed();
        loop {
            let freed = self.freed.notified();
            let evicted = {
                let mut state = self.state.lock();
                if state.closed {
                    return Err(RunError::Closed);
                }
                if self.has_room(&state, u64::from(memory_mb)) {
                    return Ok(self.lease(&mut state, key, u64::from(memory_mb)));
                }
                state.idle.pop_front()
            };
            let evicting = evicted.is_some();
            drop(evicted);
            let waited = self.environment.clock.elapsed().saturating_sub(started);
            if !evicting && !self.is_ending() || waited >= EVICTION_MAX {
                return Err(RunError::NoRoom);
            }
            let _ = self.environment.timeout(EVICTION_MAX - waited, freed).await;
        }
    }

    fn has_room(&self, state: &State, memory_mb: u64) -> bool {
        state.leases.is_empty()
            || state.leases.len() < self.instances_max && state.memory_mb + memory_mb <= self.memory_max_mb
    }

    /// Whether some instance is on its way out, so that room will be there soon.
    fn is_ending(&self) -> bool {
        self.state.lock().leases.values().any(|terms| terms.end.is_cancelled())
    }

    fn lease(self: &Arc<Self>, state: &mut State, key: Key, memory_mb: u64) -> Arc<Lease> {
        let number = state.next;
        state.next += 1;
        state.memory_mb += memory_mb;
        let terms = Arc::new(Terms { key, retired: AtomicBool::new(false), end: CancellationToken::new() });
        state.leases.insert(number, terms.clone());
        self.metrics.instances.inc();
        self.metrics.memory_megabytes.inc_by(memory_mb as i64);
        Arc::new(Lease { number, memory_mb, terms, pool: self.clone() })
    }

    /// Ends the instances that waited for `idle_max`, and those that cannot be used any more.
    pub fn expire(&self, idle_max: Duration) {
        let now = self.environment.clock.elapsed();
        let wall_ms = self.environment.clock.wall_ms();
        let mut state = self.state.lock();
        let (kept, ended): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut state.idle)
            .into_iter()
            .partition(|idle| now.saturating_sub(idle.since) < idle_max && idle.instance.is_usable(wall_ms));
        state.idle = kept;
        drop(state);
        drop(ended);
    }

    /// Ends the instances that fit: at once if they wait, else after the event that they work on.
    pub fn retire(&self, fits: impl Fn(&Key) -> bool) {
        let mut state = self.state.lock();
        for terms in state.leases.values().filter(|terms| fits(&terms.key)) {
            terms.retired.store(true, Ordering::Release);
        }
        let (ended, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut state.idle).into_iter().partition(|idle| idle.instance.lease().is_retired());
        state.idle = kept;
        drop(state);
        drop(ended);
    }

    /// Ends all instances, at work or not, takes no more, and waits until their processes are gone or `most` has passed.
    pub async fn close(&self, most: Duration) -> bool {
        let idle = {
            let mut state = self.state.lock();
            state.closed = true;
            state.leases.values().for_each(|terms| terms.end.cancel());
            std::mem::take(&mut state.idle)
        };
        drop(idle);
        let gone = async {
            loop {
                let freed = self.freed.notified();
                if self.state.lock().leases.is_empty() {
                    return;
                }
                freed.await;
            }
        };
        self.environment.timeout(most, gone).await.is_some()
    }

    pub fn is_closed(&self) -> bool {
        self.state.lock().closed
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        state.leases.remove(&self.number);
        state.memory_mb -= self.memory_mb;
        drop(state);
        self.pool.metrics.instances.dec();
        self.pool.metrics.memory_megabytes.dec_by(self.memory_mb as i64);
        self.pool.freed.notify_waiters();
    }
}
