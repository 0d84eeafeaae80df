//! Bytes to items.

use super::view::{Attributes, Elements, Reader, View};
use super::{DECODED_LEVELS_MAX, RowError};
use crate::value::{Item, Value};
use bytes::Bytes;
use std::collections::BTreeSet;

/// The item of an encoding that has nothing behind it.
pub fn decode_item(encoded_item: &[u8]) -> Result<Item, RowError> {
    build_item(Attributes::of(encoded_item)?, DECODED_LEVELS_MAX)
}

/// One top-level attribute of an encoded item. The rest is skipped, and not checked.
pub fn get_item_attribute(encoded_item: &[u8], name: &str) -> Result<Option<Value>, RowError> {
    match Attributes::of(encoded_item)?.find(name)? {
        Some(view) => build_value(view, DECODED_LEVELS_MAX).map(Some),
        None => Ok(None),
    }
}

/// The value of an encoding that has nothing behind it.
pub(super) fn decode_value(encoded_value: &[u8]) -> Result<Value, RowError> {
    let mut reader = Reader::over(encoded_value);
    let value = build_value(reader.value()?, DECODED_LEVELS_MAX)?;
    if reader.is_at_end() { Ok(value) } else { Err(RowError::Damaged("it goes on after its value")) }
}

fn build_item(mut attributes: Attributes<'_>, levels_left: usize) -> Result<Item, RowError> {
    let mut item = Item::new();
    while let Some((name, view)) = attributes.next()? {
        item.insert(name.to_owned(), build_value(view, levels_left)?);
    }
    Ok(item)
}

fn build_value(view: View<'_>, levels_left: usize) -> Result<Value, RowError> {
    Ok(match view {
        View::Null => Value::Null,
        View::Bool(value) => Value::Bool(value),
        View::String(text) => Value::String(text.to_owned()),
        View::Number(number) => Value::Number(number),
        View::Binary(bytes) => Value::Binary(Bytes::copy_from_slice(bytes)),
        View::List(elements) => Value::List(build_list(elements, one_level_less(levels_left)?)?),
        View::Map(attributes) => Value::Map(build_item(attributes, one_level_less(levels_left)?)?),
        View::StringSet(elements) => Value::StringSet(build_set(elements, |reader| reader.text(), str::to_owned)?),
        View::NumberSet(elements) => Value::NumberSet(build_set(elements, |reader| reader.number(), |number| number)?),
        View::BinarySet(elements) => {
            Value::BinarySet(build_set(elements, |reader| reader.bytes(), Bytes::copy_from_slice)?)
        }
    })
}

fn build_list(mut elements: Elements<'_>, levels_left: usize) -> Result<Vec<Value>, RowError> {
    // A value takes far more memory than the byte that it may be encoded in: what is set aside beforehand is bounded.
    let mut values = Vec::with_capacity(elements.left().min(64));
    while let Some(reader) = elements.next()? {
        values.push(build_value(reader.value()?, levels_left)?);
    }
    Ok(values)
}

fn build_set<'a, T: PartialOrd + Copy, E: Ord>(
    elements: Elements<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, RowError>,
    own: impl Fn(T) -> E,
) -> Result<BTreeSet<E>, RowError> {
    let mut set = BTreeSet::new();
    elements.for_each_of_set(read, |element| {
        set.insert(own(element));
    })?;
    Ok(set)
}

/// What may still follow inside a list or map.
pub(crate) fn one_level_less(levels_left: usize) -> Result<usize, RowError> {
    levels_left.checked_sub(1).ok_or(RowError::Damaged("it is nested too deep"))
}
