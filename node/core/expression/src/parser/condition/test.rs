//! One test of a condition: a comparison, BETWEEN, IN or a function.

use super::{Pending, Progress};
use crate::check;
use crate::error::Problem;
use crate::evaluate::size;
use crate::lexer::TokenKind;
use crate::parser::{IN_OPERANDS_MAX, Parsed, Parser};
use crate::plan::condition::{Comparator, Operand, Test, ValueType};
use crate::plan::path::Path;
use stator_item::{Number, Value};

const SIZE: &str = "size";
const FUNCTIONS_OF_CONDITIONS: [&str; 5] =
    ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains"];
const FUNCTIONS_OF_UPDATES: [&str; 2] = ["if_not_exists", "list_append"];

impl Parser<'_, '_> {
    /// A test; parentheses around its first operand are still pending when it begins.
    pub(super) fn test(&mut self, progress: &mut Progress) -> Parsed<Test> {
        if self.at_call() && self.peek().text != SIZE {
            let (function, operands) = self.call()?;
            if self.comparator().is_some() || self.at_keyword("BETWEEN") || self.at_keyword("IN") {
                return Err(Problem::FunctionMisplaced(function));
            }
            return function_test(function, operands);
        }
        let first = self.single_operand()?;
        while self.at_symbol(")") && matches!(progress.pending.last(), Some(Pending::Parenthesis(_))) {
            self.close_pair(progress)?;
        }
        if let Some(comparator) = self.comparator() {
            self.advance();
            self.count_operator();
            let second = self.operand()?;
            check::comparison(comparator, &first, &second)?;
            return Ok(Test::Compare(comparator, first, second));
        }
        if self.eat_keyword("BETWEEN") {
            self.count_operator();
            return self.between(first);
        }
        if self.eat_keyword("IN") {
            self.count_operator();
            return self.is_in(first);
        }
        let complete = self.peek().kind == TokenKind::End || self.at_keyword("AND") || self.at_keyword("OR");
        if complete && matches!(first, Operand::Size(_)) {
            return Err(Problem::FunctionMisplaced(SIZE));
        }
        Err(self.syntax_error())
    }

    fn between(&mut self, operand: Operand) -> Parsed<Test> {
        let lower = self.operand()?;
        if !self.eat_keyword("AND") {
            return Err(self.syntax_error());
        }
        let upper = self.operand()?;
        check::between(&operand, &lower, &upper)?;
        Ok(Test::Between(operand, lower, upper))
    }

    fn is_in(&mut self, operand: Operand) -> Parsed<Test> {
        self.expect_symbol("(")?;
        let list = self.comma_separated(Parser::operand)?;
        self.expect_symbol(")")?;
        if list.len() > IN_OPERANDS_MAX {
            return Err(Problem::OperandsCount { operator: "IN", operands_count: list.len() });
        }
        check::operands_distinct("IN", &operand, &list)?;
        Ok(Test::In(operand, list))
    }

    fn comparator(&self) -> Option<Comparator> {
        if self.peek().kind != TokenKind::Symbol {
            return None;
        }
        Some(match self.peek().text {
            "=" => Comparator::Equal,
            "<>" => Comparator::NotEqual,
            "<" => Comparator::Less,
            "<=" => Comparator::LessOrEqual,
            ">" => Comparator::Greater,
            ">=" => Comparator::GreaterOrEqual,
            _ => return None,
        })
    }

    /// An operand, or one in a pair of parentheses.
    fn operand(&mut self) -> Parsed<Operand> {
        if !self.eat_symbol("(") {
            return self.single_operand();
        }
        if self.at_symbol("(") {
            return Err(Problem::RedundantParentheses);
        }
        let operand = self.single_operand()?;
        self.expect_symbol(")")?;
        Ok(operand)
    }

    /// A path, a value or a size.
    fn single_operand(&mut self) -> Parsed<Operand> {
        if self.at_value() {
            return Ok(Operand::Value(self.value()?));
        }
        if !self.at_call() {
            return Ok(Operand::Path(self.path()?));
        }
        let (function, operands) = self.call()?;
        if function != SIZE {
            return Err(Problem::FunctionMisplaced(function));
        }
        let [operand] = exactly(SIZE, operands)?;
        match operand {
            Operand::Path(path) => Ok(Operand::Size(path)),
            Operand::Value(value) => match size(&value) {
                Some(size) => Ok(Operand::Value(Value::Number(Number::from_u64(size)))),
                None => Err(Problem::OperandType { operator: SIZE, operand_type: value.type_name() }),
            },
            Operand::Size(_) => Err(Problem::FunctionMisplaced(SIZE)),
        }
    }

    /// A function's name and operands. Functions inside functions are refused here, so this does not go deeper.
    fn call(&mut self) -> Parsed<(&'static str, Vec<Operand>)> {
        let function = self.function_name()?;
        self.count_operator();
        self.advance();
        let operands = self.comma_separated(|parser| {
            if parser.at_call() {
                return Err(Problem::FunctionMisplaced(parser.function_name()?));
            }
            parser.operand()
        })?;
        self.expect_symbol(")")?;
        Ok((function, operands))
    }

    fn function_name(&mut self) -> Parsed<&'static str> {
        let name = self.advance().text;
        let known = |functions: &[&'static str]| functions.iter().find(|function| **function == name).copied();
        if let Some(function) = known(&FUNCTIONS_OF_UPDATES) {
            return Err(Problem::FunctionNotAllowed { kind: self.kind, function });
        }
        known(&[SIZE])
            .or_else(|| known(&FUNCTIONS_OF_CONDITIONS))
            .ok_or_else(|| Problem::UnknownFunction(name.to_owned()))
    }
}

/// The test that a function's call stands for; its operands are checked.
fn function_test(function: &'static str, operands: Vec<Operand>) -> Parsed<Test> {
    Ok(match function {
        "attribute_exists" => {
            let [operand] = exactly(function, operands)?;
            Test::Exists(document_path(function, operand)?)
        }
        "attribute_not_exists" => {
            let [operand] = exactly(function, operands)?;
            Test::NotExists(document_path(function, operand)?)
        }
        "attribute_type" => {
            let [operand, wanted] = exactly(function, operands)?;
            Test::HasType(document_path(function, operand)?, wanted_type(&wanted)?)
        }
        "begins_with" => {
            let [text, start] = exactly(function, operands)?;
            let fits = |value: &Value| matches!(value, Value::String(_) | Value::Binary(_));
            check::operand_type(function, &text, fits)?;
            check::operand_type(function, &start, fits)?;
            check::operands_distinct(function, &text, [&start])?;
            Test::BeginsWith(text, start)
        }
        _ => {
            let [whole, part] = exactly(function, operands)?;
            check::operand_type(function, &whole, |value| {
                !matches!(value, Value::Number(_) | Value::Bool(_) | Value::Null | Value::Map(_))
            })?;
            check::operands_distinct(function, &whole, [&part])?;
            Test::Contains(whole, part)
        }
    })
}

fn exactly<const COUNT: usize>(operator: &'static str, operands: Vec<Operand>) -> Parsed<[Operand; COUNT]> {
    operands
        .try_into()
        .map_err(|operands: Vec<Operand>| Problem::OperandsCount { operator, operands_count: operands.len() })
}

fn document_path(function: &'static str, operand: Operand) -> Parsed<Path> {
    match operand {
        Operand::Path(path) => Ok(path),
        Operand::Value(_) | Operand::Size(_) => Err(Problem::PathRequired(function)),
    }
}

fn wanted_type(operand: &Operand) -> Parsed<ValueType> {
    match operand {
        Operand::Value(Value::String(name)) => {
            ValueType::named(name).ok_or_else(|| Problem::UnknownType(name.to_owned()))
        }
        Operand::Value(value) => {
            Err(Problem::OperandType { operator: "attribute_type", operand_type: value.type_name() })
        }
        Operand::Path(_) | Operand::Size(_) => {
            Err(Problem::OperandType { operator: "attribute_type", operand_type: "{NS,SS,L,BS,N,M,B,S}" })
        }
    }
}
