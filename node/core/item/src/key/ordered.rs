//! The ordered encoding of key parts: byte order is key order, and no encoding is another one's beginning.
//!
//! A string or binary has its zero bytes followed by 0xff, and ends with 0x00 0x01; a number is as in `number`.

use super::{KeyError, KeyPart, KeyType};
use crate::number::Number;
use bytes::Bytes;

const ESCAPED_ZERO: u8 = 0xff;
const END: u8 = 0x01;

impl KeyPart {
    /// Appends the ordered encoding.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        self.encode_prefix_into(out);
        if !matches!(self, KeyPart::Number(_)) {
            out.extend_from_slice(&[0, END]);
        }
    }

    /// Appends what the encodings of all strings (or binaries) begin with that begin with this one: for `begins_with`.
    /// A number begins no other, so all of it is appended.
    pub fn encode_prefix_into(&self, out: &mut Vec<u8>) {
        match self {
            KeyPart::String(text) => escape(text.as_bytes(), out),
            KeyPart::Number(number) => number.encode_ordered(out),
            KeyPart::Binary(bytes) => escape(bytes, out),
        }
    }

    /// Takes one encoded part of this type off the front of `input`. Leaves `input` as it was on an error.
    pub fn decode(key_type: KeyType, input: &mut &[u8]) -> Result<KeyPart, KeyError> {
        match key_type {
            KeyType::String => {
                let mut rest = *input;
                let text = String::from_utf8(unescape(&mut rest)?).map_err(|_| KeyError::NotUtf8)?;
                *input = rest;
                Ok(KeyPart::String(text))
            }
            KeyType::Binary => unescape(input).map(|bytes| KeyPart::Binary(Bytes::from(bytes))),
            KeyType::Number => Number::decode_ordered(input).map(KeyPart::Number).ok_or(KeyError::BadNumber),
        }
    }

    /// Bytes to set aside for the encoding: enough unless there are zero bytes inside.
    pub(super) fn encoded_capacity(&self) -> usize {
        match self {
            KeyPart::Number(_) => 22,
            part => part.size() + 2,
        }
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let mut pieces = bytes.split(|byte| *byte == 0);
    out.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.extend_from_slice(&[0, ESCAPED_ZERO]);
        out.extend_from_slice(piece);
    }
}

fn unescape(input: &mut &[u8]) -> Result<Vec<u8>, KeyError> {
    let mut bytes = Vec::new();
    let mut rest = *input;
    loop {
        let zero = rest.iter().position(|byte| *byte == 0).ok_or(KeyError::Truncated)?;
        let (piece, tail) = rest.split_at(zero);
        bytes.extend_from_slice(piece);
        match tail {
            [_, ESCAPED_ZERO, tail @ ..] => {
                bytes.push(0);
                rest = tail;
            }
            [_, END, tail @ ..] => {
                *input = tail;
                return Ok(bytes);
            }
            [_, _, ..] => return Err(KeyError::BadEscape),
            _ => return Err(KeyError::Truncated),
        }
    }
}
