//! ConditionExpression and FilterExpression: tests joined by AND, OR, NOT and parentheses.

mod test;

use crate::error::{ExpressionError, Kind, Problem};
use crate::parser::{Parsed, Parser, parse_whole};
use crate::placeholders::Placeholders;
use crate::plan::condition::Condition;
use crate::plan::joining::Joining;

/// What is read so far.
#[derive(Default)]
struct Progress {
    joining: Joining,
    /// Positions of the pair of parentheses closed last.
    closed: Option<(usize, usize)>,
}

impl Condition {
    /// Parses and checks a ConditionExpression or FilterExpression; the kind is for the error's text.
    pub fn parse(text: &str, kind: Kind, placeholders: &Placeholders<'_>) -> Result<Condition, ExpressionError> {
        parse_whole(text, kind, placeholders, Parser::condition)
    }
}

impl Parser<'_, '_> {
    pub(super) fn condition(&mut self) -> Parsed<Condition> {
        let mut progress = Progress::default();
        loop {
            self.openings(&mut progress.joining);
            let test = self.test(&mut progress)?;
            progress.joining.test(test);
            while self.at_symbol(")") {
                let opening = progress.joining.close();
                self.close_pair(opening, &mut progress)?;
            }
            match () {
                () if self.eat_keyword("AND") => progress.joining.and(),
                () if self.eat_keyword("OR") => progress.joining.or(),
                () => break,
            }
            self.count_operator();
        }
        progress.joining.finish().ok_or_else(|| self.syntax_error())
    }

    /// NOTs and parentheses before a test.
    fn openings(&mut self, joining: &mut Joining) {
        loop {
            if self.at_symbol("(") {
                joining.open(self.position);
                self.advance();
            } else if self.eat_keyword("NOT") {
                self.count_operator();
                joining.not();
            } else {
                return;
            }
        }
    }

    /// Goes on behind a closing parenthesis, whose opening one must be there.
    fn close_pair(&mut self, opening: Option<usize>, progress: &mut Progress) -> Parsed<()> {
        let Some(opening) = opening else { return Err(self.syntax_error()) };
        let closing = self.position;
        if progress.closed == Some((opening + 1, closing.wrapping_sub(1))) {
            self.note(Problem::RedundantParentheses);
        }
        progress.closed = Some((opening, closing));
        self.advance();
        Ok(())
    }
}
