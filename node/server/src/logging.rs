//! Logs: text for people or one JSON object a line, to the standard error output.

use crate::{
    error::ServerError,
    settings::{LogFormat, Logs},
};
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Begins logging, for the whole process. `level_default` holds if the operator said nothing.
pub fn start(logs: &Logs, level_default: &str) -> Result<(), ServerError> {
    let level = logs.log_level.as_deref().unwrap_or(level_default);
    let filter =
        EnvFilter::try_new(level).map_err(|error| ServerError::Usage(format!("--log-level {level}: {error}")))?;
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match logs.log {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}
