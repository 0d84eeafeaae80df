//! The `#names` and `:values` of a request: what they stand for, and which of them its expressions used.

use crate::error::ExpressionError;
use stator_item::{Item, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

const NAMES: &str = "ExpressionAttributeNames";
const VALUES: &str = "ExpressionAttributeValues";

/// Longest placeholder, its `#` or `:` included.
const PLACEHOLDER_BYTES_MAX: usize = 255;
/// All names and all values of a request together: "the sum of the lengths of all ExpressionAttributeNames and
/// ExpressionAttributeValues" (Developer Guide, Constraints).
pub(crate) const SUBSTITUTES_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Placeholders of one request, shared by all of its expressions.
#[derive(Debug)]
pub struct Placeholders<'a> {
    names: &'a BTreeMap<String, String>,
    values: &'a BTreeMap<String, Value>,
    used: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Placeholders<'a> {
    /// The maps' keys have their `#` or `:`; see [`check_names`] and [`check_values`].
    pub fn new(names: &'a BTreeMap<String, String>, values: &'a BTreeMap<String, Value>) -> Placeholders<'a> {
        Placeholders { names, values, used: RefCell::new(BTreeSet::new()) }
    }

    /// What `#name` stands for; it counts as used from now on.
    pub(crate) fn name(&self, placeholder: &str) -> Option<&'a str> {
        let (key, name) = self.names.get_key_value(placeholder)?;
        self.used.borrow_mut().insert(key);
        Some(name)
    }

    /// What `:value` stands for; it counts as used from now on.
    pub(crate) fn value(&self, placeholder: &str) -> Option<&'a Value> {
        let (key, value) = self.values.get_key_value(placeholder)?;
        self.used.borrow_mut().insert(key);
        Some(value)
    }

    /// Refuses placeholders that no expression parsed so far has used, names before values.
    pub fn unused(&self) -> Result<(), ExpressionError> {
        self.all_used(NAMES, self.names.keys())?;
        self.all_used(VALUES, self.values.keys())
    }

    fn all_used<'k>(&self, map: &'static str, keys: impl Iterator<Item = &'k String>) -> Result<(), ExpressionError> {
        let used = self.used.borrow();
        let keys: Vec<String> = keys.filter(|key| !used.contains(key.as_str())).cloned().collect();
        if keys.is_empty() { Ok(()) } else { Err(ExpressionError::PlaceholdersUnused { map, keys }) }
    }
}

/// Whether a request has an expression at all; without one it may have no placeholders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expressions {
    Present,
    Absent,
}

/// Refuses `ExpressionAttributeNames` as DynamoDB does before it looks at any expression.
pub fn check_names(names: &BTreeMap<String, String>, expressions: Expressions) -> Result<(), ExpressionError> {
    check_keys(NAMES, '#', names.keys(), expressions)?;
    for (key, name) in names {
        if name.is_empty() {
            return Err(ExpressionError::PlaceholderValueEmpty { map: NAMES, key: key.clone() });
        }
    }
    check_bytes(NAMES, names_bytes(names))
}

/// Refuses `ExpressionAttributeValues` as DynamoDB does before it looks at any expression. `names` count for the size.
pub fn check_values(
    values: &Item,
    names: &BTreeMap<String, String>,
    expressions: Expressions,
) -> Result<(), ExpressionError> {
    check_keys(VALUES, ':', values.keys(), expressions)?;
    let bytes: usize = values.iter().map(|(key, value)| key.len() + stator_item::size::value_size(value)).sum();
    check_bytes(VALUES, names_bytes(names) + bytes)
}

fn names_bytes(names: &BTreeMap<String, String>) -> usize {
    names.iter().map(|(key, name)| key.len() + name.len()).sum()
}

fn check_keys<'k>(
    map: &'static str,
    sigil: char,
    keys: impl Iterator<Item = &'k String>,
    expressions: Expressions,
) -> Result<(), ExpressionError> {
    if expressions == Expressions::Absent {
        return Err(ExpressionError::PlaceholdersWithoutExpression(map));
    }
    let mut empty = true;
    for key in keys {
        empty = false;
        if key.len() > PLACEHOLDER_BYTES_MAX {
            let (key, bytes_max) = (key.clone(), PLACEHOLDER_BYTES_MAX);
            return Err(ExpressionError::PlaceholderKeyTooLong { map, key, bytes_max });
        }
        let well_formed = key.strip_prefix(sigil).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if !well_formed {
            return Err(ExpressionError::PlaceholderKey { map, key: key.clone() });
        }
    }
    if empty { Err(ExpressionError::PlaceholdersEmpty(map)) } else { Ok(()) }
}

fn check_bytes(map: &'static str, bytes: usize) -> Result<(), ExpressionError> {
    if bytes > SUBSTITUTES_BYTES_MAX {
        return Err(ExpressionError::PlaceholdersTooLarge { map, bytes, bytes_max: SUBSTITUTES_BYTES_MAX });
    }
    Ok(())
}
