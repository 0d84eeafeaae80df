//! What the rest of the node tells the runner, and what it is told: the words of this crate's interface.

use bytes::Bytes;
use stator_environment::BoxFuture;
use std::{collections::BTreeMap, time::Duration};

/// What one version of a function needs to run. Two deployments with the same `arn` and `revision` are the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deployment {
    /// The qualified ARN, as the function is told it.
    pub arn: String,
    /// The bare name.
    pub name: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// As in CreateFunction: `python3.12`, `nodejs22.x`, `provided.al2023`.
    pub runtime: String,
    pub handler: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    pub memory_mb: u32,
    /// The size of `/tmp`.
    pub ephemeral_mb: u32,
    /// The function's own variables. The reserved ones of the runtime win over them.
    pub environment: BTreeMap<String, String>,
    pub code_sha256: [u8; 32],
    /// Changes with every change of code or configuration: instances of another revision are not used.
    pub revision: String,
    /// The function may open connections to anywhere, not to Stator only.
    pub open_network: bool,
    pub log_group: String,
}

/// One event for a function.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub request_id: String,
    pub payload: Bytes,
    /// When the caller stops waiting, on the clock of elapsed time. The function's own timeout counts besides.
    pub deadline: Duration,
    /// As in `X-Amzn-Trace-Id`; handed on to the function.
    pub trace_id: String,
    /// The client context's JSON (not base64).
    pub client_context: Option<String>,
}

/// What became of an event.
#[derive(Clone, Debug)]
pub struct Invoked {
    pub outcome: Outcome,
    /// The last 4 KB of the log, framed by START, END and REPORT.
    pub log_tail: Vec<u8>,
    /// From handing over the event to the answer.
    pub duration: Duration,
    /// `duration` and `init`, rounded up to milliseconds.
    pub billed: Duration,
    /// How long the instance took to start, if it was started for this event.
    pub init: Option<Duration>,
    pub max_memory_mb: u32,
}

/// What the function answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Answered {
        payload: Bytes,
    },
    /// `payload` is the error object as Lambda reports it: `errorMessage`, `errorType`, perhaps `stackTrace`.
    Failed {
        kind: FailureKind,
        payload: Bytes,
    },
}

/// The value of `X-Amz-Function-Error`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailureKind {
    /// Only the earliest runtimes of Lambda told it apart; no runtime here reports it.
    Handled,
    /// An error that the handler raised, too, is reported as this by the Runtime API.
    Unhandled,
}

/// Why an event was not handed to a function, or nobody knows what became of it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No instance is free, and the node has no room for another one. To be throttled.
    #[error("the node has no room for another instance")]
    NoRoom,
    /// The caller's deadline passed; the function may have run.
    #[error("the function had not answered at the deadline")]
    DeadlineExceeded,
    /// This node has no such runtime.
    #[error("the runtime {runtime} cannot be run on this node: {reason}")]
    RuntimeUnavailable { runtime: String, reason: String },
    #[error(transparent)]
    Code(#[from] CodeError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The setting asks for a sandbox that this machine cannot give.
    #[error("the sandbox is required and cannot be had: {0}")]
    Sandbox(String),
    /// The operating system refused what it takes to start an instance.
    #[error("an instance cannot be started: {0}")]
    Start(String),
    /// The node is shutting down.
    #[error("the runner is closed")]
    Closed,
}

/// Why there is no code.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CodeError {
    #[error("the code is gone")]
    NotFound,
    /// To be tried again.
    #[error("the code cannot be read now: {0}")]
    Unavailable(String),
    /// It is no zip, or one that is refused.
    #[error("the code cannot be unpacked: {0}")]
    Invalid(String),
}

/// Where the zips are.
pub trait CodeSource: Send + Sync + 'static {
    /// The bytes of the zip with this SHA-256.
    fn code(&self, sha256: [u8; 32]) -> BoxFuture<'_, Result<Bytes, CodeError>>;
}

/// What a function signs its requests with.
#[derive(Clone)]
pub struct SessionCredentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
    /// Milliseconds since 1970. An instance ends before it.
    pub expires_at_ms: u64,
}

/// Why there are no credentials. To be tried again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no credentials for the function: {0}")]
pub struct CredentialsError(pub String);

/// Who issues credentials.
pub trait Credentials: Send + Sync + 'static {
    /// New credentials for one instance of a function (its qualified ARN).
    fn issue(&self, function_arn: &str) -> BoxFuture<'_, Result<SessionCredentials, CredentialsError>>;
}

/// Where the lines go that functions print.
pub trait LogSink: Send + Sync + 'static {
    /// Takes lines in their order. Must not block: what does not fit is dropped and counted there.
    fn write(&self, group: &str, stream: &str, at_ms: u64, lines: Vec<String>);
}

/// Stator's API, as functions reach it.
pub trait Endpoint: Send + Sync + 'static {
    /// Serves one connection that a function opened to `AWS_ENDPOINT_URL`: HTTP without TLS. It never leaves this machine.
    fn serve(&self, connection: tokio::net::TcpStream) -> BoxFuture<'static, ()>;
}

/// An endpoint that passes connections on to an address on which this node serves plain HTTP.
pub struct Forward(pub std::net::SocketAddr);

impl Endpoint for Forward {
    fn serve(&self, mut connection: tokio::net::TcpStream) -> BoxFuture<'static, ()> {
        let address = self.0;
        Box::pin(async move {
            let passed = async {
                let mut node = tokio::net::TcpStream::connect(address).await?;
                node.set_nodelay(true)?;
                connection.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut connection, &mut node).await
            };
            if let Err(error) = passed.await {
                tracing::debug!(%address, %error, "a function's connection to the node has ended");
            }
        })
    }
}
