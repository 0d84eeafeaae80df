//! Conditions over an item.

use crate::evaluate::compare::{begins_with, contains, order, size};
use crate::plan::condition::{Comparator, Condition, ConditionStep, Operand, Test, ValueType};
use stator_item::{Item, Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

impl Condition {
    /// Whether the item fulfils the condition; an item that does not exist has no attributes. A plan that is no
    /// condition (possible only if it did not come from parsing) is fulfilled by nothing.
    pub fn evaluate(&self, item: &Item) -> bool {
        let mut truths = Vec::new();
        for step in &self.steps {
            let truth = match step {
                ConditionStep::Test(test) => Some(test.evaluate(item)),
                ConditionStep::Not => truths.pop().map(|truth: bool| !truth),
                ConditionStep::And => truths.pop().zip(truths.pop()).map(|(second, first)| first && second),
                ConditionStep::Or => truths.pop().zip(truths.pop()).map(|(second, first)| first || second),
            };
            let Some(truth) = truth else { return false };
            truths.push(truth);
        }
        truths == [true]
    }
}

impl Test {
    fn evaluate(&self, item: &Item) -> bool {
        match self {
            Test::Exists(path) => path.find(item).is_some(),
            Test::NotExists(path) => path.find(item).is_none(),
            Test::HasType(path, wanted) => path.find(item).is_some_and(|value| ValueType::of(value) == *wanted),
            Test::BeginsWith(whole, start) => both(whole, start, item, begins_with),
            Test::Contains(whole, part) => both(whole, part, item, contains),
            Test::Compare(comparator, first, second) => compare(*comparator, first, second, item),
            Test::Between(operand, lower, upper) => {
                compare(Comparator::GreaterOrEqual, operand, lower, item)
                    && compare(Comparator::LessOrEqual, operand, upper, item)
            }
            Test::In(operand, list) => list.iter().any(|other| compare(Comparator::Equal, operand, other, item)),
        }
    }
}

impl Operand {
    fn find<'v>(&'v self, item: &'v Item) -> Option<Cow<'v, Value>> {
        match self {
            Operand::Path(path) => path.find(item).map(Cow::Borrowed),
            Operand::Value(value) => Some(Cow::Borrowed(value)),
            Operand::Size(path) => {
                path.find(item).and_then(size).map(|size| Cow::Owned(Value::Number(Number::from_u64(size))))
            }
        }
    }
}

/// A relation of two operands; false if one is missing.
fn both(first: &Operand, second: &Operand, item: &Item, relation: impl Fn(&Value, &Value) -> bool) -> bool {
    first.find(item).zip(second.find(item)).is_some_and(|(first, second)| relation(&first, &second))
}

/// A comparison. A missing operand equals nothing, not even another missing one; so `<>` is then true, as it is between
/// different types, and all others are false.
fn compare(comparator: Comparator, first: &Operand, second: &Operand, item: &Item) -> bool {
    let ordered = |wanted: fn(Ordering) -> bool| {
        both(first, second, item, |first, second| order(first, second).is_some_and(wanted))
    };
    match comparator {
        Comparator::Equal => both(first, second, item, |first, second| first == second),
        Comparator::NotEqual => !both(first, second, item, |first, second| first == second),
        Comparator::Less => ordered(Ordering::is_lt),
        Comparator::LessOrEqual => ordered(Ordering::is_le),
        Comparator::Greater => ordered(Ordering::is_gt),
        Comparator::GreaterOrEqual => ordered(Ordering::is_ge),
    }
}
