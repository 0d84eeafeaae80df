//! The async runtime that openraft sees: tokio's timers and channels, but clock, randomness and tasks of the node's environment.
//!
//! openraft asks for the time and for tasks through functions without an argument, so the environment is task-local: every
//! future that calls into openraft runs inside [`scope`], and so does every task that openraft spawns from there. Several nodes with
//! clocks of their own can therefore live in one process.

use futures::FutureExt;
use openraft_rt::{AsyncRuntime, Instant, OptionalSend, deterministic_rng::DeterministicRng};
use openraft_rt_tokio::{TokioMpsc, TokioMutex, TokioOneshot, TokioRuntime, TokioWatch};
use stator_environment::{Clock, Environment, SystemClock};
use std::{
    fmt,
    future::Future,
    ops::{Add, AddAssign, Sub, SubAssign},
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::oneshot;

tokio::task_local! {
    static ENVIRONMENT: Arc<Environment>;
}

/// Runs `future` as a part of the node that `environment` belongs to.
pub(crate) fn scope<F: Future>(environment: Arc<Environment>, future: F) -> impl Future<Output = F::Output> {
    ENVIRONMENT.scope(environment, future)
}

/// Calls `function` as a part of the node that `environment` belongs to.
pub(crate) fn scope_sync<T>(environment: Arc<Environment>, function: impl FnOnce() -> T) -> T {
    ENVIRONMENT.sync_scope(environment, function)
}

/// Outside of any scope there is only printing of metrics, for which the machine's clock will do.
fn elapsed() -> Duration {
    ENVIRONMENT.try_with(|environment| environment.clock.elapsed()).unwrap_or_else(|_| SystemClock.elapsed())
}

fn real_duration(duration: Duration) -> Duration {
    ENVIRONMENT.try_with(|environment| environment.clock.real_duration(duration)).unwrap_or(duration)
}

/// A moment on the node's elapsed clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct StatorInstant(pub(crate) Duration);

impl Add<Duration> for StatorInstant {
    type Output = StatorInstant;

    fn add(self, duration: Duration) -> StatorInstant {
        StatorInstant(self.0.saturating_add(duration))
    }
}

impl AddAssign<Duration> for StatorInstant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for StatorInstant {
    type Output = StatorInstant;

    fn sub(self, duration: Duration) -> StatorInstant {
        StatorInstant(self.0.saturating_sub(duration))
    }
}

impl SubAssign<Duration> for StatorInstant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for StatorInstant {
    type Output = Duration;

    fn sub(self, earlier: StatorInstant) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Instant for StatorInstant {
    fn now() -> StatorInstant {
        StatorInstant(elapsed())
    }
}

/// Why a task of openraft has no result.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TaskEnd {
    Panicked,
    Stopped,
}

impl fmt::Display for TaskEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            TaskEnd::Panicked => "the task panicked",
            TaskEnd::Stopped => "the task was stopped",
        })
    }
}

/// Waits for the result of a task. Dropping it lets the task go on.
pub(crate) struct TaskResult<T>(oneshot::Receiver<Result<T, TaskEnd>>);

impl<T> Future for TaskResult<T> {
    type Output = Result<T, TaskEnd>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context).map(|received| received.unwrap_or(Err(TaskEnd::Stopped)))
    }
}

pub(crate) struct StatorRuntime(TokioRuntime);

impl fmt::Debug for StatorRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StatorRuntime")
    }
}

impl AsyncRuntime for StatorRuntime {
    type JoinError = TaskEnd;
    type JoinHandle<T: OptionalSend + 'static> = TaskResult<T>;
    type Sleep = tokio::time::Sleep;
    type Instant = StatorInstant;
    type TimeoutError = tokio::time::error::Elapsed;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = tokio::time::Timeout<T>;
    type ThreadLocalRng = <DeterministicRng<TokioRuntime> as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = TokioMpsc;
    type Watch = TokioWatch;
    type Oneshot = TokioOneshot;
    type Mutex<T: OptionalSend + 'static> = TokioMutex<T>;

    fn spawn<T>(future: T) -> TaskResult<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let task = async move {
            let result = AssertUnwindSafe(future).catch_unwind().await;
            // Nobody waits for most tasks.
            let _ = sender.send(result.map_err(|_| TaskEnd::Panicked));
        };
        match ENVIRONMENT.try_with(Arc::clone) {
            Ok(environment) => {
                let tasks = environment.tasks.clone();
                tasks.spawn("raft", Box::pin(scope(environment, task)));
            }
            Err(_) => drop(tokio::spawn(task)),
        }
        TaskResult(receiver)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(real_duration(duration))
    }

    fn sleep_until(deadline: StatorInstant) -> Self::Sleep {
        Self::sleep(deadline - StatorInstant::now())
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(duration: Duration, future: F) -> Self::Timeout<R, F> {
        tokio::time::timeout(real_duration(duration), future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(deadline: StatorInstant, future: F) -> Self::Timeout<R, F> {
        Self::timeout(deadline - StatorInstant::now(), future)
    }

    fn is_panic(end: &TaskEnd) -> bool {
        *end == TaskEnd::Panicked
    }

    /// openraft draws an election timeout or a tick's phase from it, so a fresh generator for each call is good enough.
    fn thread_rng() -> Self::ThreadLocalRng {
        let seed = ENVIRONMENT.try_with(|environment| environment.random.next_u64()).unwrap_or_default();
        // The scope is the only way to give this generator a seed without depending on `rand` ourselves.
        DeterministicRng::<TokioRuntime>::scope(seed, async { DeterministicRng::<TokioRuntime>::thread_rng() })
            .now_or_never()
            .expect("the future never waits")
    }

    fn new(threads: usize) -> StatorRuntime {
        StatorRuntime(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}
