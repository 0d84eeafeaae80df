//! What a statement asks of a table, as far as the names of its keys decide it.

mod select;

pub use select::{Access, Column, SelectPlan};

use crate::error::PartiqlError;
use stator_expression::{Comparator, Condition, ConditionStep, KeyTest, Operand, Test};
use stator_item::{Item, Value};

/// The key attributes of a table or an index, in their order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyNames<'a> {
    pub hash: &'a [&'a str],
    pub range: &'a [&'a str],
}

/// A condition that names one item.
#[derive(Clone, PartialEq, Debug)]
pub struct Keyed {
    /// The item's key: all key attributes and nothing else.
    pub key: Item,
    /// What else must hold.
    pub rest: Option<Condition>,
}

/// Finds the item that a write or a single read is about: its condition has an equality for each key attribute.
pub fn keyed(condition: Option<Condition>, names: &KeyNames<'_>) -> Result<Keyed, PartiqlError> {
    let mut conjuncts = condition.map(Condition::into_conjuncts).unwrap_or_default();
    let mut key = Item::new();
    for name in names.hash.iter().chain(names.range) {
        let equality = |conjunct: &Condition| match key_test(conjunct, name) {
            Some(KeyTest::Compare(Comparator::Equal, value)) => Some(value),
            _ => None,
        };
        let found = conjuncts.iter().enumerate().find_map(|(place, conjunct)| Some((place, equality(conjunct)?)));
        let (place, value) = found.ok_or(PartiqlError::KeyNotGiven)?;
        conjuncts.remove(place);
        key.insert((*name).to_owned(), value);
    }
    Ok(Keyed { key, rest: Condition::all(conjuncts) })
}

/// What a condition says of this attribute, if it is one test that a key condition may have.
fn key_test(condition: &Condition, name: &str) -> Option<KeyTest> {
    let [ConditionStep::Test(test)] = condition.steps() else { return None };
    match test {
        Test::Compare(Comparator::NotEqual, ..) => None,
        Test::Compare(comparator, first, Operand::Value(value)) if is_attribute(first, name) => {
            Some(KeyTest::Compare(*comparator, value.clone()))
        }
        Test::Compare(comparator, Operand::Value(value), second) if is_attribute(second, name) => {
            Some(KeyTest::Compare(comparator.mirrored(), value.clone()))
        }
        Test::Between(operand, Operand::Value(lower), Operand::Value(upper)) if is_attribute(operand, name) => {
            Some(KeyTest::Between(lower.clone(), upper.clone()))
        }
        Test::BeginsWith(operand, Operand::Value(start)) if is_attribute(operand, name) => {
            Some(KeyTest::BeginsWith(start.clone()))
        }
        _ => None,
    }
}

/// The values that a condition gives for this attribute, any of which will do: equalities joined by OR, or IN.
fn alternatives(condition: &Condition, name: &str) -> Option<Vec<Value>> {
    let mut values = Vec::new();
    for step in condition.steps() {
        match step {
            ConditionStep::Or => {}
            ConditionStep::Test(Test::Compare(Comparator::Equal, operand, Operand::Value(value)))
            | ConditionStep::Test(Test::Compare(Comparator::Equal, Operand::Value(value), operand))
                if is_attribute(operand, name) =>
            {
                values.push(value.clone());
            }
            ConditionStep::Test(Test::In(operand, list)) if is_attribute(operand, name) => {
                for value in list {
                    let Operand::Value(value) = value else { return None };
                    values.push(value.clone());
                }
            }
            _ => return None,
        }
    }
    Some(values)
}

/// Whether an operand is this whole attribute.
fn is_attribute(operand: &Operand, name: &str) -> bool {
    matches!(operand, Operand::Path(path) if path.name() == name && path.steps().is_empty())
}
