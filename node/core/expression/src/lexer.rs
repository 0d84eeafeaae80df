//! Text -> tokens with their places. Never fails: what belongs to no token is a token of one character, for the parser
//! to refuse with its surroundings.

use std::ops::Range;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenKind {
    /// A word: attribute name, keyword or function name.
    Word,
    /// `#name`
    NamePlaceholder,
    /// `:value`
    ValuePlaceholder,
    /// Decimal digits.
    Digits,
    /// An operator or punctuation mark of the grammar.
    Symbol,
    /// A character that no expression may have.
    Stray,
    End,
}

/// A piece of the text. The end is a token too, as error texts name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token<'t> {
    pub kind: TokenKind,
    pub text: &'t str,
    /// Byte at which the token starts in the expression.
    pub start: usize,
}

impl Token<'_> {
    pub fn range(&self) -> Range<usize> {
        match self.kind {
            TokenKind::End => self.start..self.start,
            _ => self.start..self.start + self.text.len(),
        }
    }
}

/// What error texts call the end of the expression.
const END: &str = "<EOF>";

/// All tokens of the text; the last one, and only that, is [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let trimmed = rest.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
        if trimmed.len() < rest.len() {
            start += rest.len() - trimmed.len();
            continue;
        }
        let (kind, bytes) = first_token(rest);
        let (token_text, _) = rest.split_at(bytes);
        tokens.push(Token { kind, text: token_text, start });
        start += bytes;
    }
    tokens.push(Token { kind: TokenKind::End, text: END, start: text.len() });
    tokens
}

/// Kind and length of the token at the start of `rest`. The length is at least one character, and ends between
/// characters.
fn first_token(rest: &str) -> (TokenKind, usize) {
    let mut characters = rest.chars();
    let Some(first) = characters.next() else { return (TokenKind::Stray, 0) };
    let after_first = characters.as_str();
    match first {
        'a'..='z' | 'A'..='Z' => (TokenKind::Word, 1 + word_bytes(after_first)),
        '0'..='9' => (TokenKind::Digits, 1 + bytes_while(after_first, |byte| byte.is_ascii_digit())),
        '#' | ':' => match word_bytes(after_first) {
            0 => (TokenKind::Stray, 1),
            bytes if first == '#' => (TokenKind::NamePlaceholder, 1 + bytes),
            bytes => (TokenKind::ValuePlaceholder, 1 + bytes),
        },
        '<' if after_first.starts_with(['=', '>']) => (TokenKind::Symbol, 2),
        '>' if after_first.starts_with('=') => (TokenKind::Symbol, 2),
        '=' | '<' | '>' | '(' | ')' | '[' | ']' | ',' | '.' | '+' | '-' => (TokenKind::Symbol, 1),
        _ => (TokenKind::Stray, first.len_utf8()),
    }
}

fn word_bytes(text: &str) -> usize {
    bytes_while(text, |byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn bytes_while(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| belongs(*byte)).count()
}
