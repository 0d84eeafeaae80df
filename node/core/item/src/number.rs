//! DynamoDB's numbers: 38 significant digits, magnitude 1E-130 to 9.9999999999999999999999999999999999999E+125, exact.
//!
//! Guarantees: equal numbers are equal values (`1.0` is `1`, `-0` is `0`), so `Eq`, `Hash` and sets go by the number and
//! not by its spelling; `Ord` is numeric; arithmetic never rounds, it fails instead.

mod arithmetic;
mod codec;
#[cfg(test)]
mod tests;
mod text;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::cmp::Ordering;

/// Most significant digits.
pub const DIGITS_MAX: u32 = 38;
/// Exponent of the leading digit of the largest magnitude.
pub const MAGNITUDE_MAX: i32 = 125;
/// Exponent of the leading digit of the smallest magnitude.
pub const MAGNITUDE_MIN: i32 = -130;

/// A decimal number: `coefficient * 10^exponent`, with no trailing zero in the coefficient; zero has exponent 0 and no sign.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i16,
}

/// Why a text or a result is no number. The texts are DynamoDB's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NumberError {
    #[error("The parameter cannot be converted to a numeric value")]
    NotANumber,
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
}

impl Number {
    pub const ZERO: Number = Number { negative: false, coefficient: 0, exponent: 0 };

    /// `coefficient * 10^exponent`, checked against the limits and brought to normal form.
    fn new(negative: bool, coefficient: u128, exponent: i32) -> Result<Number, NumberError> {
        if coefficient == 0 {
            return Ok(Number::ZERO);
        }
        let (coefficient, zeros) = without_trailing_zeros(coefficient);
        let exponent = exponent.checked_add(zeros).ok_or(NumberError::Overflow)?;
        let digits = digits_of(coefficient);
        let magnitude = i64::from(exponent) + i64::from(digits) - 1;
        if magnitude > i64::from(MAGNITUDE_MAX) {
            return Err(NumberError::Overflow);
        }
        if magnitude < i64::from(MAGNITUDE_MIN) {
            return Err(NumberError::Underflow);
        }
        if digits > DIGITS_MAX {
            return Err(NumberError::TooManyDigits);
        }
        let exponent = i16::try_from(exponent).expect("a magnitude within the limits has a small exponent");
        Ok(Number { negative, coefficient, exponent })
    }

    pub fn from_u64(value: u64) -> Number {
        let (coefficient, zeros) = without_trailing_zeros(u128::from(value));
        Number { negative: false, coefficient, exponent: zeros as i16 }
    }

    pub fn from_i64(value: i64) -> Number {
        Number { negative: value < 0, ..Number::from_u64(value.unsigned_abs()) }
    }

    /// The value, if it is an integer in range: for TTL times and the like.
    pub fn to_i64(&self) -> Option<i64> {
        let scale = 10_i128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let value = i128::try_from(self.coefficient).ok()?.checked_mul(scale)?;
        i64::try_from(if self.negative { -value } else { value }).ok()
    }

    /// The least integer that is not below the value, if it is in range.
    pub fn to_i64_ceil(&self) -> Option<i64> {
        let Some(decimals) = u32::try_from(-i32::from(self.exponent)).ok().filter(|decimals| *decimals > 0) else {
            return self.to_i64();
        };
        // A divisor beyond the range is above every coefficient.
        let (whole, rest) = match 10_u128.checked_pow(decimals) {
            Some(divisor) => (self.coefficient / divisor, self.coefficient % divisor),
            None => (0, self.coefficient),
        };
        let whole = i128::try_from(whole).ok()?;
        let ceiling = if self.negative { -whole } else { whole + i128::from(rest > 0) };
        i64::try_from(ceiling).ok()
    }

    pub fn is_zero(&self) -> bool {
        self.coefficient == 0
    }

    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Significant digits: none for zero.
    pub fn digits(&self) -> u32 {
        digits_of(self.coefficient)
    }

    /// The number with the other sign.
    pub fn negated(self) -> Number {
        Number { negative: !self.negative && self.coefficient != 0, ..self }
    }

    /// Exponent of the leading digit: 2 for 123.
    fn magnitude(&self) -> i32 {
        i32::from(self.exponent) + self.digits() as i32 - 1
    }

    /// Bytes that the number counts for, as DynamoDB counts: one for each base-100 digit from the first to the last that is
    /// not zero, one for sign and exponent, one more below zero, at most 21. As base-100 digits lie on even powers of ten,
    /// 12 has one of them and 1.2 has two.
    pub fn size(&self) -> usize {
        if self.coefficient == 0 {
            return 1;
        }
        let pairs = self.magnitude().div_euclid(2) - i32::from(self.exponent).div_euclid(2) + 1;
        (pairs as usize + 1 + usize::from(self.negative)).min(21)
    }
}

/// Decimal digits; none for zero. The logarithm of 64 bits is several times quicker than that of 128.
fn digits_of(coefficient: u128) -> u32 {
    match u64::try_from(coefficient) {
        Ok(short) => short.checked_ilog10().map_or(0, |power| power + 1),
        Err(_) => coefficient.ilog10() + 1,
    }
}

fn without_trailing_zeros(coefficient: u128) -> (u128, i32) {
    if coefficient == 0 {
        return (0, 0);
    }
    // Division of 128 bits is slow and nearly all numbers are short.
    if let Ok(mut short) = u64::try_from(coefficient) {
        let mut zeros = 0;
        while short % 10 == 0 {
            short /= 10;
            zeros += 1;
        }
        return (u128::from(short), zeros);
    }
    let (mut rest, mut zeros) = (coefficient, 0);
    while rest % 10 == 0 {
        rest /= 10;
        zeros += 1;
    }
    (rest, zeros)
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        match (self.signum(), other.signum()) {
            (1, 1) => self.cmp_magnitude(other),
            (-1, -1) => other.cmp_magnitude(self),
            (left, right) => left.cmp(&right),
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Number {
    fn signum(&self) -> i8 {
        match (self.coefficient, self.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        }
    }

    fn cmp_magnitude(&self, other: &Number) -> Ordering {
        if self.exponent == other.exponent {
            return self.coefficient.cmp(&other.coefficient);
        }
        let (left, right) = (self.digits(), other.digits());
        let magnitudes = self.magnitude().cmp(&other.magnitude());
        // Both coefficients as numbers of equally many digits, at most 38, which fit.
        magnitudes.then_with(|| {
            let left_scaled = self.coefficient * 10_u128.pow(right.saturating_sub(left));
            let right_scaled = other.coefficient * 10_u128.pow(left.saturating_sub(right));
            left_scaled.cmp(&right_scaled)
        })
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number::from_u64(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        Number::from_i64(value)
    }
}

/// Text in formats for people, the compact encoding in all others.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let mut bytes = Vec::with_capacity(codec::COMPACT_BYTES_MAX);
        self.encode_compact(&mut bytes);
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Number;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a decimal number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                Number::parse(text).map_err(E::custom)
            }

            fn visit_bytes<E: de::Error>(self, mut bytes: &[u8]) -> Result<Number, E> {
                match Number::decode_compact(&mut bytes) {
                    Some(number) if bytes.is_empty() => Ok(number),
                    _ => Err(E::custom("not a compact number")),
                }
            }
        }

        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}
