//! Invoke: which version a name stands for, whether there is room, and the function's answer.

use crate::functions::{Answer, Asked, Functions};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use stator_api::arn::Owner;
use stator_catalog::{Alias, Function, FunctionVersion, LATEST, Qualified};
use stator_changelog::HOPS_MAX;
use stator_functions::{CodeError, Deployment, FailureKind, Invocation, Invoked, Outcome, RunError};
use stator_lambda::{
    FunctionReference, LambdaError, ThrottleReason, lineage,
    operation::{InvocationType, Invoke},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What an invocation may take beyond the function's own timeout: the start of an instance, and the way.
const BEYOND_TIMEOUT: Duration = Duration::from_secs(30);
/// A function with this tag may open connections to anywhere, and not to Stator only.
const NETWORK_TAG: (&str, &str) = ("stator:network", "open");
/// The function gets this where the request has no payload.
const NO_PAYLOAD: &[u8] = b"{}";

const LOOPED: &str = "Lambda detected your function being invoked in a recursive loop with other AWS resources and stopped your \
    function's invocation.";

/// An event and what comes with it.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub request_id: String,
    pub payload: Bytes,
    pub trace_id: String,
    pub client_context: Option<String>,
}

/// What became of an event, and which version it was.
pub(crate) struct Ran {
    pub invoked: Invoked,
    /// `$LATEST` or a number.
    pub version: String,
}

impl Functions {
    /// Answers Invoke.
    pub(crate) async fn invoke(&self, input: Invoke, payload: &[u8], asked: Asked<'_>) -> Result<Answer, LambdaError> {
        input.function.check(&self.owner()?)?;
        let deadline = self.deadline(self.settings.control_time_max);
        let function = self.known(&input.function, deadline).await?;
        let event = Event {
            request_id: asked.request_id.to_owned(),
            payload: if payload.is_empty() { Bytes::from_static(NO_PAYLOAD) } else { Bytes::copy_from_slice(payload) },
            trace_id: asked.trace_id.map_or_else(|| self.new_trace(), str::to_owned),
            client_context: input.client_context,
        };
        match input.invocation_type {
            InvocationType::DryRun => Ok(Answer { status: 204, headers: Vec::new(), body: Bytes::new() }),
            InvocationType::Event => {
                self.accept(&function, input.function.qualifier.as_deref(), event, deadline).await?;
                Ok(Answer { status: 202, headers: Vec::new(), body: Bytes::new() })
            }
            InvocationType::RequestResponse => {
                let ran = self.run(function, input.function.qualifier, event).await?;
                Ok(answer(ran, input.with_log))
            }
        }
    }

    /// Has a function work on an event, whether or not the caller goes on waiting.
    pub(crate) async fn run(
        &self,
        function: Arc<Function>,
        qualifier: Option<String>,
        event: Event,
    ) -> Result<Ran, LambdaError> {
        let Some(me) = self.me() else { return Err(LambdaError::internal()) };
        let running = tokio::spawn(async move { me.run_here(&function, qualifier.as_deref(), event).await });
        running.await.unwrap_or_else(|_| Err(LambdaError::internal()))
    }

    async fn run_here(&self, function: &Function, qualifier: Option<&str>, event: Event) -> Result<Ran, LambdaError> {
        let owner = self.owner()?;
        let (number, version) = self.choose(function, qualifier)?;
        let execution = self.concurrency.begin(function, &self.tables.catalog()).map_err(|reason| {
            self.metrics.throttled(&function.name);
            LambdaError::TooManyRequests(reason)
        })?;
        let deployment = Arc::new(deployment(function, number, &version, &owner));
        let shown_version = deployment.version.clone();
        let deadline = self.environment.clock.elapsed() + deployment.timeout + BEYOND_TIMEOUT;
        let Event { request_id, payload, trace_id, client_context } = event;
        let trace_id = self.trace_of_call(function, &trace_id)?;
        let invocation = Invocation { request_id, payload, deadline, trace_id, client_context };
        let outcome = self.runner.run(deployment, invocation).await;
        drop(execution);
        match outcome {
            Ok(invoked) => Ok(Ran { invoked, version: shown_version }),
            Err(error) => Err(not_run(error)),
        }
    }

    /// The trace that the function gets, with one call more behind it.
    ///
    /// # Errors
    /// The calls behind it are as many as a loop has.
    fn trace_of_call(&self, function: &Function, trace: &str) -> Result<String, LambdaError> {
        let hops = lineage::hops(trace).saturating_add(1);
        if hops > HOPS_MAX && !function.may_recur {
            self.metrics.looped(&function.name);
            tracing::warn!(function = %function.name, hops, "a loop of functions was stopped");
            return Err(LambdaError::RecursiveInvocation(LOOPED.to_owned()));
        }
        Ok(lineage::with_hops(trace, &function.name, hops))
    }

    /// The version that a qualifier stands for this time.
    fn choose(
        &self,
        function: &Function,
        qualifier: Option<&str>,
    ) -> Result<(Option<u64>, Arc<FunctionVersion>), LambdaError> {
        let missing = || LambdaError::no_such_function(&function.name, qualifier);
        let number = match function.qualified(qualifier.unwrap_or(LATEST)).ok_or_else(missing)? {
            Qualified::Latest(_) => None,
            Qualified::Version(number, _) => Some(number),
            Qualified::Alias(alias) => weighed(alias, self.environment.random.next_u64()),
        };
        Ok((number, function.version(number).ok_or_else(missing)?.clone()))
    }

    /// A trace of its own, in the form that AWS's has.
    pub(crate) fn new_trace(&self) -> String {
        let seconds = self.environment.clock.wall_ms() / 1_000;
        let random = self.environment.random.next_u128();
        let digits = format!("{random:032x}");
        format!("Root=1-{seconds:08x}-{};Sampled=0", digits.get(..24).unwrap_or_default())
    }
}

/// One of an alias' versions; `random` decides.
fn weighed(alias: &Alias, random: u64) -> Option<u64> {
    // 53 bits: as many as a fraction has.
    let fraction = (random >> 11) as f64 / (1_u64 << 53) as f64;
    match alias.additional {
        Some((number, weight)) if fraction < weight => Some(number),
        _ => alias.version,
    }
}

/// Where what a function's version prints is kept; without a version, where it is unless one says otherwise.
pub fn log_group(function: &str, version: Option<&FunctionVersion>) -> String {
    let group = version.and_then(|version| version.configuration.logging.group.clone());
    group.unwrap_or_else(|| format!("/aws/lambda/{function}"))
}

fn deployment(function: &Function, number: Option<u64>, version: &FunctionVersion, owner: &Owner) -> Deployment {
    let configuration = &version.configuration;
    let shown = number.map_or_else(|| LATEST.to_owned(), |number| number.to_string());
    let open_network = function.tags.get(NETWORK_TAG.0).is_some_and(|value| value == NETWORK_TAG.1);
    Deployment {
        arn: owner.function_arn(&function.name, Some(&shown)),
        name: function.name.clone(),
        version: shown,
        runtime: configuration.runtime.clone(),
        handler: configuration.handler.clone(),
        timeout: Duration::from_secs(u64::from(configuration.timeout_s)),
        memory_mb: configuration.memory_mb,
        ephemeral_mb: configuration.ephemeral_mb,
        environment: configuration.environment.as_ref().map_or_else(BTreeMap::new, |variables| variables.0.clone()),
        code_sha256: version.code.sha256,
        // The same name may be another function's by now; tags change no version.
        revision: format!("{:x}-{:032x}-{}", function.id.0, version.revision, u8::from(open_network)),
        open_network,
        log_group: log_group(&function.name, Some(version)),
    }
}

/// Why there is no answer of the function.
fn not_run(error: RunError) -> LambdaError {
    let text = error.to_string();
    match error {
        RunError::NoRoom => LambdaError::TooManyRequests(ThrottleReason::Region),
        RunError::RuntimeUnavailable { .. } => LambdaError::InvalidRuntime(text),
        RunError::Code(CodeError::NotFound | CodeError::Invalid(_)) => LambdaError::InvalidZipFile(text),
        RunError::Code(CodeError::Unavailable(_))
        | RunError::Credentials(_)
        | RunError::DeadlineExceeded
        | RunError::Sandbox(_)
        | RunError::Start(_)
        | RunError::Closed => LambdaError::Service(text),
    }
}

fn answer(ran: Ran, with_log: bool) -> Answer {
    let mut headers = vec![("x-amz-executed-version", ran.version)];
    if with_log {
        headers.push(("x-amz-log-result", STANDARD.encode(&ran.invoked.log_tail)));
    }
    let body = match ran.invoked.outcome {
        Outcome::Answered { payload } => payload,
        Outcome::Failed { kind, payload } => {
            headers.push(("x-amz-function-error", failure(kind).to_owned()));
            payload
        }
    };
    Answer { status: 200, headers, body }
}

/// The value of `X-Amz-Function-Error`.
pub(crate) fn failure(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Handled => "Handled",
        FailureKind::Unhandled => "Unhandled",
    }
}

/// What an event's function and qualifier are called.
pub(crate) fn reference(name: &str, qualifier: Option<&str>) -> Option<FunctionReference> {
    FunctionReference::parse(&match qualifier {
        Some(qualifier) => format!("{name}:{qualifier}"),
        None => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_divide_invocations() {
        let alias = |additional| Alias { version: Some(1), description: String::new(), additional, revision: 0 };
        assert_eq!(weighed(&alias(None), 0), Some(1));
        assert_eq!(weighed(&alias(Some((2, 0.0))), 0), Some(1));
        assert_eq!(weighed(&alias(Some((2, 1.0))), u64::MAX), Some(2));
        assert_eq!(weighed(&alias(Some((2, 0.25))), u64::MAX / 4 - (1 << 12)), Some(2));
        assert_eq!(weighed(&alias(Some((2, 0.25))), u64::MAX / 4 + (1 << 12)), Some(1));
    }
}
