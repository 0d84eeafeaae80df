//! The functions of a cluster, as one node serves them.

use crate::{code::StoredCode, concurrency::Concurrency, metrics::Metrics, queue::EventQueue, settings::Settings};
use bytes::Bytes;
use prometheus_client::registry::Registry;
use stator_api::arn::Owner;
use stator_catalog::{Function, FunctionId, LATEST};
use stator_cluster::{Deadline, Door, Tables};
use stator_environment::{BoxFuture, Environment, Task};
use stator_functions::{Deployment, Invocation, Invoked, RunError, Runner};
use stator_lambda::{FunctionReference, LambdaError};
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::sync::Notify;

pub(crate) const FUNCTION_ARN: &str = "this is no ARN of a function";

/// How often functions are looked through for those that are gone or have changed.
const RETIRE_LOOK_EVERY: Duration = Duration::from_secs(1);

/// What runs code.
///
/// Two real users: the runner of a node, and the tests of this crate.
pub trait Runs: Send + Sync + 'static {
    /// Has a function work on an event. Dropping the future may end it.
    fn run(&self, deployment: Arc<Deployment>, invocation: Invocation) -> BoxFuture<'_, Result<Invoked, RunError>>;

    /// Ends what waits for events of a function's version, or of all its versions if the ARN has no qualifier.
    fn retire(&self, arn: &str);
}

impl Runs for Runner {
    fn run(&self, deployment: Arc<Deployment>, invocation: Invocation) -> BoxFuture<'_, Result<Invoked, RunError>> {
        Box::pin(self.invoke(deployment, invocation))
    }

    fn retire(&self, arn: &str) {
        Runner::retire(self, arn, None);
    }
}

/// What the functions of a node stand on.
pub struct FunctionsParts {
    pub environment: Environment,
    pub door: Arc<dyn Door>,
    pub tables: Arc<dyn Tables>,
    pub runner: Arc<dyn Runs>,
    pub settings: Settings,
}

/// The functions of a cluster, as one node serves them.
pub struct Functions {
    pub(crate) environment: Environment,
    pub(crate) door: Arc<dyn Door>,
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) runner: Arc<dyn Runs>,
    pub(crate) code: StoredCode,
    pub(crate) queue: EventQueue,
    pub(crate) concurrency: Concurrency,
    pub(crate) metrics: Metrics,
    pub(crate) settings: Settings,
    /// An event may be due.
    pub(crate) wake: Notify,
    /// This, for what goes on without its caller.
    me: Weak<Functions>,
}

/// What a request has beside its parts.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `x-amzn-RequestId`, a UUID.
    pub request_id: &'a str,
    /// `Host`: where the client reaches this node.
    pub host: &'a str,
    /// `X-Amzn-Trace-Id`, if the client sent it.
    pub trace_id: Option<&'a str>,
}

/// What a request is answered with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: u16,
    /// In lower case.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
}

impl Functions {
    /// Made once a node; then [`begin`](Functions::begin).
    pub fn new(parts: FunctionsParts, registry: &mut Registry) -> Arc<Functions> {
        let FunctionsParts { environment, door, tables, runner, settings } = parts;
        let code = StoredCode::new(door.clone(), tables.clone(), environment.clone());
        Arc::new_cyclic(|me| Functions {
            queue: EventQueue { items: code.items.clone(), environment: environment.clone() },
            code,
            concurrency: Concurrency::default(),
            metrics: Metrics::new(registry),
            wake: Notify::new(),
            me: me.clone(),
            environment,
            door,
            tables,
            runner,
            settings,
        })
    }

    /// Begins to work on accepted events and to remove code that is not used. For as long as the tasks are not stopped.
    pub fn begin(self: &Arc<Functions>) -> Vec<Task> {
        let tasks = &self.environment.tasks;
        vec![
            tasks.spawn("function events", Box::pin(self.clone().work_on_events())),
            tasks.spawn("function code", Box::pin(self.clone().sweep_code())),
            tasks.spawn("retired functions", Box::pin(self.clone().retire_old())),
        ]
    }

    pub(crate) fn me(&self) -> Option<Arc<Functions>> {
        self.me.upgrade()
    }

    /// Whose name ARNs bear.
    pub(crate) fn owner(&self) -> Result<Owner, LambdaError> {
        let catalog = self.tables.catalog();
        let identity = catalog.identity().ok_or_else(LambdaError::internal)?;
        Ok(Owner { region: identity.region.clone(), account_id: identity.account_id.clone() })
    }

    pub(crate) fn deadline(&self, time: Duration) -> Deadline {
        Deadline(self.environment.clock.elapsed() + time)
    }

    /// The function that a request names, as this node knows it; before it says that there is none, the catalog's leader was
    /// asked.
    pub(crate) async fn known(
        &self,
        reference: &FunctionReference,
        deadline: Deadline,
    ) -> Result<Arc<Function>, LambdaError> {
        let has = |function: &&Arc<Function>| {
            reference.qualifier.as_deref().is_none_or(|qualifier| function.qualified(qualifier).is_some())
        };
        if let Some(function) = self.tables.catalog().function(&reference.name).filter(has) {
            return Ok(function.clone());
        }
        let newest = self.tables.newest(deadline).await;
        let found = newest.function(&reference.name).filter(has).cloned();
        found.ok_or_else(|| LambdaError::no_such_function(&reference.name, reference.qualifier.as_deref()))
    }

    /// Ends instances of functions that are gone or whose `$LATEST` has changed, through whichever node that came.
    async fn retire_old(self: Arc<Functions>) {
        let mut before: BTreeMap<String, (FunctionId, u128)> = BTreeMap::new();
        let mut seen = None;
        loop {
            self.environment.sleep(RETIRE_LOOK_EVERY).await;
            let catalog = self.tables.catalog();
            let (Ok(owner), true) = (self.owner(), seen.replace(catalog.revision()) != Some(catalog.revision())) else {
                continue;
            };
            let now: BTreeMap<String, (FunctionId, u128)> = catalog
                .functions()
                .map(|function| (function.name.clone(), (function.id, function.latest.revision)))
                .collect();
            for (name, (id, revision)) in &before {
                match now.get(name) {
                    Some((id_now, _)) if id_now != id => self.runner.retire(&owner.function_arn(name, None)),
                    None => {
                        self.runner.retire(&owner.function_arn(name, None));
                        self.metrics.forget(name);
                    }
                    Some((_, revision_now)) if revision_now != revision => {
                        self.runner.retire(&owner.function_arn(name, Some(LATEST)));
                    }
                    Some(_) => {}
                }
            }
            before = now;
        }
    }

    async fn sweep_code(self: Arc<Functions>) {
        loop {
            self.environment.sleep(self.settings.sweep_every).await;
            match self.code.sweep(self.settings.code_kept_for, self.environment.clock.wall_ms()).await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "code that no function uses was removed"),
                Err(refusal) => tracing::debug!(%refusal, "code that no function uses is not removed yet"),
            }
        }
    }
}
