//! What transactions refuse, in DynamoDB's words, and what they ask of partitions.

use super::{invalid, taken};
use serde_json::{Value as Json, json};
use stator_partition::Command;
use stator_partition::transaction::TransactionWrite;

fn key(track: u32) -> Json {
    json!({"artist": {"S": "a"}, "track": {"N": track.to_string()}})
}

fn put(track: u32) -> Json {
    json!({"Put": {"TableName": "music", "Item": key(track)}})
}

fn writes(items: &[Json]) -> String {
    json!({"TransactItems": items}).to_string()
}

#[test]
fn the_shape_is_checked_first() {
    let hundred_and_one: Vec<Json> = (0..101).map(put).collect();
    let body = writes(&hundred_and_one);
    let shown = super::run("TransactWriteItems", &body).expect_err("too many").to_string();
    assert!(
        shown.ends_with(
            "at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100"
        ),
        "{shown}"
    );
    invalid(
        "TransactWriteItems",
        r#"{"TransactItems":[]}"#,
        "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: \
         Member must have length greater than or equal to 1",
    );
    invalid(
        "TransactWriteItems",
        r#"{}"#,
        "1 validation error detected: Value null at 'transactItems' failed to satisfy constraint: Member must not be null",
    );
    invalid(
        "TransactWriteItems",
        r#"{"TransactItems":[{"ConditionCheck":{"TableName":"music"}}]}"#,
        "2 validation errors detected: Value null at 'transactItems.1.member.conditionCheck.key' failed to satisfy \
         constraint: Member must not be null; Value null at 'transactItems.1.member.conditionCheck.conditionExpression' \
         failed to satisfy constraint: Member must not be null",
    );
    let token = |token: &str| json!({"TransactItems": [put(1)], "ClientRequestToken": token}).to_string();
    invalid(
        "TransactWriteItems",
        &token(""),
        "1 validation error detected: Value '' at 'clientRequestToken' failed to satisfy constraint: \
         Member must have length greater than or equal to 1",
    );
    taken("TransactWriteItems", &token(&"x".repeat(36)));
    invalid(
        "TransactGetItems",
        r#"{"TransactItems":[{}]}"#,
        "1 validation error detected: Value null at 'transactItems.1.member.get' failed to satisfy constraint: \
         Member must not be null",
    );
}

#[test]
fn each_item_is_one_request_for_another_item() {
    invalid(
        "TransactWriteItems",
        r#"{"TransactItems":[{}]}"#,
        "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
    );
    let both = json!({"Put": put(1)["Put"], "Delete": {"TableName": "music", "Key": key(2)}});
    let text = "TransactItems can only contain one of Check, Put, Update or Delete";
    invalid("TransactWriteItems", &writes(&[both]), text);
    let repeated = "Transaction request cannot include multiple operations on one item";
    let delete = json!({"Delete": {"TableName": "music", "Key": key(1)}});
    invalid("TransactWriteItems", &writes(&[put(1), put(2), delete]), repeated);
    let get = json!({"Get": {"TableName": "music", "Key": key(1)}});
    invalid("TransactGetItems", &writes(&[get.clone(), get]), repeated);
}

#[test]
fn expressions_and_keys_are_refused_as_in_single_requests() {
    for (item, text) in [
        (
            json!({"Put": {"TableName": "music", "Item": {"artist": {"S": "a"}}}}),
            "One or more parameter values were invalid: Missing the key track in the item",
        ),
        (
            json!({"Delete": {"TableName": "music", "Key": {"artist": {"S": "a"}}}}),
            "The provided key element does not match the schema",
        ),
        (
            json!({"Update": {"TableName": "music", "Key": key(1), "UpdateExpression": "SET track = :n",
                "ExpressionAttributeValues": {":n": {"N": "1"}}}}),
            "One or more parameter values were invalid: Cannot update attribute track. This attribute is part of the key",
        ),
        (
            json!({"Update": {"TableName": "music", "Key": key(1), "UpdateExpression": ""}}),
            "Invalid UpdateExpression: The expression can not be empty;",
        ),
        (
            json!({"Put": {"TableName": "music", "Item": key(1), "ExpressionAttributeValues": {":n": {"N": "1"}}}}),
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            json!({"ConditionCheck": {"TableName": "music", "Key": key(1), "ConditionExpression": "#a = :n",
                "ExpressionAttributeNames": {"#a": "x", "#b": "y"}, "ExpressionAttributeValues": {":n": {"N": "1"}}}}),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b}",
        ),
    ] {
        invalid("TransactWriteItems", &writes(&[put(9), item]), text);
    }
}

#[test]
fn the_order_of_attributes_makes_no_other_payload() {
    let request = |body: &str| match taken("TransactWriteItems", body).remove(0) {
        Command::TransactOne(one) => {
            assert!(matches!(one.writes[..], [TransactionWrite::Put(_)]));
            one.request.expect("it has a token").payload
        }
        other => panic!("{other:?}"),
    };
    let body = |item: &str, rest: &str| {
        format!(
            r#"{{"ClientRequestToken":"t","TransactItems":[{{"Put":{{"TableName":"music","Item":{{{item}}}}}}}]{rest}}}"#
        )
    };
    let (artist, track) = (r#""artist":{"S":"a"}"#, r#""track":{"N":"1"}"#);
    let first = request(&body(&format!("{artist},{track}"), ""));
    assert_eq!(request(&body(&format!("{track},{artist}"), r#","ReturnConsumedCapacity":"TOTAL""#)), first);
    assert_ne!(request(&body(&format!(r#"{artist},"track":{{"N":"2"}}"#), "")), first);
}

fn statements(texts: &[&str]) -> String {
    let statements: Vec<Json> = texts.iter().map(|text| json!({"Statement": text})).collect();
    json!({"TransactStatements": statements, "ClientRequestToken": "t"}).to_string()
}

#[test]
fn statements_become_writes_and_checks() {
    let body = statements(&[
        "INSERT INTO music VALUE {'artist': 'a', 'track': 1}",
        "UPDATE music SET title = 't' WHERE artist = 'a' AND track = 2 AND title = 'u'",
        "DELETE FROM music WHERE artist = 'a' AND track = 3",
        "EXISTS(SELECT * FROM music WHERE artist = 'a' AND track = 4 AND title = 't')",
    ]);
    let Command::TransactOne(one) = taken("ExecuteTransaction", &body).remove(0) else { panic!("these are writes") };
    assert!(matches!(
        &one.writes[..],
        [
            TransactionWrite::Put(_),
            TransactionWrite::Update(_),
            TransactionWrite::Delete(_),
            TransactionWrite::Check(_)
        ]
    ));
    let TransactionWrite::Check(check) = &one.writes[3] else { panic!("it is a check") };
    let condition = check.options.condition.as_ref().expect("the rest is a condition");
    let item = |title: &str| {
        let text = |text: &str| stator_item::Value::String(text.into());
        stator_item::Item::from([("artist".to_owned(), text("a")), ("title".to_owned(), text(title))])
    };
    assert!(condition.evaluate(&item("t")) && !condition.evaluate(&item("u")));
    assert!(!condition.evaluate(&stator_item::Item::new()), "the item must be there");
}

#[test]
fn statements_read_one_item_each() {
    let read = |track: u32| format!("SELECT title FROM music WHERE artist = 'a' AND track = {track}");
    let (one, other) = (read(1), read(2));
    let Command::TransactGet(get) = taken("ExecuteTransaction", &statements(&[&one, &other])).remove(0) else {
        panic!("these are reads")
    };
    assert_eq!(get.gets.len(), 2);
    let delete = "DELETE FROM music WHERE artist = 'a' AND track = 3";
    let mixed = "ExecuteTransaction API does not support both read and write operations in the same request.";
    let many: Vec<String> = (0..101).map(read).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(super::run("ExecuteTransaction", &statements(&many)).is_err());
    for (texts, text) in [
        (vec![one.as_str(), delete], mixed),
        (vec![one.as_str(), one.as_str()], "Transaction request cannot include multiple operations on one item"),
        (
            vec!["DELETE FROM music WHERE artist = 'a' AND track = 3 RETURNING ALL OLD *"],
            "RETURNING is not supported in ExecuteTransaction",
        ),
        (
            vec![r#"SELECT * FROM "music"."by_title" WHERE artist = 'a' AND track = 3"#],
            "Select statements within ExecuteTransaction must specify the primary key in the where clause.",
        ),
    ] {
        invalid("ExecuteTransaction", &statements(&texts), text);
    }
}
