//! Filter patterns: which events are told.
//!
//! Source: CloudWatch Logs User Guide, "Filter pattern syntax". Terms are looked for as they are, by case; what has other than
//! letters and digits need not stand in quotes here.

mod json;
mod terms;

use json::Expression;
use terms::Terms;

/// Why a text is no filter pattern.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternError {
    #[error("Invalid filter pattern: {0}")]
    Invalid(&'static str),
    /// A kind of pattern that is not here.
    #[error("{0} in filter patterns are not supported yet")]
    NotYet(&'static str),
}

/// A filter pattern.
#[derive(Clone, PartialEq, Debug)]
pub enum FilterPattern {
    /// The empty one.
    Everything,
    Terms(Terms),
    Json(Expression),
}

impl FilterPattern {
    pub fn parse(text: &str) -> Result<FilterPattern, PatternError> {
        let text = text.trim();
        match text.chars().next() {
            None => Ok(FilterPattern::Everything),
            Some('{') => Expression::parse(text).map(FilterPattern::Json),
            Some('[') => Err(PatternError::NotYet("space-delimited fields")),
            Some('%') => Err(PatternError::NotYet("regular expressions")),
            Some(_) => Terms::parse(text).map(FilterPattern::Terms),
        }
    }

    /// Whether an event with this message is let through.
    pub fn matches(&self, message: &str) -> bool {
        match self {
            FilterPattern::Everything => true,
            FilterPattern::Terms(terms) => terms.matches(message),
            FilterPattern::Json(expression) => {
                serde_json::from_str(message).is_ok_and(|json| expression.matches(&json))
            }
        }
    }
}
