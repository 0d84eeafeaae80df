//! What a pattern says of one value.

use super::FilterError;
use core::net::IpAddr;
use serde_json::Value;
use std::cmp::Ordering;

/// One element of a pattern's list. All but `exists` look at values only, not at objects.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Operator {
    /// Strings, booleans and null as they are, numbers by value.
    Equals(Value),
    Exists(bool),
    Text(Text),
    /// Holds of numbers that fulfil all.
    Numeric(Vec<(Comparison, f64)>),
    Cidr(Cidr),
    /// Holds of values of which none of these does.
    AnythingBut(Vec<Operator>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Text {
    Prefix(String),
    Suffix(String),
    /// The rest in small letters.
    PrefixAnyCase(String),
    SuffixAnyCase(String),
    EqualsAnyCase(String),
    Wildcard(Vec<Wild>),
}

/// A piece of a wildcard pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wild {
    Literal(String),
    Any,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Addresses with the same first bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cidr {
    bits: u128,
    kept: u32,
    is_v6: bool,
}

impl Operator {
    pub fn of(value: &Value) -> Result<Operator, FilterError> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Operator::Equals(value.clone())),
            Value::Array(_) => Err(FilterError),
            Value::Object(_) => {
                let (name, operand) = only_member(value)?;
                match name {
                    "exists" => operand.as_bool().map(Operator::Exists).ok_or(FilterError),
                    "numeric" => numeric(operand),
                    "cidr" => Cidr::parse(operand.as_str().ok_or(FilterError)?).map(Operator::Cidr),
                    "anything-but" => anything_but(operand),
                    _ => Text::of(name, operand).map(Operator::Text),
                }
            }
        }
    }

    /// `None`: nothing stands there.
    pub fn holds(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Operator::Exists(wanted), None) => !wanted,
            (_, None) => false,
            // What has something below it is no value.
            (Operator::Exists(wanted), Some(value)) => *wanted && !value.is_object(),
            (_, Some(Value::Array(elements))) => elements.iter().any(|element| self.holds(Some(element))),
            (_, Some(Value::Object(_))) => false,
            (Operator::Equals(wanted), Some(value)) => equal(wanted, value),
            (Operator::Text(wanted), Some(value)) => value.as_str().is_some_and(|text| wanted.holds(text)),
            (Operator::Numeric(wanted), Some(value)) => value.as_f64().is_some_and(|number| {
                wanted.iter().all(|(comparison, bound)| comparison.holds(number.partial_cmp(bound)))
            }),
            (Operator::Cidr(wanted), Some(value)) => value.as_str().is_some_and(|text| wanted.holds(text)),
            (Operator::AnythingBut(unwanted), Some(value)) => {
                !unwanted.iter().any(|operator| operator.holds(Some(value)))
            }
        }
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// The single member of an object.
fn only_member(value: &Value) -> Result<(&str, &Value), FilterError> {
    let mut members = value.as_object().ok_or(FilterError)?.iter();
    match (members.next(), members.next()) {
        (Some((name, operand)), None) => Ok((name, operand)),
        _ => Err(FilterError),
    }
}

fn numeric(operand: &Value) -> Result<Operator, FilterError> {
    let list = operand.as_array().ok_or(FilterError)?;
    let pairs = list.chunks(2).map(|pair| match pair {
        [comparison, bound] => {
            let comparison = Comparison::of(comparison.as_str().ok_or(FilterError)?)?;
            Ok((comparison, bound.as_f64().ok_or(FilterError)?))
        }
        _ => Err(FilterError),
    });
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    // One comparison, or the two ends of a range, the lower one first.
    let is_range = |pairs: &[(Comparison, f64)]| match pairs {
        [_] => true,
        [(low, from), (high, to)] => low.is_lower_end() && high.is_upper_end() && from < to,
        _ => false,
    };
    if is_range(&pairs) { Ok(Operator::Numeric(pairs)) } else { Err(FilterError) }
}

fn anything_but(operand: &Value) -> Result<Operator, FilterError> {
    let scalar = |value: &Value| match value {
        Value::String(_) | Value::Number(_) => Ok(Operator::Equals(value.clone())),
        _ => Err(FilterError),
    };
    let unwanted = match operand {
        Value::Array(list) => list.iter().map(scalar).collect::<Result<Vec<_>, _>>()?,
        Value::Object(_) => {
            let (name, operand) = only_member(operand)?;
            let texts = operand.as_array().map_or(std::slice::from_ref(operand), Vec::as_slice);
            let text = |operand| Text::of(name, operand).map(Operator::Text);
            texts.iter().map(text).collect::<Result<Vec<_>, _>>()?
        }
        value => vec![scalar(value)?],
    };
    if unwanted.is_empty() { Err(FilterError) } else { Ok(Operator::AnythingBut(unwanted)) }
}

impl Comparison {
    fn of(text: &str) -> Result<Comparison, FilterError> {
        match text {
            "=" => Ok(Comparison::Equal),
            "<" => Ok(Comparison::Less),
            "<=" => Ok(Comparison::LessOrEqual),
            ">" => Ok(Comparison::Greater),
            ">=" => Ok(Comparison::GreaterOrEqual),
            _ => Err(FilterError),
        }
    }

    fn is_lower_end(self) -> bool {
        matches!(self, Comparison::Greater | Comparison::GreaterOrEqual)
    }

    fn is_upper_end(self) -> bool {
        matches!(self, Comparison::Less | Comparison::LessOrEqual)
    }

    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Comparison::Equal => order == Some(Ordering::Equal),
            Comparison::Less => order == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => order == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl Text {
    fn of(name: &str, operand: &Value) -> Result<Text, FilterError> {
        if let Value::String(text) = operand {
            return match name {
                "prefix" => Ok(Text::Prefix(text.clone())),
                "suffix" => Ok(Text::Suffix(text.clone())),
                "equals-ignore-case" => Ok(Text::EqualsAnyCase(text.to_lowercase())),
                "wildcard" => wildcard(text).map(Text::Wildcard),
                _ => Err(FilterError),
            };
        }
        let ("equals-ignore-case", Value::String(text)) = only_member(operand)? else { return Err(FilterError) };
        match name {
            "prefix" => Ok(Text::PrefixAnyCase(text.to_lowercase())),
            "suffix" => Ok(Text::SuffixAnyCase(text.to_lowercase())),
            _ => Err(FilterError),
        }
    }

    fn holds(&self, text: &str) -> bool {
        match self {
            Text::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Text::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Text::PrefixAnyCase(prefix) => text.to_lowercase().starts_with(prefix.as_str()),
            Text::SuffixAnyCase(suffix) => text.to_lowercase().ends_with(suffix.as_str()),
            Text::EqualsAnyCase(wanted) => text.to_lowercase() == *wanted,
            Text::Wildcard(pieces) => is_wild_match(pieces, text),
        }
    }
}

/// `*` stands for any characters, `\*` and `\\` for themselves. Two stars side by side are refused, as on AWS.
fn wildcard(text: &str) -> Result<Vec<Wild>, FilterError> {
    let (mut pieces, mut literal) = (Vec::new(), String::new());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('*' | '\\')) => literal.push(escaped),
                _ => return Err(FilterError),
            },
            '*' => {
                if !literal.is_empty() {
                    pieces.push(Wild::Literal(std::mem::take(&mut literal)));
                }
                if pieces.last() == Some(&Wild::Any) {
                    return Err(FilterError);
                }
                pieces.push(Wild::Any);
            }
            other => literal.push(other),
        }
    }
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Wild::Literal(literal));
    }
    Ok(pieces)
}

/// Each literal is taken where it comes first, the last one at the end: no way back is needed.
fn is_wild_match(pieces: &[Wild], text: &str) -> bool {
    let (mut rest, mut anywhere) = (text, false);
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Wild::Any => anywhere = true,
            Wild::Literal(literal) => {
                let is_last = place + 1 == pieces.len();
                let found = match (anywhere, is_last) {
                    (true, true) => return rest.ends_with(literal.as_str()),
                    (true, false) => rest.find(literal.as_str()),
                    (false, _) => rest.starts_with(literal.as_str()).then_some(0),
                };
                let Some(found) = found else { return false };
                rest = &rest[found + literal.len()..];
                anywhere = false;
            }
        }
    }
    anywhere || rest.is_empty()
}

impl Cidr {
    fn parse(text: &str) -> Result<Cidr, FilterError> {
        let (address, kept) = text.split_once('/').ok_or(FilterError)?;
        let (bits, width) = bits_of(address).ok_or(FilterError)?;
        let kept: u32 = kept.parse().map_err(|_| FilterError)?;
        if kept > width {
            return Err(FilterError);
        }
        Ok(Cidr { bits, kept: 128 - width + kept, is_v6: width == 128 })
    }

    fn holds(&self, text: &str) -> bool {
        let Some((bits, width)) = bits_of(text) else { return false };
        // A shift by all bits is none.
        let differ = (bits ^ self.bits).checked_shr(128 - self.kept).unwrap_or(0);
        (width == 128) == self.is_v6 && differ == 0
    }
}

/// An address's bits, and how many there are.
fn bits_of(address: &str) -> Option<(u128, u32)> {
    match address.parse().ok()? {
        IpAddr::V4(v4) => Some((u128::from(v4.to_bits()), 32)),
        IpAddr::V6(v6) => Some((v6.to_bits(), 128)),
    }
}
