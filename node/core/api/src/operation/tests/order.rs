//! Which of two mistakes is told: types, then constraints, then parameters that are not there, then what they mean.

use super::refused;

#[test]
fn the_earlier_kind_of_mistake_wins() {
    let key = r#""Key":{"artist":{"S":"a"},"track":{"N":"1"}}"#;
    for (operation, body, expected) in [
        ("GetItem", r#"{"TableName":"","Key":7}"#.to_owned(), "SerializationException: Unexpected field type"),
        (
            "DeleteItem",
            format!(r#"{{"TableName":"music",{key},"Expected":{{}},"ReturnValues":"x"}}"#),
            "ValidationException: 1 validation error detected: Value 'x' at 'returnValues' failed to satisfy constraint: \
             Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]",
        ),
        (
            "DeleteItem",
            format!(
                r#"{{"TableName":"music",{key},"Expected":{{}},"ConditionExpression":"x","ReturnValues":"ALL_NEW"}}"#
            ),
            "ValidationException: Can not use both expression and non-expression parameters in the same request: \
             Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
        ),
        (
            "DeleteItem",
            format!(r#"{{"TableName":"music",{key},"ExpressionAttributeNames":{{}},"ReturnValues":"ALL_NEW"}}"#),
            "ValidationException: ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            "PutItem",
            r#"{"TableName":"nothing","Item":{"a":{"N":"x"}},"ReturnValues":"ALL_NEW"}"#.to_owned(),
            "ValidationException: The parameter cannot be converted to a numeric value: x",
        ),
        (
            "PutItem",
            r#"{"TableName":"nothing","Item":{"a":{"N":"1"}},"ReturnValues":"ALL_NEW"}"#.to_owned(),
            "ValidationException: ReturnValues can only be ALL_OLD or NONE",
        ),
        (
            "PutItem",
            r#"{"TableName":"nothing","Item":{"a":{"N":"1"}}}"#.to_owned(),
            "ResourceNotFoundException: Requested resource not found",
        ),
    ] {
        refused(operation, &body, expected);
    }
}
