//! Tokens -> checked plans. One cursor over the tokens; each grammar stands in a file of its own and adds methods to
//! it.
//!
//! Nothing recurses but right-hand sides of SET, and those at most [`OPERATORS_MAX`] deep.
//!
//! A syntax error ends the parse. Other mistakes are noted and the parse goes on with something in their place, because
//! DynamoDB looks for them only in what is an expression at all; the first one noted is then the answer.

mod condition;
mod key_condition;
mod path;
mod projection;
mod update;

use crate::error::{ExpressionError, Kind, Problem};
use crate::lexer::{Token, TokenKind, tokens};
use crate::placeholders::{Placeholders, SUBSTITUTES_BYTES_MAX};

/// Longest expression.
pub(crate) const EXPRESSION_BYTES_MAX: usize = 4096;
/// Most operators and functions of an expression, counted together.
pub(crate) const OPERATORS_MAX: usize = 300;

/// Words of the grammars: where an operand is expected, they are out of place rather than a name.
const KEYWORDS_OF_CONDITIONS: [&str; 5] = ["AND", "OR", "NOT", "BETWEEN", "IN"];
const KEYWORDS_OF_UPDATES: [&str; 4] = ["SET", "REMOVE", "ADD", "DELETE"];

type Parsed<T> = Result<T, Problem>;

struct Parser<'t, 'p> {
    text: &'t str,
    kind: Kind,
    tokens: Vec<Token<'t>>,
    position: usize,
    placeholders: &'t Placeholders<'p>,
    operators_count: usize,
    /// Names and values put in for placeholders so far.
    substitutes_bytes: usize,
    /// The first mistake that is no syntax error.
    noted: Option<Problem>,
}

/// Reads the whole text by one grammar, then checks what belongs to every expression.
fn parse_whole<'t, 'p, T>(
    text: &'t str,
    kind: Kind,
    placeholders: &'t Placeholders<'p>,
    grammar: impl FnOnce(&mut Parser<'t, 'p>) -> Parsed<T>,
) -> Result<T, ExpressionError> {
    let parse = || {
        let mut parser = Parser::over(text, kind, placeholders)?;
        let plan = grammar(&mut parser)?;
        parser.end()?;
        Ok(plan)
    };
    parse().map_err(|problem| ExpressionError::Invalid { kind, problem })
}

impl<'t, 'p> Parser<'t, 'p> {
    fn over(text: &'t str, kind: Kind, placeholders: &'t Placeholders<'p>) -> Parsed<Parser<'t, 'p>> {
        if text.is_empty() {
            return Err(Problem::Empty);
        }
        if text.len() > EXPRESSION_BYTES_MAX {
            return Err(Problem::TooLong { bytes: text.len() });
        }
        let tokens = tokens(text);
        Ok(Parser {
            text,
            kind,
            tokens,
            position: 0,
            placeholders,
            operators_count: 0,
            substitutes_bytes: 0,
            noted: None,
        })
    }

    /// Refuses what is left over, and answers what was noted.
    fn end(&self) -> Parsed<()> {
        if self.peek().kind != TokenKind::End {
            return Err(self.syntax_error());
        }
        if let Some(problem) = &self.noted {
            return Err(problem.clone());
        }
        if self.operators_count > OPERATORS_MAX {
            return Err(Problem::TooManyOperators { operators_count: self.operators_count });
        }
        Ok(())
    }

    fn note(&mut self, problem: Problem) {
        self.noted.get_or_insert(problem);
    }

    /// Notes a mistake and goes on with something else in its place.
    fn noting<T>(&mut self, checked: Parsed<T>, in_its_place: T) -> T {
        checked.unwrap_or_else(|problem| {
            self.note(problem);
            in_its_place
        })
    }

    /// The token a few places ahead; the end, if that is nearer.
    fn ahead(&self, places: usize) -> Token<'t> {
        let end = Token { kind: TokenKind::End, text: "", start: self.text.len() };
        self.tokens.get(self.position + places).or(self.tokens.last()).copied().unwrap_or(end)
    }

    fn peek(&self) -> Token<'t> {
        self.ahead(0)
    }

    fn advance(&mut self) -> Token<'t> {
        let token = self.peek();
        self.position += 1;
        token
    }

    fn at_symbol(&self, symbol: &str) -> bool {
        self.peek().kind == TokenKind::Symbol && self.peek().text == symbol
    }

    fn eat_symbol(&mut self, symbol: &str) -> bool {
        let eaten = self.at_symbol(symbol);
        self.position += usize::from(eaten);
        eaten
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.syntax_error()) }
    }

    /// Keywords are written in any case.
    fn at_keyword(&self, keyword: &str) -> bool {
        self.peek().kind == TokenKind::Word && self.peek().text.eq_ignore_ascii_case(keyword)
    }

    fn eat_keyword(&mut self, keyword: &str) -> bool {
        let eaten = self.at_keyword(keyword);
        self.position += usize::from(eaten);
        eaten
    }

    fn at_any_keyword(&self) -> bool {
        let keywords: &[&str] = match self.kind {
            Kind::Condition | Kind::Filter | Kind::KeyCondition => &KEYWORDS_OF_CONDITIONS,
            Kind::Update => &KEYWORDS_OF_UPDATES,
            Kind::Projection => &[],
        };
        keywords.iter().any(|keyword| self.at_keyword(keyword))
    }

    /// Whether a function's call begins here.
    fn at_call(&self) -> bool {
        let next = self.ahead(1);
        self.peek().kind == TokenKind::Word
            && !self.at_any_keyword()
            && next.kind == TokenKind::Symbol
            && next.text == "("
    }

    /// Bounds what a short text can make of a large value by naming it again and again.
    fn count_substitute(&mut self, bytes: usize) -> Parsed<()> {
        self.substitutes_bytes += bytes;
        if self.substitutes_bytes > SUBSTITUTES_BYTES_MAX {
            return Err(Problem::SubstitutesTooLarge { bytes_max: SUBSTITUTES_BYTES_MAX });
        }
        Ok(())
    }

    fn count_operator(&mut self) {
        self.operators_count += 1;
    }

    /// The token here does not fit. DynamoDB shows it with its neighbours, as they are written.
    fn syntax_error(&self) -> Problem {
        let token = self.peek();
        let first = self.position.checked_sub(1).and_then(|before| self.tokens.get(before)).unwrap_or(&token);
        let near = self.text.get(first.range().start..self.ahead(1).range().end).unwrap_or_default();
        Problem::Syntax { token: token.text.to_owned(), near: near.trim_end().to_owned() }
    }
}
