//! Statements by example and at random: text in, plan or DynamoDB's words out.

mod hostile;
mod lowering;
mod print;
mod refusals;
mod round_trip;

use crate::{KeyNames, PartiqlError, Statement};
use stator_item::json::Json;
use stator_item::{Item, Value};

const NAMES: KeyNames<'static> = KeyNames { hash: &["pk"], range: &["sk"] };

fn item(json: &str) -> Item {
    let Some(Json::Object(object)) = Json::parse(json.as_bytes()) else { panic!("no object: {json}") };
    stator_item::json::item_from_json(&object).unwrap_or_else(|error| panic!("{error:?} in {json}"))
}

fn json(item: &Item) -> String {
    let mut out = Vec::new();
    stator_item::json::write_item_json(item, &mut out);
    String::from_utf8(out).expect("JSON is text")
}

fn parse(text: &str) -> Result<Statement, PartiqlError> {
    Statement::parse(text, &[])
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}
