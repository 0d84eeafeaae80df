//! DynamoDB's ten attribute types.

use crate::number::Number;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// An item, or a nested map: attribute names to values. Ordered, so that equal items have equal encodings.
pub type Item = BTreeMap<String, Value>;

/// Deepest nesting of lists and maps inside an attribute (AWS: "Attributes nested up to 32 levels deep").
pub const NESTING_LEVELS_MAX: usize = 32;

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    String(String),
    Number(Number),
    Binary(Bytes),
    Bool(bool),
    Null,
    List(Vec<Value>),
    Map(Item),
    StringSet(BTreeSet<String>),
    NumberSet(BTreeSet<Number>),
    BinarySet(BTreeSet<Bytes>),
}

impl Value {
    /// The type's descriptor on the wire: `S`, `N`, `B`, `BOOL`, `NULL`, `L`, `M`, `SS`, `NS` or `BS`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::String(_) => "S",
            Value::Number(_) => "N",
            Value::Binary(_) => "B",
            Value::Bool(_) => "BOOL",
            Value::Null => "NULL",
            Value::List(_) => "L",
            Value::Map(_) => "M",
            Value::StringSet(_) => "SS",
            Value::NumberSet(_) => "NS",
            Value::BinarySet(_) => "BS",
        }
    }

    /// Whether lists and maps nest more levels than this; looks no deeper.
    pub fn nests_deeper(&self, levels: usize) -> bool {
        let Some(levels_inside) = levels.checked_sub(1) else {
            return matches!(self, Value::List(_) | Value::Map(_));
        };
        match self {
            Value::List(values) => values.iter().any(|value| value.nests_deeper(levels_inside)),
            Value::Map(map) => map.values().any(|value| value.nests_deeper(levels_inside)),
            _ => false,
        }
    }
}
