//! Expressions by example: text and item in, truth, item or DynamoDB's words out. One set of placeholders serves all
//! tables.

mod condition;
mod hostile;
mod key_condition;
mod legacy;
mod limits;
mod placeholders;
mod plans;
mod projection;
mod update;

use crate::Placeholders;
use stator_item::{Item, Value};
use std::collections::BTreeMap;

const VALUES: &str = r#"{
    ":zero": {"N": "0"}, ":one": {"N": "1"}, ":two": {"N": "2"}, ":five": {"N": "5"}, ":ten": {"N": "10"},
    ":huge": {"N": "9.9e125"}, ":tiny": {"N": "1e-100"},
    ":a": {"S": "a"}, ":b": {"S": "b"}, ":abc": {"S": "abc"}, ":empty": {"S": ""}, ":S": {"S": "S"}, ":SS": {"S": "SS"},
    ":bytes": {"B": "AQID"}, ":byte": {"B": "AQ=="}, ":true": {"BOOL": true}, ":null": {"NULL": true},
    ":list": {"L": [{"N": "1"}, {"S": "a"}]}, ":nothing": {"L": []}, ":map": {"M": {"x": {"N": "1"}}},
    ":ss": {"SS": ["b", "a"]}, ":ssb": {"SS": ["b"]}, ":ns": {"NS": ["1", "2"]}, ":bs": {"BS": ["AQ=="]}
}"#;

const NAMES: [(&str, &str); 5] =
    [("#name", "name"), ("#dot", "a.b"), ("#a", "a"), ("#x", "x"), ("#long_one", "an attribute with blanks")];

fn item(json: &str) -> Item {
    let json = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"));
    stator_item::json::item_from_json(&json).unwrap_or_else(|error| panic!("{error:?} in {json:?}"))
}

fn json(item: &Item) -> String {
    let mut out = Vec::new();
    stator_item::json::write_item_json(item, &mut out);
    String::from_utf8(out).expect("JSON is text")
}

fn names() -> BTreeMap<String, String> {
    NAMES.iter().map(|(placeholder, name)| (placeholder.to_string(), name.to_string())).collect()
}

fn values() -> BTreeMap<String, Value> {
    item(VALUES)
}

/// Runs something with the placeholders of all tables.
fn with_placeholders<T>(run: impl FnOnce(&Placeholders<'_>) -> T) -> T {
    let (names, values) = (names(), values());
    run(&Placeholders::new(&names, &values))
}

/// A table: on each line an expression, `=>`, and what it gives. Lines that end with `\` go on in the next one.
fn check_lines(table: &str, run: impl Fn(&str) -> String) {
    let table: String = table.split("\\\n").map(str::trim_start).collect();
    let mut wrong = Vec::new();
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (text, wanted) = line.split_once("=>").unwrap_or_else(|| panic!("no => in {line}"));
        let (text, wanted) = (text.trim(), wanted.trim());
        let got = run(text);
        if got != wanted {
            wrong.push(format!("{text}\n    wanted: {wanted}\n    got:    {got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
