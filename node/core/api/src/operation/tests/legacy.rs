//! Legacy parameters of each operation: what they become, and what is refused.

use super::{invalid, taken};
use stator_partition::Command;
use stator_partition::command::{PageRange, WriteOptions};

/// A key of the table, and members behind it.
fn keyed(rest: &str) -> String {
    format!(r#"{{"TableName":"music","Key":{{"artist":{{"S":"a"}},"track":{{"N":"1"}}}},{rest}}}"#)
}

fn options(commands: Vec<Command>) -> WriteOptions {
    match commands.into_iter().next() {
        Some(Command::Put(put)) => put.options,
        Some(Command::Update(update)) => update.options,
        Some(Command::Delete(delete)) => delete.options,
        other => panic!("no write: {other:?}"),
    }
}

#[test]
fn they_become_what_expressions_become() {
    let expected = r#""Expected":{"a":{"Value":{"S":"x"}},"b":{"Exists":false}}"#;
    let written =
        r#""ConditionExpression":"a = :a AND attribute_not_exists(b)","ExpressionAttributeValues":{":a":{"S":"x"}}"#;
    for operation in ["UpdateItem", "DeleteItem"] {
        let condition = options(taken(operation, &keyed(written))).condition;
        assert!(condition.is_some());
        assert_eq!(options(taken(operation, &keyed(expected))).condition, condition, "{operation}");
        let none = options(taken(operation, &keyed(r#""Expected":{}"#))).condition;
        assert_eq!(none, None);
    }
    let or = expected.to_owned() + r#","ConditionalOperator":"OR""#;
    assert_ne!(options(taken("DeleteItem", &keyed(&or))), options(taken("DeleteItem", &keyed(expected))));

    let legacy = r#""AttributeUpdates":{"a":{"Value":{"N":"1"}},"b":{"Action":"DELETE"},"c":{"Action":"ADD","Value":{"N":"1"}}}"#;
    let written = r#""UpdateExpression":"SET a = :a REMOVE b ADD c :a","ExpressionAttributeValues":{":a":{"N":"1"}}"#;
    assert_eq!(taken("UpdateItem", &keyed(legacy)), taken("UpdateItem", &keyed(written)));
    assert_eq!(
        taken("UpdateItem", &keyed(r#""AttributeUpdates":{}"#)),
        taken("UpdateItem", &keyed(r#""ReturnValues":"NONE""#))
    );
    assert_eq!(
        taken("GetItem", &keyed(r#""AttributesToGet":["a","b"]"#)),
        taken("GetItem", &keyed(r#""ProjectionExpression":"a, b""#))
    );
}

#[test]
fn queries_and_scans_have_them() {
    let key = r#""KeyConditions":{"artist":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"x"}]},"track":{"ComparisonOperator":"GT","AttributeValueList":[{"N":"1"}]}}"#;
    let filter =
        r#"{"a":{"ComparisonOperator":"NULL"},"b":{"ComparisonOperator":"CONTAINS","AttributeValueList":[{"S":"y"}]}}"#;
    let commands =
        taken("Query", &format!(r#"{{"TableName":"music",{key},"QueryFilter":{filter},"AttributesToGet":["a"]}}"#));
    let [Command::Page(page)] = commands.as_slice() else { panic!("no page: {commands:?}") };
    assert!(matches!(page.range, PageRange::Hash { range: Some(_), .. }));
    assert!(page.filter.is_some() && page.projection.is_some());
    let commands =
        taken("Scan", &format!(r#"{{"TableName":"music","ScanFilter":{filter},"ConditionalOperator":"OR"}}"#));
    let [Command::Page(page)] = commands.as_slice() else { panic!("no page: {commands:?}") };
    assert!(page.filter.is_some());
    let by_key = r#"{"track":{"ComparisonOperator":"NOT_NULL"}}"#;
    invalid(
        "Query",
        &format!(r#"{{"TableName":"music",{key},"QueryFilter":{by_key}}}"#),
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: track",
    );
    taken("Scan", &format!(r#"{{"TableName":"music","ScanFilter":{by_key}}}"#));
}

#[test]
fn the_two_kinds_do_not_mix() {
    const BOTH: &str = "Can not use both expression and non-expression parameters in the same request: \
                        Non-expression parameters: ";
    for (operation, rest, names) in [
        (
            "DeleteItem",
            r#""Expected":{},"ConditionExpression":"a""#,
            "{Expected} Expression parameters: {ConditionExpression}",
        ),
        (
            "UpdateItem",
            r#""Expected":{},"AttributeUpdates":{},"UpdateExpression":"a","ConditionExpression":"a""#,
            "{AttributeUpdates, Expected} Expression parameters: {UpdateExpression, ConditionExpression}",
        ),
        (
            "GetItem",
            r#""AttributesToGet":["a"],"ProjectionExpression":"a""#,
            "{AttributesToGet} Expression parameters: {ProjectionExpression}",
        ),
        (
            "Query",
            r#""QueryFilter":{},"KeyConditionExpression":"a""#,
            "{QueryFilter} Expression parameters: {KeyConditionExpression}",
        ),
        (
            "Scan",
            r#""ConditionalOperator":"OR","FilterExpression":"a""#,
            "{ConditionalOperator} Expression parameters: {FilterExpression}",
        ),
    ] {
        invalid(operation, &keyed(rest), &format!("{BOTH}{names}"));
    }
}

#[test]
fn the_model_has_constraints_on_them() {
    let constraint = "1 validation error detected: Value";
    for (operation, rest, text) in [
        (
            "Scan",
            r#""ScanFilter":{"a":{}}"#,
            "null at 'scanFilter.a.member.comparisonOperator' failed to satisfy constraint: Member must not be null",
        ),
        (
            "Scan",
            r#""ConditionalOperator":"XOR""#,
            "'XOR' at 'conditionalOperator' failed to satisfy constraint: Member must satisfy enum value set: [OR, AND]",
        ),
        (
            "GetItem",
            r#""AttributesToGet":[]"#,
            "'[]' at 'attributesToGet' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
    ] {
        invalid(operation, &keyed(rest), &format!("{constraint} {text}"));
    }
}
