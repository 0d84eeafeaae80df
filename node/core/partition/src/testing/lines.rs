//! Commands and outcomes as lines of text.
//!
//! `put a=1 n=5 if attribute_not_exists(a) returns ALL_OLD -> ok ...`: attributes are `name=number` or `name=text`; an update's
//! expression stands after the key; in expressions `:5` is the number and `:x` the text. What follows `->` is told in the order
//! `ok` or `refuse`, attributes answered, what was logged.

use super::Leader;
use crate::{
    Command, FamilyKind, Refusal, Reply, Returns,
    command::{Delete, Get, Put, UpdateItem, WriteOptions},
    keys::change_sequence,
};
use stator_changelog::{ChangeRecord, decode_record};
use stator_expression::{Condition, Kind, Placeholders, Projection, Update};
use stator_item::{Item, Key, KeyPart, Number, Value, row};
use std::collections::BTreeMap;

fn value(text: &str) -> Value {
    match text.parse::<i64>() {
        Ok(number) => Value::Number(Number::from_i64(number)),
        Err(_) => Value::String(text.to_owned()),
    }
}

fn show_value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_i64().map_or_else(|| format!("{number:?}"), |number| number.to_string()),
        other => format!("{other:?}"),
    }
}

/// `a=1 n=5`.
pub(crate) fn item(text: &str) -> Item {
    text.split_whitespace()
        .map(|attribute| attribute.split_once('=').unwrap_or_else(|| panic!("{attribute} is no attribute")))
        .map(|(name, text)| (name.to_owned(), value(text)))
        .collect()
}

pub(crate) fn show_item(encoded: &[u8]) -> String {
    let item = row::decode_item(encoded).expect("an item is answered");
    let shown: Vec<String> = item.iter().map(|(name, value)| format!("{name}={}", show_value(value))).collect();
    shown.join(" ")
}

/// Every `:word` of an expression stands for what it says.
fn substitutes(expression: &str) -> BTreeMap<String, Value> {
    let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':' || c == '_'));
    let placeholders = words.filter(|word| word.starts_with(':'));
    placeholders.map(|placeholder| (placeholder.to_owned(), value(&placeholder[1..]))).collect()
}

pub(crate) fn condition(text: &str) -> Condition {
    let (names, values) = (BTreeMap::new(), substitutes(text));
    Condition::parse(text, Kind::Condition, &Placeholders::new(&names, &values)).expect("a condition")
}

fn update(text: &str) -> Update {
    let (names, values) = (BTreeMap::new(), substitutes(text));
    Update::parse(text, &Placeholders::new(&names, &values)).expect("an update")
}

fn key(item: &Item) -> Key {
    let part = |name| item.get(name).and_then(KeyPart::from_value);
    Key { hash: part("a").expect("every command has a key"), range: part("r") }
}

/// Takes `if CONDITION` and `returns WHAT` off the end of a command.
fn options(text: &str) -> (&str, WriteOptions) {
    let mut options = WriteOptions::default();
    let mut rest = text;
    if let Some((before, returns)) = rest.split_once(" returns ") {
        rest = before;
        options.returns = match returns.trim() {
            "ALL_OLD" => Returns::AllOld,
            "ALL_NEW" => Returns::AllNew,
            "UPDATED_OLD" => Returns::UpdatedOld,
            "UPDATED_NEW" => Returns::UpdatedNew,
            other => panic!("{other} cannot be returned"),
        };
    }
    if let Some((before, text)) = rest.split_once(" if ") {
        rest = before;
        options.condition = Some(condition(text.trim()));
        options.old_item_on_failure = true;
    }
    (rest, options)
}

/// The command of a line.
pub(crate) fn command(line: &str) -> Command {
    let (verb, text) = line.trim().split_once(' ').expect("a command has a key");
    let (text, options) = options(text);
    match verb {
        "put" => {
            let item = item(text);
            Command::Put(Put { key: key(&item), item: row::item_encoding(&item).into(), options })
        }
        "delete" => Command::Delete(Delete { key: key(&item(text)), options }),
        "update" => {
            let sections = ["SET ", "REMOVE ", "ADD ", "DELETE "];
            let expression = sections.iter().filter_map(|section| text.find(section)).min().unwrap_or(text.len());
            let (attributes, expression) = text.split_at(expression);
            let expression = expression.trim();
            let update = (!expression.is_empty()).then(|| update(expression));
            Command::Update(UpdateItem { key: key(&item(attributes)), update, options })
        }
        "get" => {
            let (attributes, projection) = text.split_once(" only ").unwrap_or((text, ""));
            let (names, values) = (BTreeMap::new(), BTreeMap::new());
            let placeholders = Placeholders::new(&names, &values);
            let projection = (!projection.is_empty())
                .then(|| Projection::parse(projection.trim(), &placeholders).expect("a projection"));
            Command::Get(Get { key: key(&item(attributes)), projection })
        }
        other => panic!("{other} is no command"),
    }
}

fn show_reply(reply: &Result<Reply, Refusal>) -> String {
    match reply {
        Ok(Reply::Written(written)) => {
            written.attributes.as_ref().map_or_else(|| "ok".to_owned(), |shown| format!("ok {}", show_item(shown)))
        }
        Ok(Reply::Got(got)) => got.item.as_ref().map_or_else(|| "nothing".to_owned(), |item| show_item(item)),
        Ok(other) => format!("{other:?}"),
        Err(Refusal::ConditionFailed { old_item: None }) => "refuse ConditionFailed".to_owned(),
        Err(Refusal::ConditionFailed { old_item: Some(item) }) => format!("refuse ConditionFailed {}", show_item(item)),
        Err(refusal) => format!("refuse {refusal}"),
    }
}

/// `log modify n: 5 => 7`.
fn show_change(record: &ChangeRecord) -> String {
    let image = |image: &Option<bytes::Bytes>| {
        image.as_ref().map(|image| row::decode_item(image).expect("an image is an item")).unwrap_or_default()
    };
    let (old, new) = (image(&record.old_image), image(&record.new_image));
    let mut shown = format!(" log {}", format!("{:?}", record.kind).to_lowercase());
    if record.old_image.is_some() && record.new_image.is_some() {
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names.into_iter().filter(|name| old.get(*name) != new.get(*name)) {
            let side = |item: &Item| item.get(name).map_or_else(|| "-".to_owned(), show_value);
            shown += &format!(" {name}: {} => {}", side(&old), side(&new));
        }
    }
    shown
}

/// What one line does: its reply, then the change records that it left.
fn run(leader: &mut Leader, line: &str) -> String {
    let command = command(line);
    if !command.is_write() {
        return show_reply(&leader.read(&command));
    }
    let before = leader.replica.store.family(FamilyKind::Changes).count();
    let mut shown = show_reply(&leader.write(&command));
    for (key, stored) in leader.replica.store.family(FamilyKind::Changes).skip(before) {
        let sequence = change_sequence(key).expect("a change's key ends with its number");
        shown += &show_change(&decode_record(sequence, stored).expect("a record is stored"));
    }
    shown
}

/// Runs each line on one partition and compares what it does with what stands behind its arrow.
pub(crate) fn check_partition(leader: &mut Leader, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (command, expected) = line.split_once("->").unwrap_or_else(|| panic!("nothing is expected of {line}"));
        let expected = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(run(leader, command.trim()), expected, "{line}");
    }
}
