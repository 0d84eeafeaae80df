//! The expressions of a request with their placeholders, in the order in which DynamoDB refuses them.

use super::attributes;
use super::legacy;
use crate::error_table::ApiError;
use crate::reader::Members;
use stator_expression::{
    Condition, Expressions, KeyCondition, Kind, Placeholders, Projection, Update, check_names, check_values,
};
use stator_item::Item;
use stator_item::json::Json;
use std::collections::BTreeMap;

/// Which expressions an operation has.
pub(super) struct Grammar {
    /// All of them, by their members' names.
    pub expressions: &'static [&'static str],
    /// What they replaced; no request may have both.
    pub legacy: &'static [&'static str],
    /// What is said of those that may hold values, when values come without any of them. `None`: the operation takes none.
    pub valueless: Option<&'static str>,
}

/// `ExpressionAttributeNames` and `ExpressionAttributeValues`, checked by themselves.
#[derive(Debug, Default)]
pub(super) struct Substitutes {
    pub names: BTreeMap<String, String>,
    values: Item,
}

impl Substitutes {
    pub(super) fn read(members: Members<'_>, grammar: &Grammar) -> Result<Substitutes, ApiError> {
        legacy::refuse_mixed(members, grammar.legacy, grammar.expressions)?;
        let present = grammar.expressions.iter().any(|name| members.has(name));
        let expressions = if present { Expressions::Present } else { Expressions::Absent };
        let mut substitutes = Substitutes::default();
        if let Some(names) = members.map("ExpressionAttributeNames") {
            let text = |json: &Json<'_>| json.as_str().unwrap_or_default().to_owned();
            substitutes.names = names.iter().map(|(key, json)| (key.to_owned(), text(json))).collect();
            check_names(&substitutes.names, expressions)?;
        }
        if let (Some(values), Some(valueless)) = (members.map("ExpressionAttributeValues"), grammar.valueless) {
            if !present {
                return Err(ApiError::Validation(format!(
                    "ExpressionAttributeValues can only be specified when using expressions: {valueless}"
                )));
            }
            for (key, json) in values.iter() {
                let value = attributes::value(json).map_err(|error| {
                    let text = format!("ExpressionAttributeValues contains invalid value: {error} for key {key}");
                    ApiError::Validation(text)
                })?;
                substitutes.values.insert(key.to_owned(), value);
            }
            check_values(&substitutes.values, &substitutes.names, expressions)?;
        }
        Ok(substitutes)
    }

    pub(super) fn placeholders(&self) -> Placeholders<'_> {
        Placeholders::new(&self.names, &self.values)
    }
}

pub(super) fn condition(
    members: Members<'_>,
    kind: Kind,
    placeholders: &Placeholders<'_>,
) -> Result<Option<Condition>, ApiError> {
    parse(members, &kind.to_string(), |text| Condition::parse(text, kind, placeholders))
}

/// `ProjectionExpression`, or `AttributesToGet`.
pub(super) fn projection(
    members: Members<'_>,
    placeholders: &Placeholders<'_>,
) -> Result<Option<Projection>, ApiError> {
    match parse(members, "ProjectionExpression", |text| Projection::parse(text, placeholders))? {
        None => legacy::attributes_to_get(members),
        projection => Ok(projection),
    }
}

/// `UpdateExpression`, or `AttributeUpdates`.
pub(super) fn update(members: Members<'_>, placeholders: &Placeholders<'_>) -> Result<Option<Update>, ApiError> {
    match parse(members, "UpdateExpression", |text| Update::parse(text, placeholders))? {
        None => legacy::attribute_updates(members),
        update => Ok(update),
    }
}

/// `UpdateExpression` alone, which the model requires.
pub(super) fn update_expression(members: Members<'_>, placeholders: &Placeholders<'_>) -> Result<Update, ApiError> {
    Ok(Update::parse(members.text("UpdateExpression").unwrap_or_default(), placeholders)?)
}

/// `KeyConditionExpression`, or `KeyConditions`.
pub(super) fn key_condition(
    members: Members<'_>,
    placeholders: &Placeholders<'_>,
) -> Result<Option<KeyCondition>, ApiError> {
    match parse(members, "KeyConditionExpression", |text| KeyCondition::parse(text, placeholders))? {
        None => legacy::key_conditions(members),
        condition => Ok(condition),
    }
}

fn parse<T, E: Into<ApiError>>(
    members: Members<'_>,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, ApiError> {
    members.text(name).map(parse).transpose().map_err(Into::into)
}
