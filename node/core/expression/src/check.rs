//! Checks of a parsed expression that need no item: types of given values, order of bounds, distance of paths.

use crate::error::Problem;
use crate::evaluate::order;
use crate::plan::condition::{Comparator, Operand, Test};
use crate::plan::path::{Path, Step};
use stator_item::Value;
use std::cmp::Ordering;

/// Refuses paths of which one lies inside another, or which take one place for a list and for a map.
pub(crate) fn paths_apart<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<(), Problem> {
    let mut sorted: Vec<(&Path, usize)> = paths.into_iter().enumerate().map(|(place, path)| (path, place)).collect();
    // In this order whatever lies inside a path follows it at once, and indexes stand before names: so neighbours
    // suffice.
    sorted.sort();
    for ((first, first_place), (second, second_place)) in sorted.iter().zip(sorted.iter().skip(1)) {
        if first.name() != second.name() {
            continue;
        }
        let (one, two) = if first_place < second_place { (first, second) } else { (second, first) };
        let fork = first.steps().iter().zip(second.steps()).find(|(first, second)| first != second);
        match fork {
            None => return Err(Problem::PathsOverlap((*one).clone(), (*two).clone())),
            Some((Step::Index(_), Step::Name(_)) | (Step::Name(_), Step::Index(_))) => {
                return Err(Problem::PathsConflict((*one).clone(), (*two).clone()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Refuses an operand that is the same path as the first one.
fn operands_distinct<'o>(
    operator: &'static str,
    first: &Operand,
    others: impl IntoIterator<Item = &'o Operand>,
) -> Result<(), Problem> {
    let Operand::Path(path) = first else { return Ok(()) };
    if others.into_iter().any(|other| other == first) {
        return Err(Problem::OperandsNotDistinct { operator, operand: path.clone() });
    }
    Ok(())
}

/// Refuses a given value whose type can never be fit for the operator.
fn operand_type(operator: &'static str, operand: &Operand, fits: impl Fn(&Value) -> bool) -> Result<(), Problem> {
    match operand {
        Operand::Value(value) if !fits(value) => {
            Err(Problem::OperandType { operator, operand_type: value.type_name() })
        }
        _ => Ok(()),
    }
}

/// Whether values of this type have an order: strings, numbers, binaries.
pub(crate) fn is_ordered(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Number(_) | Value::Binary(_))
}

/// Most operands in the list of IN.
pub(crate) const IN_OPERANDS_MAX: usize = 100;

/// Refuses given values that can never be fit for their test.
pub(crate) fn test(test: &Test) -> Result<(), Problem> {
    match test {
        Test::Exists(_) | Test::NotExists(_) | Test::HasType(..) => Ok(()),
        Test::BeginsWith(whole, start) => {
            let fits = |value: &Value| matches!(value, Value::String(_) | Value::Binary(_));
            operand_type("begins_with", whole, fits)?;
            operand_type("begins_with", start, fits)?;
            operands_distinct("begins_with", whole, [start])
        }
        Test::Contains(whole, part) => {
            operand_type("contains", whole, |value| {
                !matches!(value, Value::Number(_) | Value::Bool(_) | Value::Null | Value::Map(_))
            })?;
            operands_distinct("contains", whole, [part])
        }
        Test::Compare(comparator, first, second) => comparison(*comparator, first, second),
        Test::Between(operand, lower, upper) => between(operand, lower, upper),
        Test::In(operand, list) if list.len() <= IN_OPERANDS_MAX => operands_distinct("IN", operand, list),
        Test::In(_, list) => Err(Problem::OperandsCount { operator: "IN", operands_count: list.len() }),
    }
}

fn comparison(comparator: Comparator, first: &Operand, second: &Operand) -> Result<(), Problem> {
    operands_distinct(comparator.symbol(), first, [second])?;
    if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        operand_type(comparator.symbol(), first, is_ordered)?;
        operand_type(comparator.symbol(), second, is_ordered)?;
    }
    Ok(())
}

fn between(operand: &Operand, lower: &Operand, upper: &Operand) -> Result<(), Problem> {
    operands_distinct("BETWEEN", operand, [lower, upper])?;
    for operand in [operand, lower, upper] {
        operand_type("BETWEEN", operand, is_ordered)?;
    }
    let (Operand::Value(lower), Operand::Value(upper)) = (lower, upper) else { return Ok(()) };
    match order(lower, upper) {
        None => Err(Problem::BoundsOfDifferentTypes { lower: shown(lower), upper: shown(upper) }),
        Some(Ordering::Greater) => Err(Problem::BoundsReversed { lower: shown(lower), upper: shown(upper) }),
        Some(Ordering::Less | Ordering::Equal) => Ok(()),
    }
}

/// A bound as DynamoDB's texts show it: `{N:5}`.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{{S:{text}}}"),
        Value::Number(number) => format!("{{N:{number}}}"),
        Value::Binary(bytes) => {
            format!("{{B:java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]}}", bytes.len())
        }
        other => format!("{{{}}}", other.type_name()),
    }
}
