//! Valid requests, broken at random: whatever comes, there is an answer.

use crate::fuzz::parse_any;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value as Json, json};

fn valid_requests() -> Vec<(&'static str, Json)> {
    let key = json!({"artist": {"S": "a"}, "track": {"N": "1"}});
    let item = json!({"artist": {"S": "a"}, "track": {"N": "1"}, "title": {"S": "t"}, "cover": {"B": "AAEC"},
        "tags": {"SS": ["a", "b"]}, "deep": {"L": [{"M": {"x": {"NS": ["1", "2.5"]}}}, {"NULL": true}, {"BOOL": false}]}});
    vec![
        (
            "PutItem",
            json!({"TableName": "music", "Item": item, "ConditionExpression": "attribute_not_exists(#a)",
            "ExpressionAttributeNames": {"#a": "artist"}, "ReturnValues": "ALL_OLD"}),
        ),
        (
            "GetItem",
            json!({"TableName": "music", "Key": key, "ProjectionExpression": "deep[0].x, title",
            "ConsistentRead": true, "ReturnConsumedCapacity": "INDEXES"}),
        ),
        (
            "UpdateItem",
            json!({"TableName": "music", "Key": key, "UpdateExpression": "SET #t = :t ADD plays :n REMOVE deep[1]",
            "ExpressionAttributeNames": {"#t": "title"}, "ReturnValues": "UPDATED_NEW",
            "ExpressionAttributeValues": {":t": {"S": "new"}, ":n": {"N": "1"}}}),
        ),
        (
            "DeleteItem",
            json!({"TableName": "music", "Key": key, "ConditionExpression": "plays BETWEEN :l AND :h",
            "ExpressionAttributeValues": {":l": {"N": "1"}, ":h": {"N": "2"}}, "ReturnItemCollectionMetrics": "SIZE"}),
        ),
        (
            "Query",
            json!({"TableName": "music", "IndexName": "by_title", "Limit": 5, "ScanIndexForward": false,
            "KeyConditionExpression": "artist = :a AND begins_with(title, :t)", "FilterExpression": "plays > :n",
            "ExpressionAttributeValues": {":a": {"S": "a"}, ":t": {"S": "t"}, ":n": {"N": "1"}},
            "ExclusiveStartKey": {"artist": {"S": "a"}, "track": {"N": "1"}, "title": {"S": "tt"}}}),
        ),
        (
            "Scan",
            json!({"TableName": "music", "Segment": 0, "TotalSegments": 1, "Select": "COUNT",
            "FilterExpression": "contains(tags, :t)", "ExpressionAttributeValues": {":t": {"S": "a"}},
            "ExclusiveStartKey": key}),
        ),
        ("BatchGetItem", json!({"RequestItems": {"music": {"Keys": [key], "ProjectionExpression": "title"}}})),
        ("BatchWriteItem", json!({"RequestItems": {"music": [{"PutRequest": {"Item": item}}]}})),
        (
            "CreateTable",
            json!({"TableName": "music", "AttributeDefinitions": [
                {"AttributeName": "artist", "AttributeType": "S"}, {"AttributeName": "track", "AttributeType": "N"},
                {"AttributeName": "title", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "track", "KeyType": "RANGE"}],
            "LocalSecondaryIndexes": [{"IndexName": "by_title", "KeySchema": [
                {"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "title", "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["label"]}}],
            "BillingMode": "PAY_PER_REQUEST", "OnDemandThroughput": {"MaxReadRequestUnits": 5},
            "WarmThroughput": {"ReadUnitsPerSecond": 12_000}, "Tags": [{"Key": "k", "Value": "v"}],
            "SSESpecification": {"Enabled": true}, "StreamSpecification": {"StreamEnabled": false}}),
        ),
        (
            "UpdateTable",
            json!({"TableName": "music", "DeletionProtectionEnabled": true, "TableClass": "STANDARD",
            "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2}}),
        ),
        (
            "TransactWriteItems",
            json!({"TransactItems": [
                {"Put": {"TableName": "music", "Item": item, "ConditionExpression": "attribute_not_exists(artist)"}},
                {"Update": {"TableName": "music", "Key": {"artist": {"S": "a"}, "track": {"N": "2"}},
                    "UpdateExpression": "SET #t = :t", "ExpressionAttributeNames": {"#t": "title"},
                    "ExpressionAttributeValues": {":t": {"S": "new"}}}},
                {"Delete": {"TableName": "music", "Key": {"artist": {"S": "a"}, "track": {"N": "3"}}}},
                {"ConditionCheck": {"TableName": "music", "Key": {"artist": {"S": "a"}, "track": {"N": "4"}},
                    "ConditionExpression": "attribute_exists(deep[0].x)"}}],
            "ClientRequestToken": "token", "ReturnConsumedCapacity": "TOTAL", "ReturnItemCollectionMetrics": "SIZE"}),
        ),
        (
            "TransactGetItems",
            json!({"TransactItems": [{"Get": {"TableName": "music", "Key": key, "ProjectionExpression": "title"}}]}),
        ),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [
                {"Statement": "DELETE FROM music WHERE artist = ? AND track = 1", "Parameters": [{"S": "a"}]},
                {"Statement": "EXISTS(SELECT * FROM music WHERE artist = 'a' AND track = 2)"}],
            "ReturnConsumedCapacity": "TOTAL"}),
        ),
        ("ListTables", json!({"Limit": 5, "ExclusiveStartTableName": "music"})),
    ]
}

/// Puts something else in a place of the tree, counted in order.
fn replace(json: &mut Json, left: &mut usize, new: &Json) {
    if *left == 0 {
        *json = new.clone();
    }
    *left = left.wrapping_sub(1);
    match json {
        Json::Array(elements) => elements.iter_mut().for_each(|element| replace(element, left, new)),
        Json::Object(entries) => entries.values_mut().for_each(|value| replace(value, left, new)),
        _ => {}
    }
}

fn count(json: &Json) -> usize {
    1 + match json {
        Json::Array(elements) => elements.iter().map(count).sum(),
        Json::Object(entries) => entries.values().map(count).sum(),
        _ => 0,
    }
}

fn replacement() -> impl Strategy<Value = Json> {
    let odd = vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e300),
        json!(2.5),
        json!(u64::MAX),
        json!([]),
        json!({}),
        json!(""),
        json!([null]),
        json!({"": null}),
        json!({"S": ""}),
        json!({"N": "1e999"}),
        json!({"L": [{}]}),
        json!({"SS": []}),
        json!({"M": {"": {"B": "===="}}}),
        json!("SET a = "),
        json!("((((a"),
        json!("\u{e9}\u{1f600}"),
    ];
    prop_oneof![select(odd), "[ -~\u{e9}]{0,12}".prop_map(Json::String)]
}

#[test]
fn the_requests_that_are_broken_are_valid() {
    for (operation, body) in valid_requests() {
        super::taken(operation, &body.to_string());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn other_values_anywhere_are_answered(which: Index, at: Index, new in replacement()) {
        let mut requests = valid_requests();
        let (operation, body) = which.get_mut(&mut requests);
        replace(body, &mut at.index(count(body)), &new);
        // Only that there is an answer counts here.
        let _ = parse_any(&format!("DynamoDB_20120810.{operation}"), body.to_string().as_bytes());
    }

    #[test]
    fn broken_bytes_are_answered(which: Index, at: Index, byte: u8, cut: bool) {
        let requests = valid_requests();
        let (operation, body) = which.get(&requests);
        let mut bytes = body.to_string().into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = parse_any(&format!("DynamoDB_20120810.{operation}"), &bytes);
    }
}
