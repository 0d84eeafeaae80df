//! The parameters that expressions replaced, as members of requests. What they mean is for `stator_expression::legacy`.

use super::attributes;
use crate::error_table::ApiError;
use crate::reader::{Member, Members, Names, Shape, Structure};
use stator_expression::legacy::{
    self, Action, AttributeCondition, AttributeUpdate, ConditionalOperator, ExpectedAttribute, LegacyError, Operator,
};
use stator_expression::{Condition, KeyCondition, Projection, Update};
use stator_item::Value;
use stator_item::json::Json;
use std::collections::BTreeMap;

const OPERATOR: Shape = Shape::String(Names::Enum(&[
    "IN",
    "NULL",
    "BETWEEN",
    "LT",
    "NOT_CONTAINS",
    "EQ",
    "GT",
    "NOT_NULL",
    "NE",
    "LE",
    "BEGINS_WITH",
    "GE",
    "CONTAINS",
]));
const VALUE_LIST: Member = Member::optional("AttributeValueList", &Shape::list(&Shape::Value));

static CONDITION: Structure =
    Structure { name: "Condition", members: &[VALUE_LIST, Member::required("ComparisonOperator", &OPERATOR)] };

static EXPECTED_VALUE: Structure = Structure {
    name: "ExpectedAttributeValue",
    members: &[
        Member::optional("Value", &Shape::Value),
        Member::optional("Exists", &Shape::Boolean),
        Member::optional("ComparisonOperator", &OPERATOR),
        VALUE_LIST,
    ],
};

static VALUE_UPDATE: Structure = Structure {
    name: "AttributeValueUpdate",
    members: &[
        Member::optional("Value", &Shape::Value),
        Member::optional("Action", &Shape::String(Names::Enum(&["ADD", "DELETE", "PUT"]))),
    ],
};

static CONDITIONS: Shape =
    Shape::Map { keys: &Shape::ATTRIBUTE_NAME, of: &Shape::Structure(&CONDITION), min: 0, max: usize::MAX };
static EXPECTED_VALUES: Shape =
    Shape::Map { keys: &Shape::ATTRIBUTE_NAME, of: &Shape::Structure(&EXPECTED_VALUE), min: 0, max: usize::MAX };
static VALUE_UPDATES: Shape =
    Shape::Map { keys: &Shape::ATTRIBUTE_NAME, of: &Shape::Structure(&VALUE_UPDATE), min: 0, max: usize::MAX };

pub(super) const EXPECTED: Member = Member::optional("Expected", &EXPECTED_VALUES);
pub(super) const ATTRIBUTE_UPDATES: Member = Member::optional("AttributeUpdates", &VALUE_UPDATES);
pub(super) const KEY_CONDITIONS: Member = Member::optional("KeyConditions", &CONDITIONS);
pub(super) const QUERY_FILTER: Member = Member::optional("QueryFilter", &CONDITIONS);
pub(super) const SCAN_FILTER: Member = Member::optional("ScanFilter", &CONDITIONS);
pub(super) const CONDITIONAL_OPERATOR: Member =
    Member::optional("ConditionalOperator", &Shape::String(Names::Enum(&["OR", "AND"])));
pub(super) const ATTRIBUTES_TO_GET: Member =
    Member::optional("AttributesToGet", &Shape::List { of: &Shape::ATTRIBUTE_NAME, min: 1, max: usize::MAX });

/// Refuses requests that have parameters of both kinds.
pub(super) fn refuse_mixed(
    members: Members<'_>,
    legacy: &[&'static str],
    expressions: &[&'static str],
) -> Result<(), ApiError> {
    let present = |names: &[&'static str]| names.iter().copied().filter(|name| members.has(name)).collect();
    Ok(legacy::refuse_mixed(present(legacy), present(expressions))?)
}

/// `Expected`, with its operator.
pub(super) fn expected(members: Members<'_>) -> Result<Option<Condition>, ApiError> {
    let expected = each(members, "Expected", |expected| {
        Ok(ExpectedAttribute {
            value: expected.json("Value").map(attributes::valid_value).transpose()?,
            exists: expected.flag("Exists"),
            operator: expected.text("ComparisonOperator").and_then(Operator::named),
            values: expected.list("AttributeValueList").map(values).transpose()?,
        })
    })?;
    Ok(legacy::expected(expected, conditional_operator(members))?)
}

/// `QueryFilter` or `ScanFilter`, with its operator.
pub(super) fn filter(members: Members<'_>, name: &str) -> Result<Option<Condition>, ApiError> {
    Ok(legacy::filter(each(members, name, attribute_condition)?, conditional_operator(members))?)
}

pub(super) fn key_conditions(members: Members<'_>) -> Result<Option<KeyCondition>, ApiError> {
    if !members.has("KeyConditions") {
        return Ok(None);
    }
    Ok(Some(legacy::key_condition(each(members, "KeyConditions", attribute_condition)?)?))
}

/// `AttributeUpdates`; an empty one is none.
pub(super) fn attribute_updates(members: Members<'_>) -> Result<Option<Update>, ApiError> {
    let updates = each(members, "AttributeUpdates", |update| {
        Ok(AttributeUpdate {
            action: update.text("Action").and_then(Action::named).unwrap_or_default(),
            value: update.json("Value").map(attributes::valid_value).transpose()?,
        })
    })?;
    if updates.is_empty() { Ok(None) } else { Ok(Some(legacy::update(updates)?)) }
}

pub(super) fn attributes_to_get(members: Members<'_>) -> Result<Option<Projection>, ApiError> {
    let Some(names) = members.list("AttributesToGet") else { return Ok(None) };
    Ok(Some(legacy::attributes_to_get(names.iter().filter_map(Json::as_str))?))
}

/// What a map says of each attribute; nothing, if it is not there.
fn each<'m, T>(
    members: Members<'m>,
    name: &str,
    read: impl Fn(Members<'m>) -> Result<T, ApiError>,
) -> Result<BTreeMap<String, T>, ApiError> {
    let mut attributes = BTreeMap::new();
    for (name, json) in members.map(name).into_iter().flat_map(|map| map.iter()) {
        if let Some(members) = Members::of(json) {
            attributes.insert(name.to_owned(), read(members)?);
        }
    }
    Ok(attributes)
}

fn attribute_condition(condition: Members<'_>) -> Result<AttributeCondition, ApiError> {
    let values = condition.list("AttributeValueList").map(values).transpose()?.unwrap_or_default();
    match condition.text("ComparisonOperator").and_then(Operator::named) {
        Some(operator) => Ok(AttributeCondition { operator, values }),
        // The reader lets no other name pass.
        None => Err(ApiError::internal()),
    }
}

fn conditional_operator(members: Members<'_>) -> Option<ConditionalOperator> {
    match members.text("ConditionalOperator")? {
        "OR" => Some(ConditionalOperator::Or),
        _ => Some(ConditionalOperator::And),
    }
}

fn values(list: &[Json<'_>]) -> Result<Vec<Value>, ApiError> {
    list.iter().map(attributes::valid_value).collect()
}

impl From<LegacyError> for ApiError {
    fn from(error: LegacyError) -> ApiError {
        ApiError::Validation(error.to_string())
    }
}
