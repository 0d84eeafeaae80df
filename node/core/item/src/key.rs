//! Keys: what may be one, how they are ordered as bytes, and which token they hash to.

mod layout;
mod ordered;
#[cfg(test)]
mod tests;

pub use layout::{
    Bounds, RowKey, compound_hash_prefix, compound_row_key, decode_compound_row_key, decode_row_key, hash_bounds,
    hash_prefix, index_row_key, prefix_bounds, prefix_end, row_key, row_key_token, successor, table_bounds,
    token_bounds,
};

use crate::number::Number;
use crate::value::Value;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Type of a key attribute (`AttributeType` of AttributeDefinition).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum KeyType {
    String,
    Number,
    Binary,
}

impl KeyType {
    /// `S`, `N` or `B`.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::String => "S",
            KeyType::Number => "N",
            KeyType::Binary => "B",
        }
    }

    pub fn from_name(name: &str) -> Option<KeyType> {
        match name {
            "S" => Some(KeyType::String),
            "N" => Some(KeyType::Number),
            "B" => Some(KeyType::Binary),
            _ => None,
        }
    }
}

/// The value of one key attribute. Values of one type are ordered as DynamoDB orders them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum KeyPart {
    String(String),
    Number(Number),
    Binary(Bytes),
}

impl KeyPart {
    /// The value as a key, if its type may be one. Emptiness and length are not looked at.
    pub fn from_value(value: &Value) -> Option<KeyPart> {
        match value {
            Value::String(text) => Some(KeyPart::String(text.clone())),
            Value::Number(number) => Some(KeyPart::Number(*number)),
            Value::Binary(bytes) => Some(KeyPart::Binary(bytes.clone())),
            _ => None,
        }
    }

    pub fn to_value(&self) -> Value {
        match self {
            KeyPart::String(text) => Value::String(text.clone()),
            KeyPart::Number(number) => Value::Number(*number),
            KeyPart::Binary(bytes) => Value::Binary(bytes.clone()),
        }
    }

    pub fn key_type(&self) -> KeyType {
        match self {
            KeyPart::String(_) => KeyType::String,
            KeyPart::Number(_) => KeyType::Number,
            KeyPart::Binary(_) => KeyType::Binary,
        }
    }

    /// Bytes that the value counts for, without its attribute's name.
    pub fn size(&self) -> usize {
        match self {
            KeyPart::String(text) => text.len(),
            KeyPart::Number(number) => number.size(),
            KeyPart::Binary(bytes) => bytes.len(),
        }
    }

    /// An empty string or binary, which no key may be.
    pub fn is_empty(&self) -> bool {
        match self {
            KeyPart::String(text) => text.is_empty(),
            KeyPart::Number(_) => false,
            KeyPart::Binary(bytes) => bytes.is_empty(),
        }
    }
}

/// An item's primary key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Key {
    pub hash: KeyPart,
    pub range: Option<KeyPart>,
}

impl Key {
    pub fn token(&self) -> Token {
        Token::of(&self.hash)
    }
}

/// XXH3-64 of an item's encoded partition key: decides the partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Token(pub u64);

impl Token {
    pub const MIN: Token = Token(0);
    pub const MAX: Token = Token(u64::MAX);

    /// The token of all items with this partition key.
    pub fn of(hash: &KeyPart) -> Token {
        let mut encoded = Vec::with_capacity(hash.encoded_capacity());
        hash.encode_into(&mut encoded);
        Token::of_encoded(&encoded)
    }

    /// The token of all index entries whose hash key has these parts.
    pub fn of_all(hash: &[KeyPart]) -> Token {
        let mut encoded = Vec::with_capacity(hash.iter().map(KeyPart::encoded_capacity).sum());
        hash.iter().for_each(|part| part.encode_into(&mut encoded));
        Token::of_encoded(&encoded)
    }

    fn of_encoded(hash: &[u8]) -> Token {
        Token(xxh3_64(hash))
    }
}

/// Why stored bytes are no key of this table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the key ends early")]
    Truncated,
    #[error("a string in the key is not UTF-8")]
    NotUtf8,
    #[error("a string or binary in the key has an unknown escape")]
    BadEscape,
    #[error("a number in the key is not in normal form")]
    BadNumber,
    #[error("the key goes on after its last part")]
    TrailingBytes,
    #[error("the key's token is not that of its partition key")]
    WrongToken,
    #[error("the key has no partition key")]
    NoParts,
}
