//! What Query, Scan and the batches refuse, in DynamoDB's words.

use super::{invalid, refused, taken};

fn query(rest: &str) -> String {
    format!(
        r#"{{"TableName":"music","KeyConditionExpression":"artist = :a","ExpressionAttributeValues":{{":a":{{"S":"x"}}}}{rest}}}"#
    )
}

fn query_on(condition: &str, values: &str) -> String {
    format!(
        r#"{{"TableName":"music","KeyConditionExpression":"{condition}","ExpressionAttributeValues":{{{values}}}}}"#
    )
}

#[test]
fn queries_ask_for_one_collection() {
    invalid(
        "Query",
        r#"{"TableName":"music"}"#,
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
    );
    let mismatch = "One or more parameter values were invalid: Condition parameter type does not match schema type";
    for (condition, values, text) in [
        ("track = :n", r#"":n":{"N":"1"}"#, "Query condition missed key schema element: artist"),
        ("artist > :a", r#"":a":{"S":"a"}"#, "Query key condition not supported"),
        ("artist = :a", r#"":a":{"N":"1"}"#, mismatch),
        ("artist = :a AND track = :n", r#"":a":{"S":"a"},":n":{"S":"1"}"#, mismatch),
        (
            "artist = :a",
            r#"":a":{"S":""}"#,
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty \
             string value. Key: artist",
        ),
    ] {
        invalid("Query", &query_on(condition, values), text);
    }
    invalid("Query", &query(r#","IndexName":"by_none""#), "The table does not have the specified index: by_none");
    invalid(
        "Query",
        &query(r#","FilterExpression":"attribute_exists(track)""#),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: track",
    );
    taken("Query", &query(r#","IndexName":"by_title","FilterExpression":"attribute_exists(track)""#));
}

#[test]
fn select_goes_with_a_projection_or_an_index() {
    for (rest, text) in [
        (
            r#""Select":"ALL_ATTRIBUTES","ProjectionExpression":"a""#,
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            r#""Select":"COUNT","ProjectionExpression":"a""#,
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            r#""Select":"ALL_PROJECTED_ATTRIBUTES","IndexName":"by_title","ProjectionExpression":"a""#,
            "Cannot specify the ProjectionExpression when choosing to get ALL_PROJECTED_ATTRIBUTES",
        ),
        (
            r#""Select":"SPECIFIC_ATTRIBUTES""#,
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
    ] {
        invalid("Query", &query(&format!(",{rest}")), text);
        invalid("Scan", &format!(r#"{{"TableName":"music",{rest}}}"#), text);
    }
    let text = "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName";
    invalid("Query", &query(r#","Select":"ALL_PROJECTED_ATTRIBUTES""#), text);
}

#[test]
fn a_start_key_lies_within_the_request() {
    let start = |key: &str| format!(r#","ExclusiveStartKey":{key}"#);
    let invalid_key = "The provided starting key is invalid";
    let mismatch = "The provided starting key is invalid: The provided key element does not match the schema";
    for (rest, text) in [
        (start(r#"{"artist":{"S":"x"}}"#), invalid_key),
        (start(r#"{"artist":{"S":"x"},"track":{"S":"1"}}"#), mismatch),
        (
            start(r#"{"artist":{"S":"y"},"track":{"N":"1"}}"#),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            start(r#"{"artist":{"N":"x"}}"#),
            "The provided starting key is invalid: The parameter cannot be converted to a numeric value: x",
        ),
        (start(r#"{"artist":{"S":"x"},"track":{"N":"1"}}"#) + r#","IndexName":"by_title""#, invalid_key),
    ] {
        invalid("Query", &query(&rest), text);
    }
    taken("Query", &query(&start(r#"{"artist":{"S":"x"},"track":{"N":"1"}}"#)));
    taken(
        "Query",
        &query(&(start(r#"{"artist":{"S":"x"},"track":{"N":"1"},"title":{"S":"t"}}"#) + r#","IndexName":"by_title""#)),
    );
    let body = query_on("artist = :a AND track > :n", r#"":a":{"S":"x"},":n":{"N":"5"}"#);
    let body =
        body.replace("{\"TableName\"", r#"{"ExclusiveStartKey":{"artist":{"S":"x"},"track":{"N":"5"}},"TableName""#);
    invalid("Query", &body, "The provided starting key does not match the range key predicate");
    invalid("Scan", r#"{"TableName":"music","ExclusiveStartKey":{"artist":{"S":"x"}}}"#, mismatch);
}

#[test]
fn segments_come_in_pairs() {
    for (rest, text) in [
        (
            r#""Segment":0"#,
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        ),
        (
            r#""TotalSegments":1"#,
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        ),
        (
            r#""Segment":4,"TotalSegments":4"#,
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 4 is not less than \
             TotalSegments: 4",
        ),
    ] {
        invalid("Scan", &format!(r#"{{"TableName":"music",{rest}}}"#), text);
    }
    let wrong = (0..2)
        .map(|segment| {
            super::run("Scan", &format!(
                r#"{{"TableName":"music","Segment":{segment},"TotalSegments":2,"ExclusiveStartKey":{{"artist":{{"S":"x"}},"track":{{"N":"1"}}}}}}"#
            ))
        })
        .filter_map(Result::err)
        .map(super::shown)
        .collect::<Vec<_>>();
    assert_eq!(wrong.len(), 1, "a key lies in one segment");
    assert!(wrong[0].starts_with(
        "ValidationException: The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey \
         with correct Segment. TotalSegments: 2 Segment: "
    ));
}

#[test]
fn batches_have_limits_and_no_duplicates() {
    let key = |number: usize| format!(r#"{{"artist":{{"S":"a"}},"track":{{"N":"{number}"}}}}"#);
    let keys = |numbers: std::ops::Range<usize>| numbers.map(key).collect::<Vec<_>>().join(",");
    let deletes = |numbers: std::ops::Range<usize>| {
        numbers.map(|number| format!(r#"{{"DeleteRequest":{{"Key":{}}}}}"#, key(number))).collect::<Vec<_>>().join(",")
    };
    let other = "arn:aws:dynamodb:us-east-1:000000000000:table/music";
    assert_eq!(
        taken("BatchGetItem", &format!(r#"{{"RequestItems":{{"music":{{"Keys":[{}]}}}}}}"#, keys(0..100))).len(),
        100
    );
    invalid(
        "BatchGetItem",
        &format!(
            r#"{{"RequestItems":{{"music":{{"Keys":[{}]}},"{other}":{{"Keys":[{}]}}}}}}"#,
            keys(0..60),
            keys(60..101)
        ),
        "Too many items requested for the BatchGetItem call",
    );
    invalid(
        "BatchGetItem",
        &format!(r#"{{"RequestItems":{{"music":{{"Keys":[{0},{0}]}}}}}}"#, key(1)),
        "Provided list of item keys contains duplicates",
    );
    assert_eq!(taken("BatchWriteItem", &format!(r#"{{"RequestItems":{{"music":[{}]}}}}"#, deletes(0..25))).len(), 25);
    invalid(
        "BatchWriteItem",
        &format!(r#"{{"RequestItems":{{"music":[{}],"{other}":[{}]}}}}"#, deletes(0..20), deletes(20..26)),
        "Too many items requested for the BatchWriteItem call",
    );
    invalid(
        "BatchWriteItem",
        &format!(r#"{{"RequestItems":{{"music":[{{"PutRequest":{{"Item":{}}}}},{}]}}}}"#, key(1), deletes(1..2)),
        "Provided list of item keys contains duplicates",
    );
    invalid(
        "BatchWriteItem",
        r#"{"RequestItems":{"music":[{}]}}"#,
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
    );
    refused(
        "BatchGetItem",
        &format!(r#"{{"RequestItems":{{"nothing":{{"Keys":[{}]}}}}}}"#, key(1)),
        "ResourceNotFoundException: Requested resource not found",
    );
}
