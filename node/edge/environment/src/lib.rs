//! The seams: everything that a simulation replaces is reached through the traits of this crate.
//!
//! Clock, randomness, tasks, network and disk. Production implements them over the operating system, `node/simulation`
//! over a seed. Both run on tokio (the simulation on one thread with paused time), so timers are tokio's, reached
//! through [`Environment::sleep`], which a node with a skewed clock stretches.

pub mod age;
pub mod clock;
pub mod disk;
pub mod network;
pub mod random;
pub mod tasks;

pub use age::Age;
pub use clock::{Clock, SystemClock};
pub use disk::{
    Direction, DiskError, Done, Family, KeyRange, RaftLog, Reach, ReplicaLogState, Rows, RowsView, WriteBatch,
};
pub use network::{Handler, Network, NetworkError, Service};
pub use random::{Random, SystemRandom};
pub use tasks::{Task, Tasks, TokioTasks};

use std::{sync::Arc, time::Duration};

/// A boxed future, as the object-safe traits of this crate return it.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What one node may know of the world outside its own memory, disk and network apart.
#[derive(Clone)]
pub struct Environment {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    pub tasks: Arc<dyn Tasks>,
}

impl Environment {
    /// The real clock, the operating system's randomness, and tasks of the current tokio runtime.
    pub fn system() -> Environment {
        Environment { clock: Arc::new(SystemClock), random: Arc::new(SystemRandom), tasks: Arc::new(TokioTasks) }
    }

    /// Waits until this node's clock says that `duration` has passed.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.clock.real_duration(duration)).await;
    }

    /// Runs `future` for at most `duration` of this node's clock.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(self.clock.real_duration(duration), future).await.ok()
    }

    /// Runs work that may wait for the disk off the threads of tasks. `None`: it did not end, as it panicked or the node stops.
    pub async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, done) = tokio::sync::oneshot::channel();
        self.tasks.run_blocking(Box::new(move || drop(sender.send(work())))).await;
        done.await.ok()
    }
}
