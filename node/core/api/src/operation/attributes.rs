//! Items and keys of requests: values first, then what the table's schema says about keys.

use crate::error_table::ApiError;
use stator_catalog::{KeyAttribute, KeySchema, TableDescription};
use stator_item::json::{Entries, ErrorKind, Json, ValueError, value_from_json};
use stator_item::size::{HASH_KEY_BYTES_MAX, ITEM_BYTES_MAX, RANGE_KEY_BYTES_MAX, item_size};
use stator_item::{Item, Key, KeyPart, Value};

/// Where a sort key is not: the key of another table.
const SCHEMA_MISMATCH: &str = "The provided key element does not match the schema";

/// An attribute value whose types the reader has checked.
pub(super) fn value(json: &Json<'_>) -> Result<Value, ValueError> {
    // What is null passes the reader and is no value.
    value_from_json(json).map_err(|error| match error.kind() {
        ErrorKind::Validation => error,
        ErrorKind::Serialization => ValueError::Empty,
    })
}

/// The same, where nothing is to be said about which value is wrong.
pub(super) fn valid_value(json: &Json<'_>) -> Result<Value, ApiError> {
    value(json).map_err(|error| ApiError::Validation(error.to_string()))
}

/// The attributes of an item or a key.
pub(super) fn item(json: &Entries<'_>) -> Result<Item, ApiError> {
    let mut attributes = Vec::with_capacity(json.len());
    for (name, json) in json.iter() {
        if name.is_empty() {
            return Err(ApiError::validation("One or more parameter values were invalid: Attribute name is empty"));
        }
        attributes.push((name.to_owned(), valid_value(json)?));
    }
    // Names ascend, so the map is built in one go.
    Ok(Item::from_iter(attributes))
}

/// Refuses items that no table can hold.
pub(super) fn check_item_size(item: &Item) -> Result<(), ApiError> {
    if item_size(item) > ITEM_BYTES_MAX {
        return Err(ApiError::validation("Item size has exceeded the maximum allowed size"));
    }
    Ok(())
}

/// The primary key of a whole item, whose index keys are checked as well.
pub(super) fn key_of_item(item: &Item, table: &TableDescription) -> Result<Key, ApiError> {
    let TableDescription { key: schema, local_indexes, global_indexes, .. } = table;
    let hash = key_part_of_item(item, &schema.hash)?;
    let range = schema.range.as_ref().map(|range| key_part_of_item(item, range)).transpose()?;
    for index in local_indexes {
        check_range_size(&index_key(item, std::slice::from_ref(&index.range), &index.name)?)?;
    }
    for index in global_indexes.iter().filter(|index| index.is_fed()) {
        check_hash_size(&index_key(item, &index.hash, &index.name)?)?;
        check_range_size(&index_key(item, &index.range, &index.name)?)?;
    }
    let key = Key { hash, range };
    check_not_empty(&key, schema)?;
    check_key_size(&key)?;
    Ok(key)
}

fn key_part_of_item(item: &Item, attribute: &KeyAttribute) -> Result<KeyPart, ApiError> {
    let KeyAttribute { name, key_type } = attribute;
    let Some(value) = item.get(name) else {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Missing the key {name} in the item"
        )));
    };
    typed(value, attribute).ok_or_else(|| {
        ApiError::Validation(format!(
            "One or more parameter values were invalid: Type mismatch for key {name} expected: {} actual: {}",
            key_type.name(),
            value.type_name()
        ))
    })
}

/// The parts of an index's hash or sort key that the item has.
fn index_key(item: &Item, attributes: &[KeyAttribute], index_name: &str) -> Result<Vec<KeyPart>, ApiError> {
    let has = attributes.iter().filter_map(|attribute| Some((attribute, item.get(&attribute.name)?)));
    has.map(|(attribute, value)| index_key_part(value, attribute, index_name)).collect()
}

fn index_key_part(value: &Value, attribute: &KeyAttribute, index_name: &str) -> Result<KeyPart, ApiError> {
    let KeyAttribute { name, key_type } = attribute;
    let Some(part) = typed(value, attribute) else {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Type mismatch for Index Key {name} Expected: {} Actual: {} \
             IndexName: {index_name}",
            key_type.name(),
            value.type_name()
        )));
    };
    if part.is_empty() {
        return Err(ApiError::Validation(format!(
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
             The AttributeValue for a key attribute cannot contain an empty {} value. IndexName: {index_name}, \
             IndexKey: {name}",
            kind_of_empty(&part)
        )));
    }
    Ok(part)
}

/// The key that a `Key` member holds: the key attributes and nothing else.
pub(super) fn key_of_key(key: &Item, schema: &KeySchema) -> Result<Key, ApiError> {
    let mismatch = || ApiError::validation(SCHEMA_MISMATCH);
    let hash = key.get(&schema.hash.name).and_then(|value| typed(value, &schema.hash)).ok_or_else(mismatch)?;
    let range = match &schema.range {
        Some(range) => Some(key.get(&range.name).and_then(|value| typed(value, range)).ok_or_else(mismatch)?),
        None => None,
    };
    if key.len() != 1 + usize::from(range.is_some()) {
        return Err(mismatch());
    }
    let key = Key { hash, range };
    check_not_empty(&key, schema)?;
    check_key_size(&key)?;
    Ok(key)
}

/// The value as a key, if it has the attribute's type.
pub(super) fn typed(value: &Value, attribute: &KeyAttribute) -> Option<KeyPart> {
    KeyPart::from_value(value).filter(|part| part.key_type() == attribute.key_type)
}

fn check_not_empty(key: &Key, schema: &KeySchema) -> Result<(), ApiError> {
    check_part_not_empty(&key.hash, &schema.hash)?;
    match (&key.range, &schema.range) {
        (Some(part), Some(attribute)) => check_part_not_empty(part, attribute),
        _ => Ok(()),
    }
}

pub(super) fn check_part_not_empty(part: &KeyPart, attribute: &KeyAttribute) -> Result<(), ApiError> {
    if !part.is_empty() {
        return Ok(());
    }
    Err(ApiError::Validation(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty {} \
         value. Key: {}",
        kind_of_empty(part),
        attribute.name
    )))
}

fn kind_of_empty(part: &KeyPart) -> &'static str {
    match part {
        KeyPart::Binary(_) => "binary",
        KeyPart::String(_) | KeyPart::Number(_) => "string",
    }
}

fn check_key_size(key: &Key) -> Result<(), ApiError> {
    check_hash_size(std::slice::from_ref(&key.hash))?;
    check_range_size(key.range.as_slice())
}

/// All parts of a hash key together.
pub(super) fn check_hash_size(hash: &[KeyPart]) -> Result<(), ApiError> {
    if hash.iter().map(KeyPart::size).sum::<usize>() > HASH_KEY_BYTES_MAX {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit \
             of{HASH_KEY_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

/// All parts of a sort key together.
pub(super) fn check_range_size(range: &[KeyPart]) -> Result<(), ApiError> {
    if range.iter().map(KeyPart::size).sum::<usize>() > RANGE_KEY_BYTES_MAX {
        return Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of \
             {RANGE_KEY_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}
