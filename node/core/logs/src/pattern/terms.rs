//! Patterns of terms: `all of "these words" -without ?or ?any`.

use super::PatternError;

/// What a message must have, and must not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Terms {
    all: Vec<String>,
    none: Vec<String>,
    /// One of these is enough; not looked at beside others, as at AWS.
    any: Vec<String>,
}

impl Terms {
    pub(super) fn parse(text: &str) -> Result<Terms, PatternError> {
        let mut terms = Terms::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (kind, behind) = match rest.as_bytes()[0] {
                b'-' => (&mut terms.none, &rest[1..]),
                b'?' => (&mut terms.any, &rest[1..]),
                _ => (&mut terms.all, rest),
            };
            let (term, behind) = term(behind)?;
            kind.push(term);
            rest = behind.trim_start();
        }
        Ok(terms)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term);
        if self.all.is_empty() && self.none.is_empty() {
            return self.any.iter().any(has);
        }
        self.all.iter().all(has) && !self.none.iter().any(has)
    }
}

/// The term at the beginning, and what stands behind it.
fn term(text: &str) -> Result<(String, &str), PatternError> {
    if let Some(quoted) = text.strip_prefix('"') {
        let (term, rest) = unquote(quoted)?;
        if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
            return Err(PatternError::Invalid("behind a phrase there is no blank"));
        }
        return Ok((term, rest));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (term, rest) = text.split_at(end);
    if term.is_empty() {
        return Err(PatternError::Invalid("behind - or ? there is no term"));
    }
    if term.len() > 1 && term.starts_with('%') && term.ends_with('%') {
        return Err(PatternError::NotYet("regular expressions"));
    }
    if term.contains('"') {
        return Err(PatternError::Invalid("a quotation mark stands inside of a term"));
    }
    Ok((term.to_owned(), rest))
}

/// The text up to the next quotation mark, and what stands behind that. A backslash takes the next character as it is.
pub(super) fn unquote(text: &str) -> Result<(String, &str), PatternError> {
    let mut unquoted = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((unquoted, &text[at + 1..])),
            '\\' => unquoted.extend(characters.next().map(|(_, character)| character)),
            character => unquoted.push(character),
        }
    }
    Err(PatternError::Invalid("a phrase has no end"))
}

#[cfg(test)]
mod tests {
    use crate::{FilterPattern, PatternError};
    use proptest::prelude::*;

    fn matches(pattern: &str, message: &str) -> bool {
        FilterPattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(message)
    }

    #[test]
    fn the_examples_of_the_guide() {
        let requests =
            ["[ERROR 400] BAD REQUEST", "[ERROR 401] UNAUTHORIZED REQUEST", "[INFO] REQUEST DONE", "[WARN] x"];
        for (pattern, taken) in [
            ("", [true, true, true, true]),
            ("  ", [true, true, true, true]),
            ("ERROR", [true, true, false, false]),
            ("error", [false, false, false, false]),
            ("ERROR REQUEST", [true, true, false, false]),
            ("\"BAD REQUEST\"", [true, false, false, false]),
            ("\"BAD  REQUEST\"", [false, false, false, false]),
            ("?ERROR ?WARN", [true, true, false, true]),
            ("REQUEST -BAD", [false, true, true, false]),
            ("-ERROR", [false, false, true, true]),
            ("-\"BAD REQUEST\" ERROR", [false, true, false, false]),
            ("?INFO REQUEST", [true, true, true, false]),
            ("\"[WARN]\"", [false, false, false, true]),
        ] {
            assert_eq!(requests.map(|message| matches(pattern, message)), taken, "{pattern}");
        }
        assert!(matches(r#""say \"no\"""#, r#"they say "no" again"#));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for (pattern, error) in [
            ("\"no end", PatternError::Invalid("a phrase has no end")),
            ("-", PatternError::Invalid("behind - or ? there is no term")),
            ("a\"b\"", PatternError::Invalid("a quotation mark stands inside of a term")),
            ("\"a\"b", PatternError::Invalid("behind a phrase there is no blank")),
            ("%a.b%", PatternError::NotYet("regular expressions")),
            ("a %b%", PatternError::NotYet("regular expressions")),
            ("[a, b]", PatternError::NotYet("space-delimited fields")),
        ] {
            assert_eq!(FilterPattern::parse(pattern), Err(error), "{pattern}");
        }
    }

    proptest! {
        /// Against the meaning, said once more.
        #[test]
        fn terms_mean_what_they_say(
            terms in prop::collection::vec(("[-?]?", "[ab]{1,2}", any::<bool>()), 1..4),
            message in "[ab ]{0,6}",
        ) {
            let quote = |(kind, word, quoted): &(String, String, bool)| {
                if *quoted { format!("{kind}\"{word}\"") } else { format!("{kind}{word}") }
            };
            let pattern = terms.iter().map(quote).collect::<Vec<_>>().join(" ");
            let of = |kind: &'static str| {
                terms.iter().filter(move |(other, ..)| other == kind).map(|(_, word, _)| message.contains(word.as_str()))
            };
            let expected = if of("").count() + of("-").count() == 0 {
                of("?").any(|has| has)
            } else {
                of("").all(|has| has) && !of("-").any(|has| has)
            };
            prop_assert_eq!(matches(&pattern, &message), expected, "{}", pattern);
        }

        #[test]
        fn reading_ends_for_any_text(pattern in ".{0,60}", message in ".{0,30}") {
            if let Ok(pattern) = FilterPattern::parse(&pattern) {
                pattern.matches(&message);
            }
        }
    }
}
