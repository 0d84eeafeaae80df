//! Text -> tokens with their places. Never fails: what belongs to no token is a token too, for the parser to refuse.

use std::borrow::Cow;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenKind {
    /// An identifier.
    Word,
    Keyword(Keyword),
    /// `"identifier"`, with its quotes.
    Quoted,
    /// `'string'`, with its quotes.
    Text,
    /// Without a sign.
    Number,
    Symbol,
    /// `'` or `"` that is not closed.
    Unterminated,
    /// A character that no statement may have outside of quotes.
    Stray,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'t> {
    pub kind: TokenKind,
    pub text: &'t str,
    /// Byte at which the token starts in the statement.
    pub start: usize,
}

impl<'t> Token<'t> {
    /// What stands between the quotes of a [`TokenKind::Text`] or [`TokenKind::Quoted`]; a doubled quote is one.
    pub fn unquoted(&self) -> Cow<'t, str> {
        let quote = if self.kind == TokenKind::Text { '\'' } else { '"' };
        let inner = self.text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).unwrap_or(self.text);
        if !inner.contains(quote) {
            return Cow::Borrowed(inner);
        }
        let quote = quote.to_string();
        Cow::Owned(inner.replace(&quote.repeat(2), &quote))
    }
}

/// Words that are no names unless they are quoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keyword {
    And,
    Between,
    By,
    Delete,
    Exists,
    False,
    From,
    In,
    Insert,
    Into,
    Is,
    Missing,
    Not,
    Null,
    Or,
    Order,
    Remove,
    Returning,
    Select,
    Set,
    True,
    Update,
    Value,
    Where,
}

/// By their first letters, so that a name is compared with few of them.
fn keyword(word: &str) -> Option<Keyword> {
    use Keyword::*;
    let candidates: &[(&str, Keyword)] = match word.as_bytes().first()?.to_ascii_uppercase() {
        b'A' => &[("AND", And)],
        b'B' => &[("BETWEEN", Between), ("BY", By)],
        b'D' => &[("DELETE", Delete)],
        b'E' => &[("EXISTS", Exists)],
        b'F' => &[("FROM", From), ("FALSE", False)],
        b'I' => &[("IN", In), ("INSERT", Insert), ("INTO", Into), ("IS", Is)],
        b'M' => &[("MISSING", Missing)],
        b'N' => &[("NOT", Not), ("NULL", Null)],
        b'O' => &[("OR", Or), ("ORDER", Order)],
        b'R' => &[("REMOVE", Remove), ("RETURNING", Returning)],
        b'S' => &[("SELECT", Select), ("SET", Set)],
        b'T' => &[("TRUE", True)],
        b'U' => &[("UPDATE", Update)],
        b'V' => &[("VALUE", Value)],
        b'W' => &[("WHERE", Where)],
        _ => &[],
    };
    candidates.iter().find(|(text, _)| word.eq_ignore_ascii_case(text)).map(|(_, keyword)| *keyword)
}

/// Hands out the tokens of a text one after the other; after the last one, [`TokenKind::End`] for ever.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    place: usize,
}

impl<'t> Lexer<'t> {
    pub fn over(text: &'t str) -> Lexer<'t> {
        Lexer { text, place: 0 }
    }

    pub fn token(&mut self) -> Token<'t> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.place).is_some_and(u8::is_ascii_whitespace) {
            self.place += 1;
        }
        let start = self.place;
        let Some((first, rest)) = bytes.get(start).zip(self.text.get(start..)) else {
            return Token { kind: TokenKind::End, text: "", start };
        };
        let (kind, bytes) = first_token(*first, rest);
        self.place += bytes;
        let (text, _) = rest.split_at(bytes);
        let kind = match kind {
            TokenKind::Word => keyword(text).map_or(TokenKind::Word, TokenKind::Keyword),
            kind => kind,
        };
        Token { kind, text, start }
    }
}

/// Kind and length of the token at the start of `rest`. The length is at least one character, and ends between characters.
fn first_token(first: u8, rest: &str) -> (TokenKind, usize) {
    let next = rest.as_bytes().get(1).copied().unwrap_or_default();
    match first {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => (TokenKind::Word, bytes_while(rest, is_word)),
        b'0'..=b'9' => (TokenKind::Number, number_bytes(rest)),
        b'.' if next.is_ascii_digit() => (TokenKind::Number, number_bytes(rest)),
        b'\'' => quoted(rest, b'\'', TokenKind::Text),
        b'"' => quoted(rest, b'"', TokenKind::Quoted),
        b'<' if matches!(next, b'=' | b'>' | b'<') => (TokenKind::Symbol, 2),
        b'>' if matches!(next, b'=' | b'>') => (TokenKind::Symbol, 2),
        b'!' if next == b'=' => (TokenKind::Symbol, 2),
        b'=' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b'.' | b':' | b';' | b'?' | b'*'
        | b'+' | b'-' => (TokenKind::Symbol, 1),
        _ => (TokenKind::Stray, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

fn bytes_while(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| belongs(*byte)).count()
}

/// Digits, a fraction, an exponent. A point that no digit follows belongs to the number as well, but not a second point.
fn number_bytes(rest: &str) -> usize {
    let digits = |from: usize| from + bytes_while(rest.get(from..).unwrap_or_default(), |byte| byte.is_ascii_digit());
    let mut bytes = digits(0);
    if rest.get(bytes..).is_some_and(|rest| rest.starts_with('.')) {
        bytes = digits(bytes + 1);
    }
    if rest.get(bytes..).is_some_and(|rest| rest.starts_with(['e', 'E'])) {
        let sign = usize::from(rest.get(bytes + 1..).is_some_and(|rest| rest.starts_with(['+', '-'])));
        let end = digits(bytes + 1 + sign);
        if end > bytes + 1 + sign {
            bytes = end;
        }
    }
    bytes
}

/// A quoted token; a doubled quote does not end it.
fn quoted(rest: &str, quote: u8, kind: TokenKind) -> (TokenKind, usize) {
    let mut pieces = rest.bytes().enumerate().skip(1).peekable();
    while let Some((place, byte)) = pieces.next() {
        if byte == quote && pieces.next_if(|(_, next)| *next == quote).is_none() {
            return (kind, place + 1);
        }
    }
    (TokenKind::Unterminated, rest.len())
}
