//! Sizes as DynamoDB counts them: for limits and for capacity, not what is stored.
//!
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".

use crate::key::Key;
use crate::row::decode::one_level_less;
use crate::row::view::{Attributes, View};
use crate::row::{DECODED_LEVELS_MAX, RowError};
use crate::value::{Item, Value};

/// Largest item, names and values.
pub const ITEM_BYTES_MAX: usize = 400 * 1024;
/// Largest value of a partition key.
pub const HASH_KEY_BYTES_MAX: usize = 2048;
/// Largest value of a sort key.
pub const RANGE_KEY_BYTES_MAX: usize = 1024;

/// What a list or map counts for before its elements, and then for each of them.
const COLLECTION_BYTES: usize = 3;
const ELEMENT_BYTES: usize = 1;

/// Names and values of all attributes.
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

pub fn value_size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Number(number) => number.size(),
        Value::Binary(bytes) => bytes.len(),
        Value::Bool(_) | Value::Null => 1,
        Value::List(values) => {
            COLLECTION_BYTES + values.iter().map(|value| ELEMENT_BYTES + value_size(value)).sum::<usize>()
        }
        Value::Map(item) => COLLECTION_BYTES + ELEMENT_BYTES * item.len() + item_size(item),
        Value::StringSet(set) => set.iter().map(String::len).sum(),
        Value::NumberSet(set) => set.iter().map(|number| number.size()).sum(),
        Value::BinarySet(set) => set.iter().map(|bytes| bytes.len()).sum(),
    }
}

/// The values of a key, without the names of its attributes.
pub fn key_size(key: &Key) -> usize {
    key.hash.size() + key.range.as_ref().map_or(0, |range| range.size())
}

/// `item_size` of an encoded item, without decoding it into a tree.
pub fn item_size_encoded(encoded_item: &[u8]) -> Result<usize, RowError> {
    attributes_size(Attributes::of(encoded_item)?, DECODED_LEVELS_MAX)
}

fn attributes_size(mut attributes: Attributes<'_>, levels_left: usize) -> Result<usize, RowError> {
    let mut size = 0;
    while let Some((name, view)) = attributes.next()? {
        size += name.len() + view_size(view, levels_left)?;
    }
    Ok(size)
}

fn view_size(view: View<'_>, levels_left: usize) -> Result<usize, RowError> {
    let mut size = 0;
    match view {
        View::String(text) => size = text.len(),
        View::Number(number) => size = number.size(),
        View::Binary(bytes) => size = bytes.len(),
        View::Bool(_) | View::Null => size = 1,
        View::List(mut elements) => {
            let levels_left = one_level_less(levels_left)?;
            size = COLLECTION_BYTES;
            while let Some(reader) = elements.next()? {
                size += ELEMENT_BYTES + view_size(reader.value()?, levels_left)?;
            }
        }
        View::Map(attributes) => {
            let levels_left = one_level_less(levels_left)?;
            let elements_bytes = ELEMENT_BYTES * attributes.left();
            size = COLLECTION_BYTES + elements_bytes + attributes_size(attributes, levels_left)?;
        }
        View::StringSet(elements) => elements.for_each_of_set(|reader| reader.text(), |text| size += text.len())?,
        View::NumberSet(elements) => {
            elements.for_each_of_set(|reader| reader.number(), |number| size += number.size())?;
        }
        View::BinarySet(elements) => elements.for_each_of_set(|reader| reader.bytes(), |bytes| size += bytes.len())?,
    }
    Ok(size)
}

#[cfg(test)]
mod tests;
