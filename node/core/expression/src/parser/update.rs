//! UpdateExpression: sections SET, REMOVE, ADD and DELETE, each at most once, in any order.

use crate::check::paths_apart;
use crate::error::{ExpressionError, Kind, Problem};
use crate::parser::{OPERATORS_MAX, Parsed, Parser, parse_whole};
use crate::placeholders::Placeholders;
use crate::plan::path::Path;
use crate::plan::update::{Assignment, Update, ValueStep};
use stator_item::Value;

/// A section of the expression, once it has been met.
type Section<T> = Option<Vec<T>>;

/// Place of a path in the text (position of its first token), for the order of paths in errors.
type Placed<T> = (usize, T);

#[derive(Default)]
struct Sections {
    sets: Section<Placed<Assignment>>,
    removes: Section<Placed<Path>>,
    adds: Section<Placed<(Path, Value)>>,
    deletes: Section<Placed<(Path, Value)>>,
}

impl Update {
    /// Parses and checks an UpdateExpression.
    pub fn parse(text: &str, placeholders: &Placeholders<'_>) -> Result<Update, ExpressionError> {
        parse_whole(text, Kind::Update, placeholders, |parser| {
            let sections = parser.sections()?;
            parser.end()?;
            sections.check()?;
            Ok(sections.into_update())
        })
    }
}

impl Sections {
    /// Refuses paths that overlap, in whatever sections they stand.
    fn check(&self) -> Parsed<()> {
        let sets = self.sets.iter().flatten().map(|(place, assignment)| (*place, &assignment.path));
        let removes = self.removes.iter().flatten().map(|(place, path)| (*place, path));
        let operands = self.adds.iter().chain(&self.deletes).flatten().map(|(place, (path, _))| (*place, path));
        let mut paths: Vec<Placed<&Path>> = sets.chain(removes).chain(operands).collect();
        paths.sort_by_key(|(place, _)| *place);
        paths_apart(paths.into_iter().map(|(_, path)| path))
    }

    fn into_update(self) -> Update {
        fn plain<T>(section: Section<Placed<T>>) -> Vec<T> {
            section.into_iter().flatten().map(|(_, action)| action).collect()
        }
        Update {
            sets: plain(self.sets),
            removes: plain(self.removes),
            adds: plain(self.adds),
            deletes: plain(self.deletes),
        }
    }
}

const LIST_APPEND: &str = "list_append";
const FUNCTIONS: [&str; 2] = [LIST_APPEND, "if_not_exists"];

/// What can be said about a right-hand side before there is an item.
#[derive(Clone, Copy)]
enum Shape {
    /// Depends on the item.
    Open,
    /// A value of this type, given or computed.
    Typed(&'static str),
}

impl Parser<'_, '_> {
    fn sections(&mut self) -> Parsed<Sections> {
        let mut sections = Sections::default();
        loop {
            if self.eat_keyword("SET") {
                self.section("SET", &mut sections.sets, Parser::assignment)?;
            } else if self.eat_keyword("REMOVE") {
                self.section("REMOVE", &mut sections.removes, Parser::path)?;
            } else if self.eat_keyword("ADD") {
                self.section("ADD", &mut sections.adds, |parser| parser.path_and_value("ADD"))?;
            } else if self.eat_keyword("DELETE") {
                self.section("DELETE", &mut sections.deletes, |parser| parser.path_and_value("DELETE"))?;
            } else {
                break;
            }
        }
        let any = sections.sets.is_some()
            || sections.removes.is_some()
            || sections.adds.is_some()
            || sections.deletes.is_some();
        if any { Ok(sections) } else { Err(self.syntax_error()) }
    }

    fn section<T>(
        &mut self,
        name: &'static str,
        section: &mut Section<Placed<T>>,
        mut action: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<()> {
        let actions = self.comma_separated(|parser| Ok((parser.position, action(parser)?)))?;
        if section.is_some() {
            self.note(Problem::SectionRepeated(name));
        }
        *section = Some(actions);
        Ok(())
    }

    fn path_and_value(&mut self, section: &'static str) -> Parsed<(Path, Value)> {
        let path = self.path()?;
        let value = self.value()?;
        self.count_operator();
        let fits = match &value {
            Value::StringSet(_) | Value::NumberSet(_) | Value::BinarySet(_) => true,
            Value::Number(_) => section == "ADD",
            _ => false,
        };
        if !fits {
            self.note(Problem::SectionOperandType { operator: section, operand_type: long_type_name(&value) });
        }
        Ok((path, value))
    }

    fn assignment(&mut self) -> Parsed<Assignment> {
        let path = self.path()?;
        self.expect_symbol("=")?;
        let mut value = Vec::new();
        self.sum(&mut value, 0)?;
        Ok(Assignment { path, value })
    }

    /// An operand, or two with `+` or `-` between.
    fn sum(&mut self, steps: &mut Vec<ValueStep>, depth: usize) -> Parsed<Shape> {
        let first = self.set_operand(steps, depth)?;
        let (operator, step) = match () {
            () if self.eat_symbol("+") => ("+", ValueStep::Plus),
            () if self.eat_symbol("-") => ("-", ValueStep::Minus),
            () => return Ok(first),
        };
        self.count_operator();
        let second = self.set_operand(steps, depth)?;
        self.expect_types(operator, "N", [first, second]);
        steps.push(step);
        Ok(Shape::Typed("N"))
    }

    /// A path, a value, a function, or a sum in parentheses.
    fn set_operand(&mut self, steps: &mut Vec<ValueStep>, depth: usize) -> Parsed<Shape> {
        // Every level of nesting has an operator or a function: pairs of parentheses do not nest directly.
        if depth > OPERATORS_MAX {
            return Err(Problem::TooManyOperators { operators_count: depth });
        }
        if self.at_value() {
            let value = self.value()?;
            let shape = Shape::Typed(value.type_name());
            steps.push(ValueStep::Value(value));
            return Ok(shape);
        }
        if self.eat_symbol("(") {
            if self.at_symbol("(") {
                return Err(Problem::RedundantParentheses);
            }
            let shape = self.sum(steps, depth + 1)?;
            self.expect_symbol(")")?;
            return Ok(shape);
        }
        if self.at_call() {
            return self.set_function(steps, depth + 1);
        }
        steps.push(ValueStep::Path(self.path()?));
        Ok(Shape::Open)
    }

    fn set_function(&mut self, steps: &mut Vec<ValueStep>, depth: usize) -> Parsed<Shape> {
        let name = self.advance().text;
        let function = FUNCTIONS.into_iter().find(|function| *function == name);
        let function = self.noting(function.ok_or_else(|| unknown_or_misplaced(name)), LIST_APPEND);
        self.count_operator();
        self.advance();
        let steps_before = steps.len();
        let operands = self.comma_separated(|parser| Ok((parser.sum(steps, depth)?, steps.len())))?;
        self.expect_symbol(")")?;
        let &[(first, first_end), (second, _)] = operands.as_slice() else {
            self.note(Problem::OperandsCount { operator: function, operands_count: operands.len() });
            return Ok(Shape::Open);
        };
        if function == LIST_APPEND {
            self.expect_types(function, "L", [first, second]);
            steps.push(ValueStep::ListAppend);
            return Ok(Shape::Typed("L"));
        }
        // The path is taken out again: in postfix order the default comes first.
        match steps.get(steps_before..first_end) {
            Some([ValueStep::Path(path)]) => {
                let path = path.clone();
                steps.remove(steps_before);
                steps.push(ValueStep::IfNotExists(path));
            }
            _ => self.note(Problem::PathRequired(function)),
        }
        Ok(Shape::Open)
    }

    fn expect_types(&mut self, operator: &'static str, wanted: &'static str, shapes: [Shape; 2]) {
        for shape in shapes {
            match shape {
                Shape::Typed(operand_type) if operand_type != wanted => {
                    self.note(Problem::OperandType { operator, operand_type });
                }
                Shape::Typed(_) | Shape::Open => {}
            }
        }
    }
}

fn unknown_or_misplaced(name: &str) -> Problem {
    const FUNCTIONS_OF_CONDITIONS: [&str; 6] =
        ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size"];
    match FUNCTIONS_OF_CONDITIONS.iter().find(|function| **function == name) {
        Some(function) => Problem::FunctionNotAllowed { kind: Kind::Update, function },
        None => Problem::UnknownFunction(name.to_owned()),
    }
}

/// The names that the texts about ADD and DELETE use.
fn long_type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "STRING",
        Value::Number(_) => "NUMBER",
        Value::Binary(_) => "BINARY",
        Value::Bool(_) => "BOOLEAN",
        Value::Null => "NULL",
        Value::List(_) => "LIST",
        Value::Map(_) => "MAP",
        Value::StringSet(_) => "STRING_SET",
        Value::NumberSet(_) => "NUMBER_SET",
        Value::BinarySet(_) => "BINARY_SET",
    }
}
