//! WHERE: tests joined by AND, OR, NOT and parentheses.

use super::{Parsed, Parser};
use crate::error::PartiqlError;
use crate::lexer::{Keyword, TokenKind};
use stator_expression::{Comparator, Condition, Joining, Operand, Path, Problem, Test, ValueType};
use stator_item::Value;

/// A test as it is written, or its opposite.
struct Written {
    test: Test,
    negated: bool,
}

impl Parser<'_> {
    /// A WHERE clause, if there is one.
    pub(super) fn where_clause(&mut self) -> Parsed<Option<Condition>> {
        if self.eat_keyword(Keyword::Where) { self.condition().map(Some) } else { Ok(None) }
    }

    fn condition(&mut self) -> Parsed<Condition> {
        let mut joining = Joining::default();
        loop {
            loop {
                match () {
                    () if self.eat_symbol("(") => joining.open(self.peek().start),
                    () if self.eat_keyword(Keyword::Not) => joining.not(),
                    () => break,
                }
            }
            let Written { test, negated } = self.test()?;
            if negated {
                joining.not();
            }
            joining.test(test.checked()?);
            // A parenthesis that is not ours closes what the condition stands in.
            while self.at_symbol(")") && joining.close().is_some() {
                self.advance();
            }
            match () {
                () if self.eat_keyword(Keyword::And) => joining.and(),
                () if self.eat_keyword(Keyword::Or) => joining.or(),
                () => break,
            }
        }
        joining.finish().ok_or_else(|| self.unexpected())
    }

    fn test(&mut self) -> Parsed<Written> {
        if let Some(function) = self.at_call().filter(|function| !function.eq_ignore_ascii_case("size")) {
            self.enter_call();
            return Ok(Written { test: self.function_test(function)?, negated: false });
        }
        let operand = self.operand()?;
        if let Some(comparator) = self.comparator() {
            self.advance();
            return Ok(Written { test: Test::Compare(comparator, operand, self.operand()?), negated: false });
        }
        if self.eat_keyword(Keyword::Is) {
            return self.is_test(operand);
        }
        let negated = self.eat_keyword(Keyword::Not);
        if self.eat_keyword(Keyword::Between) {
            let lower = self.operand()?;
            self.expect_keyword(Keyword::And)?;
            return Ok(Written { test: Test::Between(operand, lower, self.operand()?), negated });
        }
        self.expect_keyword(Keyword::In)?;
        let list = self.list()?.into_iter().map(Operand::Value).collect();
        Ok(Written { test: Test::In(operand, list), negated })
    }

    /// `IS [NOT] MISSING` or `IS [NOT] NULL`.
    fn is_test(&mut self, operand: Operand) -> Parsed<Written> {
        let Operand::Path(path) = operand else { return Err(self.unexpected()) };
        let negated = self.eat_keyword(Keyword::Not);
        if self.eat_keyword(Keyword::Missing) {
            let test = if negated { Test::Exists(path) } else { Test::NotExists(path) };
            return Ok(Written { test, negated: false });
        }
        self.expect_keyword(Keyword::Null)?;
        Ok(Written { test: Test::HasType(path, ValueType::Null), negated })
    }

    /// What follows IN: `(...)`, `[...]`, `<<...>>`, or a parameter that is a list.
    fn list(&mut self) -> Parsed<Vec<Value>> {
        let list = match () {
            () if self.eat_symbol("(") => self.elements_until(")")?,
            () if self.eat_symbol("[") => self.elements_until("]")?,
            () if self.eat_symbol("<<") => self.elements_until(">>")?,
            () if self.at_symbol("?") => match self.value()? {
                Value::List(values) => values,
                // Told later, as there are too few parameters.
                _ if self.parameters_lack => vec![Value::Null],
                value => {
                    return Err(Problem::OperandType { operator: "IN", operand_type: value.type_name() }.into());
                }
            },
            () => return Err(self.unexpected()),
        };
        if list.is_empty() {
            return Err(Problem::OperandsCount { operator: "IN", operands_count: 0 }.into());
        }
        Ok(list)
    }

    /// A path, a value or a size.
    fn operand(&mut self) -> Parsed<Operand> {
        if self.at_value() {
            return Ok(Operand::Value(self.value()?));
        }
        let Some(function) = self.at_call() else { return Ok(Operand::Path(self.path()?)) };
        if !function.eq_ignore_ascii_case("size") {
            return Err(Problem::UnknownFunction(function.to_owned()).into());
        }
        self.enter_call();
        let path = self.path()?;
        self.expect_symbol(")")?;
        Ok(Operand::Size(path))
    }

    /// A test by a function, behind its parenthesis.
    fn function_test(&mut self, name: &str) -> Parsed<Test> {
        let is = |function: &str| name.eq_ignore_ascii_case(function);
        let test = match () {
            () if is("begins_with") => {
                let (path, value) = self.path_and_value()?;
                Test::BeginsWith(Operand::Path(path), Operand::Value(value))
            }
            () if is("contains") => {
                let (path, value) = self.path_and_value()?;
                Test::Contains(Operand::Path(path), Operand::Value(value))
            }
            () if is("attribute_type") => {
                let (path, wanted) = self.path_and_value()?;
                Test::HasType(path, wanted_type(&wanted)?)
            }
            () => return Err(Problem::UnknownFunction(name.to_owned()).into()),
        };
        self.expect_symbol(")")?;
        Ok(test)
    }

    fn path_and_value(&mut self) -> Parsed<(Path, Value)> {
        let path = self.path()?;
        self.expect_symbol(",")?;
        Ok((path, self.value()?))
    }

    fn comparator(&self) -> Option<Comparator> {
        if self.peek().kind != TokenKind::Symbol {
            return None;
        }
        Some(match self.peek().text {
            "=" => Comparator::Equal,
            "<>" | "!=" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            _ => return None,
        })
    }
}

fn wanted_type(wanted: &Value) -> Result<ValueType, PartiqlError> {
    match wanted {
        Value::String(name) => ValueType::named(name).ok_or_else(|| Problem::UnknownType(name.clone()).into()),
        value => Err(Problem::OperandType { operator: "attribute_type", operand_type: value.type_name() }.into()),
    }
}
