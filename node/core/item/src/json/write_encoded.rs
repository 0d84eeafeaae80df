//! Stored bytes to DynamoDB JSON, without a tree between: what reads spend their time on.

use super::text::{write_base64, write_string};
use super::write::{BS, Comma, NS, SS, write_b, write_bool, write_n, write_name, write_null, write_number, write_s};
use crate::row::decode::one_level_less;
use crate::row::view::{Attributes, Elements, Reader, View};
use crate::row::{DECODED_LEVELS_MAX, RowError};

/// Appends an encoded item as `write_item_json` would append the decoded one. After an error `out` is as long as before.
pub fn write_row_item_json(encoded_item: &[u8], out: &mut Vec<u8>) -> Result<(), RowError> {
    let start = out.len();
    out.reserve(encoded_item.len() * 5 / 4);
    let written = Attributes::of(encoded_item).and_then(|attributes| write_map(attributes, out, DECODED_LEVELS_MAX));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn write_map(mut attributes: Attributes<'_>, out: &mut Vec<u8>, levels_left: usize) -> Result<(), RowError> {
    out.push(b'{');
    let mut comma = Comma::default();
    while let Some((name, view)) = attributes.next()? {
        comma.write(out);
        write_name(name, out);
        write_view(view, out, levels_left)?;
    }
    out.push(b'}');
    Ok(())
}

fn write_view(view: View<'_>, out: &mut Vec<u8>, levels_left: usize) -> Result<(), RowError> {
    match view {
        View::String(text) => write_s(text, out),
        View::Number(number) => write_n(&number, out),
        View::Binary(bytes) => write_b(bytes, out),
        View::Bool(value) => write_bool(value, out),
        View::Null => write_null(out),
        View::List(elements) => write_list(elements, out, one_level_less(levels_left)?)?,
        View::Map(attributes) => {
            out.extend_from_slice(b"{\"M\":");
            write_map(attributes, out, one_level_less(levels_left)?)?;
            out.push(b'}');
        }
        View::StringSet(elements) => write_set(SS, elements, out, (|reader| reader.text(), write_string))?,
        View::NumberSet(elements) => {
            write_set(NS, elements, out, (|reader| reader.number(), |number, out| write_number(&number, out)))?;
        }
        View::BinarySet(elements) => write_set(BS, elements, out, (|reader| reader.bytes(), write_base64))?,
    }
    Ok(())
}

fn write_list(mut elements: Elements<'_>, out: &mut Vec<u8>, levels_left: usize) -> Result<(), RowError> {
    out.extend_from_slice(b"{\"L\":[");
    let mut comma = Comma::default();
    while let Some(reader) = elements.next()? {
        comma.write(out);
        write_view(reader.value()?, out, levels_left)?;
    }
    out.extend_from_slice(b"]}");
    Ok(())
}

fn write_set<'a, T: PartialOrd + Copy>(
    open: &[u8],
    elements: Elements<'a>,
    out: &mut Vec<u8>,
    (read, write): (impl Fn(&mut Reader<'a>) -> Result<T, RowError>, impl Fn(T, &mut Vec<u8>)),
) -> Result<(), RowError> {
    out.extend_from_slice(open);
    let mut comma = Comma::default();
    elements.for_each_of_set(read, |element| {
        comma.write(out);
        write(element, out);
    })?;
    out.extend_from_slice(b"]}");
    Ok(())
}
