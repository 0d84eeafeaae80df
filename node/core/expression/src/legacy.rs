//! The parameters that expressions replaced: `Expected`, `ConditionalOperator`, `AttributeUpdates`, `KeyConditions`,
//! `QueryFilter`, `ScanFilter`, `AttributesToGet`. They become the same plans.
//!
//! Guarantees: what DynamoDB refuses of them is refused in its words ([`LegacyError`]); what becomes a plan costs no more
//! than an expression may.

mod condition;
mod update;

pub use condition::{
    AttributeCondition, ConditionalOperator, ExpectedAttribute, Operator, expected, filter, key_condition,
};
pub use update::{Action, AttributeUpdate, update};

use crate::check::IN_OPERANDS_MAX;
use crate::parser::OPERATORS_MAX;
use crate::plan::path::Path;
use crate::plan::projection::Projection;

/// A refusal of legacy parameters. Its text is DynamoDB's.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum LegacyError {
    #[error(
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: \
         {{{}}} Expression parameters: {{{}}}",
        legacy.join(", "), expressions.join(", ")
    )]
    Mixed { legacy: Vec<&'static str>, expressions: Vec<&'static str> },
    #[error("One or more parameter values were invalid: Invalid number of argument(s) for the {0} ComparisonOperator")]
    ArgumentsCount(Operator),
    #[error(
        "One or more parameter values were invalid: ComparisonOperator {operator} is not valid for {value_type} \
         AttributeValue type"
    )]
    ArgumentType { operator: Operator, value_type: &'static str },
    #[error(
        "One or more parameter values were invalid: AttributeValues inside AttributeValueList must be of same type"
    )]
    ArgumentTypesDiffer,
    #[error("The BETWEEN condition was provided a range where the lower bound is greater than the upper bound")]
    BoundsReversed,
    #[error("ConditionalOperator cannot be used without Filter or Expected")]
    OperatorWithoutConditions,
    #[error("ConditionalOperator can only be used when Filter or Expected has two or more elements")]
    OperatorWithOneCondition,
    #[error(
        "1 validation error detected: AttributeValueList can only be used with a ComparisonOperator for Attribute: {0}"
    )]
    ListWithoutOperator(String),
    #[error("1 validation error detected: Value and AttributeValueList cannot be used together for Attribute: {0}")]
    ValueWithList(String),
    #[error("1 validation error detected: Exists and ComparisonOperator cannot be used together for Attribute: {0}")]
    ExistsWithOperator(String),
    #[error(
        "1 validation error detected: Value or AttributeValueList must be used with ComparisonOperator: {operator} for \
         Attribute: {name}"
    )]
    OperatorWithoutValue { operator: Operator, name: String },
    #[error("1 validation error detected: Value must be provided when Exists is {exists} for Attribute: {name}")]
    ValueMissing { exists: &'static str, name: String },
    #[error("1 validation error detected: Value cannot be used when Exists is false for Attribute: {0}")]
    ValueNotWanted(String),
    #[error(
        "One or more parameter values were invalid: Only DELETE action is allowed when no attribute value is specified"
    )]
    ActionWithoutValue,
    #[error("One or more parameter values were invalid: ADD action is not supported for the type {0}")]
    AddType(&'static str),
    #[error("One or more parameter values were invalid: DELETE action with value is not supported for the type {0}")]
    DeleteType(&'static str),
    #[error("Conditions can be of length 1 or 2 only")]
    KeyConditionsCount,
    #[error("Attempted conditional constraint is not an indexable operation")]
    KeyOperator,
    #[error("One or more parameter values were invalid: Duplicate value in attribute name: {0}")]
    DuplicateName(String),
    /// Ours: as many as an expression may have, as each is evaluated for each item.
    #[error("The request has too many conditions; number of conditions: {conditions_count}, limit: {OPERATORS_MAX}")]
    TooManyConditions { conditions_count: usize },
    /// Ours, for the same reason.
    #[error(
        "The IN ComparisonOperator has too many values; number of values: {values_count}, limit: {IN_OPERANDS_MAX}"
    )]
    TooManyValues { values_count: usize },
}

/// Refuses a request that has parameters of both kinds; each of them by its name, in the order in which DynamoDB tells them.
pub fn refuse_mixed(legacy: Vec<&'static str>, expressions: Vec<&'static str>) -> Result<(), LegacyError> {
    if legacy.is_empty() || expressions.is_empty() {
        return Ok(());
    }
    Err(LegacyError::Mixed { legacy, expressions })
}

/// `AttributesToGet`.
pub fn attributes_to_get<'n>(names: impl IntoIterator<Item = &'n str>) -> Result<Projection, LegacyError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut paths = Vec::new();
    for name in names {
        if !seen.insert(name) {
            return Err(LegacyError::DuplicateName(name.to_owned()));
        }
        paths.push(Path::attribute(name));
    }
    Ok(Projection::of(paths))
}
