//! Filter patterns: which records a function is called with (`FilterCriteria`). The language is EventBridge's (Lambda Developer
//! Guide, "Filter rule syntax"; Amazon EventBridge User Guide, "Comparison operators for use in event patterns").
//!
//! Guarantees: whatever the text is, reading it ends, does not panic, and refuses what is no pattern; matching looks at each part
//! of a record once for each part of the pattern that concerns it.

mod operator;
#[cfg(test)]
mod tests;

use operator::Operator;
use serde_json::{Map, Value};

/// Longest pattern, in characters.
pub const PATTERN_CHARACTERS_MAX: usize = 4_096;
/// Most patterns of a mapping (quota; AWS raises it to ten on request).
pub const PATTERNS_MAX: usize = 5;

/// Member of a pattern whose value lists alternatives.
const OR: &str = "$or";

/// The text is no pattern; the words are Lambda's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Invalid filter pattern definition.")]
pub struct FilterError;

/// Patterns of which a record must match one; without any, every record does.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Filter {
    patterns: Vec<Pattern>,
}

/// All members must match.
#[derive(Clone, PartialEq, Debug)]
struct Pattern {
    members: Vec<(String, Member)>,
    /// Of each list, one must match.
    alternatives: Vec<Vec<Pattern>>,
}

#[derive(Clone, PartialEq, Debug)]
enum Member {
    /// What stands below it.
    Below(Pattern),
    /// One of them must hold of the value.
    OneOf(Vec<Operator>),
}

impl Filter {
    pub fn parse<'t>(patterns: impl IntoIterator<Item = &'t str>) -> Result<Filter, FilterError> {
        let patterns = patterns.into_iter().map(Pattern::parse).collect::<Result<Vec<_>, _>>()?;
        Ok(Filter { patterns })
    }

    /// Whether it lets every record through.
    pub fn is_open(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether the record, as the function would see it, is one for the function.
    pub fn matches(&self, record: &Value) -> bool {
        self.is_open() || self.patterns.iter().any(|pattern| pattern.matches(Some(record)))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Pattern, FilterError> {
        if text.chars().count() > PATTERN_CHARACTERS_MAX {
            return Err(FilterError);
        }
        // Its reader refuses what is nested too deeply for a stack.
        match serde_json::from_str(text) {
            Ok(Value::Object(members)) => Pattern::of(&members),
            _ => Err(FilterError),
        }
    }

    fn of(object: &Map<String, Value>) -> Result<Pattern, FilterError> {
        let mut pattern = Pattern { members: Vec::new(), alternatives: Vec::new() };
        for (name, value) in object {
            match value {
                Value::Array(list) if name == OR => pattern.alternatives.push(alternatives(list)?),
                Value::Array(list) if list.is_empty() => return Err(FilterError),
                Value::Array(list) => {
                    let operators = list.iter().map(Operator::of).collect::<Result<Vec<_>, _>>()?;
                    pattern.members.push((name.clone(), Member::OneOf(operators)));
                }
                Value::Object(below) if !below.is_empty() => {
                    pattern.members.push((name.clone(), Member::Below(Pattern::of(below)?)));
                }
                _ => return Err(FilterError),
            }
        }
        Ok(pattern)
    }

    /// `None`: nothing stands there, which only `exists: false` asks for.
    fn matches(&self, value: Option<&Value>) -> bool {
        // Of a list one element is enough, which must then fulfil everything.
        if let Some(Value::Array(elements)) = value
            && !elements.is_empty()
        {
            return elements.iter().any(|element| self.matches(Some(element)));
        }
        let member = |name: &str| value.and_then(|value| value.as_object()?.get(name));
        let all = self.members.iter().all(|(name, wanted)| match wanted {
            Member::Below(pattern) => pattern.matches(member(name)),
            Member::OneOf(operators) => operators.iter().any(|operator| operator.holds(member(name))),
        });
        all && self.alternatives.iter().all(|list| list.iter().any(|pattern| pattern.matches(value)))
    }
}

fn alternatives(list: &[Value]) -> Result<Vec<Pattern>, FilterError> {
    if list.is_empty() {
        return Err(FilterError);
    }
    let pattern = |value: &Value| match value {
        Value::Object(members) if !members.is_empty() => Pattern::of(members),
        _ => Err(FilterError),
    };
    list.iter().map(pattern).collect()
}
