//! Pieces of response bodies, written as text: no tree is built.

use crate::error_table::ApiError;
use std::io::Write as _;

/// A JSON string with its quotes.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    stator_item::json::write_string(text, out);
}

/// An item from its encoding.
pub(crate) fn item(encoded_item: &[u8], out: &mut Vec<u8>) -> Result<(), ApiError> {
    stator_item::json::write_row_item_json(encoded_item, out)
        .map_err(|error| ApiError::Internal(format!("An item could not be read: {error}")))
}

/// A whole number.
pub(crate) fn integer(number: u64, out: &mut Vec<u8>) {
    write!(out, "{number}").expect("writing to memory does not fail");
}

/// `true` or `false`.
pub(crate) fn flag(is_so: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if is_so { b"true" } else { b"false" });
}

/// A number that may have a fraction.
pub(crate) fn number(number: f64, out: &mut Vec<u8>) {
    debug_assert!(number.is_finite(), "JSON has no such number");
    write!(out, "{number:?}").expect("writing to memory does not fail");
}

/// A list that is being written: knows whether the next element needs a comma.
pub(crate) struct List<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> List<'o> {
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> List<'o> {
        out.push(b'[');
        List { out, empty: true }
    }

    /// Begins an element, which is to be written next.
    pub(crate) fn element(&mut self) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        self.out
    }

    pub(crate) fn end(self) {
        self.out.push(b']');
    }
}

/// An object that is being written: knows whether the next member needs a comma.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Object<'o> {
        out.push(b'{');
        Object { out, empty: true }
    }

    /// Begins a member; its value is to be written next.
    pub(crate) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        string(name, self.out);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }
}
