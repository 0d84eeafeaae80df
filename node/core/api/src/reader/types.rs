//! The first check of a body: every member that the model knows has the model's type.
//!
//! Recursion is bounded by the depth to which the JSON could be parsed.

use super::shape::{ATTRIBUTE_VALUE, Member, Shape, Structure};
use crate::error_table::ApiError;
use serde_json::Number;
use stator_item::json::Json;

const UNEXPECTED_OBJECT: &str = "Start of structure or map found where not expected.";

pub(super) fn check_structure(json: &Json<'_>, structure: &'static Structure) -> Result<(), ApiError> {
    let object = match json {
        Json::Object(object) => object,
        Json::Array(_) => return Err(unexpected_list(&Shape::Structure(structure))),
        _ => return Err(ApiError::serialization("Unexpected value type in payload")),
    };
    for (name, json) in object.iter().filter(|(_, json)| !json.is_null()) {
        if let Some(Member { shape, .. }) = structure.members.iter().find(|member| member.name == name) {
            check(json, shape)?;
        }
    }
    Ok(())
}

fn check(json: &Json<'_>, shape: &'static Shape) -> Result<(), ApiError> {
    match (shape, json) {
        (Shape::Anything, _) => Ok(()),
        (Shape::Structure(structure), _) => check_structure(json, structure),
        (Shape::Value, _) => check_structure(json, &ATTRIBUTE_VALUE),
        (Shape::String(_), Json::String(_)) | (Shape::Boolean, Json::Bool(_)) | (Shape::Double, Json::Number(_)) => {
            Ok(())
        }
        (Shape::Integer { .. }, Json::Number(number)) => {
            check_range(number, i64::from(i32::MIN), i64::from(i32::MAX), "int")
        }
        (Shape::Timestamp, Json::Number(_)) => Ok(()),
        (Shape::Long { .. }, Json::Number(number)) => check_range(number, i64::MIN, i64::MAX, "long"),
        (Shape::List { of, .. }, Json::Array(elements)) => elements.iter().try_for_each(|element| match element {
            Json::Null => Ok(()),
            element => check(element, of),
        }),
        (Shape::Map { of, .. }, Json::Object(entries)) => entries.values().try_for_each(|value| match value {
            Json::Null => Ok(()),
            value => check(value, of),
        }),
        (_, Json::Array(_)) => Err(unexpected_list(shape)),
        (_, Json::Object(_)) => Err(ApiError::serialization(UNEXPECTED_OBJECT)),
        (Shape::Binary, _) => match stator_item::json::binary_from_json(json) {
            Ok(_) => Ok(()),
            Err(error) => Err(ApiError::serialization(error.to_string())),
        },
        (Shape::List { .. } | Shape::Map { .. }, _) => Err(ApiError::serialization("Unexpected field type")),
        (Shape::Boolean, Json::String(_)) => Err(ApiError::serialization("Unexpected token received from parser")),
        (Shape::String(_), _) => Err(not_convertible(json, "String")),
        (Shape::Integer { .. }, _) => Err(not_convertible(json, "Integer")),
        (Shape::Long { .. }, _) => Err(not_convertible(json, "Long")),
        (Shape::Timestamp, _) => Err(not_convertible(json, "Date")),
        (Shape::Double, _) => Err(not_convertible(json, "Double")),
        (Shape::Boolean, _) => Err(not_convertible(json, "Boolean")),
    }
}

fn check_range(number: &Number, min: i64, max: i64, type_name: &str) -> Result<(), ApiError> {
    if whole(number).is_some_and(|whole| (min..=max).contains(&whole)) {
        return Ok(());
    }
    Err(ApiError::serialization(format!("Numeric value ({number}) out of range of {type_name}")))
}

/// The integer that a number is, or is above in magnitude by a fraction.
pub(super) fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let number = number.as_f64()?.trunc();
        // Beyond 2^53 a float says nothing exact; a limit is never meant to be that large.
        (number.abs() < 9_007_199_254_740_992.0).then_some(number as i64)
    })
}

fn unexpected_list(shape: &Shape) -> ApiError {
    let kind = if matches!(shape, Shape::List { .. } | Shape::Map { .. }) { "" } else { "class " };
    ApiError::serialization(format!("Unrecognized collection type {kind}{}", shape.class()))
}

fn not_convertible(json: &Json<'_>, type_name: &str) -> ApiError {
    let token = match json {
        Json::Null => "NULL_VALUE",
        Json::Bool(true) => "TRUE_VALUE",
        Json::Bool(false) => "FALSE_VALUE",
        Json::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Json::Number(_) => "NUMBER_VALUE",
        Json::String(_) | Json::Array(_) | Json::Object(_) => "STRING_VALUE",
    };
    ApiError::serialization(format!("{token} cannot be converted to {type_name}"))
}
