//! Lambda's words: error objects, and the lines that frame an invocation's log.

use crate::{
    deployment::{Deployment, FailureKind, Outcome},
    exchange::Exit,
    runtime_api::RESPONSE_MAX,
};
use bytes::Bytes;
use std::time::Duration;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const TIMESTAMP: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Why an invocation has no answer of the function's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    TimedOut,
    /// The processes had more memory than the deployment has.
    OutOfMemory,
    Exited(Exit),
}

impl Fault {
    /// `Status` and `Error Type` of the REPORT line.
    fn status(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Fault::TimedOut => ("timeout", None),
            Fault::OutOfMemory => ("error", Some("Runtime.OutOfMemory")),
            Fault::Exited(Exit::NotStarted(_)) => ("error", Some("Runtime.InvalidEntrypoint")),
            Fault::Exited(_) => ("error", Some("Runtime.ExitError")),
        }
    }

    /// The error object, and the line that the log has for it.
    pub fn tell(&self, deployment: &Deployment, request_id: &str, wall_ms: u64) -> (Outcome, String) {
        let (kind, message) = match self {
            Fault::TimedOut => {
                let task = format!("Task timed out after {:.2} seconds", deployment.timeout.as_secs_f64());
                let line = format!("{} {request_id} {task}", timestamp(wall_ms));
                return (failed("Sandbox.Timedout", &format!("RequestId: {request_id} Error: {task}")), line);
            }
            Fault::OutOfMemory => ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed".to_owned()),
            Fault::Exited(Exit::Code(0)) => {
                ("Runtime.ExitError", "Runtime exited without providing a reason".to_owned())
            }
            Fault::Exited(Exit::Code(code)) => {
                ("Runtime.ExitError", format!("Runtime exited with error: exit status {code}"))
            }
            Fault::Exited(Exit::Signal(signal)) => {
                ("Runtime.ExitError", format!("Runtime exited with error: signal: {}", signal_name(*signal)))
            }
            Fault::Exited(Exit::NotStarted(reason)) => ("Runtime.InvalidEntrypoint", reason.clone()),
        };
        let message = format!("RequestId: {request_id} Error: {message}");
        let line = format!("{message}\n{kind}");
        (failed(kind, &message), line)
    }
}

/// The error object for a response that had too many bytes.
pub(crate) fn too_large() -> Outcome {
    let message = format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_MAX} bytes).");
    failed("Function.ResponseSizeTooLarge", &message)
}

fn failed(kind: &str, message: &str) -> Outcome {
    let payload = serde_json::json!({"errorType": kind, "errorMessage": message}).to_string();
    Outcome::Failed { kind: FailureKind::Unhandled, payload: Bytes::from(payload) }
}

pub(crate) fn start_line(deployment: &Deployment, request_id: &str) -> String {
    format!("START RequestId: {request_id} Version: {}", deployment.version)
}

pub(crate) fn end_line(request_id: &str) -> String {
    format!("END RequestId: {request_id}")
}

/// What the REPORT line says.
pub(crate) struct Report<'a> {
    pub deployment: &'a Deployment,
    pub request_id: &'a str,
    pub duration: Duration,
    pub billed: Duration,
    pub init: Option<Duration>,
    pub max_memory_mb: u32,
    pub fault: Option<&'a Fault>,
}

impl Report<'_> {
    pub fn line(&self) -> String {
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            self.request_id,
            milliseconds(self.duration),
            self.billed.as_millis(),
            self.deployment.memory_mb,
            self.max_memory_mb,
        );
        if let Some(init) = self.init {
            line.push_str(&format!("Init Duration: {:.2} ms\t", milliseconds(init)));
        }
        if let Some((status, kind)) = self.fault.map(Fault::status) {
            line.push_str(&format!("Status: {status}"));
            if let Some(kind) = kind {
                line.push_str(&format!("\tError Type: {kind}"));
            }
        }
        line
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// `duration` rounded up to whole milliseconds, as it is billed.
pub(crate) fn billed(duration: Duration) -> Duration {
    Duration::from_millis(duration.as_micros().div_ceil(1000).try_into().unwrap_or(u64::MAX))
}

/// A moment as in log lines.
pub(crate) fn timestamp(wall_ms: u64) -> String {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(wall_ms) * 1_000_000)
        .ok()
        .and_then(|moment| moment.format(TIMESTAMP).ok())
        .unwrap_or_default()
}

/// The words that Lambda has for signals, which are those of Go's library.
fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGABRT => "aborted".to_owned(),
        libc::SIGBUS => "bus error".to_owned(),
        libc::SIGFPE => "floating point exception".to_owned(),
        libc::SIGILL => "illegal instruction".to_owned(),
        libc::SIGINT => "interrupt".to_owned(),
        libc::SIGKILL => "killed".to_owned(),
        libc::SIGPIPE => "broken pipe".to_owned(),
        libc::SIGSEGV => "segmentation fault".to_owned(),
        libc::SIGSYS => "bad system call".to_owned(),
        libc::SIGTERM => "terminated".to_owned(),
        libc::SIGTRAP => "trace/breakpoint trap".to_owned(),
        libc::SIGXFSZ => "file size limit exceeded".to_owned(),
        other => format!("signal {other}"),
    }
}
