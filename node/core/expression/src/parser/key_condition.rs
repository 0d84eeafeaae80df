//! KeyConditionExpression: the grammar of conditions, of which little may be used; then which attribute is which key.

use crate::error::{ExpressionError, Kind};
use crate::parser::{Parser, parse_whole};
use crate::placeholders::Placeholders;
use crate::plan::condition::{Comparator, ConditionStep, Operand, Test};
use crate::plan::key_condition::{KeyCondition, KeyTest, RangeCondition, ResolvedCompound, ResolvedKeyCondition};
use stator_item::Value;

impl KeyCondition {
    /// Parses a KeyConditionExpression and checks what can be checked without the key's names.
    pub fn parse(text: &str, placeholders: &Placeholders<'_>) -> Result<KeyCondition, ExpressionError> {
        let condition = parse_whole(text, Kind::KeyCondition, placeholders, Parser::condition)?;
        let mut tests: Vec<(String, KeyTest)> = Vec::new();
        for step in condition.steps {
            match step {
                ConditionStep::And => {}
                ConditionStep::Or => return Err(ExpressionError::KeyOperator("OR")),
                ConditionStep::Not => return Err(ExpressionError::KeyOperator("NOT")),
                ConditionStep::Test(test) => tests.push(key_test(test)?),
            }
        }
        let repeated = |place: usize, name: &String| tests.iter().take(place).any(|(other, _)| other == name);
        if tests.iter().enumerate().any(|(place, (name, _))| repeated(place, name)) {
            return Err(ExpressionError::KeyRepeated);
        }
        Ok(KeyCondition { tests })
    }

    /// Finds the partition key's value and the sort key's range among the tests. Types are the caller's to check.
    pub fn resolve(&self, hash_name: &str, range_name: Option<&str>) -> Result<ResolvedKeyCondition, ExpressionError> {
        let missing = |name: &str| ExpressionError::KeyMissing(name.to_owned());
        let find = |wanted: &str| self.tests.iter().find(|(name, _)| name == wanted).map(|(_, test)| test);
        let hash = match find(hash_name).ok_or_else(|| missing(hash_name))? {
            KeyTest::Compare(Comparator::Equal, value) => value.clone(),
            _ => return Err(ExpressionError::KeyConditionNotSupported),
        };
        let range = range_name.and_then(find).map(range_condition).transpose()?;
        match self.tests.len().saturating_sub(1 + usize::from(range.is_some())) {
            0 => Ok(ResolvedKeyCondition { hash, range }),
            1 if range.is_none() => match range_name {
                Some(name) => Err(missing(name)),
                None => Err(ExpressionError::KeyConditionNotSupported),
            },
            _ => Err(ExpressionError::KeyConditionNotSupported),
        }
    }

    /// As [`resolve`](KeyCondition::resolve), of a key of several attributes: all hash attributes by equality, range
    /// attributes from the left by equality, then at most one condition of another kind.
    pub fn resolve_compound(
        &self,
        hash_names: &[&str],
        range_names: &[&str],
    ) -> Result<ResolvedCompound, ExpressionError> {
        if let ([hash_name], [] | [_]) = (hash_names, range_names) {
            let ResolvedKeyCondition { hash, range } = self.resolve(hash_name, range_names.first().copied())?;
            return Ok(ResolvedCompound { hash: vec![hash], equal: Vec::new(), range });
        }
        let find = |wanted: &str| self.tests.iter().find(|(name, _)| name == wanted).map(|(_, test)| test);
        let mut hash = Vec::new();
        for name in hash_names {
            match find(name).ok_or_else(|| ExpressionError::KeyMissing((*name).to_owned()))? {
                KeyTest::Compare(Comparator::Equal, value) => hash.push(value.clone()),
                _ => return Err(ExpressionError::KeyConditionNotSupported),
            }
        }
        let (mut equal, mut range) = (Vec::new(), None);
        for test in range_names.iter().map_while(|name| find(name)) {
            match test {
                KeyTest::Compare(Comparator::Equal, value) => equal.push(value.clone()),
                other => {
                    range = Some(range_condition(other)?);
                    break;
                }
            }
        }
        // What is left names no key attribute, one behind a gap, or one behind a condition that must come last.
        if hash.len() + equal.len() + usize::from(range.is_some()) < self.tests.len() {
            return Err(ExpressionError::KeyConditionNotSupported);
        }
        Ok(ResolvedCompound { hash, equal, range })
    }
}

fn key_test(test: Test) -> Result<(String, KeyTest), ExpressionError> {
    match test {
        Test::Compare(Comparator::NotEqual, ..) => Err(ExpressionError::KeyOperator("<>")),
        Test::Compare(comparator, Operand::Value(value), operand @ Operand::Path(_)) => {
            Ok((attribute(operand, comparator.symbol())?, KeyTest::Compare(comparator.mirrored(), value)))
        }
        Test::Compare(comparator, operand, value) => {
            let name = attribute(operand, comparator.symbol())?;
            Ok((name, KeyTest::Compare(comparator, literal(value)?)))
        }
        Test::Between(operand, lower, upper) => {
            Ok((attribute(operand, "BETWEEN")?, KeyTest::Between(literal(lower)?, literal(upper)?)))
        }
        Test::BeginsWith(operand, start) => {
            Ok((attribute(operand, "begins_with")?, KeyTest::BeginsWith(literal(start)?)))
        }
        Test::In(..) => Err(ExpressionError::KeyOperator("IN")),
        Test::Exists(_) => Err(ExpressionError::KeyOperator("attribute_exists")),
        Test::NotExists(_) => Err(ExpressionError::KeyOperator("attribute_not_exists")),
        Test::HasType(..) => Err(ExpressionError::KeyOperator("attribute_type")),
        Test::Contains(..) => Err(ExpressionError::KeyOperator("contains")),
    }
}

fn attribute(operand: Operand, operator: &'static str) -> Result<String, ExpressionError> {
    match operand {
        Operand::Path(path) if path.steps().is_empty() => Ok(path.name().to_owned()),
        Operand::Path(_) => Err(ExpressionError::KeyNested),
        Operand::Size(_) => Err(ExpressionError::KeyNestedOperation),
        Operand::Value(_) if matches!(operator, "BETWEEN" | "begins_with") => {
            Err(ExpressionError::KeyNotFirst(operator))
        }
        Operand::Value(_) => Err(ExpressionError::KeyAttributeMissing),
    }
}

fn literal(operand: Operand) -> Result<Value, ExpressionError> {
    match operand {
        Operand::Value(value) => Ok(value),
        Operand::Path(_) => Err(ExpressionError::KeyAttributesSeveral),
        Operand::Size(_) => Err(ExpressionError::KeyNestedOperation),
    }
}

fn range_condition(test: &KeyTest) -> Result<RangeCondition, ExpressionError> {
    Ok(match test.clone() {
        KeyTest::Compare(Comparator::Equal, value) => RangeCondition::Equal(value),
        KeyTest::Compare(Comparator::Less, value) => RangeCondition::Less(value),
        KeyTest::Compare(Comparator::LessOrEqual, value) => RangeCondition::LessOrEqual(value),
        KeyTest::Compare(Comparator::Greater, value) => RangeCondition::Greater(value),
        KeyTest::Compare(Comparator::GreaterOrEqual, value) => RangeCondition::GreaterOrEqual(value),
        KeyTest::Compare(Comparator::NotEqual, _) => return Err(ExpressionError::KeyOperator("<>")),
        KeyTest::Between(lower, upper) => RangeCondition::Between(lower, upper),
        KeyTest::BeginsWith(start) => RangeCondition::BeginsWith(start),
    })
}
