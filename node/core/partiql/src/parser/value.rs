//! Values: literals and parameters.

use super::{Parsed, Parser};
use crate::error::PartiqlError;
use crate::lexer::{Keyword, TokenKind};
use stator_item::value::NESTING_LEVELS_MAX;
use stator_item::{Item, Number, Value};
use std::collections::BTreeSet;

impl Parser<'_> {
    /// Whether a value begins here, rather than a path.
    pub(super) fn at_value(&self) -> bool {
        match self.peek().kind {
            TokenKind::Text | TokenKind::Number => true,
            TokenKind::Symbol => matches!(self.peek().text, "?" | "[" | "{" | "<<" | "-" | "+"),
            TokenKind::Keyword(keyword) => matches!(keyword, Keyword::True | Keyword::False | Keyword::Null),
            _ => false,
        }
    }

    pub(super) fn value(&mut self) -> Parsed<Value> {
        self.nested_value(NESTING_LEVELS_MAX)
    }

    fn nested_value(&mut self, levels_left: usize) -> Parsed<Value> {
        let token = self.peek();
        match token.kind {
            TokenKind::Text => {
                self.advance();
                Ok(Value::String(token.unquoted().into_owned()))
            }
            TokenKind::Number => Ok(Value::Number(self.number()?)),
            TokenKind::Symbol => self.composite(token.text, levels_left),
            TokenKind::Keyword(keyword) => {
                let value = match keyword {
                    Keyword::True => Value::Bool(true),
                    Keyword::False => Value::Bool(false),
                    Keyword::Null => Value::Null,
                    _ => return Err(self.unexpected()),
                };
                self.advance();
                Ok(value)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// What begins with a symbol: parameters, signed numbers, lists, maps, sets.
    fn composite(&mut self, symbol: &str, levels_left: usize) -> Parsed<Value> {
        let inside = || levels_left.checked_sub(1).ok_or(PartiqlError::NestedTooDeep);
        if !matches!(symbol, "?" | "[" | "{" | "<<" | "-" | "+") {
            return Err(self.unexpected());
        }
        self.advance();
        match symbol {
            "?" => self.parameter(levels_left),
            "-" => Ok(Value::Number(self.number()?.negated())),
            "+" => Ok(Value::Number(self.number()?)),
            "[" => Ok(Value::List(self.elements("]", inside()?)?)),
            "{" => Ok(Value::Map(self.map(inside()?)?)),
            _ => {
                let members = self.elements(">>", 0)?;
                set(members)
            }
        }
    }

    /// What a `?` stands for. One too many is told when the statement has been read.
    fn parameter(&mut self, levels_left: usize) -> Parsed<Value> {
        let Some(value) = self.parameters.next() else {
            self.parameters_lack = true;
            return Ok(Value::Null);
        };
        if levels_left < NESTING_LEVELS_MAX && value.nests_deeper(levels_left) {
            return Err(PartiqlError::NestedTooDeep);
        }
        Ok(value.clone())
    }

    fn number(&mut self) -> Parsed<Number> {
        let token = self.peek();
        if token.kind != TokenKind::Number {
            return Err(self.unexpected());
        }
        self.advance();
        Number::parse(token.text).map_err(PartiqlError::Number)
    }

    /// The values up to a closing symbol, which is eaten.
    pub(super) fn elements_until(&mut self, close: &str) -> Parsed<Vec<Value>> {
        self.elements(close, NESTING_LEVELS_MAX)
    }

    fn elements(&mut self, close: &str, levels_left: usize) -> Parsed<Vec<Value>> {
        if self.eat_symbol(close) {
            return Ok(Vec::new());
        }
        let elements = self.comma_separated(|parser| parser.nested_value(levels_left))?;
        self.expect_symbol(close)?;
        Ok(elements)
    }

    /// Members of a map, behind its brace. A name that comes again counts as it came last.
    fn map(&mut self, levels_left: usize) -> Parsed<Item> {
        let mut map = Item::new();
        if self.eat_symbol("}") {
            return Ok(map);
        }
        loop {
            let token = self.peek();
            if token.kind != TokenKind::Text && token.kind != TokenKind::Quoted {
                return Err(self.unexpected());
            }
            self.advance();
            self.expect_symbol(":")?;
            let value = self.nested_value(levels_left)?;
            map.insert(token.unquoted().into_owned(), value);
            if !self.eat_symbol(",") {
                break;
            }
        }
        self.expect_symbol("}")?;
        Ok(map)
    }
}

fn set(members: Vec<Value>) -> Parsed<Value> {
    fn of<T: Ord>(members: Vec<Value>, member: impl Fn(Value) -> Option<T>) -> Parsed<BTreeSet<T>> {
        let count = members.len();
        let set: BTreeSet<T> =
            members.into_iter().map(|value| member(value).ok_or(PartiqlError::SetMixed)).collect::<Parsed<_>>()?;
        if set.len() < count { Err(PartiqlError::SetDuplicates) } else { Ok(set) }
    }
    match members.first() {
        None => Err(PartiqlError::SetEmpty("string")),
        Some(Value::String(_)) => Ok(Value::StringSet(of(members, |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })?)),
        Some(Value::Number(_)) => Ok(Value::NumberSet(of(members, |value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        })?)),
        Some(Value::Binary(_)) => Ok(Value::BinarySet(of(members, |value| match value {
            Value::Binary(bytes) => Some(bytes),
            _ => None,
        })?)),
        Some(_) => Err(PartiqlError::SetMixed),
    }
}
