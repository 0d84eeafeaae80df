//! The runner: events in, answers out.

use crate::{
    RunnerSettings,
    code::CodeCache,
    deployment::{
        CodeSource, Credentials, Deployment, Endpoint, FailureKind, Invocation, Invoked, LogSink, Outcome, RunError,
    },
    exchange::Started,
    instance::{Instance, Run, Times},
    metrics::Metrics,
    pool::{Key, Pool},
    report::Fault,
    starter::{Birth, Starter},
};
use prometheus_client::registry::Registry;
use stator_environment::{Environment, Task};
use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

/// How often instances without work are looked through.
const EXPIRY_CHECK: Duration = Duration::from_secs(1);
/// How long the end of all instances may take.
const CLOSE_MAX: Duration = Duration::from_secs(10);
/// Instances that may turn out to have ended before one gets an event that it was given.
const ATTEMPTS: usize = 3;

struct Parts {
    starter: Starter,
    pool: Arc<Pool>,
    metrics: Arc<Metrics>,
    environment: Environment,
    init_max: Duration,
    idle_max: Duration,
}

/// Runs the functions of a node.
pub struct Runner {
    parts: Arc<Parts>,
    expiry: Task,
}

/// How an instance's first moments went.
enum Begun {
    Working(Box<Instance>, Times),
    /// It never asked for its event.
    Failed(Box<Invoked>),
}

impl Runner {
    /// A runner without instances. Makes its folder; starts nothing before the first event.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn new(
        settings: RunnerSettings,
        environment: Environment,
        registry: &mut Registry,
        code: Arc<dyn CodeSource>,
        credentials: Arc<dyn Credentials>,
        logs: Arc<dyn LogSink>,
        endpoint: Arc<dyn Endpoint>,
    ) -> io::Result<Runner> {
        let metrics = Arc::new(Metrics::new(registry));
        let code = CodeCache::open(settings.folder.join("code"), settings.code_cache_bytes, code)?;
        let pool =
            Arc::new(Pool::new(environment.clone(), metrics.clone(), settings.instances_max, settings.memory_max_mb));
        let (init_max, idle_max) = (settings.init_max, settings.idle_max);
        let starter = Starter::new(settings, environment.clone(), code, credentials, logs, endpoint)?;
        let parts = Arc::new(Parts { starter, pool, metrics, environment: environment.clone(), init_max, idle_max });
        let expiry = environment.tasks.spawn("function expiry", Box::pin(expire(Arc::downgrade(&parts))));
        Ok(Runner { parts, expiry })
    }

    /// Has a function work on an event, on an instance that waits or a new one. Dropping the future ends the instance.
    ///
    /// # Errors
    /// See [`RunError`]. A function that fails is no error here but an [`Outcome::Failed`].
    pub async fn invoke(&self, deployment: Arc<Deployment>, invocation: Invocation) -> Result<Invoked, RunError> {
        let invoked = self.parts.invoke(&deployment, &invocation).await;
        match &invoked {
            Ok(invoked) => {
                let failed = matches!(invoked.outcome, Outcome::Failed { .. });
                self.parts.metrics.invoked(&deployment.name, failed, invoked.duration);
            }
            Err(RunError::NoRoom) => self.parts.metrics.throttled(&deployment.name),
            Err(error) => tracing::debug!(function = deployment.arn, %error, "an event was not handed over"),
        }
        invoked
    }

    /// Ends the instances of a function's version, or of all its versions if `arn` has no qualifier; of one revision if it is
    /// given. Those at work end after their event.
    pub fn retire(&self, arn: &str, revision: Option<&str>) {
        self.parts.pool.retire(|key| {
            let qualifier = key.arn.strip_prefix(arn);
            let same = qualifier.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
            same && revision.is_none_or(|revision| key.revision == revision)
        });
    }

    /// Ends all instances, those at work too, and takes no more events.
    pub async fn close(&self) {
        self.expiry.stop();
        if !self.parts.pool.close(CLOSE_MAX).await {
            tracing::warn!("some processes of functions have not ended in time");
        }
        self.parts.starter.close();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.expiry.stop();
    }
}

/// Looks through the instances without work, as long as there is a runner.
async fn expire(parts: Weak<Parts>) {
    while let Some(parts) = parts.upgrade() {
        parts.pool.expire(parts.idle_max);
        let environment = parts.environment.clone();
        drop(parts);
        environment.sleep(EXPIRY_CHECK).await;
    }
}

impl Parts {
    async fn invoke(&self, deployment: &Arc<Deployment>, invocation: &Invocation) -> Result<Invoked, RunError> {
        let key = Key { arn: deployment.arn.clone(), revision: deployment.revision.clone() };
        for _ in 0..ATTEMPTS {
            let (instance, times) = match self.pool.take(&key) {
                Some(instance) => (Box::new(instance), self.times(deployment, invocation, Duration::ZERO, None)),
                None => match self.begin(deployment, invocation, &key).await? {
                    Begun::Working(instance, times) => (instance, times),
                    Begun::Failed(invoked) => return Ok(*invoked),
                },
            };
            match instance.run(invocation, times).await {
                Run::Done { invoked, reusable } => {
                    if self.pool.is_closed() {
                        return Err(RunError::Closed);
                    }
                    if reusable {
                        self.pool.give_back(*instance);
                    }
                    return Ok(*invoked);
                }
                Run::DeadlineExceeded => return Err(RunError::DeadlineExceeded),
                Run::NotTaken => {}
            }
        }
        Err(RunError::Start("instances end before they take their event".to_owned()))
    }

    /// Until when an event handed over now must be answered; `late` is what the start took of the function's own time.
    fn times(&self, deployment: &Deployment, invocation: &Invocation, late: Duration, init: Option<Duration>) -> Times {
        let timeout = self.environment.clock.elapsed() + deployment.timeout.saturating_sub(late);
        let until = timeout.min(invocation.deadline);
        Times { until, is_timeout: timeout <= invocation.deadline, init }
    }

    /// Starts an instance and waits until it asks for its first event. A start that takes longer than it may goes on within the
    /// time that the function has for its event.
    async fn begin(&self, deployment: &Arc<Deployment>, invocation: &Invocation, key: &Key) -> Result<Begun, RunError> {
        let lease = self.pool.reserve(key.clone(), deployment.memory_mb).await?;
        let begun = self.environment.clock.elapsed();
        if begun >= invocation.deadline {
            return Err(RunError::DeadlineExceeded);
        }
        let limit = (begun + self.init_max + deployment.timeout).min(invocation.deadline);
        let is_timeout = limit < invocation.deadline;
        let starting = async {
            let birth = self.starter.start(deployment, lease).await?;
            let Birth { instance, mut started } = birth;
            let left = limit.saturating_sub(self.environment.clock.elapsed());
            Ok::<_, RunError>((Box::new(instance), self.environment.timeout(left, &mut started).await))
        };
        let left = invocation.deadline.saturating_sub(begun);
        let (instance, started) =
            self.environment.timeout(left, starting).await.ok_or(RunError::DeadlineExceeded)??;
        let init = self.environment.clock.elapsed().saturating_sub(begun);
        let result = match started {
            Some(Ok(Started::Ready)) => {
                self.metrics.started(&deployment.name, init);
                let late = init.saturating_sub(self.init_max);
                return Ok(Begun::Working(instance, self.times(deployment, invocation, late, Some(init))));
            }
            Some(Ok(Started::InitError(payload))) => Ok(Outcome::Failed { kind: FailureKind::Unhandled, payload }),
            Some(Ok(Started::Ended(exit))) => Err(instance.fault_of(exit)),
            None if !is_timeout => return Err(RunError::DeadlineExceeded),
            // The sender is in the exchange, which the instance holds.
            None | Some(Err(_)) => Err(Fault::TimedOut),
        };
        if self.pool.is_closed() {
            return Err(RunError::Closed);
        }
        Ok(Begun::Failed(Box::new(instance.stillborn(&invocation.request_id, result, init))))
    }
}
