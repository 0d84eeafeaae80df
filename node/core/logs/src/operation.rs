//! The operations: input from a body, and the reply's body.

mod events;
mod groups;
mod streams;

pub use events::{FilterLogEvents, GetLogEvents, Searched, StreamPage};
pub use groups::{CreateLogGroup, DescribeLogGroups, GroupReference, PutRetentionPolicy, RETENTION_DAYS};
pub use streams::{DeleteLogStream, DescribeLogStreams, STREAMS_MAX};

use crate::error_table::LogsError;
use stator_api::operation::logs_operation;

/// An operation that is served.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    CreateLogGroup,
    DeleteLogGroup,
    DeleteLogStream,
    DeleteRetentionPolicy,
    DescribeLogGroups,
    DescribeLogStreams,
    FilterLogEvents,
    GetLogEvents,
    PutRetentionPolicy,
}

impl Operation {
    /// All of them, with their names on the wire.
    pub const ALL: [(&'static str, Operation); 9] = [
        ("CreateLogGroup", Operation::CreateLogGroup),
        ("DeleteLogGroup", Operation::DeleteLogGroup),
        ("DeleteLogStream", Operation::DeleteLogStream),
        ("DeleteRetentionPolicy", Operation::DeleteRetentionPolicy),
        ("DescribeLogGroups", Operation::DescribeLogGroups),
        ("DescribeLogStreams", Operation::DescribeLogStreams),
        ("FilterLogEvents", Operation::FilterLogEvents),
        ("GetLogEvents", Operation::GetLogEvents),
        ("PutRetentionPolicy", Operation::PutRetentionPolicy),
    ];

    /// The operation that an `X-Amz-Target` header names.
    pub fn from_target(target: &str) -> Result<Operation, LogsError> {
        let name = logs_operation(target).ok_or(LogsError::UnknownOperation)?;
        if name == "StartLiveTail" {
            // Refused by its name: clients that know it take no other one instead.
            return Err(LogsError::invalid("The operation StartLiveTail is not supported yet"));
        }
        let found = Operation::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, operation)| *operation).ok_or(LogsError::UnknownOperation)
    }
}
