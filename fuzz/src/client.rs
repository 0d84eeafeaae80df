//! What clients send.

use stator_api::sigv4::{Credential, Keyring, Now, SKEW_MS, SignedRequest, verify};
use stator_expression::{Condition, KeyCondition, Kind, Placeholders, Projection, Update};
use stator_item::{
    Item, RowHeader, Value,
    json::{Json, item_from_json, write_item_json, write_row_item_json},
    row::{decode_row, encode_row, split_row},
    size::{item_size, item_size_encoded},
};
use stator_partition::codec::{decode_command, encode_command};
use std::{collections::BTreeMap, hint::black_box};

/// An operation's name on the first line, then the body. What it asks of partitions must arrive there unchanged.
pub fn request(input: &[u8]) {
    let (operation, body) = split_line(input);
    let target = format!("DynamoDB_20120810.{}", String::from_utf8_lossy(operation));
    for command in stator_api::fuzz::parse_any(&target, body).unwrap_or_default() {
        assert_eq!(decode_command(&encode_command(&command)), Ok(command), "a command changes on its way");
    }
}

/// `METHOD path?query` on the first line, then headers as `name: value` until an empty line, then the body.
pub fn lambda(input: &[u8]) {
    let (head, mut body) = split_line(input);
    let head = String::from_utf8_lossy(head);
    let (method, target) = head.split_once(' ').unwrap_or((&head, ""));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = Vec::new();
    while !body.is_empty() {
        let (line, rest) = split_line(body);
        body = rest;
        match std::str::from_utf8(line).ok().and_then(|line| line.split_once(": ")) {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => break,
        }
    }
    // Whatever is refused has words for it.
    if let Err(error) = stator_lambda::fuzz::parse_any((method, path, query), &headers, body) {
        let owner = stator_api::arn::Owner { region: "us-east-1".to_owned(), account_id: "000000000000".to_owned() };
        let wire = stator_lambda::Wire::of(error, &owner);
        assert!(wire.status >= 400 && Json::parse(&wire.body()).is_some(), "{wire:?}");
    }
}

/// A zip.
pub fn package(input: &[u8]) {
    let _ = black_box(stator_lambda::package::check(input));
}

/// A text read as each of the five expressions; those that are accepted are evaluated.
pub fn expression(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let names = BTreeMap::from([("#a", "a"), ("#dot", "a.b")].map(|(name, of)| (name.to_owned(), of.to_owned())));
    let values = item_of(
        r#"{":a": {"S": "a"}, ":n": {"N": "1"}, ":b": {"B": "AQ=="}, ":l": {"L": [{"N": "1"}]}, ":m": {"M": {}},
            ":ss": {"SS": ["a", "b"]}, ":ns": {"NS": ["1"]}, ":t": {"BOOL": true}, ":0": {"NULL": true}}"#,
    );
    let placeholders = Placeholders::new(&names, &values);
    let items = [
        "{}",
        r#"{"a": {"S": "abc"}, "b": {"N": "5"}, "c": {"L": [{"N": "1"}, {"M": {"a": {"SS": ["x"]}}}]}}"#,
        r#"{"a": {"M": {"a": {"L": []}, "b": {"B": ""}}}, "b": {"NS": ["1"]}, "c": {"NULL": true}}"#,
    ]
    .map(item_of);
    for kind in [Kind::Condition, Kind::Filter] {
        if let Ok(condition) = Condition::parse(text, kind, &placeholders) {
            for item in &items {
                black_box(condition.evaluate(item));
            }
        }
    }
    if let Ok(projection) = Projection::parse(text, &placeholders) {
        for item in &items {
            assert!(
                projection.project(item).keys().all(|name| item.contains_key(name)),
                "a projection only takes away"
            );
        }
    }
    if let Ok(condition) = KeyCondition::parse(text, &placeholders) {
        drop(condition.resolve("a", Some("b")));
    }
    if let Ok(update) = Update::parse(text, &placeholders) {
        for item in &items {
            let updated = update.apply(item);
            let new = updated.as_ref().map_or(item, |updated| &updated.item);
            check_item(new);
            drop((update.updated_old(item), update.updated_new(new)));
        }
    }
}

fn item_of(json: &str) -> Item {
    let json = Json::parse(json.as_bytes()).expect("it stands above");
    item_from_json(json.as_object().expect("it stands above")).expect("it stands above")
}

/// A PartiQL statement, with two parameters. Reading it again gives the same.
pub fn statement(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let parameters = [Value::String("a".into()), Value::Null];
    let read = || stator_partiql::fuzz::parse_any(text, &parameters).map_err(|error| error.to_string());
    assert_eq!(read(), read(), "one statement has two meanings");
}

/// A filter pattern on the first line, then a record that it is held against. What a filter lets through, the same filter beside
/// another lets through as well.
pub fn filter(input: &[u8]) {
    let (pattern, record) = split_line(input);
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let Ok(alone) = stator_trigger::Filter::parse([pattern]) else { return };
    let record = serde_json::from_slice(record).unwrap_or_default();
    let beside = stator_trigger::Filter::parse([r#"{"no such": ["x"]}"#, pattern]).expect("both are patterns");
    assert!(!alone.matches(&record) || beside.matches(&record), "one of several patterns is not enough");
}

/// An operation of the Logs API on the first line, then the body.
pub fn logs(input: &[u8]) {
    let (operation, body) = split_line(input);
    let target = format!("Logs_20140328.{}", String::from_utf8_lossy(operation));
    // Whatever is refused has words for it.
    if let Err(error) = stator_logs::fuzz::parse_any(&target, body) {
        let wire = stator_logs::Wire::from(error);
        assert!(wire.status >= 400 && Json::parse(&wire.body()).is_some(), "{wire:?}");
    }
}

/// A pattern of logs on the first line, then a message. A pattern of fields means the same within parentheses.
pub fn pattern(input: &[u8]) {
    let (text, message) = split_line(input);
    let (Ok(text), Ok(message)) = (std::str::from_utf8(text), std::str::from_utf8(message)) else { return };
    let Ok(pattern) = stator_logs::FilterPattern::parse(text) else { return };
    let matches = pattern.matches(message);
    let Some(inner) = text.trim().strip_prefix('{').and_then(|text| text.strip_suffix('}')) else { return };
    // It may be as deep as patterns go already.
    if let Ok(twice) = stator_logs::FilterPattern::parse(&format!("{{ ({inner}) && ({inner}) }}")) {
        assert_eq!(twice.matches(message), matches, "a pattern and itself is another one");
    }
}

/// A key that no input was signed with: nobody may be let in.
struct Nobody;

impl Keyring for Nobody {
    fn credential(&self, access_key: &str) -> Option<Credential> {
        let secret = "3f2c41d09a".into();
        (!access_key.is_empty()).then_some(Credential { secret, session_token: None, disabled: false })
    }
}

/// A request as text: method, path, query and headers, one a line, then an empty line and the body.
pub fn signature(input: &[u8]) {
    let (method, rest) = split_line(input);
    let (path, rest) = split_line(rest);
    let (query, mut rest) = split_line(rest);
    let mut headers: Vec<(&str, &[u8])> = Vec::new();
    loop {
        let (line, behind) = split_line(rest);
        rest = behind;
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let (Ok(name), Some(value)) = (std::str::from_utf8(name), value.get(1..)) else { break };
        headers.push((name, value));
    }
    let [Ok(method), Ok(path), Ok(query)] = [method, path, query].map(std::str::from_utf8) else { return };
    let request = SignedRequest { method, path, query, headers: &headers, body: rest };
    // The time at which the inputs of the corpus were signed.
    let now = Now { ms: 1_700_000_000_000, skew_ms: SKEW_MS };
    assert!(verify(&request, &Nobody, now).is_err(), "a forged signature was believed");
}

/// DynamoDB JSON of an item: what is accepted is stored, measured and written out again without a change.
pub fn item(input: &[u8]) {
    let Some(json) = Json::parse(input) else { return };
    let Some(Ok(item)) = json.as_object().map(item_from_json) else { return };
    check_item(&item);
}

fn check_item(item: &Item) {
    let mut text = Vec::new();
    write_item_json(item, &mut text);
    let again = Json::parse(&text).expect("what is written is JSON");
    let again = item_from_json(again.as_object().expect("an item is an object")).expect("what is written is an item");
    assert!(*item == again, "an item changes in its reply");

    let row = encode_row(&RowHeader::default(), item);
    assert!(decode_row(&row).is_ok_and(|(_, stored)| stored == *item), "an item changes in its row");
    let encoded = split_row(&row).expect("it was written just now").encoded_item;
    assert_eq!(item_size_encoded(encoded), Ok(item_size(item)), "an item's row has another size");
    let mut from_row = Vec::new();
    write_row_item_json(encoded, &mut from_row).expect("it was written just now");
    assert!(from_row == text, "a row is written differently from its item");
}

/// Up to the first line feed, and what stands behind it.
fn split_line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, rest) = input.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}
