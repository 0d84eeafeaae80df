//! One test of a condition: a comparison, BETWEEN, IN or a function.

use super::Progress;
use crate::check;
use crate::error::Problem;
use crate::evaluate::size;
use crate::lexer::TokenKind;
use crate::parser::{Parsed, Parser};
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
        let first = if self.at_call() && self.peek().text != SIZE {
            let (function, operands) = self.call()?;
            if self.comparator().is_none() && !self.at_keyword("BETWEEN") && !self.at_keyword("IN") {
                let test = function_test(function, operands);
                return Ok(self.noting(test, Test::Exists(Path::attribute(""))));
            }
            self.note(Problem::FunctionMisplaced(function));
            Operand::Value(Value::Null)
        } else {
            self.single_operand()?
        };
        while self.at_symbol(")")
            && let Some(opening) = progress.joining.withdraw()
        {
            self.close_pair(Some(opening), progress)?;
        }
        self.rest_of_test(first)
    }

    /// What follows the first operand.
    fn rest_of_test(&mut self, first: Operand) -> Parsed<Test> {
        if let Some(comparator) = self.comparator() {
            self.advance();
            self.count_operator();
            let second = self.operand()?;
            return Ok(self.noting_unfit(Test::Compare(comparator, first, second)));
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
            self.note(Problem::FunctionMisplaced(SIZE));
            return Ok(Test::Compare(Comparator::Equal, first.clone(), first));
        }
        Err(self.syntax_error())
    }

    fn between(&mut self, operand: Operand) -> Parsed<Test> {
        let lower = self.operand()?;
        if !self.eat_keyword("AND") {
            return Err(self.syntax_error());
        }
        let upper = self.operand()?;
        Ok(self.noting_unfit(Test::Between(operand, lower, upper)))
    }

    fn is_in(&mut self, operand: Operand) -> Parsed<Test> {
        self.expect_symbol("(")?;
        let list = self.comma_separated(Parser::operand)?;
        self.expect_symbol(")")?;
        Ok(self.noting_unfit(Test::In(operand, list)))
    }

    /// Notes given values that can never be fit for the test.
    fn noting_unfit(&mut self, test: Test) -> Test {
        let checked = check::test(&test);
        self.noting(checked, ());
        test
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
        let size = if function == SIZE { size_of(operands) } else { Err(Problem::FunctionMisplaced(function)) };
        Ok(self.noting(size, Operand::Value(Value::Null)))
    }

    /// A function's name and operands. Functions inside functions end the parse, so this does not go deeper.
    fn call(&mut self) -> Parsed<(&'static str, Vec<Operand>)> {
        let function = self.function_name();
        self.count_operator();
        self.advance();
        let operands = self.comma_separated(|parser| {
            if parser.at_call() {
                let function = parser.function_name();
                parser.note(Problem::FunctionMisplaced(function));
                return Err(parser.noted.clone().unwrap_or(Problem::FunctionMisplaced(function)));
            }
            parser.operand()
        })?;
        self.expect_symbol(")")?;
        Ok((function, operands))
    }

    /// The name of a function, or of another in the place of one that is not allowed.
    fn function_name(&mut self) -> &'static str {
        let name = self.advance().text;
        let known = |functions: &[&'static str]| functions.iter().find(|function| **function == name).copied();
        let function = known(&[SIZE]).or_else(|| known(&FUNCTIONS_OF_CONDITIONS)).ok_or_else(|| {
            let kind = self.kind;
            known(&FUNCTIONS_OF_UPDATES).map_or_else(
                || Problem::UnknownFunction(name.to_owned()),
                |function| Problem::FunctionNotAllowed { kind, function },
            )
        });
        self.noting(function, SIZE)
    }
}

/// What `size` of these operands stands for.
fn size_of(operands: Vec<Operand>) -> Parsed<Operand> {
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
            Test::BeginsWith(text, start).checked()?
        }
        _ => {
            let [whole, part] = exactly(function, operands)?;
            Test::Contains(whole, part).checked()?
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
