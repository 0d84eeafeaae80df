//! How values compare. Equality is that of `Value`: same type, same content, sets as sets.

use stator_item::Value;
use std::cmp::Ordering;

/// The order of two values; none between types, and none but among strings, numbers and binaries (by unsigned bytes).
pub(crate) fn order(first: &Value, second: &Value) -> Option<Ordering> {
    match (first, second) {
        (Value::String(first), Value::String(second)) => Some(first.as_bytes().cmp(second.as_bytes())),
        (Value::Number(first), Value::Number(second)) => Some(first.cmp(second)),
        (Value::Binary(first), Value::Binary(second)) => Some(first.cmp(second)),
        _ => None,
    }
}

/// `size`: bytes of a string or binary, elements of the rest; numbers, booleans and null have none.
pub(crate) fn size(value: &Value) -> Option<u64> {
    let size = match value {
        Value::String(text) => text.len(),
        Value::Binary(bytes) => bytes.len(),
        Value::List(values) => values.len(),
        Value::Map(item) => item.len(),
        Value::StringSet(set) => set.len(),
        Value::NumberSet(set) => set.len(),
        Value::BinarySet(set) => set.len(),
        Value::Number(_) | Value::Bool(_) | Value::Null => return None,
    };
    u64::try_from(size).ok()
}

/// `begins_with`, of strings and of binaries.
pub(super) fn begins_with(whole: &Value, start: &Value) -> bool {
    match (whole, start) {
        (Value::String(whole), Value::String(start)) => whole.starts_with(start.as_str()),
        (Value::Binary(whole), Value::Binary(start)) => whole.starts_with(start),
        _ => false,
    }
}

/// `contains`: a piece of a string or binary, an element of a set or list.
pub(super) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::String(whole), Value::String(part)) => whole.contains(part.as_str()),
        (Value::Binary(whole), Value::Binary(part)) => contains_bytes(whole, part),
        (Value::StringSet(set), Value::String(part)) => set.contains(part),
        (Value::NumberSet(set), Value::Number(part)) => set.contains(part),
        (Value::BinarySet(set), Value::Binary(part)) => set.contains(part),
        (Value::List(values), part) => values.contains(part),
        _ => false,
    }
}

/// Linear in both lengths (Knuth, Morris, Pratt): both come from clients, and a partition evaluates one command at a
/// time.
fn contains_bytes(whole: &[u8], part: &[u8]) -> bool {
    let mut borders = vec![0_usize; part.len()];
    let extend = |borders: &[usize], mut matched: usize, byte: u8| {
        loop {
            if part.get(matched) == Some(&byte) {
                return matched + 1;
            }
            match matched.checked_sub(1).and_then(|last| borders.get(last)) {
                Some(border) => matched = *border,
                None => return 0,
            }
        }
    };
    let mut matched = 0;
    for (place, byte) in part.iter().enumerate().skip(1) {
        matched = extend(&borders, matched, *byte);
        if let Some(border) = borders.get_mut(place) {
            *border = matched;
        }
    }
    let mut matched = 0;
    part.is_empty()
        || whole.iter().any(|byte| {
            matched = extend(&borders, matched, *byte);
            matched == part.len()
        })
}
