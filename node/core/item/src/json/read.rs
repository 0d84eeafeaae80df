//! DynamoDB JSON to values.

use super::ValueError;
use super::tree::{Entries, Json};
use crate::number::{Number, NumberError};
use crate::value::{Item, NESTING_LEVELS_MAX, Value};
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine};
use bytes::Bytes;
use std::collections::BTreeSet;

/// An attribute value. Members that are no data type are ignored, members that are null count as absent.
pub fn value_from_json(json: &Json<'_>) -> Result<Value, ValueError> {
    read_value(json, NESTING_LEVELS_MAX)
}

/// An item: attribute names to attribute values.
pub fn item_from_json(json: &Entries<'_>) -> Result<Item, ValueError> {
    read_item(json, NESTING_LEVELS_MAX)
}

/// A blob: the bytes of a base64 string.
pub fn binary_from_json(json: &Json<'_>) -> Result<Bytes, ValueError> {
    match json {
        Json::String(text) => read_base64(text),
        Json::Object(_) => Err(ValueError::UnexpectedObject),
        Json::Array(_) => Err(ValueError::UnexpectedArray("java.nio.ByteBuffer")),
        Json::Null | Json::Bool(_) | Json::Number(_) => Err(ValueError::BinaryNotAString),
    }
}

fn read_item(json: &Entries<'_>, levels_left: usize) -> Result<Item, ValueError> {
    json.iter().map(|(name, value)| Ok((name.to_owned(), read_value(value, levels_left)?))).collect()
}

fn read_value(json: &Json<'_>, levels_left: usize) -> Result<Value, ValueError> {
    let members = match json {
        Json::Object(members) => members,
        Json::Array(_) => {
            return Err(ValueError::UnexpectedArray("com.amazonaws.dynamodb.v20120810.AttributeValue"));
        }
        _ => return Err(ValueError::NotAnObject),
    };
    let mut value = None;
    for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
        let read = match name {
            "S" => Value::String(string(member)?.to_owned()),
            "N" => Value::Number(read_number(string(member)?)?),
            "B" => Value::Binary(binary_from_json(member)?),
            "BOOL" => Value::Bool(boolean(member)?),
            "NULL" if boolean(member)? => Value::Null,
            "NULL" => return Err(ValueError::NullNotTrue),
            "L" => Value::List(read_list(array(member)?, levels_left)?),
            "M" => Value::Map(read_item(object(member)?, one_level_less(levels_left)?)?),
            "SS" => Value::StringSet(read_string_set(array(member)?)?),
            "NS" => Value::NumberSet(read_number_set(array(member)?)?),
            "BS" => Value::BinarySet(read_binary_set(array(member)?)?),
            _ => continue,
        };
        if value.replace(read).is_some() {
            return Err(ValueError::MoreThanOneType);
        }
    }
    value.ok_or(ValueError::Empty)
}

fn read_list(elements: &[Json<'_>], levels_left: usize) -> Result<Vec<Value>, ValueError> {
    let levels_left = one_level_less(levels_left)?;
    elements.iter().map(|element| read_value(element, levels_left)).collect()
}

fn one_level_less(levels_left: usize) -> Result<usize, ValueError> {
    levels_left.checked_sub(1).ok_or(ValueError::NestedTooDeep)
}

fn read_number(text: &str) -> Result<Number, ValueError> {
    Number::parse(text).map_err(|error| match error {
        NumberError::NotANumber => ValueError::NotANumber(text.to_owned()),
        error => ValueError::Number(error),
    })
}

fn read_string_set(elements: &[Json<'_>]) -> Result<BTreeSet<String>, ValueError> {
    let texts = elements.iter().map(string).collect::<Result<Vec<_>, _>>()?;
    if texts.is_empty() {
        return Err(ValueError::EmptyStringSet);
    }
    let set = texts.iter().map(|text| (*text).to_owned()).collect::<BTreeSet<_>>();
    if set.len() < texts.len() { Err(ValueError::DuplicateStrings(texts.join(", "))) } else { Ok(set) }
}

fn read_number_set(elements: &[Json<'_>]) -> Result<BTreeSet<Number>, ValueError> {
    let texts = elements.iter().map(string).collect::<Result<Vec<_>, _>>()?;
    if texts.is_empty() {
        return Err(ValueError::EmptyNumberSet);
    }
    let set = texts.iter().map(|text| read_number(text)).collect::<Result<BTreeSet<_>, _>>()?;
    if set.len() < texts.len() { Err(ValueError::DuplicateNumbers) } else { Ok(set) }
}

fn read_binary_set(elements: &[Json<'_>]) -> Result<BTreeSet<Bytes>, ValueError> {
    if elements.is_empty() {
        return Err(ValueError::EmptyBinarySet);
    }
    let set = elements.iter().map(binary_from_json).collect::<Result<BTreeSet<_>, _>>()?;
    if set.len() == elements.len() {
        return Ok(set);
    }
    let texts = elements.iter().map(string).collect::<Result<Vec<_>, _>>()?;
    Err(ValueError::DuplicateBinaries(texts.join(", ")))
}

fn read_base64(text: &str) -> Result<Bytes, ValueError> {
    if !text.len().is_multiple_of(4) {
        return Err(ValueError::Base64Length(text.len()));
    }
    STANDARD.decode(text).map(Bytes::from).map_err(|error| match error {
        DecodeError::InvalidByte(offset, byte) => {
            // The byte may be within a character.
            ValueError::Base64Character(text.get(offset..).and_then(|rest| rest.chars().next()).unwrap_or(byte as char))
        }
        DecodeError::InvalidLastSymbol(..) => ValueError::Base64LastCharacter,
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => ValueError::Base64Length(text.len()),
    })
}

fn string<'j>(json: &'j Json<'_>) -> Result<&'j str, ValueError> {
    match json {
        Json::String(text) => Ok(text),
        Json::Object(_) => Err(ValueError::UnexpectedObject),
        Json::Array(_) => Err(ValueError::UnexpectedArray("java.lang.String")),
        scalar => Err(ValueError::WrongType { actual: token_name(scalar), expected: "String" }),
    }
}

fn boolean(json: &Json<'_>) -> Result<bool, ValueError> {
    match json {
        Json::Bool(value) => Ok(*value),
        Json::Object(_) => Err(ValueError::UnexpectedObject),
        Json::Array(_) => Err(ValueError::UnexpectedArray("java.lang.Boolean")),
        Json::String(_) => Err(ValueError::UnexpectedString),
        scalar => Err(ValueError::WrongType { actual: token_name(scalar), expected: "Boolean" }),
    }
}

fn array<'j, 'a>(json: &'j Json<'a>) -> Result<&'j [Json<'a>], ValueError> {
    match json {
        Json::Array(elements) => Ok(elements),
        Json::Object(_) => Err(ValueError::UnexpectedObject),
        _ => Err(ValueError::UnexpectedScalar),
    }
}

fn object<'j, 'a>(json: &'j Json<'a>) -> Result<&'j Entries<'a>, ValueError> {
    match json {
        Json::Object(members) => Ok(members),
        Json::Array(_) => Err(ValueError::UnexpectedArray("java.util.Map")),
        _ => Err(ValueError::UnexpectedScalar),
    }
}

/// What DynamoDB's parser calls a JSON scalar.
fn token_name(json: &Json<'_>) -> &'static str {
    match json {
        Json::Null => "NULL_VALUE",
        Json::Bool(true) => "TRUE_VALUE",
        Json::Bool(false) => "FALSE_VALUE",
        Json::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Json::Number(_) => "NUMBER_VALUE",
        Json::String(_) => "STRING_VALUE",
        Json::Array(_) => "START_ARRAY",
        Json::Object(_) => "START_OBJECT",
    }
}
