//! Items to bytes.
//!
//! item: count, then for each attribute its name and its value, names ascending. name: length, bytes. value: a tag, then
//! for strings and binaries length and bytes; for numbers their compact encoding; for lists, maps and sets the length in
//! bytes of what follows, the count, the elements (of sets ascending). Counts and lengths are varints (base 128, low first).

use super::view::tag;
use crate::value::{Item, Value};

/// The encoded item, alone.
pub fn item_encoding(item: &Item) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    encode_item_into(item, &mut out);
    out
}

/// Appends the encoded item.
pub fn encode_item_into(item: &Item, out: &mut Vec<u8>) {
    write_varint(item.len(), out);
    for (name, value) in item {
        write_bytes(name.as_bytes(), out);
        write_value(value, out);
    }
}

pub(super) fn write_value(value: &Value, out: &mut Vec<u8>) {
    out.push(tag_of(value));
    match value {
        Value::String(text) => write_bytes(text.as_bytes(), out),
        Value::Number(number) => number.encode_compact(out),
        Value::Binary(bytes) => write_bytes(bytes, out),
        Value::Bool(_) | Value::Null => {}
        Value::List(values) => write_body(out, |out| {
            write_varint(values.len(), out);
            values.iter().for_each(|value| write_value(value, out));
        }),
        Value::Map(item) => write_body(out, |out| encode_item_into(item, out)),
        Value::StringSet(set) => write_body(out, |out| {
            write_varint(set.len(), out);
            set.iter().for_each(|text| write_bytes(text.as_bytes(), out));
        }),
        Value::NumberSet(set) => write_body(out, |out| {
            write_varint(set.len(), out);
            set.iter().for_each(|number| number.encode_compact(out));
        }),
        Value::BinarySet(set) => write_body(out, |out| {
            write_varint(set.len(), out);
            set.iter().for_each(|bytes| write_bytes(bytes, out));
        }),
    }
}

fn tag_of(value: &Value) -> u8 {
    match value {
        Value::String(_) => tag::STRING,
        Value::Number(_) => tag::NUMBER,
        Value::Binary(_) => tag::BINARY,
        Value::Bool(false) => tag::FALSE,
        Value::Bool(true) => tag::TRUE,
        Value::Null => tag::NULL,
        Value::List(_) => tag::LIST,
        Value::Map(_) => tag::MAP,
        Value::StringSet(_) => tag::STRING_SET,
        Value::NumberSet(_) => tag::NUMBER_SET,
        Value::BinarySet(_) => tag::BINARY_SET,
    }
}

/// Appends what `write` appends, with its length before it.
fn write_body(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let end = out.len();
    write_varint(end - start, out);
    let length_bytes = out.len() - end;
    out[start..].rotate_right(length_bytes);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
