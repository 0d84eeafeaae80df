//! Tokens -> statements. One cursor over the tokens; each part of the grammar stands in a file of its own and adds methods
//! to it.
//!
//! Nothing recurses but values in values and functions in functions, and those are bounded.

mod condition;
mod select;
mod value;
mod write;

use crate::error::{PartiqlError, Problem};
use crate::lexer::{Keyword, Lexer, Token, TokenKind};
use crate::statement::{Source, Statement};
use stator_expression::{Path, Step};
use stator_item::Value;

/// Longest statement.
pub const STATEMENT_BYTES_MAX: usize = 8192;

type Parsed<T> = Result<T, PartiqlError>;

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    /// The token to be looked at, and the one behind it.
    current: Token<'t>,
    next: Token<'t>,
    /// Those that no `?` has taken yet.
    parameters: std::slice::Iter<'t, Value>,
    /// There are more `?` than parameters.
    parameters_lack: bool,
}

impl Statement {
    /// Parses and checks a statement. Its `?` stand for the parameters, in their order.
    pub fn parse(text: &str, parameters: &[Value]) -> Result<Statement, PartiqlError> {
        if text.len() > STATEMENT_BYTES_MAX {
            let problem = Problem::TooLong(STATEMENT_BYTES_MAX);
            return Err(PartiqlError::Malformed { problem, line: 1, column: 1 });
        }
        let mut lexer = Lexer::over(text);
        let (current, next) = (lexer.token(), lexer.token());
        let parameters = parameters.iter();
        let mut parser = Parser { text, lexer, current, next, parameters, parameters_lack: false };
        let statement = parser.statement()?;
        parser.eat_symbol(";");
        if parser.peek().kind != TokenKind::End {
            return Err(parser.unexpected());
        }
        if parser.parameters_lack || parser.parameters.len() > 0 {
            return Err(PartiqlError::ParametersCount);
        }
        Ok(statement)
    }
}

impl<'t> Parser<'t> {
    fn statement(&mut self) -> Parsed<Statement> {
        match () {
            () if self.eat_keyword(Keyword::Select) => Ok(Statement::Select(self.select()?)),
            () if self.eat_keyword(Keyword::Insert) => Ok(Statement::Insert(self.insert()?)),
            () if self.eat_keyword(Keyword::Update) => Ok(Statement::Update(self.update()?)),
            () if self.eat_keyword(Keyword::Delete) => Ok(Statement::Delete(self.delete()?)),
            () if self.eat_keyword(Keyword::Exists) => {
                self.expect_symbol("(")?;
                self.expect_keyword(Keyword::Select)?;
                let select = self.select()?;
                self.expect_symbol(")")?;
                Ok(Statement::Exists(select))
            }
            () => Err(self.problem(Problem::DataManipulation)),
        }
    }

    /// The table of a write. Indexes are only read.
    fn table(&mut self) -> Parsed<String> {
        let Source { table, index } = self.source()?;
        if index.is_some() {
            return Err(self.problem(Problem::FromSource));
        }
        Ok(table)
    }

    fn source(&mut self) -> Parsed<Source> {
        let table = self.name(Problem::FromSource)?;
        let index = if self.eat_symbol(".") { Some(self.name(Problem::FromSource)?) } else { None };
        Ok(Source { table, index })
    }

    /// A document path.
    fn path(&mut self) -> Parsed<Path> {
        let name = match self.peek().kind {
            TokenKind::Word | TokenKind::Quoted => self.name(Problem::Term)?,
            _ => return Err(self.unexpected()),
        };
        let mut steps = Vec::new();
        loop {
            if self.eat_symbol(".") {
                steps.push(Step::Name(self.name(Problem::PathComponent)?));
            } else if self.eat_symbol("[") {
                steps.push(self.bracketed()?);
            } else {
                break;
            }
        }
        Path::new(name, steps).map_err(|error| stator_expression::Problem::PathTooDeep(error.elements_count).into())
    }

    /// `[3]` or `['name']`, behind its bracket. A number that directly follows a name (`a.5`) is no path component.
    fn bracketed(&mut self) -> Parsed<Step> {
        let token = self.peek();
        let step = match token.kind {
            TokenKind::Text => Step::Name(token.unquoted().into_owned()),
            TokenKind::Number if token.text.bytes().all(|byte| byte.is_ascii_digit()) => {
                let index = token.text.parse();
                Step::Index(index.map_err(|_| stator_expression::Problem::IndexOutOfRange(token.text.to_owned()))?)
            }
            _ => return Err(self.problem(Problem::PathComponent)),
        };
        self.advance();
        self.expect_symbol("]")?;
        Ok(step)
    }

    /// An identifier, quoted or not.
    fn name(&mut self, otherwise: Problem) -> Parsed<String> {
        let token = self.peek();
        let name = match token.kind {
            TokenKind::Word => token.text.to_owned(),
            TokenKind::Quoted => token.unquoted().into_owned(),
            TokenKind::Unterminated => return Err(self.unexpected()),
            _ => return Err(self.problem(otherwise)),
        };
        self.advance();
        Ok(name)
    }

    /// One or more of something, with commas between.
    fn comma_separated<T>(&mut self, mut element: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut elements = vec![element(self)?];
        while self.eat_symbol(",") {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    fn peek(&self) -> Token<'t> {
        self.current
    }

    fn advance(&mut self) {
        self.current = std::mem::replace(&mut self.next, self.lexer.token());
    }

    /// Goes on behind the token if it was one that is wanted.
    fn eat(&mut self, wanted: bool) -> bool {
        if wanted {
            self.advance();
        }
        wanted
    }

    fn at_symbol(&self, symbol: &str) -> bool {
        self.peek().kind == TokenKind::Symbol && self.peek().text == symbol
    }

    fn eat_symbol(&mut self, symbol: &str) -> bool {
        self.eat(self.at_symbol(symbol))
    }

    fn expect_symbol(&mut self, symbol: &str) -> Parsed<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn at_keyword(&self, keyword: Keyword) -> bool {
        self.peek().kind == TokenKind::Keyword(keyword)
    }

    fn eat_keyword(&mut self, keyword: Keyword) -> bool {
        self.eat(self.at_keyword(keyword))
    }

    fn expect_keyword(&mut self, keyword: Keyword) -> Parsed<()> {
        if self.eat_keyword(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// A word that has a meaning only in its place, and may be a name elsewhere.
    fn eat_word(&mut self, word: &str) -> bool {
        self.eat(self.peek().kind == TokenKind::Word && self.peek().text.eq_ignore_ascii_case(word))
    }

    /// The name of a function, if a call of one begins here.
    fn at_call(&self) -> Option<&'t str> {
        let called = self.current.kind == TokenKind::Word && self.next.text == "(";
        called.then_some(self.current.text)
    }

    /// Goes on behind a function's name and parenthesis.
    fn enter_call(&mut self) {
        self.advance();
        self.advance();
    }

    /// The token here does not fit.
    fn unexpected(&self) -> PartiqlError {
        self.unexpected_token(self.current)
    }

    fn unexpected_token(&self, token: Token<'_>) -> PartiqlError {
        let problem = match token.kind {
            TokenKind::Keyword(_) => Problem::Keyword,
            TokenKind::Word | TokenKind::Quoted | TokenKind::Stray => Problem::Term,
            TokenKind::Text | TokenKind::Number => Problem::Literal,
            TokenKind::Symbol => Problem::Operator,
            TokenKind::Unterminated => Problem::Unterminated,
            TokenKind::End => Problem::End,
        };
        self.problem_at(token, problem)
    }

    fn problem(&self, problem: Problem) -> PartiqlError {
        self.problem_at(self.current, problem)
    }

    fn problem_at(&self, token: Token<'_>, problem: Problem) -> PartiqlError {
        let before = self.text.get(..token.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let column = 1 + before.get(line_start..).unwrap_or_default().chars().count();
        PartiqlError::Malformed { problem, line, column }
    }
}
