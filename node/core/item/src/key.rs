//! Keys: what may be one, how they are ordered as bytes, and which token they hash to.

use crate::number::Number;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Type of a key attribute (`AttributeType` of AttributeDefinition).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeyType {
    String,
    Number,
    Binary,
}

/// The value of one key attribute.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum KeyPart {
    String(String),
    Number(Number),
    Binary(Bytes),
}

/// An item's primary key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Key {
    pub hash: KeyPart,
    pub range: Option<KeyPart>,
}

/// XXH3-64 of an item's encoded partition key: decides the partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Token(pub u64);
