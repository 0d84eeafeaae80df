//! What each operation refuses by itself, in DynamoDB's words.

use super::{invalid, refused, taken};

/// A key of the table, and members behind it.
fn keyed(rest: &str) -> String {
    format!(r#"{{"TableName":"music","Key":{{"artist":{{"S":"a"}},"track":{{"N":"1"}}}}{rest}}}"#)
}

fn put(item: &str) -> String {
    format!(r#"{{"TableName":"music","Item":{item}}}"#)
}

#[test]
fn types_of_every_kind_are_checked() {
    for (operation, body, text) in [
        ("PutItem", "", None),
        ("PutItem", "{", None),
        ("PutItem", "[1", None),
        ("PutItem", "\u{feff}{}", None),
        ("PutItem", "{} {}", None),
        ("PutItem", "[]", Some("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.PutItemInput")),
        ("PutItem", "3", Some("Unexpected value type in payload")),
        ("PutItem", r#"{"TableName":23}"#, Some("NUMBER_VALUE cannot be converted to String")),
        ("PutItem", r#"{"TableName":2.5}"#, Some("DECIMAL_VALUE cannot be converted to String")),
        ("PutItem", r#"{"TableName":true}"#, Some("TRUE_VALUE cannot be converted to String")),
        ("PutItem", r#"{"TableName":false}"#, Some("FALSE_VALUE cannot be converted to String")),
        ("PutItem", r#"{"TableName":{}}"#, Some("Start of structure or map found where not expected.")),
        ("PutItem", r#"{"TableName":[]}"#, Some("Unrecognized collection type class java.lang.String")),
        ("PutItem", r#"{"Item":"x"}"#, Some("Unexpected field type")),
        (
            "PutItem",
            r#"{"Item":[]}"#,
            Some(
                "Unrecognized collection type java.util.Map<java.lang.String, \
                 com.amazonaws.dynamodb.v20120810.AttributeValue>",
            ),
        ),
        ("PutItem", r#"{"Item":{"a":"x"}}"#, Some("Unexpected value type in payload")),
        (
            "PutItem",
            r#"{"Item":{"a":[]}}"#,
            Some("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue"),
        ),
        ("PutItem", r#"{"Item":{"a":{"S":1}}}"#, Some("NUMBER_VALUE cannot be converted to String")),
        (
            "PutItem",
            r#"{"Item":{"a":{"L":[{"M":{"b":{"N":1}}}]}}}"#,
            Some("NUMBER_VALUE cannot be converted to String"),
        ),
        ("PutItem", r#"{"Item":{"a":{"BOOL":"true"}}}"#, Some("Unexpected token received from parser")),
        ("PutItem", r#"{"Item":{"a":{"NULL":1}}}"#, Some("NUMBER_VALUE cannot be converted to Boolean")),
        ("PutItem", r#"{"Item":{"a":{"SS":"x"}}}"#, Some("Unexpected field type")),
        ("PutItem", r#"{"Item":{"a":{"SS":{}}}}"#, Some("Start of structure or map found where not expected.")),
        ("PutItem", r#"{"Item":{"a":{"B":1}}}"#, Some("only base-64-encoded strings are convertible to bytes")),
        (
            "PutItem",
            r#"{"Item":{"a":{"B":"x"}}}"#,
            Some("Base64 encoded length is expected a multiple of 4 bytes but found: 1"),
        ),
        ("Query", r#"{"Limit":"3"}"#, Some("STRING_VALUE cannot be converted to Integer")),
        ("Query", r#"{"Limit":true}"#, Some("TRUE_VALUE cannot be converted to Integer")),
        ("Query", r#"{"Limit":[]}"#, Some("Unrecognized collection type class java.lang.Integer")),
        ("Query", r#"{"Limit":{}}"#, Some("Start of structure or map found where not expected.")),
        ("Query", r#"{"Limit":3000000000}"#, Some("Numeric value (3000000000) out of range of int")),
        ("Query", r#"{"ConsistentRead":1}"#, Some("NUMBER_VALUE cannot be converted to Boolean")),
        ("Query", r#"{"ScanIndexForward":"no"}"#, Some("Unexpected token received from parser")),
        (
            "BatchWriteItem",
            r#"{"RequestItems":[]}"#,
            Some(
                "Unrecognized collection type java.util.Map<java.lang.String, \
                 java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>>",
            ),
        ),
        (
            "BatchGetItem",
            r#"{"RequestItems":{"music":{"Keys":{}}}}"#,
            Some("Start of structure or map found where not expected."),
        ),
    ] {
        let expected = match text {
            Some(text) => format!("SerializationException: {text}"),
            None => "com.amazon.coral.service#SerializationException".into(),
        };
        refused(operation, body, &expected);
    }
    let deep = format!(r#"{{"TableName":"music","Item":{}"#, r#"{"a":{"L":["#.repeat(100_000));
    refused("PutItem", &deep, "com.amazon.coral.service#SerializationException");
}

#[test]
fn constraints_are_told_together() {
    let constraint = "failed to satisfy constraint: ";
    for (operation, body, texts) in [
        (
            "PutItem",
            "{}",
            vec![
                "Value null at 'tableName' C Member must not be null",
                "Value null at 'item' C Member must not be null",
            ],
        ),
        (
            "GetItem",
            r#"{"TableName":"","Key":{}}"#,
            vec!["Value '' at 'tableName' C Member must have length greater than or equal to 3"],
        ),
        (
            "GetItem",
            r#"{"TableName":"a;","Key":{}}"#,
            vec![
                "Value 'a;' at 'tableName' C Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
                "Value 'a;' at 'tableName' C Member must have length greater than or equal to 3",
            ],
        ),
        (
            "PutItem",
            r#"{"TableName":"abc","Item":{},"ReturnValues":"hi","ReturnConsumedCapacity":"hi",
            "ReturnItemCollectionMetrics":"hi","ReturnValuesOnConditionCheckFailure":"hi"}"#,
            vec![
                "Value 'hi' at 'returnValues' C Member must satisfy enum value set: \
             [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]",
                "Value 'hi' at 'returnConsumedCapacity' C Member must satisfy enum value set: [INDEXES, TOTAL, NONE]",
                "Value 'hi' at 'returnItemCollectionMetrics' C Member must satisfy enum value set: [SIZE, NONE]",
                "Value 'hi' at 'returnValuesOnConditionCheckFailure' C Member must satisfy enum value set: [ALL_OLD, NONE]",
            ],
        ),
        (
            "Query",
            r#"{"TableName":"abc","IndexName":"a","Select":"hi","Limit":0}"#,
            vec![
                "Value 'a' at 'indexName' C Member must have length greater than or equal to 3",
                "Value 'hi' at 'select' C Member must satisfy enum value set: \
             [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
                "Value '0' at 'limit' C Member must have value greater than or equal to 1",
            ],
        ),
        (
            "Scan",
            r#"{"TableName":"abc","Segment":1000000,"TotalSegments":1000001}"#,
            vec![
                "Value '1000000' at 'segment' C Member must have value less than or equal to 999999",
                "Value '1000001' at 'totalSegments' C Member must have value less than or equal to 1000000",
            ],
        ),
        (
            "Scan",
            r#"{"TableName":"abc","Segment":-1,"TotalSegments":0}"#,
            vec![
                "Value '-1' at 'segment' C Member must have value greater than or equal to 0",
                "Value '0' at 'totalSegments' C Member must have value greater than or equal to 1",
            ],
        ),
        (
            "BatchGetItem",
            r#"{"RequestItems":{}}"#,
            vec!["Value '{}' at 'requestItems' C Member must have length greater than or equal to 1"],
        ),
        (
            "BatchGetItem",
            r#"{"RequestItems":{"music":{"Keys":[]}}}"#,
            vec!["Value '[]' at 'requestItems.music.member.keys' C Member must have length greater than or equal to 1"],
        ),
        (
            "BatchGetItem",
            r#"{"RequestItems":{"music":{}}}"#,
            vec!["Value null at 'requestItems.music.member.keys' C Member must not be null"],
        ),
        (
            "BatchGetItem",
            r#"{"RequestItems":{"a;":{"Keys":[{}]}}}"#,
            vec![
                "Value '{a;={Keys=[{}]}}' at 'requestItems' C Map keys must satisfy constraint: \
                 [Member must have length less than or equal to 255, Member must have length greater than or equal to 3, \
                 Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+]",
            ],
        ),
        (
            "BatchWriteItem",
            r#"{"RequestItems":{"music":[]}}"#,
            vec![
                "Value '{music=[]}' at 'requestItems' C Map value must satisfy constraint: \
             [Member must have length less than or equal to 25, Member must have length greater than or equal to 1]",
            ],
        ),
        (
            "BatchWriteItem",
            r#"{"RequestItems":{"music":[{"PutRequest":{}}]}}"#,
            vec!["Value null at 'requestItems.music.member.1.member.putRequest.item' C Member must not be null"],
        ),
    ] {
        let errors = if texts.len() == 1 { "error" } else { "errors" };
        let text = format!("{} validation {errors} detected: {}", texts.len(), texts.join("; "));
        invalid(operation, body, &text.replace("C ", constraint));
    }
    let long = "a".repeat(256);
    invalid(
        "GetItem",
        &format!(r#"{{"TableName":"{long}","Key":{{}}}}"#),
        &format!(
            "1 validation error detected: Value '{long}' at 'tableName' {constraint}Member must have length less than or equal to 255"
        ),
    );
}

#[test]
fn parameters_that_are_not_there_yet_are_named() {
    let body = r#"{"TableName":"music","ResourcePolicy":"x","AttributeDefinitions":[],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}]}"#;
    invalid("CreateTable", body, "The parameter ResourcePolicy is not supported yet");
}

#[test]
fn unknown_members_are_ignored_and_repeated_ones_count_as_they_came_last() {
    taken("GetItem", &keyed(r#","Unknown":{"deep":[1,2]},"AnotherOne":null"#));
    taken("GetItem", &keyed(r#","ConsistentRead":null"#));
    taken("GetItem", r#"{"TableName":"nothing","Key":{"artist":{"S":"a"},"track":{"N":"1"}},"TableName":"music"}"#);
    taken("GetItem", &keyed("").replace("\"music\"", "\"arn:aws:dynamodb:us-east-1:000000000000:table/music\""));
    refused(
        "GetItem",
        &keyed("").replace("music", "nothing"),
        "ResourceNotFoundException: Requested resource not found",
    );
}

#[test]
fn items_need_legal_values_and_keys() {
    let wrong = "One or more parameter values were invalid: ";
    for (item, text) in [
        (r#"{"a":{}}"#, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes".into()),
        (
            r#"{"a":null}"#,
            "1 validation error detected: Value null at 'item.a.member' failed to satisfy constraint: Member must not be null"
                .into(),
        ),
        (
            r#"{"a":{"S":"x","N":"1"}}"#,
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
                .into(),
        ),
        (r#"{"a":{"N":"x"}}"#, "The parameter cannot be converted to a numeric value: x".into()),
        (r#"{"a":{"SS":[]}}"#, format!("{wrong}An string set  may not be empty")),
        (r#"{"a":{"SS":["a","a"]}}"#, format!("{wrong}Input collection [a, a] contains duplicates.")),
        (r#"{"a":{"NULL":false}}"#, format!("{wrong}Null attribute value types must have the value of true")),
        (r#"{"track":{"N":"1"}}"#, format!("{wrong}Missing the key artist in the item")),
        (r#"{"artist":{"S":"a"}}"#, format!("{wrong}Missing the key track in the item")),
        (
            r#"{"artist":{"N":"1"},"track":{"N":"1"}}"#,
            format!("{wrong}Type mismatch for key artist expected: S actual: N"),
        ),
        (
            r#"{"artist":{"S":"a"},"track":{"L":[]}}"#,
            format!("{wrong}Type mismatch for key track expected: N actual: L"),
        ),
        (
            r#"{"artist":{"S":"a"},"track":{"N":"1"},"title":{"N":"1"}}"#,
            format!("{wrong}Type mismatch for Index Key title Expected: S Actual: N IndexName: by_title"),
        ),
        (
            r#"{"artist":{"S":"a"},"track":{"N":"1"},"title":{"S":""}}"#,
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. \
             The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by_title, \
             IndexKey: title"
                .into(),
        ),
        (
            r#"{"artist":{"S":""},"track":{"N":"1"}}"#,
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
             string value. Key: artist"
                .into(),
        ),
    ] {
        invalid("PutItem", &put(item), &text);
    }
    let (hash, title) = ("h".repeat(2049), "t".repeat(1025));
    invalid(
        "PutItem",
        &put(&format!(r#"{{"artist":{{"S":"{hash}"}},"track":{{"N":"1"}}}}"#)),
        &format!("{wrong}Size of hashkey has exceeded the maximum size limit of2048 bytes"),
    );
    invalid(
        "PutItem",
        &put(&format!(r#"{{"artist":{{"S":"a"}},"track":{{"N":"1"}},"title":{{"S":"{title}"}}}}"#)),
        &format!("{wrong}Aggregated size of all range keys has exceeded the size limit of 1024 bytes"),
    );
    let large = "x".repeat(400 * 1024);
    let large = put(&format!(r#"{{"artist":{{"S":"a"}},"track":{{"N":"1"}},"x":{{"S":"{large}"}}}}"#));
    invalid("PutItem", &large, "Item size has exceeded the maximum allowed size");
}

#[test]
fn keys_have_the_schema_of_their_table() {
    for key in [
        "{}",
        r#"{"artist":{"S":"a"}}"#,
        r#"{"artist":{"S":"a"},"track":{"S":"1"}}"#,
        r#"{"artist":{"S":"a"},"track":{"N":"1"},"more":{"N":"1"}}"#,
        r#"{"artist":{"S":"a"},"other":{"N":"1"}}"#,
    ] {
        for operation in ["GetItem", "DeleteItem", "UpdateItem"] {
            let body = format!(r#"{{"TableName":"music","Key":{key}}}"#);
            invalid(operation, &body, "The provided key element does not match the schema");
        }
    }
    invalid(
        "GetItem",
        r#"{"TableName":"music","Key":{"artist":{"S":""},"track":{"N":"1"}}}"#,
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string \
         value. Key: artist",
    );
}

#[test]
fn what_writes_return_depends_on_the_write() {
    for returns in ["UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"] {
        let text = "ReturnValues can only be ALL_OLD or NONE";
        invalid("DeleteItem", &keyed(&format!(r#","ReturnValues":"{returns}""#)), text);
        let item = r#"{"artist":{"S":"a"},"track":{"N":"1"}}"#;
        invalid("PutItem", &put(&format!(r#"{item},"ReturnValues":"{returns}""#)), text);
        taken("UpdateItem", &keyed(&format!(r#","ReturnValues":"{returns}""#)));
    }
}

#[test]
fn placeholders_come_with_expressions_and_are_used() {
    for (operation, rest, text) in [
        (
            "GetItem",
            r##","ExpressionAttributeNames":{"#a":"a"}"##,
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            "DeleteItem",
            r#","ExpressionAttributeValues":{":a":{"S":"a"}}"#,
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            "UpdateItem",
            r#","ExpressionAttributeValues":{":a":{"S":"a"}}"#,
            "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and \
             ConditionExpression are null",
        ),
        (
            "DeleteItem",
            r#","ConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"N":"x"}}"#,
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: x \
             for key :a",
        ),
        (
            "DeleteItem",
            r#","ConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"N":"1"},":b":{"N":"2"}}"#,
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}",
        ),
        (
            "GetItem",
            r##","ProjectionExpression":"a","ExpressionAttributeNames":{"#a":"a"}"##,
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
        ),
        ("DeleteItem", r#","ConditionExpression":"""#, "Invalid ConditionExpression: The expression can not be empty;"),
        (
            "UpdateItem",
            r#","UpdateExpression":"SET artist = :a","ExpressionAttributeValues":{":a":{"S":"a"}}"#,
            "One or more parameter values were invalid: Cannot update attribute artist. This attribute is part of the key",
        ),
    ] {
        invalid(operation, &keyed(rest), text);
    }
}
