//! Values inside other encodings: between nodes and in logs a value travels as bytes, in the encoding of rows.
//!
//! A derived decoder would recurse as deep as hostile bytes nest; the one of rows follows only so many levels.

use super::{decode::decode_value, encode::write_value};
use crate::value::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut encoded = Vec::new();
        write_value(self, &mut encoded);
        serializer.serialize_bytes(&encoded)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_bytes(Encoded)
    }
}

struct Encoded;

impl de::Visitor<'_> for Encoded {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a value")
    }

    fn visit_bytes<E: de::Error>(self, encoded: &[u8]) -> Result<Value, E> {
        decode_value(encoded).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |value, _| Value::List(vec![value]))
    }

    #[test]
    fn values_travel_and_do_not_nest_without_end() {
        let value = nested(32);
        let bytes = postcard::to_stdvec(&value).expect("a value is encoded");
        assert_eq!(postcard::from_bytes::<Value>(&bytes), Ok(value));
        let bytes = postcard::to_stdvec(&nested(2_000)).expect("a value is encoded");
        assert!(postcard::from_bytes::<Value>(&bytes).is_err());
        let bytes = postcard::to_stdvec(&[0u8; 2][..]).expect("bytes are encoded");
        assert!(postcard::from_bytes::<Value>(&bytes).is_err(), "two values are not one");
    }
}
