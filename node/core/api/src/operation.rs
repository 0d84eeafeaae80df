//! Which operations there are, by the name in `X-Amz-Target`, and what those on items have in common.
//!
//! An operation is parsed without the table, then becomes commands with it: of one item ([`OneItem`]), of pages
//! ([`ManyItems`], [`Paging`]) or of a batch.

mod attributes;
pub mod batch_execute_statement;
pub mod batch_get_item;
pub mod batch_write_item;
pub mod contributor_insights;
pub mod create_table;
pub mod delete_item;
pub mod delete_table;
pub mod describe_continuous_backups;
pub mod describe_endpoints;
pub mod describe_limits;
pub mod describe_table;
pub mod execute_statement;
pub mod execute_transaction;
mod expressions;
pub mod get_item;
mod global_indexes;
mod legacy;
pub mod list_tables;
mod model;
mod page_members;
mod paging;
pub mod put_item;
pub mod query;
mod replica_auto_scaling;
pub mod scan;
mod start_key;
mod statement;
pub mod streams;
pub mod table_json;
mod table_keys;
mod table_members;
#[cfg(test)]
mod table_tests;
pub mod tags;
#[cfg(test)]
mod tests;
pub mod time_to_live;
pub mod transact_get_items;
pub mod transact_write_items;
pub mod update_item;
pub mod update_table;
mod write;

pub use batch_execute_statement::{BatchExecuteStatement, FoundTables};
pub use batch_get_item::BatchGetItem;
pub use batch_write_item::BatchWriteItem;
pub use contributor_insights::{DescribeContributorInsights, ListContributorInsights, UpdateContributorInsights};
pub use create_table::CreateTable;
pub use delete_item::DeleteItem;
pub use delete_table::DeleteTable;
pub use describe_continuous_backups::DescribeContinuousBackups;
pub use describe_endpoints::DescribeEndpoints;
pub use describe_limits::DescribeLimits;
pub use describe_table::DescribeTable;
pub use execute_statement::{ExecuteStatement, Execution};
pub use execute_transaction::{ExecuteTransaction, Transaction};
pub use get_item::GetItem;
pub use list_tables::ListTables;
pub use model::{ReadConsistency, TableReference};
pub use paging::Paging;
pub use put_item::PutItem;
pub use query::Query;
pub use replica_auto_scaling::{DescribeReplicaAutoScaling, UpdateReplicaAutoScaling};
pub use scan::Scan;
pub use table_json::TableView;
pub use tags::{ChangeTags, ListTags};
pub use time_to_live::{DescribeTimeToLive, UpdateTimeToLive};
pub use transact_get_items::TransactGetItems;
pub use transact_write_items::TransactWriteItems;
pub use update_item::UpdateItem;
pub use update_table::UpdateTable;

use crate::capacity::{CapacityDetail, Consumed};
use crate::error_table::ApiError;
use crate::render::List;
use stator_catalog::{TableDescription, TableStatus};
use stator_item::{TableId, Token};
use stator_partition::{Command, Refusal, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an `X-Amz-Target` header starts with.
const TARGET_PREFIX: &str = "DynamoDB_20120810.";
/// The same for the operations of the Streams API.
const STREAMS_TARGET_PREFIX: &str = "DynamoDBStreams_20120810.";
/// The same for Application Auto Scaling.
const SCALING_PREFIX: &str = "AnyScaleFrontendService.";
/// Its operations. Those on tags have the names of others.
const SCALING: &[(&str, Operation)] = &[
    ("DeleteScalingPolicy", Operation::DeleteScalingPolicy),
    ("DeregisterScalableTarget", Operation::DeregisterScalableTarget),
    ("DescribeScalableTargets", Operation::DescribeScalableTargets),
    ("DescribeScalingActivities", Operation::DescribeScalingActivities),
    ("DescribeScalingPolicies", Operation::DescribeScalingPolicies),
    ("ListTagsForResource", Operation::ListTagsOfScalableTarget),
    ("PutScalingPolicy", Operation::PutScalingPolicy),
    ("RegisterScalableTarget", Operation::RegisterScalableTarget),
    ("TagResource", Operation::TagScalableTarget),
    ("UntagResource", Operation::UntagScalableTarget),
];

/// Whether an `X-Amz-Target` header, known or not, is for Application Auto Scaling, which speaks JSON 1.1.
pub fn targets_scaling(target: &[u8]) -> bool {
    target.starts_with(SCALING_PREFIX.as_bytes())
}

/// What an `X-Amz-Target` header of the Logs API starts with.
const LOGS_PREFIX: &str = "Logs_20140328.";

/// The operation of the Logs API that an `X-Amz-Target` header names, known or not; it speaks JSON 1.1.
pub fn logs_operation(target: &str) -> Option<&str> {
    target.strip_prefix(LOGS_PREFIX)
}

/// Whether an `X-Amz-Target` header is for the Logs API.
pub fn targets_logs(target: &[u8]) -> bool {
    target.starts_with(LOGS_PREFIX.as_bytes())
}

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {
        /// An operation that this server has.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Operation {
            $($name),+
        }

        impl Operation {
            /// All of them, for metrics and documentation.
            pub const ALL: &'static [Operation] = &[$(Operation::$name),+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self {
                    $(Operation::$name => stringify!($name)),+
                }
            }
        }
    };
}

operations! {
    BatchExecuteStatement,
    BatchGetItem,
    BatchWriteItem,
    CreateTable,
    DeleteItem,
    DeleteScalingPolicy,
    DeleteTable,
    DeregisterScalableTarget,
    DescribeContinuousBackups,
    DescribeContributorInsights,
    DescribeEndpoints,
    DescribeLimits,
    DescribeStream,
    DescribeScalableTargets,
    DescribeScalingActivities,
    DescribeScalingPolicies,
    DescribeTable,
    DescribeTableReplicaAutoScaling,
    DescribeTimeToLive,
    ExecuteStatement,
    ExecuteTransaction,
    GetItem,
    GetRecords,
    GetShardIterator,
    ListContributorInsights,
    ListStreams,
    ListTables,
    ListTagsOfResource,
    ListTagsOfScalableTarget,
    PutItem,
    PutScalingPolicy,
    Query,
    RegisterScalableTarget,
    Scan,
    TagResource,
    TagScalableTarget,
    TransactGetItems,
    TransactWriteItems,
    UntagResource,
    UntagScalableTarget,
    UpdateContributorInsights,
    UpdateItem,
    UpdateTable,
    UpdateTableReplicaAutoScaling,
    UpdateTimeToLive,
}

impl Operation {
    /// The operation that an `X-Amz-Target` header names.
    pub fn from_target(target: &str) -> Result<Operation, ApiError> {
        let (prefix, name) = target.split_at_checked(target.find('.').map_or(0, |dot| dot + 1)).unwrap_or_default();
        let found = if prefix == SCALING_PREFIX {
            SCALING.iter().find(|(known, _)| *known == name).map(|(_, operation)| *operation)
        } else {
            let is_it = |operation: &Operation| operation.name() == name && operation.target_prefix() == prefix;
            Operation::ALL.iter().copied().find(is_it)
        };
        found.ok_or(ApiError::UnknownOperation)
    }

    fn target_prefix(self) -> &'static str {
        match self {
            Operation::DescribeStream
            | Operation::GetRecords
            | Operation::GetShardIterator
            | Operation::ListStreams => STREAMS_TARGET_PREFIX,
            scaling if scaling.is_scaling() => SCALING_PREFIX,
            _ => TARGET_PREFIX,
        }
    }

    /// Whether it is one of Application Auto Scaling's.
    fn is_scaling(self) -> bool {
        SCALING.iter().any(|(_, operation)| *operation == self)
    }
}

/// A command, and the token that decides which partition it is for.
#[derive(Clone, PartialEq, Debug)]
pub struct Routed {
    pub token: Token,
    pub command: Command,
}

/// A command of a batch.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchCommand {
    pub table: TableId,
    pub token: Token,
    pub consistency: ReadConsistency,
    pub command: Command,
}

/// Tables by their names.
pub type Tables = BTreeMap<String, Arc<TableDescription>>;

/// An operation on one item.
pub trait OneItem: Sized {
    /// Everything that can be refused without the table.
    fn parse(body: &[u8]) -> Result<Self, ApiError>;

    /// The table as the request names it: an ARN has to be checked against the cluster's [`Owner`](crate::arn::Owner).
    fn table(&self) -> &TableReference;

    fn consistency(&self) -> ReadConsistency;

    fn command(&self, table: &TableDescription) -> Result<Routed, ApiError>;

    /// The response's body. `out` is of no use after an error.
    fn render(
        &self,
        table: &TableDescription,
        outcome: Result<Reply, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError>;
}

/// A Query or Scan.
pub trait ManyItems: Sized {
    /// Everything that can be refused without the table.
    fn parse(body: &[u8]) -> Result<Self, ApiError>;

    /// The table as the request names it: an ARN has to be checked against the cluster's [`Owner`](crate::arn::Owner).
    fn table(&self) -> &TableReference;

    fn consistency(&self) -> ReadConsistency;

    fn paging(&self, table: &TableDescription) -> Result<Paging, ApiError>;
}

/// Refuses a table that is not there yet, or not any more.
fn check_serving(table: &TableDescription) -> Result<(), ApiError> {
    match table.status {
        TableStatus::Active | TableStatus::Updating => Ok(()),
        TableStatus::Creating | TableStatus::Deleting => Err(ApiError::no_such_table()),
    }
}

/// A partition answered another question.
fn unexpected_reply() -> ApiError {
    ApiError::internal()
}

/// `ConsumedCapacity` of a batch: one for each table.
fn render_consumed(
    consumed: &[(&TableReference, Consumed)],
    tables: &Tables,
    detail: CapacityDetail,
    out: &mut Vec<u8>,
) {
    let mut list = List::begin(out);
    for (reference, consumed) in consumed {
        if let Some(table) = tables.get(&reference.name) {
            consumed.write_json(&reference.given, table, detail, list.element());
        }
    }
    list.end();
}

#[cfg(test)]
mod target_tests {
    use super::*;

    #[test]
    fn targets_name_operations() {
        assert_eq!(Operation::from_target("DynamoDB_20120810.PutItem"), Ok(Operation::PutItem));
        assert_eq!(Operation::from_target("DynamoDBStreams_20120810.GetRecords"), Ok(Operation::GetRecords));
        for unknown in [
            "",
            "PutItem",
            "DynamoDB_20120810.",
            "DynamoDB_20120810.putitem",
            "DynamoDB_20111205.PutItem",
            "DynamoDB_20120810.GetRecords",
            "DynamoDBStreams_20120810.PutItem",
        ] {
            assert_eq!(Operation::from_target(unknown), Err(ApiError::UnknownOperation), "{unknown}");
        }
        for (target, expected) in [
            ("DynamoDB_20120810.TagResource", Ok(Operation::TagResource)),
            ("AnyScaleFrontendService.TagResource", Ok(Operation::TagScalableTarget)),
            ("AnyScaleFrontendService.PutScalingPolicy", Ok(Operation::PutScalingPolicy)),
            ("DynamoDB_20120810.PutScalingPolicy", Err(ApiError::UnknownOperation)),
            ("DynamoDB_20120810.TagScalableTarget", Err(ApiError::UnknownOperation)),
            ("AnyScaleFrontendService.TagScalableTarget", Err(ApiError::UnknownOperation)),
            ("AnyScaleFrontendService.PutItem", Err(ApiError::UnknownOperation)),
        ] {
            assert_eq!(Operation::from_target(target), expected, "{target}");
        }
    }
}
