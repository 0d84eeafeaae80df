//! A simulated node's disk: syncs take time, and a crash loses what was not synced.

use crate::world::World;
use parking_lot::Mutex;
use stator_environment::{DiskError, Environment};
use stator_storage::memory::{MemoryLog, MemoryRows, Syncing};
use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Rows and log of one node, which outlive its processes.
pub struct Disk {
    world: Arc<World>,
    pub rows: Arc<MemoryRows>,
    pub log: Arc<MemoryLog>,
    /// The environment of the process that uses the disk now.
    user: Arc<Mutex<Option<Environment>>>,
    /// How long a sync takes at most; a slow disk takes longer.
    sync_most: Arc<Mutex<Duration>>,
    /// How long rows stay unflushed at most.
    flush_most: Duration,
    has_failed: AtomicBool,
}

/// What is left when a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// The process was killed: the operating system still has all that was written to the log, but rows that were not flushed
    /// were in the process's memory.
    Process,
    /// The machine lost power: of what was not synced a random part survives, always the oldest.
    Power,
}

impl Disk {
    pub fn new(world: Arc<World>, flush_most: Duration) -> Disk {
        let user: Arc<Mutex<Option<Environment>>> = Arc::default();
        let sync_most = Arc::new(Mutex::new(Duration::from_millis(5)));
        let own: Arc<OnceLock<Weak<MemoryLog>>> = Arc::default();
        let hook = {
            let (world, user, sync_most, own) = (world.clone(), user.clone(), sync_most.clone(), own.clone());
            move || {
                let (Some(environment), Some(log)) = (user.lock().clone(), own.get().and_then(Weak::upgrade)) else {
                    return;
                };
                let (world, sync_most) = (world.clone(), sync_most.clone());
                environment.tasks.spawn("sync", Box::pin(sync_all(world, log, sync_most)));
            }
        };
        let log = Arc::new(MemoryLog::new(Syncing::OnDemand(Box::new(hook))));
        // The hook was made before the log and needs it; nobody else sets it.
        let _ = own.set(Arc::downgrade(&log));
        Disk {
            world,
            rows: Arc::new(MemoryRows::new()),
            log,
            user,
            sync_most,
            flush_most,
            has_failed: AtomicBool::new(false),
        }
    }

    /// A new process uses the disk. Its rows are flushed now and then, as by a timer.
    pub fn attach(&self, environment: Environment) {
        let (rows, world, most) = (self.rows.clone(), self.world.clone(), self.flush_most);
        let flushing = environment.clone();
        environment.tasks.spawn(
            "flush",
            Box::pin(async move {
                loop {
                    let wait = world.throw(|dice| dice.between(Duration::from_millis(200), most));
                    flushing.sleep(wait).await;
                    if stator_environment::Rows::flush(&*rows).is_err() {
                        return;
                    }
                }
            }),
        );
        *self.user.lock() = Some(environment);
    }

    /// The process ends, and what it had not made durable is lost.
    pub fn crash(&self, loss: Loss) {
        *self.user.lock() = None;
        self.has_failed.store(false, Ordering::Relaxed);
        let keep = |waiting: u64| self.world.throw(|dice| dice.below(waiting + 1));
        self.log.crash(|waiting| if loss == Loss::Process { waiting } else { keep(waiting as u64) as usize });
        self.rows.crash(keep);
    }

    /// From now on the disk answers with an error, until the process ends.
    pub fn fail(&self, failure: &DiskError) {
        self.rows.fail(failure.clone());
        self.log.fail(failure.clone());
        self.has_failed.store(true, Ordering::Relaxed);
    }

    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    /// Syncs take up to `most` from now on.
    pub fn set_speed(&self, most: Duration) {
        *self.sync_most.lock() = most;
    }
}

/// Syncs until nothing waits: each sync covers what waited when it began.
async fn sync_all(world: Arc<World>, log: Arc<MemoryLog>, sync_most: Arc<Mutex<Duration>>) {
    loop {
        let waiting = log.waiting();
        if waiting == 0 {
            return;
        }
        let most = *sync_most.lock();
        let takes = world.throw(|dice| dice.between(Duration::from_micros(50), most));
        tokio::time::sleep(takes).await;
        log.sync(waiting);
    }
}
