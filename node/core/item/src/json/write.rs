//! Values to DynamoDB JSON. Every piece that `write_encoded` writes too is written by a function of this file.

use super::text::{write_base64, write_string};
use crate::number::Number;
use crate::value::{Item, Value};

/// Appends an item as an object of attribute values, names ascending.
pub fn write_item_json(item: &Item, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut comma = Comma::default();
    for (name, value) in item {
        comma.write(out);
        write_name(name, out);
        write_value_json(value, out);
    }
    out.push(b'}');
}

/// Appends an attribute value.
pub fn write_value_json(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => write_s(text, out),
        Value::Number(number) => write_n(number, out),
        Value::Binary(bytes) => write_b(bytes, out),
        Value::Bool(value) => write_bool(*value, out),
        Value::Null => write_null(out),
        Value::List(values) => write_array(b"{\"L\":[", values, out, write_value_json),
        Value::Map(item) => {
            out.extend_from_slice(b"{\"M\":");
            write_item_json(item, out);
            out.push(b'}');
        }
        Value::StringSet(set) => write_array(SS, set, out, |text, out| write_string(text, out)),
        Value::NumberSet(set) => write_array(NS, set, out, write_number),
        Value::BinarySet(set) => write_array(BS, set, out, |bytes, out| write_base64(bytes, out)),
    }
}

pub(super) const SS: &[u8] = b"{\"SS\":[";
pub(super) const NS: &[u8] = b"{\"NS\":[";
pub(super) const BS: &[u8] = b"{\"BS\":[";

/// Writes a comma each time but the first.
#[derive(Default)]
pub(super) struct Comma {
    due: bool,
}

impl Comma {
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        if self.due {
            out.push(b',');
        }
        self.due = true;
    }
}

pub(super) fn write_name(name: &str, out: &mut Vec<u8>) {
    write_string(name, out);
    out.push(b':');
}

pub(super) fn write_s(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"S\":");
    write_string(text, out);
    out.push(b'}');
}

pub(super) fn write_n(number: &Number, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"N\":");
    write_number(number, out);
    out.push(b'}');
}

pub(super) fn write_b(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"B\":");
    write_base64(bytes, out);
    out.push(b'}');
}

pub(super) fn write_bool(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"{\"BOOL\":true}" } else { b"{\"BOOL\":false}" });
}

pub(super) fn write_null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"NULL\":true}");
}

pub(super) fn write_number(number: &Number, out: &mut Vec<u8>) {
    out.push(b'"');
    number.write_text(out);
    out.push(b'"');
}

fn write_array<T>(
    open: &[u8],
    elements: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.extend_from_slice(open);
    let mut comma = Comma::default();
    for element in elements {
        comma.write(out);
        write(element, out);
    }
    out.extend_from_slice(b"]}");
}
