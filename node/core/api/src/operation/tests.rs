//! Requests in, refusals or commands out; replies in, bodies out. Each text of DynamoDB's stands here at least once.

mod bodies;
mod global_indexes;
mod legacy;
mod mutations;
mod order;
mod pages_and_batches;
mod refusals;
mod statements;
mod transactions;
mod walk;

use crate::fuzz::parse_any;
use crate::{ApiError, Wire};
use stator_partition::Command;

fn run(operation: &str, body: &str) -> Result<Vec<Command>, ApiError> {
    parse_any(&format!("DynamoDB_20120810.{operation}"), body.as_bytes())
}

/// The error as `Type: text`.
fn shown(error: ApiError) -> String {
    let wire = Wire::from(error);
    match wire.message {
        Some(message) => format!("{}: {message}", wire.type_name.rsplit('#').next().unwrap_or_default()),
        None => wire.type_name.to_owned(),
    }
}

/// Expects a refusal, `Type: text`.
#[track_caller]
fn refused(operation: &str, body: &str, expected: &str) {
    match run(operation, body) {
        Ok(commands) => panic!("{operation} {body}\nwas taken: {commands:?}"),
        Err(error) => assert_eq!(shown(error), expected, "{operation} {body}"),
    }
}

/// Expects a ValidationException.
#[track_caller]
fn invalid(operation: &str, body: &str, text: &str) {
    refused(operation, body, &format!("ValidationException: {text}"));
}

#[track_caller]
fn taken(operation: &str, body: &str) -> Vec<Command> {
    match run(operation, body) {
        Ok(commands) => commands,
        Err(error) => panic!("{operation} {body}\nwas refused: {}", shown(error)),
    }
}
