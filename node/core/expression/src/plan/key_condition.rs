//! What a KeyConditionExpression becomes: tests of attributes, then, with the key's names, one key value and a range.

use crate::plan::condition::Comparator;
use serde::{Deserialize, Serialize};
use stator_item::Value;

/// A parsed KeyConditionExpression. Which attribute is which is not known yet: see [`KeyCondition::resolve`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KeyCondition {
    /// All of them must hold; at least one.
    pub tests: Vec<(String, KeyTest)>,
}

/// What is asked of one attribute.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum KeyTest {
    Compare(Comparator, Value),
    Between(Value, Value),
    BeginsWith(Value),
}

/// One item collection, and the part of it that is asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResolvedKeyCondition {
    pub hash: Value,
    pub range: Option<RangeCondition>,
}

/// The part that is asked for of a key of several attributes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResolvedCompound {
    /// One value for each hash attribute.
    pub hash: Vec<Value>,
    /// Values of range attributes from the left on.
    pub equal: Vec<Value>,
    /// Of the range attribute behind those.
    pub range: Option<RangeCondition>,
}

/// Which sort keys are asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RangeCondition {
    Equal(Value),
    Less(Value),
    LessOrEqual(Value),
    Greater(Value),
    GreaterOrEqual(Value),
    /// Lower and upper bound; both belong to the range.
    Between(Value, Value),
    BeginsWith(Value),
}

impl RangeCondition {
    /// The values compared with, for the check against the key's type: one, or the two bounds.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let (first, second) = match self {
            RangeCondition::Equal(value)
            | RangeCondition::Less(value)
            | RangeCondition::LessOrEqual(value)
            | RangeCondition::Greater(value)
            | RangeCondition::GreaterOrEqual(value)
            | RangeCondition::BeginsWith(value) => (value, None),
            RangeCondition::Between(lower, upper) => (lower, Some(upper)),
        };
        std::iter::once(first).chain(second)
    }
}
