//! Document paths and values: what placeholders stand for, reserved words, depth.

use crate::error::Problem;
use crate::lexer::TokenKind;
use crate::parser::{Parsed, Parser};
use crate::plan::path::{Path, PathTooDeep, Step};
use crate::reserved::is_reserved;
use stator_item::Value;
use stator_item::size::value_size;

impl<'t, 'p> Parser<'t, 'p> {
    /// A document path.
    pub(super) fn path(&mut self) -> Parsed<Path> {
        let name = self.path_name()?;
        let mut steps = Vec::new();
        loop {
            if self.eat_symbol(".") {
                steps.push(Step::Name(self.path_name()?));
            } else if self.eat_symbol("[") {
                steps.push(Step::Index(self.list_index()?));
                self.expect_symbol("]")?;
            } else {
                break;
            }
        }
        let path = Path::new(name, steps);
        let path = path.map_err(|PathTooDeep { elements_count }| Problem::PathTooDeep(elements_count));
        Ok(self.noting(path, Path::attribute("")))
    }

    fn path_name(&mut self) -> Parsed<String> {
        let token = self.peek();
        match token.kind {
            TokenKind::NamePlaceholder => {
                self.advance();
                let name = self.substitute_name(token.text);
                Ok(self.noting(name, "").to_owned())
            }
            TokenKind::Word if !self.at_any_keyword() => {
                self.advance();
                if is_reserved(token.text) {
                    self.note(Problem::ReservedWord(token.text.to_owned()));
                }
                Ok(token.text.to_owned())
            }
            _ => Err(self.syntax_error()),
        }
    }

    fn substitute_name(&mut self, placeholder: &str) -> Parsed<&'p str> {
        let name = self.placeholders.name(placeholder);
        let name = name.ok_or_else(|| Problem::NameNotDefined(placeholder.to_owned()))?;
        self.count_substitute(name.len())?;
        Ok(name)
    }

    fn list_index(&mut self) -> Parsed<u32> {
        let token = self.peek();
        if token.kind != TokenKind::Digits {
            return Err(self.syntax_error());
        }
        self.advance();
        let index = token.text.parse().map_err(|_| Problem::IndexOutOfRange(token.text.to_owned()));
        Ok(self.noting(index, 0))
    }

    /// A `:value`.
    pub(super) fn value(&mut self) -> Parsed<Value> {
        let token = self.peek();
        if token.kind != TokenKind::ValuePlaceholder {
            return Err(self.syntax_error());
        }
        self.advance();
        let value = self.substitute_value(token.text);
        Ok(self.noting(value, &Value::Null).clone())
    }

    fn substitute_value(&mut self, placeholder: &str) -> Parsed<&'p Value> {
        let value = self.placeholders.value(placeholder);
        let value = value.ok_or_else(|| Problem::ValueNotDefined(placeholder.to_owned()))?;
        self.count_substitute(value_size(value))?;
        Ok(value)
    }

    pub(super) fn at_value(&self) -> bool {
        self.peek().kind == TokenKind::ValuePlaceholder
    }

    /// One or more of something, with commas between.
    pub(super) fn comma_separated<T>(&mut self, mut element: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut elements = vec![element(self)?];
        while self.eat_symbol(",") {
            elements.push(element(self)?);
        }
        Ok(elements)
    }
}
