//! PartiQL statements: commands, replies, tokens, batches.

use super::{invalid, refused, shown, taken};
use crate::fuzz::table;
use crate::operation::{BatchExecuteStatement, ExecuteStatement, Execution, FoundTables};
use bytes::Bytes;
use stator_catalog::TokenRange;
use stator_item::row::item_encoding;
use stator_item::{Item, Key, KeyPart, Number, Value};
use stator_partition::command::{PageRange, Returns};
use stator_partition::reply::{PageReply, Written};
use stator_partition::{Command, Position, Refusal, Reply};
use std::sync::Arc;

fn body(statement: &str, rest: &str) -> String {
    let statement = serde_json::to_string(statement).expect("text is JSON");
    format!(r#"{{"Statement":{statement}{rest}}}"#)
}

fn page(statement: &str) -> stator_partition::Page {
    match taken("ExecuteStatement", &body(statement, "")).pop() {
        Some(Command::Page(page)) => page,
        other => panic!("no page: {other:?}"),
    }
}

fn song(track: u64) -> Item {
    let strings = [("artist", "x"), ("title", "t")].map(|(name, text)| (name.to_owned(), Value::String(text.into())));
    let label = Item::from([("name".to_owned(), Value::String(format!("label {track}")))]);
    let others = [("track", Value::Number(Number::from_u64(track))), ("label", Value::Map(label))];
    strings.into_iter().chain(others.map(|(name, value)| (name.to_owned(), value))).collect()
}

fn encoded(item: &Item) -> Bytes {
    item_encoding(item).into()
}

#[test]
fn selects_become_pages() {
    let one = page(
        "SELECT title, label.name FROM music WHERE artist = 'x' AND track > 1 AND title = 't' ORDER BY track DESC",
    );
    assert!(matches!(one.range, PageRange::Hash { range: Some(_), .. }));
    assert!(one.backward && one.filter.is_some() && one.projection.is_some());
    let scan = page(r#"SELECT * FROM "music" WHERE track > 1"#);
    assert!(matches!(scan.range, PageRange::Tokens(_)) && scan.filter.is_some() && scan.projection.is_none());
    let index = page(r#"SELECT * FROM "music"."by_title" WHERE artist = 'x' AND title = 't'"#);
    assert!(index.index.0 == 1 && matches!(index.range, PageRange::Hash { range: Some(_), .. }));
    assert!(!index.fetch_items && page(r#"SELECT other FROM "music"."by_title" WHERE artist = 'x'"#).fetch_items);
}

#[test]
fn writes_become_commands() {
    let commands = |statement: &str| taken("ExecuteStatement", &body(statement, ""));
    match commands("INSERT INTO music VALUE {'artist': 'x', 'track': 1, 'title': 't'}").pop() {
        Some(Command::Put(put)) => {
            assert!(put.options.condition.is_some_and(|condition| condition.evaluate(&Item::new())))
        }
        other => panic!("no put: {other:?}"),
    }
    match commands("UPDATE music SET plays = 1 WHERE artist = 'x' AND track = 1 RETURNING MODIFIED OLD *").pop() {
        Some(Command::Update(update)) => {
            assert_eq!(update.options.returns, Returns::UpdatedOld);
            let condition = update.options.condition.expect("an item must be there");
            assert!(condition.evaluate(&song(1)) && !condition.evaluate(&Item::new()));
        }
        other => panic!("no update: {other:?}"),
    }
    match commands("DELETE FROM music WHERE artist = 'x' AND track = 1 AND title = 'u'").pop() {
        Some(Command::Delete(delete)) => {
            let condition = delete.options.condition.expect("a condition");
            assert!(condition.evaluate(&Item::new()) && !condition.evaluate(&song(1)));
        }
        other => panic!("no delete: {other:?}"),
    }
    match commands("DELETE FROM music WHERE artist = 'x' AND track = 1").pop() {
        Some(Command::Delete(delete)) => assert_eq!(delete.options.condition, None),
        other => panic!("no delete: {other:?}"),
    }
}

#[test]
fn statements_are_refused() {
    const KEY: &str = "Where clause does not contain a mandatory equality on all key attributes";
    for (statement, text) in [
        ("SELECT", "Statement wasn't well formed, can't be processed: Unexpected end of statement"),
        ("DELETE FROM music WHERE artist = 'x'", KEY),
        ("UPDATE music SET a = 1", KEY),
        ("DELETE FROM music WHERE artist = 5 AND track = 1", "The provided key element does not match the schema"),
        (
            "INSERT INTO music VALUE {'artist': 'x'}",
            "One or more parameter values were invalid: Missing the key track in the item",
        ),
        (
            "UPDATE music SET track = 2 WHERE artist = 'x' AND track = 1",
            "One or more parameter values were invalid: Cannot update attribute track. This attribute is part of the key",
        ),
        ("SELECT * FROM music.by_none WHERE artist = 'x'", "The table does not have the specified index: by_none"),
    ] {
        invalid("ExecuteStatement", &body(statement, ""), text);
    }
    invalid(
        "ExecuteStatement",
        &body("SELECT * FROM music", r#","NextToken":"x""#),
        "NextToken does not match request",
    );
    let missing = body("SELECT * FROM nowhere", "");
    refused("ExecuteStatement", &missing, "ResourceNotFoundException: Requested resource not found");
    let long = body(&"x".repeat(8193), "");
    let told = crate::fuzz::parse_any("DynamoDB_20120810.ExecuteStatement", long.as_bytes()).map_err(shown);
    assert!(told.expect_err("it is too long").ends_with("Member must have length less than or equal to 8192"));
}

/// Reads a statement from an index of partitions that answers as given, and shows the body.
fn read(body: &str, replies: &[PageReply]) -> String {
    let input = ExecuteStatement::parse(body.as_bytes()).map_err(shown).expect("a valid request");
    let Execution::Read(mut pages) = input.execution(&table()).map_err(shown).expect("a valid statement") else {
        panic!("no read: {body}");
    };
    let mut replies = replies.iter();
    while pages.paging_mut().next_token().is_some() {
        let reply = replies.next().expect("as many replies as pages are asked for").clone();
        pages.paging_mut().absorb(TokenRange::ALL, reply);
    }
    assert_eq!(replies.next(), None, "as many pages as there are replies");
    let mut out = Vec::new();
    input.render_read(&table(), &pages, &mut out).map_err(shown).expect("a body");
    String::from_utf8(out).expect("JSON is UTF-8")
}

#[test]
fn pages_are_shaped_and_go_on() {
    let found = |tracks: &[u64]| PageReply {
        items: tracks.iter().map(|track| encoded(&song(*track))).collect(),
        count: tracks.len() as u64,
        scanned_count: tracks.len() as u64,
        read_bytes: 100,
        ..PageReply::default()
    };
    let stopped = |tracks: &[u64], hash: &str| {
        let range = tracks.last().map(|track| KeyPart::Number(Number::from_u64(*track)));
        let key = Key { hash: KeyPart::String(hash.into()), range };
        PageReply { stopped: Some(Position { key, index_range: None, index_key: Vec::new() }), ..found(tracks) }
    };
    let statement = "SELECT track, label.name FROM music WHERE artist IN ('w', 'x', 'y')";
    let all = read(&body(statement, r#","ReturnConsumedCapacity":"TOTAL""#), &[found(&[1]), found(&[]), found(&[3])]);
    assert_eq!(
        all,
        r#"{"Items":[{"name":{"S":"label 1"},"track":{"N":"1"}},{"name":{"S":"label 3"},"track":{"N":"3"}}],"ConsumedCapacity":{"TableName":"music","CapacityUnits":0.5}}"#
    );
    // The second query stops; the next request goes on inside of it, then with the third.
    let first = read(&body(statement, r#","Limit":2"#), &[found(&[1]), stopped(&[2], "x")]);
    let token = first.split(r#""NextToken":""#).nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
    assert!(first.ends_with(r#""LastEvaluatedKey":{"artist":{"S":"x"},"track":{"N":"2"}}}"#), "{first}");
    let rest = read(&body(statement, &format!(r#","NextToken":"{token}""#)), &[found(&[3]), found(&[])]);
    assert!(rest.contains("label 3") && !rest.contains("NextToken"), "{rest}");
    let other = body(&statement.replace("'y'", "'z'"), &format!(r#","NextToken":"{token}""#));
    invalid("ExecuteStatement", &other, "NextToken does not match request");
}

#[test]
fn written_items_are_shown_and_existing_ones_told() {
    let render = |statement: &str, outcome: Result<Reply, Refusal>| {
        let input = ExecuteStatement::parse(body(statement, "").as_bytes()).expect("a valid request");
        let mut out = Vec::new();
        input.render_written(&table(), outcome, &mut out).map_err(shown)?;
        Ok::<_, String>(String::from_utf8(out).expect("JSON is UTF-8"))
    };
    let insert = "INSERT INTO music VALUE {'artist': 'x', 'track': 1}";
    assert_eq!(render(insert, Ok(Reply::Written(Written::default()))), Ok(r#"{"Items":[]}"#.into()));
    let failed = || Err(Refusal::ConditionFailed { old_item: None });
    assert_eq!(render(insert, failed()), Err("DuplicateItemException: Duplicate primary key exists in table".into()));
    let delete = "DELETE FROM music WHERE artist = 'x' AND track = 1 RETURNING ALL OLD *";
    assert_eq!(render(delete, failed()), Err("ConditionalCheckFailedException: The conditional request failed".into()));
    let key = Item::from([("artist".to_owned(), Value::String("x".into()))]);
    let written = Written { attributes: Some(encoded(&key)), ..Written::default() };
    assert_eq!(render(delete, Ok(Reply::Written(written))), Ok(r#"{"Items":[{"artist":{"S":"x"}}]}"#.into()));
}

#[test]
fn each_statement_of_a_batch_has_an_outcome() {
    let tables = FoundTables::from([("music".to_owned(), Ok(Arc::new(table())))]);
    let one = |statement: &str| body(statement, "");
    let batch = |statements: &[&str]| {
        let list: Vec<String> = statements.iter().map(|statement| one(statement)).collect();
        format!(r#"{{"Statements":[{}],"ReturnConsumedCapacity":"TOTAL"}}"#, list.join(","))
    };
    let reads = batch(&[
        "SELECT title FROM music WHERE artist = 'x' AND track = 1",
        "SELECT title FROM music WHERE artist = 'x'",
        "SELECT",
        "SELECT title FROM nowhere WHERE artist = 'x' AND track = 1",
        "SELECT title FROM music WHERE artist = 'x' AND track = 2",
    ]);
    let input = BatchExecuteStatement::parse(reads.as_bytes()).map_err(shown).expect("a valid request");
    let (planned, commands) = input.commands(&tables);
    assert_eq!(commands.len(), 2);
    let title = Item::from([("title".to_owned(), Value::String("t".into()))]);
    let found = PageReply { items: vec![encoded(&title)], read_bytes: 50, ..PageReply::default() };
    let mut out = Vec::new();
    let outcomes = vec![Ok(Reply::Page(found)), Err(Refusal::Overloaded)];
    input.render(&tables, &planned, outcomes, &mut out).map_err(shown).expect("a body");
    let shown_body = String::from_utf8(out).expect("JSON is UTF-8");
    for expected in [
        r#"{"Responses":[{"TableName":"music","Item":{"title":{"S":"t"}}},{"Error":{"Code":"ValidationError","#,
        r#"{"Error":{"Code":"ValidationError","Message":"Statement wasn't well formed, can't be processed: Unexpected end of statement"}}"#,
        r#"{"Error":{"Code":"ResourceNotFound","Message":"Requested resource not found"},"TableName":"nowhere"}"#,
        r#"{"Error":{"Code":"ThrottlingError","#,
        r#""ConsumedCapacity":[{"TableName":"music","CapacityUnits":0.5}]}"#,
    ] {
        assert!(shown_body.contains(expected), "{expected}\n{shown_body}");
    }
    let mixed = batch(&[
        "SELECT * FROM music WHERE artist = 'x' AND track = 1",
        "DELETE FROM music WHERE artist = 'x' AND track = 1",
    ]);
    invalid(
        "BatchExecuteStatement",
        &mixed,
        "BatchExecuteStatement cannot have both read and write statements in one batch",
    );
}
