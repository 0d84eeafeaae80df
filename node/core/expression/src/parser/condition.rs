//! ConditionExpression and FilterExpression: tests joined by AND, OR, NOT and parentheses.
//!
//! Connectives wait on a stack until what they connect is complete, so the depth of parentheses costs memory only, and
//! no more of it than the text is long.

mod test;

use crate::error::{ExpressionError, Kind, Problem};
use crate::parser::{Parsed, Parser, parse_whole};
use crate::placeholders::Placeholders;
use crate::plan::condition::{Condition, ConditionStep};

/// A connective or parenthesis whose right side is not complete yet.
#[derive(Clone, Copy, PartialEq)]
enum Pending {
    /// With the position of its token.
    Parenthesis(usize),
    Or,
    And,
    Not,
}

/// What is read so far.
#[derive(Default)]
struct Progress {
    steps: Vec<ConditionStep>,
    pending: Vec<Pending>,
    /// Positions of the pair of parentheses closed last.
    closed: Option<(usize, usize)>,
}

impl Condition {
    /// Parses and checks a ConditionExpression or FilterExpression; the kind is for the error's text.
    pub fn parse(text: &str, kind: Kind, placeholders: &Placeholders<'_>) -> Result<Condition, ExpressionError> {
        parse_whole(text, kind, placeholders, |parser| Ok(Condition { steps: parser.condition()? }))
    }
}

impl Parser<'_, '_> {
    pub(super) fn condition(&mut self) -> Parsed<Vec<ConditionStep>> {
        let mut progress = Progress::default();
        loop {
            self.openings(&mut progress);
            let test = self.test(&mut progress)?;
            progress.steps.push(ConditionStep::Test(test));
            progress.complete(Pending::Not);
            while self.at_symbol(")") {
                self.close(&mut progress)?;
            }
            let connective = match () {
                () if self.eat_keyword("AND") => Pending::And,
                () if self.eat_keyword("OR") => Pending::Or,
                () => break,
            };
            self.count_operator();
            progress.complete(connective);
            progress.pending.push(connective);
        }
        progress.complete(Pending::Or);
        if progress.pending.is_empty() { Ok(progress.steps) } else { Err(self.syntax_error()) }
    }

    /// NOTs and parentheses before a test.
    fn openings(&mut self, progress: &mut Progress) {
        loop {
            if self.at_symbol("(") {
                progress.pending.push(Pending::Parenthesis(self.position));
                self.advance();
            } else if self.eat_keyword("NOT") {
                self.count_operator();
                progress.pending.push(Pending::Not);
            } else {
                return;
            }
        }
    }

    /// A closing parenthesis after a complete condition.
    fn close(&mut self, progress: &mut Progress) -> Parsed<()> {
        progress.complete(Pending::Or);
        self.close_pair(progress)?;
        progress.complete(Pending::Not);
        Ok(())
    }

    /// Takes away a parenthesis with the one that it closes.
    fn close_pair(&mut self, progress: &mut Progress) -> Parsed<()> {
        let Some(Pending::Parenthesis(opening)) = progress.pending.pop() else { return Err(self.syntax_error()) };
        let closing = self.position;
        if progress.closed == Some((opening + 1, closing.wrapping_sub(1))) {
            self.note(Problem::RedundantParentheses);
        }
        progress.closed = Some((opening, closing));
        self.advance();
        Ok(())
    }
}

impl Progress {
    /// Puts out the connectives on top that bind at least as tightly as this one: what they connect is complete.
    fn complete(&mut self, connective: Pending) {
        while let Some(top) = self.pending.last().copied() {
            let step = match top {
                Pending::Not => ConditionStep::Not,
                Pending::And if connective != Pending::Not => ConditionStep::And,
                Pending::Or if connective == Pending::Or => ConditionStep::Or,
                _ => return,
            };
            self.steps.push(step);
            self.pending.pop();
        }
    }
}
