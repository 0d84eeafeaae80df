//! Tasks belong to a node: a paused node's tasks are not polled, a crashed node's are dropped.

use crate::BoxFuture;

/// Starts tasks of one node.
pub trait Tasks: Send + Sync + 'static {
    /// Starts `future`. `name` says what it is, for traces and stack dumps.
    fn spawn(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task;

    /// Runs `work`, which may wait for the disk, where no task waits for it. Bounded in threads, not in what waits for one.
    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
}

/// A running task. Dropping it lets the task go on; [`Task::stop`] ends it at its next await.
pub struct Task(tokio::task::JoinHandle<()>);

impl Task {
    /// For implementors of [`Tasks`].
    pub fn new(handle: tokio::task::JoinHandle<()>) -> Task {
        Task(handle)
    }

    /// Ends the task at its next await.
    pub fn stop(&self) {
        self.0.abort();
    }

    /// Waits until the task has ended. `false` if it panicked or was stopped.
    pub async fn ended(self) -> bool {
        self.0.await.is_ok()
    }
}

/// Tasks of the current tokio runtime.
pub struct TokioTasks;

impl Tasks for TokioTasks {
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        Task(tokio::spawn(future))
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let running = tokio::task::spawn_blocking(work);
        Box::pin(async move { drop(running.await) })
    }
}
