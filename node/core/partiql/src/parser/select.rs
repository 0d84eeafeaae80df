//! SELECT.

use super::{Parsed, Parser};
use crate::lexer::Keyword;
use crate::statement::{Direction, OrderKey, Select};

impl Parser<'_> {
    /// A SELECT, behind its first word.
    pub(super) fn select(&mut self) -> Parsed<Select> {
        let columns = if self.eat_symbol("*") { None } else { Some(self.comma_separated(Parser::path)?) };
        self.expect_keyword(Keyword::From)?;
        let source = self.source()?;
        let condition = self.where_clause()?;
        let mut order = Vec::new();
        if self.eat_keyword(Keyword::Order) {
            self.expect_keyword(Keyword::By)?;
            order = self.comma_separated(Parser::order_key)?;
        }
        Ok(Select { columns, source, condition, order })
    }

    fn order_key(&mut self) -> Parsed<OrderKey> {
        let path = self.path()?;
        if !path.steps().is_empty() {
            return Err(self.unexpected());
        }
        let direction = if self.eat_word("DESC") {
            Direction::Descending
        } else {
            self.eat_word("ASC");
            Direction::Ascending
        };
        Ok(OrderKey { name: path.name().to_owned(), direction })
    }
}
