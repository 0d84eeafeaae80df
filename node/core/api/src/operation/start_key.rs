//! `ExclusiveStartKey`: a place in the ordering that is read, and whether the request may go on behind it.

use super::attributes::{key_of_key, typed};
use super::page_members::IndexView;
use super::paging::PagingError;
use crate::error_table::ApiError;
use stator_catalog::TableDescription;
use stator_expression::RangeCondition;
use stator_item::{Item, KeyPart, Value};
use stator_partition::Position;

const INVALID: &str = "The provided starting key is invalid";
const SCHEMA_MISMATCH: &str =
    "The provided starting key is invalid: The provided key element does not match the schema";

/// The place where a Query goes on.
pub(super) fn of_query(key: &Item, table: &TableDescription, view: &IndexView<'_>) -> Result<Position, PagingError> {
    let attributes = std::iter::once(&table.key.hash).chain(&table.key.range).chain(index_range(view));
    if key.len() != attributes_count(table, view) || attributes.into_iter().any(|it| !key.contains_key(&it.name)) {
        return Err(PagingError::start_key(INVALID));
    }
    of_scan(key, table, view)
}

/// The place where a Scan goes on.
pub(super) fn of_scan(key: &Item, table: &TableDescription, view: &IndexView<'_>) -> Result<Position, PagingError> {
    let mismatch = || PagingError::start_key(SCHEMA_MISMATCH);
    let index_range = match index_range(view) {
        Some(attribute) => {
            Some(key.get(&attribute.name).and_then(|value| typed(value, attribute)).ok_or_else(mismatch)?)
        }
        None => None,
    };
    if key.len() != attributes_count(table, view) {
        return Err(mismatch());
    }
    let is_primary = |name: &String| {
        std::iter::once(&table.key.hash).chain(&table.key.range).any(|attribute| attribute.name == *name)
    };
    let primary: Item = key.iter().filter(|(name, _)| is_primary(name)).map(|(n, v)| (n.clone(), v.clone())).collect();
    let key = key_of_key(&primary, &table.key).map_err(|error| match error {
        ApiError::Validation(text) => PagingError::StartKey(format!("{INVALID}: {text}")),
        error => error.into(),
    })?;
    Ok(Position { key, index_range })
}

/// The sort key of a local index, where it is an attribute of its own.
fn index_range<'t>(view: &IndexView<'t>) -> Option<&'t stator_catalog::KeyAttribute> {
    view.index.map(|index| &index.range)
}

fn attributes_count(table: &TableDescription, view: &IndexView<'_>) -> usize {
    1 + usize::from(table.key.range.is_some()) + usize::from(view.index.is_some())
}

/// A Query goes on only inside of what it asks for.
pub(super) fn check_boundaries(
    position: &Position,
    hash: &KeyPart,
    condition: Option<&RangeCondition>,
    view: &IndexView<'_>,
) -> Result<(), PagingError> {
    if position.key.hash != *hash {
        return Err(PagingError::start_key(
            "The provided starting key is outside query boundaries based on provided conditions",
        ));
    }
    let range = if view.index.is_some() { &position.index_range } else { &position.key.range };
    match (condition, range) {
        (Some(condition), Some(range)) if !holds(condition, range) => {
            Err(PagingError::start_key("The provided starting key does not match the range key predicate"))
        }
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
