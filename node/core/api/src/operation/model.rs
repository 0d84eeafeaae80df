//! Members that several item operations have, and what they are once read.

use crate::arn;
use crate::error_table::ApiError;
use crate::reader::{Member, Members, Names, Shape};

pub(super) const TABLE_NAME: Member = Member::required("TableName", &Shape::TABLE_NAME);
pub(super) const KEY: Member = Member::required("Key", &Shape::ITEM);
pub(super) const CONSISTENT_READ: Member = Member::optional("ConsistentRead", &Shape::Boolean);
pub(super) const CONDITION_EXPRESSION: Member = Member::optional("ConditionExpression", &Shape::TEXT);
pub(super) const FILTER_EXPRESSION: Member = Member::optional("FilterExpression", &Shape::TEXT);
pub(super) const PROJECTION_EXPRESSION: Member = Member::optional("ProjectionExpression", &Shape::TEXT);
pub(super) const EXPRESSION_ATTRIBUTE_NAMES: Member =
    Member::optional("ExpressionAttributeNames", &Shape::map(&Shape::TEXT, &Shape::ATTRIBUTE_NAME));
pub(super) const EXPRESSION_ATTRIBUTE_VALUES: Member =
    Member::optional("ExpressionAttributeValues", &Shape::map(&Shape::TEXT, &Shape::Value));
pub(super) const RETURN_CONSUMED_CAPACITY: Member =
    Member::optional("ReturnConsumedCapacity", &Shape::String(Names::Enum(&["INDEXES", "TOTAL", "NONE"])));
pub(super) const RETURN_ITEM_COLLECTION_METRICS: Member =
    Member::optional("ReturnItemCollectionMetrics", &Shape::String(Names::Enum(&["SIZE", "NONE"])));
pub(super) const RETURN_VALUES: Member = Member::optional(
    "ReturnValues",
    &Shape::String(Names::Enum(&["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"])),
);
pub(super) const RETURN_VALUES_ON_FAILURE: Member =
    Member::optional("ReturnValuesOnConditionCheckFailure", &Shape::String(Names::Enum(&["ALL_OLD", "NONE"])));
pub(super) const CLIENT_REQUEST_TOKEN: Member =
    Member::optional("ClientRequestToken", &Shape::String(Names::Length(1, 36)));
pub(super) const INDEX_NAME: Member = Member::optional("IndexName", &Shape::NAME);
pub(super) const LIMIT: Member = Member::optional("Limit", &Shape::Integer { min: Some(1), max: None });
pub(super) const EXCLUSIVE_START_KEY: Member = Member::optional("ExclusiveStartKey", &Shape::ITEM);
pub(super) const SELECT: Member = Member::optional(
    "Select",
    &Shape::String(Names::Enum(&["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"])),
);

/// A table as a request names it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TableReference {
    /// As it was given, a name or an ARN: replies repeat it.
    pub given: String,
    pub name: String,
}

impl TableReference {
    pub(super) fn new(given: &str) -> Result<TableReference, ApiError> {
        let name = arn::table_name(given)?.to_owned();
        Ok(TableReference { given: given.to_owned(), name })
    }

    /// From `TableName`, which the model requires.
    pub(super) fn read(members: Members<'_>) -> Result<TableReference, ApiError> {
        TableReference::new(members.text("TableName").unwrap_or_default())
    }
}

/// `ConsistentRead`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReadConsistency {
    #[default]
    Eventual,
    Strong,
}

impl ReadConsistency {
    pub(super) fn read(members: Members<'_>) -> ReadConsistency {
        match members.flag("ConsistentRead") {
            Some(true) => ReadConsistency::Strong,
            Some(false) | None => ReadConsistency::Eventual,
        }
    }
}
