//! Runs code: each function in processes of its own, behind a sandbox, over AWS Lambda's Runtime API.
//!
//! A [`Runner`] is given a [`Deployment`] (what to run) and an [`Invocation`] (an event) and answers with what the function
//! made of it. Instances stay warm and take one event at a time. It knows no tables, no streams and no catalog: the zip comes
//! from a [`CodeSource`], credentials from [`Credentials`], lines go to a [`LogSink`], and requests of functions to Stator
//! reach an [`Endpoint`].
//!
//! `docs/sandbox.md` says what keeps a function from the rest of the machine, and what does not.

mod code;
mod deployment;
mod exchange;
mod instance;
mod interpreter;
mod log;
mod metrics;
mod pool;
mod report;
mod runner;
mod runtime_api;
pub mod sandbox;
mod settings;
mod starter;
mod variables;

pub use deployment::{
    CodeError, CodeSource, Credentials, CredentialsError, Deployment, Endpoint, FailureKind, Forward, Invocation,
    Invoked, LogSink, Outcome, RunError, SessionCredentials,
};
pub use runner::Runner;
pub use settings::{RunnerSettings, SandboxMode};
