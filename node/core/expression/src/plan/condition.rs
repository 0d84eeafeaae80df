//! What a ConditionExpression or FilterExpression becomes: tests, joined in postfix order.

use crate::error::Problem;
use crate::plan::path::Path;
use serde::{Deserialize, Serialize};
use stator_item::Value;
use std::collections::BTreeSet;

/// A condition over one item. Built by parsing, or from tests with [`Condition::and`], [`Condition::or`],
/// [`Condition::not`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Condition {
    pub(crate) steps: Vec<ConditionStep>,
}

/// One step of a condition in postfix order: a test pushes a truth, a connective replaces what it connects.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ConditionStep {
    Test(Test),
    And,
    Or,
    Not,
}

/// One test of an item, true or false.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Test {
    Exists(Path),
    NotExists(Path),
    HasType(Path, ValueType),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
    Compare(Comparator, Operand, Operand),
    /// Operand, lower bound, upper bound; both bounds belong to the range.
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
}

/// What a test looks at.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Operand {
    Path(Path),
    Value(Value),
    /// `size(path)`.
    Size(Path),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparator {
    /// The operator as it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            Comparator::Equal => "=",
            Comparator::NotEqual => "<>",
            Comparator::Less => "<",
            Comparator::LessOrEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterOrEqual => ">=",
        }
    }

    /// The same comparison with its sides exchanged.
    pub fn mirrored(self) -> Comparator {
        match self {
            Comparator::Less => Comparator::Greater,
            Comparator::LessOrEqual => Comparator::GreaterOrEqual,
            Comparator::Greater => Comparator::Less,
            Comparator::GreaterOrEqual => Comparator::LessOrEqual,
            Comparator::Equal | Comparator::NotEqual => self,
        }
    }
}

/// What `attribute_type` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ValueType {
    String,
    Number,
    Binary,
    Bool,
    Null,
    List,
    Map,
    StringSet,
    NumberSet,
    BinarySet,
}

impl ValueType {
    /// The type of a descriptor as on the wire (`S`, `NS`, ...).
    pub fn named(name: &str) -> Option<ValueType> {
        Some(match name {
            "S" => ValueType::String,
            "N" => ValueType::Number,
            "B" => ValueType::Binary,
            "BOOL" => ValueType::Bool,
            "NULL" => ValueType::Null,
            "L" => ValueType::List,
            "M" => ValueType::Map,
            "SS" => ValueType::StringSet,
            "NS" => ValueType::NumberSet,
            "BS" => ValueType::BinarySet,
            _ => return None,
        })
    }

    pub fn of(value: &Value) -> ValueType {
        match value {
            Value::String(_) => ValueType::String,
            Value::Number(_) => ValueType::Number,
            Value::Binary(_) => ValueType::Binary,
            Value::Bool(_) => ValueType::Bool,
            Value::Null => ValueType::Null,
            Value::List(_) => ValueType::List,
            Value::Map(_) => ValueType::Map,
            Value::StringSet(_) => ValueType::StringSet,
            Value::NumberSet(_) => ValueType::NumberSet,
            Value::BinarySet(_) => ValueType::BinarySet,
        }
    }
}

impl Condition {
    pub fn test(test: Test) -> Condition {
        Condition { steps: vec![ConditionStep::Test(test)] }
    }

    pub fn and(self, other: Condition) -> Condition {
        self.join(other, ConditionStep::And)
    }

    pub fn or(self, other: Condition) -> Condition {
        self.join(other, ConditionStep::Or)
    }

    #[expect(clippy::should_implement_trait, reason = "belongs beside `and` and `or`")]
    pub fn not(mut self) -> Condition {
        self.steps.push(ConditionStep::Not);
        self
    }

    fn join(mut self, other: Condition, connective: ConditionStep) -> Condition {
        self.steps.extend(other.steps);
        self.steps.push(connective);
        self
    }

    /// All of these conditions at once; `None` if there are none.
    pub fn all(conditions: impl IntoIterator<Item = Condition>) -> Option<Condition> {
        conditions.into_iter().reduce(Condition::and)
    }

    /// A condition from its steps in postfix order; `None` if they are no condition.
    pub fn from_steps(steps: Vec<ConditionStep>) -> Option<Condition> {
        let mut truths_count: usize = 0;
        for step in &steps {
            truths_count = match step {
                ConditionStep::Test(_) => truths_count + 1,
                ConditionStep::Not => truths_count.checked_sub(1)? + 1,
                ConditionStep::And | ConditionStep::Or => truths_count.checked_sub(2)? + 1,
            };
        }
        (truths_count == 1).then_some(Condition { steps })
    }

    /// The steps in postfix order.
    pub fn steps(&self) -> &[ConditionStep] {
        &self.steps
    }

    /// The conditions that are joined by AND outside of everything else, from left to right: all of them hold if and only
    /// if this one does.
    pub fn into_conjuncts(mut self) -> Vec<Condition> {
        let starts = self.starts();
        let mut conjuncts = Vec::new();
        // What is not taken apart yet, the rightmost on top: each is a condition, by the place behind its last step.
        let mut ends = vec![self.steps.len()];
        while let Some(end) = ends.pop() {
            let (last, before) = (end.wrapping_sub(1), end.wrapping_sub(2));
            match (self.steps.get(last), starts.get(before)) {
                (Some(ConditionStep::And), Some(right_start)) => {
                    self.steps.truncate(last);
                    ends.extend([*right_start, last]);
                }
                _ => {
                    let start = starts.get(last).copied().unwrap_or(0).min(self.steps.len());
                    conjuncts.push(Condition { steps: self.steps.split_off(start) });
                }
            }
        }
        conjuncts.reverse();
        conjuncts
    }

    /// For each step, where the condition begins that it completes.
    fn starts(&self) -> Vec<usize> {
        let mut starts = Vec::with_capacity(self.steps.len());
        let mut open: Vec<usize> = Vec::new();
        for (place, step) in self.steps.iter().enumerate() {
            let start = match step {
                ConditionStep::Test(_) => Some(place),
                ConditionStep::Not => open.pop(),
                ConditionStep::And | ConditionStep::Or => open.pop().and_then(|_| open.pop()),
            };
            // Only of a plan that is no condition and holds for nothing; so do its parts.
            let start = start.unwrap_or(0);
            open.push(start);
            starts.push(start);
        }
        starts
    }

    /// The tests, from left to right as they were written.
    pub fn tests(&self) -> impl Iterator<Item = &Test> {
        self.steps.iter().filter_map(|step| match step {
            ConditionStep::Test(test) => Some(test),
            ConditionStep::And | ConditionStep::Or | ConditionStep::Not => None,
        })
    }

    /// The document paths, from left to right, repeated as they are written.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.tests().flat_map(Test::paths)
    }

    /// Names of the top-level attributes referred to.
    pub fn attribute_names(&self) -> BTreeSet<&str> {
        self.paths().map(Path::name).collect()
    }
}

impl Test {
    /// The test, unless its given values can never be fit for it. Parsing checks this; who builds tests may.
    pub fn checked(self) -> Result<Test, Problem> {
        crate::check::test(&self).map(|()| self)
    }

    fn paths(&self) -> Vec<&Path> {
        match self {
            Test::Exists(path) | Test::NotExists(path) | Test::HasType(path, _) => vec![path],
            Test::BeginsWith(first, second) | Test::Contains(first, second) | Test::Compare(_, first, second) => {
                [first, second].into_iter().filter_map(Operand::path).collect()
            }
            Test::Between(operand, lower, upper) => {
                [operand, lower, upper].into_iter().filter_map(Operand::path).collect()
            }
            Test::In(operand, list) => std::iter::once(operand).chain(list).filter_map(Operand::path).collect(),
        }
    }
}

impl Operand {
    /// The document path that the operand reads, if it reads one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Operand::Path(path) | Operand::Size(path) => Some(path),
            Operand::Value(_) => None,
        }
    }
}
