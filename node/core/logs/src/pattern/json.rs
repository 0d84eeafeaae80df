//! Patterns of fields: `{ ($.user.id = 1) && ($.paths[0] = "/a*") }`.

use super::{PatternError, terms::unquote};
use serde_json::Value;

/// How deep parentheses may go.
const DEPTH_MAX: usize = 32;

/// A pattern between braces.
#[derive(Clone, PartialEq, Debug)]
pub enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Test(Selector, Test),
}

/// Steps from the root of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selector(Vec<Step>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Step {
    Member(String),
    Element(usize),
    /// `*`: whatever is there.
    Each,
}

/// What is asked of a field.
#[derive(Clone, PartialEq, Debug)]
pub enum Test {
    Equals(Literal),
    Differs(Literal),
    Compare(Comparison, f64),
    IsNull,
    Is(bool),
    NotExists,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a field is held against: a text, in which `*` stands for anything, and the number that it is, if it stood without quotes.
#[derive(Clone, PartialEq, Debug)]
pub struct Literal {
    text: String,
    number: Option<f64>,
}

impl Expression {
    pub(super) fn parse(text: &str) -> Result<Expression, PatternError> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let inner = inner.ok_or(PatternError::Invalid("a brace has no end"))?;
        let mut parser = Parser { rest: inner.trim() };
        let expression = parser.any(0)?;
        match parser.rest {
            "" => Ok(expression),
            _ => Err(PatternError::Invalid("something stands behind the expression")),
        }
    }

    pub(super) fn matches(&self, message: &Value) -> bool {
        match self {
            Expression::All(parts) => parts.iter().all(|part| part.matches(message)),
            Expression::Any(parts) => parts.iter().any(|part| part.matches(message)),
            Expression::Test(selector, Test::NotExists) => !selector.any(message, &|_| true),
            Expression::Test(selector, test) => selector.any(message, &|field| test.holds(field)),
        }
    }
}

impl Selector {
    /// Whether one of the fields that are selected is so.
    fn any(&self, message: &Value, is_so: &dyn Fn(&Value) -> bool) -> bool {
        any_field(&self.0, message, is_so)
    }
}

/// As deep as the selector is long, which is no longer than a pattern.
fn any_field(steps: &[Step], value: &Value, is_so: &dyn Fn(&Value) -> bool) -> bool {
    let Some((step, rest)) = steps.split_first() else { return is_so(value) };
    match (step, value) {
        (Step::Member(name), Value::Object(members)) => {
            members.get(name).is_some_and(|inner| any_field(rest, inner, is_so))
        }
        (Step::Element(at), Value::Array(elements)) => {
            elements.get(*at).is_some_and(|inner| any_field(rest, inner, is_so))
        }
        (Step::Each, Value::Object(members)) => members.values().any(|inner| any_field(rest, inner, is_so)),
        (Step::Each, Value::Array(elements)) => elements.iter().any(|inner| any_field(rest, inner, is_so)),
        _ => false,
    }
}

impl Test {
    fn holds(&self, field: &Value) -> bool {
        match self {
            Test::Equals(literal) => literal.equals(field) == Some(true),
            Test::Differs(literal) => literal.equals(field) == Some(false),
            Test::Compare(comparison, than) => field.as_f64().is_some_and(|number| match comparison {
                Comparison::Less => number < *than,
                Comparison::LessOrEqual => number <= *than,
                Comparison::Greater => number > *than,
                Comparison::GreaterOrEqual => number >= *than,
            }),
            Test::IsNull => field.is_null(),
            Test::Is(flag) => field.as_bool() == Some(*flag),
            Test::NotExists => false,
        }
    }
}

impl Literal {
    /// `None`: the field is nothing that a text or a number could be compared with.
    fn equals(&self, field: &Value) -> Option<bool> {
        match field {
            Value::String(text) => Some(is_like(&self.text, text)),
            Value::Number(number) => {
                let is_same = self.number.is_some_and(|own| number.as_f64() == Some(own));
                Some(is_same || is_like(&self.text, &number.to_string()))
            }
            Value::Bool(flag) => Some(is_like(&self.text, if *flag { "true" } else { "false" })),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

/// Whether a text is as the pattern says, in which `*` stands for any number of characters. No backtracking beyond the last one.
fn is_like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(word) else { return false };
        self.rest = rest.trim_start();
        true
    }

    /// A word of the language, of which no other begins so.
    fn takes_word(&mut self, word: &str) -> bool {
        let Some((begin, rest)) = self.rest.split_at_checked(word.len()) else { return false };
        let ends = rest.chars().next().is_none_or(|next| !next.is_alphanumeric());
        let taken = begin.eq_ignore_ascii_case(word) && ends;
        if taken {
            self.rest = rest.trim_start();
        }
        taken
    }

    fn any(&mut self, depth: usize) -> Result<Expression, PatternError> {
        let mut parts = vec![self.all(depth)?];
        while self.takes("||") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expression, PatternError> {
        let mut parts = vec![self.one(depth)?];
        while self.takes("&&") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expression, PatternError> {
        if depth == DEPTH_MAX {
            return Err(PatternError::Invalid("parentheses go too deep"));
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            return if self.takes(")") { Ok(inner) } else { Err(PatternError::Invalid("a parenthesis has no end")) };
        }
        let selector = self.selector()?;
        let test = self.test()?;
        Ok(Expression::Test(selector, test))
    }

    fn selector(&mut self) -> Result<Selector, PatternError> {
        self.rest = self.rest.strip_prefix('$').ok_or(PatternError::Invalid("a field begins with $"))?;
        let mut steps = Vec::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix('.') {
                // `$.[0]` is the same as `$[0]`.
                if !rest.starts_with('[') {
                    let end = rest.find(|next: char| next.is_whitespace() || ".[=!<>()&|{}\"".contains(next));
                    let (name, behind) = rest.split_at(end.unwrap_or(rest.len()));
                    steps.push(match name {
                        "" => return Err(PatternError::Invalid("a field has no name")),
                        "*" => Step::Each,
                        name => Step::Member(name.to_owned()),
                    });
                    self.rest = behind;
                    continue;
                }
                self.rest = rest;
            }
            let Some(rest) = self.rest.strip_prefix('[') else { break };
            self.rest = rest;
            steps.push(self.element()?);
        }
        if steps.is_empty() {
            return Err(PatternError::Invalid("a field has no name"));
        }
        self.rest = self.rest.trim_start();
        Ok(Selector(steps))
    }

    fn element(&mut self) -> Result<Step, PatternError> {
        const NO_END: PatternError = PatternError::Invalid("a bracket has no end");
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (name, rest) = unquote(quoted)?;
            self.rest = rest.strip_prefix(']').ok_or(NO_END)?;
            return Ok(Step::Member(name));
        }
        let (inner, rest) = self.rest.split_once(']').ok_or(NO_END)?;
        self.rest = rest;
        match inner {
            "*" => Ok(Step::Each),
            digits => digits.parse().map(Step::Element).map_err(|_| PatternError::Invalid("a place is no number")),
        }
    }

    fn test(&mut self) -> Result<Test, PatternError> {
        if self.takes_word("IS") {
            return match () {
                () if self.takes_word("NULL") => Ok(Test::IsNull),
                () if self.takes_word("TRUE") => Ok(Test::Is(true)),
                () if self.takes_word("FALSE") => Ok(Test::Is(false)),
                () => Err(PatternError::Invalid("behind IS stands NULL, TRUE or FALSE")),
            };
        }
        if self.takes_word("NOT") {
            return if self.takes_word("EXISTS") {
                Ok(Test::NotExists)
            } else {
                Err(PatternError::Invalid("behind NOT stands EXISTS"))
            };
        }
        if self.takes("!=") {
            return self.literal().map(Test::Differs);
        }
        for (operator, comparison) in [
            ("<=", Comparison::LessOrEqual),
            (">=", Comparison::GreaterOrEqual),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ] {
            if self.takes(operator) {
                let number = self.literal()?.number;
                return Ok(Test::Compare(comparison, number.ok_or(PatternError::Invalid("only numbers are ordered"))?));
            }
        }
        if self.takes("=") {
            return self.literal().map(Test::Equals);
        }
        Err(PatternError::Invalid("a field has no operator"))
    }

    fn literal(&mut self) -> Result<Literal, PatternError> {
        if let Some(quoted) = self.rest.strip_prefix('"') {
            let (text, rest) = unquote(quoted)?;
            self.rest = rest.trim_start();
            return Ok(Literal { text, number: None });
        }
        let end = self.rest.find(|next: char| next.is_whitespace() || "()&|{}\"".contains(next));
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if text.is_empty() {
            return Err(PatternError::Invalid("there is no value"));
        }
        if text.starts_with('%') {
            return Err(PatternError::NotYet("regular expressions"));
        }
        self.rest = rest.trim_start();
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        Ok(Literal { text: text.to_owned(), number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FilterPattern;
    use proptest::prelude::*;

    const MESSAGE: &str = r#"{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "cluster.name": "c",
        "latency": 12.5, "errorCode": 400, "open": true, "empty": "", "code": "404"}"#;

    fn matches(pattern: &str, message: &str) -> bool {
        FilterPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(message)
    }

    #[test]
    fn fields_are_selected_and_compared() {
        for (pattern, is_taken) in [
            (r#"{ $.eventType = "UpdateTrail" }"#, true),
            (r#"{ $.eventType = UpdateTrail }"#, true),
            (r#"{ $.eventType = "Update" }"#, false),
            (r#"{ $.eventType = "Up*il" }"#, true),
            (r#"{$.eventType="*"}"#, true),
            (r#"{ $.missing = "*" }"#, false),
            (r#"{ $.missing != "x" }"#, false),
            (r#"{ $.sourceIPAddress != 123.123.* }"#, true),
            (r#"{ $.sourceIPAddress = 111.111.* }"#, true),
            (r#"{ $.arrayKey[0] = "value" }"#, true),
            (r#"{ $.arrayKey[2] = "value" }"#, false),
            (r#"{ $.arrayKey[*] = "another" }"#, true),
            (r#"{ $.objectList[1].id = 2 }"#, true),
            (r#"{ $.objectList[*].id = 2.0 }"#, true),
            (r#"{ $.objectList[*].id > 2 }"#, false),
            (r#"{ $["cluster.name"] = "c" }"#, true),
            (r#"{ $.SomeObject IS NULL }"#, true),
            (r#"{ $.SomeObject NOT EXISTS }"#, false),
            (r#"{ $.SomeOtherObject NOT EXISTS }"#, true),
            (r#"{ $.open IS TRUE }"#, true),
            (r#"{ $.open IS FALSE }"#, false),
            (r#"{ $.latency >= 12.5 && $.latency < 13 }"#, true),
            (r#"{ $.errorCode = 4e2 }"#, true),
            (r#"{ $.errorCode != 400 }"#, false),
            (r#"{ $.errorCode = 4* }"#, true),
            (r#"{ $.code = 404 }"#, true),
            (r#"{ $.eventType > 1 }"#, false),
            (r#"{ $.empty = "" }"#, true),
            (r#"{ $.* = 400 }"#, true),
            (r#"{ $.objectList = "*" }"#, false),
            // && binds closer than ||.
            (r#"{ $.open IS TRUE || $.open IS FALSE && $.open IS FALSE }"#, true),
            (r#"{ ($.open IS TRUE || $.open IS FALSE) && $.open IS FALSE }"#, false),
        ] {
            assert_eq!(matches(pattern, MESSAGE), is_taken, "{pattern}");
        }
        assert!(!matches("{ $.a NOT EXISTS }", "no JSON"));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for pattern in [
            "{",
            "{}",
            "{ $ }",
            "{ $.a }",
            "{ $.a = }",
            "{ $.a > b }",
            "{ $.a IS MAYBE }",
            "{ $.a = 1 $.b = 2 }",
            "{ ($.a = 1 }",
            "{ $.a[x] = 1 }",
            "{ $.a[1 = 1 }",
            "{ a = 1 }",
            "{ $. = 1 }",
            r#"{ $.a = "x }"#,
        ] {
            assert!(matches!(FilterPattern::parse(pattern), Err(PatternError::Invalid(_))), "{pattern}");
        }
        assert_eq!(FilterPattern::parse("{ $.a = %x% }"), Err(PatternError::NotYet("regular expressions")));
        let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(200), ")".repeat(200));
        assert_eq!(FilterPattern::parse(&deep), Err(PatternError::Invalid("parentheses go too deep")));
    }

    /// The meaning of `*`, by trying everything.
    fn is_like_by_trying(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| is_like_by_trying(rest, &text[at..])),
            Some((byte, rest)) => text.first() == Some(byte) && is_like_by_trying(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn asterisks_stand_for_anything(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            prop_assert_eq!(is_like(&pattern, &text), is_like_by_trying(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn reading_ends_for_any_text(pattern in r#"\{[ $.a1=!<>&|()\[\]"*-]{0,40}\}"#, message in ".{0,30}") {
            if let Ok(pattern) = FilterPattern::parse(&pattern) {
                pattern.matches(&message);
            }
        }
    }
}
