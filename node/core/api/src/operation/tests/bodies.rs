//! Replies of partitions as response bodies.

use crate::fuzz::table;
use crate::operation::{
    BatchGetItem, BatchWriteItem, DeleteItem, GetItem, ManyItems, OneItem, PutItem, Query, Scan, Tables, UpdateItem,
};
use crate::{ApiError, Wire};
use bytes::Bytes;
use stator_catalog::{TableDescription, TableStatus, TokenRange};
use stator_item::row::item_encoding;
use stator_item::{IndexNumber, Item, Key, KeyPart, Number, Token, Value};
use stator_partition::reply::{Got, PageReply, Written};
use stator_partition::{Command, PageRange, Position, Refusal, Reply};
use std::sync::Arc;

const KEY: &str = r#""Key":{"artist":{"S":"a"},"track":{"N":"1"}}"#;

fn encoded(number: u64) -> Bytes {
    let item = Item::from([
        ("artist".into(), Value::String("a".into())),
        ("track".into(), Value::Number(Number::from_u64(number))),
    ]);
    item_encoding(&item).into()
}

fn shown(number: u64) -> String {
    format!(r#"{{"artist":{{"S":"a"}},"track":{{"N":"{number}"}}}}"#)
}

fn body_of<T: OneItem>(body: &str, outcome: Result<Reply, Refusal>) -> Result<String, ApiError> {
    let input = T::parse(body.as_bytes())?;
    input.command(&table())?;
    let mut out = Vec::new();
    input.render(&table(), outcome, &mut out)?;
    Ok(String::from_utf8(out).expect("a body is UTF-8"))
}

#[test]
fn a_read_item_is_shown_with_its_cost() {
    let got = |item, read_bytes| Ok(Reply::Got(Got { item, read_bytes }));
    for (rest, outcome, expected) in [
        ("", got(None, 0), "{}".to_owned()),
        ("", got(Some(encoded(1)), 20), format!(r#"{{"Item":{}}}"#, shown(1))),
        (
            r#","ReturnConsumedCapacity":"TOTAL""#,
            got(None, 0),
            r#"{"ConsumedCapacity":{"TableName":"music","CapacityUnits":0.5}}"#.into(),
        ),
        (
            r#","ReturnConsumedCapacity":"INDEXES","ConsistentRead":true"#,
            got(None, 4097),
            r#"{"ConsumedCapacity":{"TableName":"music","CapacityUnits":2.0,"Table":{"CapacityUnits":2.0}}}"#.into(),
        ),
    ] {
        let body = body_of::<GetItem>(&format!(r#"{{"TableName":"music",{KEY}{rest}}}"#), outcome);
        assert_eq!(body, Ok(expected), "{rest}");
    }
}

#[test]
fn a_write_shows_attributes_costs_and_its_collection() {
    let written = Written {
        attributes: Some(encoded(1)),
        old_bytes: 1025,
        new_bytes: 10,
        index_bytes: vec![(IndexNumber(1), 0, 12), (IndexNumber(3), 2000, 0)],
        collection_bytes: Some(3 << 30),
        global_bytes: Vec::new(),
    };
    let all = r#","ReturnValues":"ALL_OLD","ReturnConsumedCapacity":"INDEXES","ReturnItemCollectionMetrics":"SIZE""#;
    let expected = format!(
        r#"{{"Attributes":{},"ConsumedCapacity":{{"TableName":"music","CapacityUnits":5.0,"Table":{{"CapacityUnits":2.0}},"LocalSecondaryIndexes":{{"by_title":{{"CapacityUnits":1.0}},"by_year":{{"CapacityUnits":2.0}}}}}},"ItemCollectionMetrics":{{"ItemCollectionKey":{{"artist":{{"S":"a"}}}},"SizeEstimateRangeGB":[3.0,4.0]}}}}"#,
        shown(1)
    );
    let keyed = format!(r#"{{"TableName":"music",{KEY}{all}}}"#);
    let reply = || Ok(Reply::Written(written.clone()));
    assert_eq!(body_of::<UpdateItem>(&keyed, reply()), Ok(expected.clone()));
    assert_eq!(body_of::<DeleteItem>(&keyed, reply()), Ok(expected.clone()));
    assert_eq!(body_of::<PutItem>(&keyed.replace("Key", "Item"), reply()), Ok(expected));
    let nothing = || Ok(Reply::Written(Written::default()));
    let bare = format!(r#"{{"TableName":"music",{KEY}}}"#);
    assert_eq!(body_of::<DeleteItem>(&bare, nothing()), Ok("{}".into()));
}

#[test]
fn refusals_become_dynamodbs_errors() {
    let body = format!(r#"{{"TableName":"music",{KEY}}}"#);
    let prefix = "com.amazonaws.dynamodb.v20120810";
    for (refusal, status, expected) in [
        (
            Refusal::ConditionFailed { old_item: Some(encoded(1)) },
            400,
            format!(
                r#"{{"__type":"{prefix}#ConditionalCheckFailedException","message":"The conditional request failed","Item":{}}}"#,
                shown(1)
            ),
        ),
        (
            Refusal::ConditionFailed { old_item: None },
            400,
            format!(
                r#"{{"__type":"{prefix}#ConditionalCheckFailedException","message":"The conditional request failed"}}"#
            ),
        ),
        (
            Refusal::Invalid("no".into()),
            400,
            r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}"#.into(),
        ),
        (
            Refusal::CollectionFull,
            400,
            format!(
                r#"{{"__type":"{prefix}#ItemCollectionSizeLimitExceededException","message":"Collection size exceeded."}}"#
            ),
        ),
        (
            Refusal::NoSuchTable,
            400,
            format!(r#"{{"__type":"{prefix}#ResourceNotFoundException","message":"Requested resource not found"}}"#),
        ),
        (
            Refusal::DeadlinePassed,
            500,
            format!(r#"{{"__type":"{prefix}#InternalServerError","message":"Internal server error"}}"#),
        ),
    ] {
        let error = body_of::<DeleteItem>(&body, Err(refusal)).expect_err("a refusal");
        let wire = Wire::from(error);
        let mut out = Vec::new();
        wire.write_json(None, &mut out);
        assert_eq!((wire.status, String::from_utf8_lossy(&out).into_owned()), (status, expected));
    }
    let statuses = [(Refusal::Overloaded, 400), (Refusal::TooOld, 500), (Refusal::StaleEpoch { current: 1 }, 503)];
    for (refusal, status) in statuses {
        assert_eq!(Wire::from(ApiError::from(refusal)).status, status);
    }
}

fn position(number: u64, index_range: Option<KeyPart>) -> Position {
    let range = Some(KeyPart::Number(Number::from_u64(number)));
    Position { key: Key { hash: KeyPart::String("a".into()), range }, index_range, index_key: Vec::new() }
}

#[test]
fn a_query_shows_one_page() {
    let body = r#"{"TableName":"music","IndexName":"by_title","KeyConditionExpression":"artist = :a","Limit":2,
        "Select":"ALL_ATTRIBUTES","ReturnConsumedCapacity":"INDEXES","ExpressionAttributeValues":{":a":{"S":"a"}}}"#;
    let query = Query::parse(body.as_bytes()).expect("a query");
    let mut paging = query.paging(&table()).expect("a page");
    assert_eq!(paging.next_token(), Some(Token::of(&KeyPart::String("a".into()))));
    let Command::Page(page) = paging.page(TokenRange::ALL) else { panic!("not a page") };
    assert!(page.fetch_items && page.items_max == Some(2) && page.bytes_max == 1 << 20 && page.index == IndexNumber(1));
    paging.absorb(
        TokenRange::ALL,
        PageReply {
            items: vec![encoded(1), encoded(2)],
            count: 2,
            scanned_count: 2,
            read_bytes: 5000,
            fetched_bytes: vec![1, 4097],
            stopped: Some(position(2, Some(KeyPart::String("t".into())))),
        },
    );
    assert_eq!(paging.next_token(), None);
    let mut out = Vec::new();
    paging.render(&table(), &mut out).expect("items can be shown");
    let expected = format!(
        r#"{{"Items":[{},{}],"Count":2,"ScannedCount":2,"LastEvaluatedKey":{{"artist":{{"S":"a"}},"track":{{"N":"2"}},"title":{{"S":"t"}}}},"ConsumedCapacity":{{"TableName":"music","CapacityUnits":2.5,"Table":{{"CapacityUnits":1.5}},"LocalSecondaryIndexes":{{"by_title":{{"CapacityUnits":1.0}}}}}}}}"#,
        shown(1),
        shown(2)
    );
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

/// The pages of a scan over four partitions that answer three items each, and its body.
fn scanned(body: &str) -> (Vec<(PageRange, Option<u64>)>, String) {
    let mut paging = Scan::parse(body.as_bytes()).and_then(|scan| scan.paging(&table())).expect("a page");
    let mut pages = Vec::new();
    while let Some(token) = paging.next_token() {
        let partition = (0..4).map(|number| TokenRange::slice(number, 4)).find(|partition| partition.contains(token));
        let partition = partition.expect("partitions cover all tokens");
        let Command::Page(page) = paging.page(partition) else { panic!("not a page") };
        pages.push((page.range, page.items_max));
        let reply = PageReply { count: 1, scanned_count: 3, read_bytes: 10, ..PageReply::default() };
        paging.absorb(partition, reply);
    }
    let mut out = Vec::new();
    paging.render(&table(), &mut out).expect("counts can be shown");
    (pages, String::from_utf8(out).expect("a body is UTF-8"))
}

#[test]
fn a_scan_goes_from_partition_to_partition() {
    let tokens = |number, count| PageRange::Tokens(TokenRange::slice(number, count));
    for (rest, expected) in [
        (
            r#","Limit":20"#,
            vec![
                (tokens(0, 4), Some(20)),
                (tokens(1, 4), Some(17)),
                (tokens(2, 4), Some(14)),
                (tokens(3, 4), Some(11)),
            ],
        ),
        (r#","Segment":0,"TotalSegments":2"#, vec![(tokens(0, 4), None), (tokens(1, 4), None)]),
        (r#","Segment":1,"TotalSegments":2"#, vec![(tokens(2, 4), None), (tokens(3, 4), None)]),
        (r#","Segment":5,"TotalSegments":8"#, vec![(tokens(5, 8), None)]),
    ] {
        let (pages, shown) = scanned(&format!(r#"{{"TableName":"music","Select":"COUNT"{rest}}}"#));
        let (count, scanned_count) = (expected.len(), expected.len() * 3);
        assert_eq!(pages, expected, "{rest}");
        assert_eq!(shown, format!(r#"{{"Count":{count},"ScannedCount":{scanned_count}}}"#), "{rest}");
    }
}

#[test]
fn a_table_serves_while_it_is_active() {
    let body = format!(r#"{{"TableName":"music",{KEY}}}"#);
    let (get, scan) = (GetItem::parse(body.as_bytes()), Scan::parse(br#"{"TableName":"music"}"#));
    let (get, scan) = (get.expect("a read"), scan.expect("a scan"));
    for (status, serves) in [
        (TableStatus::Creating, false),
        (TableStatus::Active, true),
        (TableStatus::Updating, true),
        (TableStatus::Deleting, false),
    ] {
        let table = TableDescription { status, ..table() };
        assert_eq!((get.command(&table).is_ok(), scan.paging(&table).is_ok()), (serves, serves), "{status:?}");
    }
}

#[test]
fn a_scan_goes_on_behind_its_start_key() {
    let start = position(1, None);
    let body = format!(r#"{{"TableName":"music","ExclusiveStartKey":{}}}"#, shown(1));
    let paging = Scan::parse(body.as_bytes()).and_then(|scan| scan.paging(&table())).expect("a page");
    assert_eq!(paging.next_token(), Some(start.key.token()));
    let Command::Page(page) = paging.page(TokenRange::ALL) else { panic!("not a page") };
    assert_eq!(page.after, Some(start.clone()));
    assert_eq!(page.range, PageRange::Tokens(TokenRange { first: start.key.token(), last: Token::MAX }));
}

fn tables() -> Tables {
    Tables::from([("music".into(), Arc::new(table()))])
}

#[test]
fn a_batch_of_reads_leaves_what_it_could_not_do() {
    let body = format!(
        r##"{{"ReturnConsumedCapacity":"TOTAL","RequestItems":{{"music":{{"Keys":[{},{},{}],"ConsistentRead":true,"ProjectionExpression":"#n","ExpressionAttributeNames":{{"#n":"track"}}}}}}}}"##,
        shown(1),
        shown(2),
        shown(3)
    );
    let batch = BatchGetItem::parse(body.as_bytes()).expect("a batch");
    assert_eq!(batch.commands(&tables()).map(|commands| commands.len()), Ok(3));
    let got = |number, read_bytes| Ok(Reply::Got(Got { item: Some(encoded(number)), read_bytes }));
    let left = |numbers: &[u64]| {
        let keys = numbers.iter().map(|number| shown(*number)).collect::<Vec<_>>().join(",");
        format!(
            r##""UnprocessedKeys":{{"music":{{"Keys":[{keys}],"ConsistentRead":true,"ProjectionExpression":"#n","ExpressionAttributeNames":{{"#n":"track"}}}}}}"##
        )
    };
    let mut out = Vec::new();
    batch.render(&tables(), vec![got(1, 9), Err(Refusal::Overloaded), got(3, 9)], &mut out).expect("a body");
    let expected = format!(
        r#"{{"Responses":{{"music":[{},{}]}},{},"ConsumedCapacity":[{{"TableName":"music","CapacityUnits":2.0}}]}}"#,
        shown(1),
        shown(3),
        left(&[2])
    );
    assert_eq!(String::from_utf8_lossy(&out), expected);

    // 16 MB are full: what follows is left, however small.
    let mut out = Vec::new();
    batch.render(&tables(), vec![got(1, 10 << 20), got(2, 7 << 20), got(3, 9)], &mut out).expect("a body");
    assert!(String::from_utf8_lossy(&out).contains(&left(&[2, 3])), "{}", String::from_utf8_lossy(&out));

    let all_refused = vec![Err(Refusal::Overloaded), Err(Refusal::Overloaded), Err(Refusal::Overloaded)];
    let error = batch.render(&tables(), all_refused, &mut Vec::new()).expect_err("nothing was done");
    assert!(matches!(error, ApiError::Throttled(_)), "{error:?}");
}

#[test]
fn a_batch_of_writes_leaves_what_it_could_not_do() {
    let body = format!(
        r#"{{"ReturnConsumedCapacity":"TOTAL","ReturnItemCollectionMetrics":"SIZE","RequestItems":{{"music":[{{"PutRequest":{{"Item":{}}}}},{{"DeleteRequest":{{"Key":{}}}}},{{"PutRequest":{{"Item":{}}}}}]}}}}"#,
        shown(1),
        shown(2),
        shown(3)
    );
    let batch = BatchWriteItem::parse(body.as_bytes()).expect("a batch");
    assert_eq!(batch.commands(&tables()).map(|commands| commands.len()), Ok(3));
    let written = Written { new_bytes: 1025, collection_bytes: Some(7), ..Written::default() };
    let outcomes = vec![Ok(Reply::Written(written)), Err(Refusal::Overloaded), Err(Refusal::Overloaded)];
    let mut out = Vec::new();
    batch.render(&tables(), outcomes, &mut out).expect("a body");
    let expected = format!(
        r#"{{"UnprocessedItems":{{"music":[{{"DeleteRequest":{{"Key":{}}}}},{{"PutRequest":{{"Item":{}}}}}]}},"ItemCollectionMetrics":{{"music":[{{"ItemCollectionKey":{{"artist":{{"S":"a"}}}},"SizeEstimateRangeGB":[0.0,1.0]}}]}},"ConsumedCapacity":[{{"TableName":"music","CapacityUnits":2.0}}]}}"#,
        shown(2),
        shown(3)
    );
    assert_eq!(String::from_utf8_lossy(&out), expected);
}
