//! The way in for fuzzers: any request.

use crate::{
    error_table::LogsError,
    operation::{
        CreateLogGroup, DeleteLogStream, DescribeLogGroups, DescribeLogStreams, FilterLogEvents, GetLogEvents,
        GroupReference, Operation, PutRetentionPolicy,
    },
};

/// Reads a request as its operation does.
pub fn parse_any(target: &str, body: &[u8]) -> Result<(), LogsError> {
    match Operation::from_target(target)? {
        Operation::CreateLogGroup => CreateLogGroup::parse(body).map(drop),
        Operation::DeleteLogGroup | Operation::DeleteRetentionPolicy => GroupReference::parse(body).map(drop),
        Operation::DeleteLogStream => DeleteLogStream::parse(body).map(drop),
        Operation::DescribeLogGroups => DescribeLogGroups::parse(body).map(drop),
        Operation::DescribeLogStreams => DescribeLogStreams::parse(body).map(drop),
        Operation::FilterLogEvents => FilterLogEvents::parse(body).map(drop),
        Operation::GetLogEvents => GetLogEvents::parse(body).map(drop),
        Operation::PutRetentionPolicy => PutRetentionPolicy::parse(body).map(drop),
    }
}
