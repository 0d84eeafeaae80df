//! Query and Scan of global indexes: what is asked of which partitions, what is refused, where a page goes on.

use crate::operation::{ManyItems, Query, Scan};
use crate::{ApiError, Wire};
use serde_json::{Value as Json, json};
use stator_catalog::{
    Billing, GlobalIndex, IndexProjection, IndexStatus, KeyAttribute, TableDescription, Throughput, TokenRange,
};
use stator_item::{Key, KeyPart, KeyType, Number, TableId, Token};
use stator_partition::reply::PageReply;
use stator_partition::{Command, PageRange, Position};

/// `music` with `by_label` (S; `label`, keys only), `by_place` (hash `city` S and `era` N, range `grade` N and `track`, with
/// `note`), and `coming`, which is being filled.
fn table() -> TableDescription {
    let attribute = |name: &str, key_type| KeyAttribute { name: name.into(), key_type };
    let index = |id, name: &str, hash, range, projection, status| GlobalIndex {
        id: TableId(id),
        name: name.into(),
        hash,
        range,
        projection,
        status,
        billing: Billing::OnDemand { throughput: None },
        warm_throughput: Throughput::default(),
    };
    let label = || vec![attribute("label", KeyType::String)];
    let include = IndexProjection::Include(vec!["note".into()]);
    let hash = vec![attribute("city", KeyType::String), attribute("era", KeyType::Number)];
    let range = vec![attribute("grade", KeyType::Number), attribute("track", KeyType::Number)];
    TableDescription {
        global_indexes: vec![
            index(10, "by_label", label(), Vec::new(), IndexProjection::KeysOnly, IndexStatus::Active),
            index(11, "by_place", hash, range, include, IndexStatus::Updating),
            index(12, "coming", label(), Vec::new(), IndexProjection::All, IndexStatus::Backfilling),
            index(13, "going", label(), Vec::new(), IndexProjection::All, IndexStatus::Deleting),
        ],
        ..crate::fuzz::table()
    }
}

fn body(index: &str, rest: Json) -> Vec<u8> {
    let mut body = json!({"TableName": "music", "IndexName": index});
    for (name, value) in rest.as_object().expect("members") {
        body[name] = value.clone();
    }
    body.to_string().into_bytes()
}

fn text(error: ApiError) -> String {
    Wire::from(error).message.unwrap_or_default()
}

fn query(index: &str, condition: &str, rest: Json) -> Result<crate::operation::Paging, String> {
    let values = json!({
        ":s": {"S": "x"}, ":n": {"N": "1"}, ":m": {"N": "2"},
    });
    let used = values.as_object().expect("values").iter().filter(|(name, _)| condition.contains(name.as_str()));
    let used: serde_json::Map<String, Json> = used.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut members = json!({"KeyConditionExpression": condition, "ExpressionAttributeValues": used});
    for (name, value) in rest.as_object().expect("members") {
        members[name] = value.clone();
    }
    Query::parse(&body(index, members)).and_then(|query| query.paging(&table())).map_err(text)
}

fn number(number: i64) -> KeyPart {
    KeyPart::Number(Number::from_i64(number))
}

#[test]
fn a_query_goes_to_the_partition_of_all_hash_attributes() {
    let hash = vec![KeyPart::String("x".into()), number(1)];
    let paging = query("by_place", "city = :s AND era = :n AND grade = :m AND track > :n", json!({})).unwrap();
    assert_eq!(paging.rows(&table()), TableId(11));
    assert_eq!(paging.next_token(), Some(Token::of_all(&hash)));
    let Command::Page(page) = paging.page(TokenRange::ALL) else { panic!("a page") };
    let PageRange::Compound { hash: asked, equal, range } = page.range else { panic!("{:?}", page.range) };
    assert_eq!((asked, equal), (hash, vec![number(2)]));
    assert!(matches!(range, Some(stator_expression::RangeCondition::Greater(_))));
}

#[test]
fn what_an_index_does_not_answer_is_refused() {
    let by_label = |rest| query("by_label", "label = :s", rest).map(|_| ());
    assert_eq!(by_label(json!({})), Ok(()));
    assert_eq!(by_label(json!({"ProjectionExpression": "artist, track, label"})), Ok(()));
    for (rest, expected) in [
        (json!({"ConsistentRead": true}), "Consistent reads are not supported on global secondary indexes"),
        (
            json!({"ProjectionExpression": "title, label, cover"}),
            "One or more parameter values were invalid: Global secondary index by_label does not project [cover, title]",
        ),
        (
            json!({"Select": "ALL_ATTRIBUTES"}),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary \
             index by_label because its projection type is not ALL",
        ),
    ] {
        assert_eq!(by_label(rest), Err(expected.to_owned()));
    }
    for (index, expected) in [
        ("coming", "Cannot read from backfilling global secondary index: coming"),
        ("going", "The table does not have the specified index: going"),
        ("nothing", "The table does not have the specified index: nothing"),
    ] {
        assert_eq!(query(index, "label = :s", json!({})).map(|_| ()), Err(expected.to_owned()));
    }
    for (condition, expected) in [
        ("city = :s", "Query condition missed key schema element: era"),
        ("city = :s AND era = :n AND track = :m", "Query key condition not supported"),
        ("city = :s AND era > :n", "Query key condition not supported"),
        (
            "city = :n AND era = :n",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
    ] {
        assert_eq!(query("by_place", condition, json!({})).map(|_| ()), Err(expected.to_owned()), "{condition}");
    }
    let filtered = json!({
        "FilterExpression": "note = :s AND grade = :n",
        "ExpressionAttributeValues": {":s": {"S": "x"}, ":n": {"N": "1"}},
    });
    let refused = query("by_place", "city = :s AND era = :n", filtered).map(|_| ());
    assert_eq!(
        refused,
        Err("Filter Expression can only contain non-primary key attributes: Primary key attribute: grade".to_owned())
    );
}

fn position(city: &str) -> Position {
    let key = Key { hash: KeyPart::String("a".into()), range: Some(number(7)) };
    let index_key = vec![KeyPart::String(city.into()), number(1), number(5), number(7)];
    Position { key, index_range: None, index_key }
}

#[test]
fn a_page_goes_on_behind_its_last_key() {
    let mut paging = query("by_place", "city = :s AND era = :n", json!({"Limit": 1})).unwrap();
    paging
        .absorb(TokenRange::ALL, PageReply { stopped: Some(position("x")), scanned_count: 1, ..PageReply::default() });
    let mut out = Vec::new();
    paging.render(&table(), &mut out).unwrap();
    let reply: Json = serde_json::from_slice(&out).unwrap();
    let key = json!({
        "artist": {"S": "a"}, "track": {"N": "7"}, "city": {"S": "x"}, "era": {"N": "1"}, "grade": {"N": "5"},
    });
    assert_eq!(reply["LastEvaluatedKey"], key);
    let start = |key: &Json| json!({"ExclusiveStartKey": key});
    let further = query("by_place", "city = :s AND era = :n", start(&key)).unwrap();
    let Command::Page(page) = further.page(TokenRange::ALL) else { panic!("a page") };
    assert_eq!(page.after, Some(position("x")));
    // A scan goes on in the partition of the index's key.
    let scan = Scan::parse(&body("by_place", start(&key))).and_then(|scan| scan.paging(&table())).unwrap();
    assert_eq!(scan.next_token(), Some(Token::of_all(&position("x").index_key[..2])));

    let changed = |name: &str, value: Json| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let mut short = key.clone();
    short.as_object_mut().unwrap().remove("grade");
    for (key, condition, expected) in [
        (short, "city = :s AND era = :n", "The provided starting key is invalid"),
        (
            changed("city", json!({"S": "y"})),
            "city = :s AND era = :n",
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
        (
            changed("grade", json!({"S": "y"})),
            "city = :s AND era = :n",
            "The provided starting key is invalid: The provided key element does not match the schema",
        ),
        (
            key.clone(),
            "city = :s AND era = :n AND grade < :m",
            "The provided starting key does not match the range key predicate",
        ),
        (
            key.clone(),
            "city = :s AND era = :n AND grade = :m",
            "The provided starting key does not match the range key predicate",
        ),
    ] {
        assert_eq!(
            query("by_place", condition, start(&key)).map(|_| ()),
            Err(expected.to_owned()),
            "{key} {condition}"
        );
    }
}
