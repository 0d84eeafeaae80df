//! Comparisons of attributes with given values: `Expected`, `QueryFilter`, `ScanFilter`, `KeyConditions`.

use super::LegacyError;
use crate::check::{IN_OPERANDS_MAX, is_ordered};
use crate::evaluate::order;
use crate::parser::OPERATORS_MAX;
use crate::plan::condition::{Comparator, Condition, Operand, Test};
use crate::plan::key_condition::{KeyCondition, KeyTest};
use crate::plan::path::Path;
use stator_item::Value;
use std::collections::BTreeMap;
use std::fmt;

/// `ComparisonOperator`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    Compare(Comparator),
    Between,
    In,
    Null,
    NotNull,
    Contains,
    NotContains,
    BeginsWith,
}

/// `ConditionalOperator`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConditionalOperator {
    And,
    Or,
}

/// What `QueryFilter`, `ScanFilter` and `KeyConditions` say of an attribute.
#[derive(Clone, PartialEq, Debug)]
pub struct AttributeCondition {
    pub operator: Operator,
    pub values: Vec<Value>,
}

/// What `Expected` says of an attribute.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ExpectedAttribute {
    pub value: Option<Value>,
    pub exists: Option<bool>,
    pub operator: Option<Operator>,
    pub values: Option<Vec<Value>>,
}

const OPERATORS: [(&str, Operator); 13] = [
    ("EQ", Operator::Compare(Comparator::Equal)),
    ("NE", Operator::Compare(Comparator::NotEqual)),
    ("LT", Operator::Compare(Comparator::Less)),
    ("LE", Operator::Compare(Comparator::LessOrEqual)),
    ("GT", Operator::Compare(Comparator::Greater)),
    ("GE", Operator::Compare(Comparator::GreaterOrEqual)),
    ("BETWEEN", Operator::Between),
    ("IN", Operator::In),
    ("NULL", Operator::Null),
    ("NOT_NULL", Operator::NotNull),
    ("CONTAINS", Operator::Contains),
    ("NOT_CONTAINS", Operator::NotContains),
    ("BEGINS_WITH", Operator::BeginsWith),
];

impl Operator {
    /// The operator of that name on the wire.
    pub fn named(name: &str) -> Option<Operator> {
        OPERATORS.iter().find(|(known, _)| *known == name).map(|(_, operator)| *operator)
    }

    fn takes(self, values_count: usize) -> bool {
        match self {
            Operator::Null | Operator::NotNull => values_count == 0,
            Operator::Between => values_count == 2,
            Operator::In => values_count > 0,
            _ => values_count == 1,
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Operator::Compare(Comparator::Equal | Comparator::NotEqual) => true,
            Operator::BeginsWith => matches!(value, Value::String(_) | Value::Binary(_)),
            _ => is_ordered(value),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(OPERATORS.iter().find(|(_, operator)| operator == self).map_or("", |(name, _)| name))
    }
}

/// The condition of `QueryFilter` or `ScanFilter`; `None` if it is empty.
pub fn filter(
    conditions: BTreeMap<String, AttributeCondition>,
    joined: Option<ConditionalOperator>,
) -> Result<Option<Condition>, LegacyError> {
    let conditions = conditions.into_iter().map(|(name, condition)| condition.into_condition(name));
    join(conditions.collect::<Result<_, _>>()?, joined)
}

/// The condition of `Expected`; `None` if it is empty.
pub fn expected(
    attributes: BTreeMap<String, ExpectedAttribute>,
    joined: Option<ConditionalOperator>,
) -> Result<Option<Condition>, LegacyError> {
    let conditions = attributes.into_iter().map(|(name, expected)| expected.into_condition(name));
    join(conditions.collect::<Result<_, _>>()?, joined)
}

/// `KeyConditions`. Which attribute is which key is for [`KeyCondition::resolve`] to find.
pub fn key_condition(conditions: BTreeMap<String, AttributeCondition>) -> Result<KeyCondition, LegacyError> {
    if !(1..=2).contains(&conditions.len()) {
        return Err(LegacyError::KeyConditionsCount);
    }
    let tests = conditions.into_iter().map(|(name, condition)| Ok((name, condition.into_key_test()?)));
    Ok(KeyCondition { tests: tests.collect::<Result<_, _>>()? })
}

fn join(conditions: Vec<Condition>, joined: Option<ConditionalOperator>) -> Result<Option<Condition>, LegacyError> {
    match (joined, conditions.len()) {
        (Some(_), 0) => return Err(LegacyError::OperatorWithoutConditions),
        (Some(_), 1) => return Err(LegacyError::OperatorWithOneCondition),
        (_, conditions_count) if conditions_count > OPERATORS_MAX => {
            return Err(LegacyError::TooManyConditions { conditions_count });
        }
        _ => {}
    }
    let connective = match joined {
        Some(ConditionalOperator::Or) => Condition::or,
        Some(ConditionalOperator::And) | None => Condition::and,
    };
    Ok(conditions.into_iter().reduce(connective))
}

impl AttributeCondition {
    fn check(&self) -> Result<(), LegacyError> {
        let AttributeCondition { operator, values } = self;
        if !operator.takes(values.len()) {
            return Err(LegacyError::ArgumentsCount(*operator));
        }
        if values.len() > IN_OPERANDS_MAX {
            return Err(LegacyError::TooManyValues { values_count: values.len() });
        }
        if let Some(unfit) = values.iter().find(|value| !operator.fits(value)) {
            return Err(LegacyError::ArgumentType { operator: *operator, value_type: unfit.type_name() });
        }
        if values.windows(2).any(|pair| matches!(pair, [one, two] if one.type_name() != two.type_name())) {
            return Err(LegacyError::ArgumentTypesDiffer);
        }
        match (operator, values.as_slice()) {
            (Operator::Between, [lower, upper]) if order(lower, upper).is_some_and(|order| order.is_gt()) => {
                Err(LegacyError::BoundsReversed)
            }
            _ => Ok(()),
        }
    }

    fn into_condition(self, name: String) -> Result<Condition, LegacyError> {
        self.check()?;
        let path = Path::attribute(name);
        let mut values = self.values.into_iter().map(Operand::Value);
        let mut next = || values.next().ok_or(LegacyError::ArgumentsCount(self.operator));
        let test = match self.operator {
            Operator::Null => Test::NotExists(path),
            Operator::NotNull => Test::Exists(path),
            Operator::Compare(comparator) => Test::Compare(comparator, Operand::Path(path), next()?),
            Operator::Between => Test::Between(Operand::Path(path), next()?, next()?),
            Operator::In => Test::In(Operand::Path(path), values.collect()),
            Operator::BeginsWith => Test::BeginsWith(Operand::Path(path), next()?),
            Operator::Contains => Test::Contains(Operand::Path(path), next()?),
            Operator::NotContains => {
                return Ok(Condition::test(Test::Contains(Operand::Path(path), next()?)).not());
            }
        };
        Ok(Condition::test(test))
    }

    fn into_key_test(self) -> Result<KeyTest, LegacyError> {
        self.check()?;
        let mut values = self.values.into_iter();
        let mut next = || values.next().ok_or(LegacyError::ArgumentsCount(self.operator));
        match self.operator {
            Operator::Compare(Comparator::NotEqual) => Err(LegacyError::KeyOperator),
            Operator::Compare(comparator) => Ok(KeyTest::Compare(comparator, next()?)),
            Operator::Between => Ok(KeyTest::Between(next()?, next()?)),
            Operator::BeginsWith => Ok(KeyTest::BeginsWith(next()?)),
            Operator::In | Operator::Null | Operator::NotNull | Operator::Contains | Operator::NotContains => {
                Err(LegacyError::KeyOperator)
            }
        }
    }
}

impl ExpectedAttribute {
    fn into_condition(self, name: String) -> Result<Condition, LegacyError> {
        let ExpectedAttribute { value, exists, operator, values } = self;
        if value.is_some() && values.is_some() {
            return Err(LegacyError::ValueWithList(name));
        }
        let Some(operator) = operator else {
            return if values.is_some() {
                Err(LegacyError::ListWithoutOperator(name))
            } else {
                plain(name, value, exists)
            };
        };
        if exists.is_some() {
            return Err(LegacyError::ExistsWithOperator(name));
        }
        let values = match (values, value) {
            (Some(values), _) => values,
            (None, Some(value)) => vec![value],
            (None, None) if matches!(operator, Operator::Null | Operator::NotNull) => Vec::new(),
            (None, None) => return Err(LegacyError::OperatorWithoutValue { operator, name }),
        };
        AttributeCondition { operator, values }.into_condition(name)
    }
}

/// `Value` and `Exists`, as they were before there were operators.
fn plain(name: String, value: Option<Value>, exists: Option<bool>) -> Result<Condition, LegacyError> {
    let missing = |exists| LegacyError::ValueMissing { exists, name: name.clone() };
    match (exists, value) {
        (Some(false), None) => Ok(Condition::test(Test::NotExists(Path::attribute(name)))),
        (Some(false), Some(_)) => Err(LegacyError::ValueNotWanted(name)),
        (Some(true), None) => Err(missing("true")),
        (None, None) => Err(missing("null")),
        (Some(true) | None, Some(value)) => {
            let path = Operand::Path(Path::attribute(name));
            Ok(Condition::test(Test::Compare(Comparator::Equal, path, Operand::Value(value))))
        }
    }
}
