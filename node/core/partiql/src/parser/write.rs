//! INSERT, UPDATE, DELETE.

use super::{Parsed, Parser};
use crate::error::{PartiqlError, Problem};
use crate::lexer::Keyword;
use crate::statement::{Delete, Insert, Returning, Update};
use stator_expression::{Assignment, Path, ValueStep};
use stator_item::Value;

/// Deepest nesting of functions in what an attribute is set to.
const FUNCTIONS_DEPTH_MAX: usize = 32;

impl Parser<'_> {
    /// An INSERT, behind its first word.
    pub(super) fn insert(&mut self) -> Parsed<Insert> {
        if !self.eat_keyword(Keyword::Into) {
            return Err(self.problem(Problem::DataManipulation));
        }
        let table = self.table()?;
        if !self.eat_keyword(Keyword::Value) {
            return Err(self.problem(Problem::Keyword));
        }
        if self.at_symbol("<<") || self.at_symbol("[") {
            return Err(PartiqlError::InsertsSeveral);
        }
        let token = self.peek();
        match self.value()? {
            Value::Map(item) => Ok(Insert { table, item }),
            // Told later, as there are too few parameters.
            _ if self.parameters_lack => Ok(Insert { table, item: stator_item::Item::new() }),
            _ => Err(self.unexpected_token(token)),
        }
    }

    /// A DELETE, behind its first word.
    pub(super) fn delete(&mut self) -> Parsed<Delete> {
        if !self.eat_keyword(Keyword::From) {
            return Err(self.problem(Problem::DataManipulation));
        }
        let table = self.table()?;
        let condition = self.where_clause()?;
        let returning = self.returning()?;
        match returning {
            None | Some(Returning::AllOld) => Ok(Delete { table, condition, returning }),
            Some(_) => Err(PartiqlError::ReturningOfDelete),
        }
    }

    /// An UPDATE, behind its first word.
    pub(super) fn update(&mut self) -> Parsed<Update> {
        let table = self.table()?;
        let mut update = stator_expression::Update::default();
        loop {
            match () {
                () if self.eat_keyword(Keyword::Set) => {
                    self.comma_separated(|parser| parser.set(&mut update))?;
                }
                () if self.eat_keyword(Keyword::Remove) => update.removes.extend(self.comma_separated(Parser::path)?),
                () => break,
            }
        }
        if update.touched_paths().next().is_none() {
            return Err(self.problem(Problem::DataManipulation));
        }
        let condition = self.where_clause()?;
        let returning = self.returning()?;
        update.check_paths()?;
        Ok(Update { table, update, condition, returning })
    }

    fn returning(&mut self) -> Parsed<Option<Returning>> {
        if !self.eat_keyword(Keyword::Returning) {
            return Ok(None);
        }
        let all = self.eat_word("ALL");
        if !all && !self.eat_word("MODIFIED") {
            return Err(self.unexpected());
        }
        let old = self.eat_word("OLD");
        if !old && !self.eat_word("NEW") {
            return Err(self.unexpected());
        }
        self.expect_symbol("*")?;
        Ok(Some(match (all, old) {
            (true, true) => Returning::AllOld,
            (false, true) => Returning::ModifiedOld,
            (true, false) => Returning::AllNew,
            (false, false) => Returning::ModifiedNew,
        }))
    }

    /// `path = value`.
    fn set(&mut self, update: &mut stator_expression::Update) -> Parsed<()> {
        let path = self.path()?;
        self.expect_symbol("=")?;
        match self.at_call() {
            Some(name) if name.eq_ignore_ascii_case("set_add") => {
                update.adds.push(self.set_function("set_add", path)?);
            }
            Some(name) if name.eq_ignore_ascii_case("set_delete") => {
                update.deletes.push(self.set_function("set_delete", path)?);
            }
            _ => {
                let mut value = Vec::new();
                self.sum(&mut value, 0)?;
                update.sets.push(Assignment { path, value });
            }
        }
        Ok(())
    }

    /// `set_add(path, set)` or `set_delete(path, set)`: of the attribute that is set, as nothing else can be done at once.
    fn set_function(&mut self, function: &'static str, path: Path) -> Parsed<(Path, Value)> {
        self.enter_call();
        if self.path()? != path {
            return Err(stator_expression::Problem::FunctionMisplaced(function).into());
        }
        self.expect_symbol(",")?;
        let set = self.value()?;
        self.expect_symbol(")")?;
        match set {
            Value::StringSet(_) | Value::NumberSet(_) | Value::BinarySet(_) => Ok((path, set)),
            _ if self.parameters_lack => Ok((path, set)),
            other => {
                let operand_type = other.type_name();
                Err(stator_expression::Problem::OperandType { operator: function, operand_type }.into())
            }
        }
    }

    /// Operands with `+` and `-` between, from the left.
    fn sum(&mut self, steps: &mut Vec<ValueStep>, depth: usize) -> Parsed<()> {
        self.set_operand(steps, depth)?;
        loop {
            let operator = match () {
                () if self.eat_symbol("+") => ValueStep::Plus,
                () if self.eat_symbol("-") => ValueStep::Minus,
                () => return Ok(()),
            };
            self.set_operand(steps, depth)?;
            steps.push(operator);
        }
    }

    /// A path, a value or `list_append(first, second)`.
    fn set_operand(&mut self, steps: &mut Vec<ValueStep>, depth: usize) -> Parsed<()> {
        if self.at_value() {
            steps.push(ValueStep::Value(self.value()?));
            return Ok(());
        }
        let Some(function) = self.at_call() else {
            steps.push(ValueStep::Path(self.path()?));
            return Ok(());
        };
        if !function.eq_ignore_ascii_case("list_append") {
            return Err(stator_expression::Problem::UnknownFunction(function.to_owned()).into());
        }
        if depth >= FUNCTIONS_DEPTH_MAX {
            return Err(PartiqlError::NestedTooDeep);
        }
        self.enter_call();
        self.sum(steps, depth + 1)?;
        self.expect_symbol(",")?;
        self.sum(steps, depth + 1)?;
        self.expect_symbol(")")?;
        steps.push(ValueStep::ListAppend);
        Ok(())
    }
}
