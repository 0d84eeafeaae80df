//! `ExclusiveStartKey`: a place in the ordering that is read, and whether the request may go on behind it.

use super::attributes::{key_of_key, typed};
use super::page_members::IndexView;
use super::paging::{PagingError, is_table_key};
use super::query::Asked;
use crate::error_table::ApiError;
use stator_catalog::{KeyAttribute, TableDescription};
use stator_expression::RangeCondition;
use stator_item::{Item, KeyPart, Value};
use stator_partition::Position;
use std::collections::BTreeSet;

const INVALID: &str = "The provided starting key is invalid";
const SCHEMA_MISMATCH: &str =
    "The provided starting key is invalid: The provided key element does not match the schema";

/// The place where a Query goes on.
pub(super) fn of_query(key: &Item, table: &TableDescription, view: &IndexView<'_>) -> Result<Position, PagingError> {
    let attributes = attributes(table, view);
    if key.len() != attributes.len() || attributes.into_iter().any(|name| !key.contains_key(name)) {
        return Err(PagingError::start_key(INVALID));
    }
    of_scan(key, table, view)
}

/// The place where a Scan goes on.
pub(super) fn of_scan(key: &Item, table: &TableDescription, view: &IndexView<'_>) -> Result<Position, PagingError> {
    let mismatch = || PagingError::start_key(SCHEMA_MISMATCH);
    let part = |attribute: &KeyAttribute| key.get(&attribute.name).and_then(|value| typed(value, attribute));
    let index_range = view.index.map(|index| part(&index.range).ok_or_else(mismatch)).transpose()?;
    let index_key = match view.global {
        Some(index) => index.key().map(|attribute| part(attribute).ok_or_else(mismatch)).collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    if key.len() != attributes(table, view).len() {
        return Err(mismatch());
    }
    let primary = key.iter().filter(|(name, _)| is_table_key(table, name)).map(|(n, v)| (n.clone(), v.clone()));
    let key = key_of_key(&primary.collect(), &table.key).map_err(|error| match error {
        ApiError::Validation(text) => PagingError::StartKey(format!("{INVALID}: {text}")),
        error => error.into(),
    })?;
    Ok(Position { key, index_range, index_key })
}

/// The attributes that a place is named by: those of the table's key and of the index's, each once.
fn attributes<'t>(table: &'t TableDescription, view: &IndexView<'t>) -> BTreeSet<&'t str> {
    let index = view.hash().iter().chain(view.ranges());
    let own = std::iter::once(&table.key.hash).chain(&table.key.range);
    own.chain(index).map(|attribute| attribute.name.as_str()).collect()
}

/// A Query goes on only inside of what it asks for.
pub(super) fn check_boundaries(position: &Position, asked: &Asked, view: &IndexView<'_>) -> Result<(), PagingError> {
    let outside =
        || PagingError::start_key("The provided starting key is outside query boundaries based on provided conditions");
    let predicate = || PagingError::start_key("The provided starting key does not match the range key predicate");
    let (hash, ranges): (&[KeyPart], &[KeyPart]) = if view.global.is_some() {
        position.index_key.split_at_checked(asked.hash.len()).ok_or_else(outside)?
    } else {
        let range = if view.index.is_some() { &position.index_range } else { &position.key.range };
        (std::slice::from_ref(&position.key.hash), range.as_slice())
    };
    if hash != asked.hash {
        return Err(outside());
    }
    let (equal, rest) = ranges.split_at_checked(asked.equal.len()).ok_or_else(predicate)?;
    match (&asked.range, rest.first()) {
        _ if equal != asked.equal => Err(predicate()),
        (Some(condition), Some(range)) if !holds(condition, range) => Err(predicate()),
        _ => Ok(()),
    }
}

fn holds(condition: &RangeCondition, range: &KeyPart) -> bool {
    let order = |value: &Value| KeyPart::from_value(value).map(|bound| range.cmp(&bound));
    match condition {
        RangeCondition::Equal(value) => order(value).is_some_and(|order| order.is_eq()),
        RangeCondition::Less(value) => order(value).is_some_and(|order| order.is_lt()),
        RangeCondition::LessOrEqual(value) => order(value).is_some_and(|order| order.is_le()),
        RangeCondition::Greater(value) => order(value).is_some_and(|order| order.is_gt()),
        RangeCondition::GreaterOrEqual(value) => order(value).is_some_and(|order| order.is_ge()),
        RangeCondition::Between(lower, upper) => {
            order(lower).is_some_and(|order| order.is_ge()) && order(upper).is_some_and(|order| order.is_le())
        }
        RangeCondition::BeginsWith(Value::String(start)) => {
            matches!(range, KeyPart::String(text) if text.starts_with(start.as_str()))
        }
        RangeCondition::BeginsWith(Value::Binary(start)) => {
            matches!(range, KeyPart::Binary(bytes) if bytes.starts_with(start))
        }
        RangeCondition::BeginsWith(_) => false,
    }
}
