//! Tasks that belong to a node's life: paused with it, and dropped when it ends.

use parking_lot::Mutex;
use stator_environment::{BoxFuture, Task, Tasks};
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// How long work that may wait for the disk takes: other tasks have their turns meanwhile.
const BLOCKING_TIME: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Running,
    Paused,
    Ended,
}

/// One run of a node's process, from start to kill.
pub struct Life {
    condition: Mutex<Condition>,
    /// Its tasks by number, to be polled again when it resumes or ends.
    tasks: Mutex<BTreeMap<u64, Waker>>,
    tasks_begun: Mutex<u64>,
    /// What broke an invariant of the program.
    panics: Mutex<Vec<String>>,
}

impl Life {
    pub fn new() -> Arc<Life> {
        Arc::new(Life {
            condition: Mutex::new(Condition::Running),
            tasks: Mutex::new(BTreeMap::new()),
            tasks_begun: Mutex::new(0),
            panics: Mutex::default(),
        })
    }

    /// What its tasks panicked with.
    pub fn panics(&self) -> Vec<String> {
        self.panics.lock().clone()
    }

    pub fn is_alive(&self) -> bool {
        *self.condition.lock() != Condition::Ended
    }

    /// SIGSTOP: nothing of the node is polled until [`resume`](Life::resume).
    pub fn pause(&self) {
        let mut condition = self.condition.lock();
        if *condition == Condition::Running {
            *condition = Condition::Paused;
        }
    }

    /// SIGCONT.
    pub fn resume(&self) {
        let mut condition = self.condition.lock();
        if *condition == Condition::Paused {
            *condition = Condition::Running;
        }
        drop(condition);
        self.wake_all();
    }

    /// SIGKILL.
    pub fn end(&self) {
        *self.condition.lock() = Condition::Ended;
        self.wake_all();
    }

    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.tasks.lock().values().cloned().collect();
        for waker in wakers {
            waker.wake();
        }
    }
}

/// A future that lives no longer than its node.
struct Mortal {
    life: Arc<Life>,
    number: u64,
    /// `None` once it has ended or its node has.
    inner: Option<BoxFuture<'static, ()>>,
}

impl Future for Mortal {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let condition = *self.life.condition.lock();
        if condition == Condition::Ended {
            self.inner = None;
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(()) };
        if condition == Condition::Running {
            match std::panic::catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(context))) {
                Ok(Poll::Pending) => {}
                Ok(Poll::Ready(())) => {
                    self.inner = None;
                    return Poll::Ready(());
                }
                Err(panic) => {
                    let said = panic.downcast_ref::<String>().cloned();
                    let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
                    self.life.panics.lock().push(said.unwrap_or_else(|| "a panic without words".to_owned()));
                    self.inner = None;
                    return Poll::Ready(());
                }
            }
        }
        self.life.tasks.lock().insert(self.number, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.life.tasks.lock().remove(&self.number);
    }
}

/// Starts tasks in a life.
pub struct NodeTasks {
    life: Arc<Life>,
}

impl NodeTasks {
    pub fn new(life: Arc<Life>) -> NodeTasks {
        NodeTasks { life }
    }
}

impl Tasks for NodeTasks {
    fn spawn(&self, _name: &'static str, future: BoxFuture<'static, ()>) -> Task {
        let number = {
            let mut begun = self.life.tasks_begun.lock();
            *begun += 1;
            *begun
        };
        Task::new(tokio::spawn(Mortal { life: self.life.clone(), number, inner: Some(future) }))
    }

    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            tokio::time::sleep(BLOCKING_TIME).await;
            work();
        })
    }
}
