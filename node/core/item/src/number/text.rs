//! Numbers as decimal text: what DynamoDB accepts, and the normal form that it answers with.

use super::{DIGITS_MAX, Number, NumberError};
use std::fmt;
use std::str::FromStr;

/// Exponents beyond this are clamped: whatever the digits, the number is out of range. A text has fewer digits than that.
const EXPONENT_CLAMP: i64 = 1 << 40;

/// Digits of a coefficient, most significant first.
pub(super) struct Digits {
    buffer: [u8; 40],
    start: usize,
}

impl Digits {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl Number {
    /// Reads `[+-] digits [. digits] [e|E [+-] digits]` with at least one digit before the exponent.
    /// Zeros before and after the significant digits do not count.
    pub fn parse(text: &str) -> Result<Number, NumberError> {
        let bytes = text.as_bytes();
        let (negative, bytes) = split_sign(bytes);
        let mut mantissa = Mantissa::default();
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            match byte {
                b'0'..=b'9' => mantissa.push(byte - b'0'),
                b'.' if !mantissa.in_fraction => mantissa.in_fraction = true,
                b'e' | b'E' => break,
                _ => return Err(NumberError::NotANumber),
            }
            rest = tail;
        }
        if !mantissa.any_digit {
            return Err(NumberError::NotANumber);
        }
        let exponent = match rest {
            [] => 0,
            [_, tail @ ..] => parse_exponent(tail)?,
        };
        mantissa.finish(negative, exponent)
    }

    /// Appends the normal form: plain notation without needless zeros.
    pub fn write_text(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        let digits = self.decimal_digits();
        let digits = digits.as_slice();
        let exponent = i32::from(self.exponent);
        let point = digits.len() as i32 + exponent;
        if exponent >= 0 {
            out.extend(digits.iter().map(|digit| b'0' + digit));
            out.resize(out.len() + exponent as usize, b'0');
        } else if point > 0 {
            let (whole, fraction) = digits.split_at(point as usize);
            out.extend(whole.iter().map(|digit| b'0' + digit));
            out.push(b'.');
            out.extend(fraction.iter().map(|digit| b'0' + digit));
        } else {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + point.unsigned_abs() as usize, b'0');
            out.extend(digits.iter().map(|digit| b'0' + digit));
        }
    }

    /// The coefficient's digits (0 to 9, not characters); zero has the single digit 0.
    pub(super) fn decimal_digits(&self) -> Digits {
        const HALF: u128 = 10_u128.pow(19);
        let mut digits = Digits { buffer: [0; 40], start: 40 };
        // Division of 128 bits is slow and nearly all numbers are short.
        if let Ok(short) = u64::try_from(self.coefficient) {
            digits.prepend(short);
            return digits;
        }
        let mut low = (self.coefficient % HALF) as u64;
        let high = (self.coefficient / HALF) as u64;
        // The lower half with its leading zeros.
        for _ in 0..19 {
            digits.start -= 1;
            digits.buffer[digits.start] = (low % 10) as u8;
            low /= 10;
        }
        digits.prepend(high);
        digits
    }
}

impl Digits {
    fn prepend(&mut self, mut value: u64) {
        loop {
            self.start -= 1;
            self.buffer[self.start] = (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return;
            }
        }
    }
}

/// The digits read so far, without the zeros before them. Zeros behind them wait until another digit follows.
#[derive(Default)]
struct Mantissa {
    coefficient: u128,
    zeros: i64,
    scale: i64,
    any_digit: bool,
    in_fraction: bool,
    too_long: bool,
    /// Significant digits including those that were too many to keep.
    length: i64,
}

impl Mantissa {
    fn push(&mut self, digit: u8) {
        self.any_digit = true;
        if self.in_fraction {
            self.scale += 1;
        }
        if digit == 0 {
            if self.length > 0 {
                self.zeros += 1;
            }
            return;
        }
        self.length += self.zeros + 1;
        if self.length > i64::from(DIGITS_MAX) {
            self.too_long = true;
        } else {
            self.coefficient = self.coefficient * 10_u128.pow(self.zeros as u32 + 1) + u128::from(digit);
        }
        self.zeros = 0;
    }

    fn finish(self, negative: bool, exponent: i64) -> Result<Number, NumberError> {
        if self.length == 0 {
            return Ok(Number::ZERO);
        }
        let exponent = exponent + self.zeros - self.scale;
        if !self.too_long {
            let exponent = exponent.clamp(-EXPONENT_I32, EXPONENT_I32) as i32;
            return Number::new(negative, self.coefficient, exponent);
        }
        // Out of range comes before too long: only the magnitude is asked for here.
        let magnitude = (exponent + self.length - 1).clamp(-EXPONENT_I32, EXPONENT_I32) as i32;
        Number::new(negative, 1, magnitude).and(Err(NumberError::TooManyDigits))
    }
}

/// Far outside every number's range, far inside `i32`.
const EXPONENT_I32: i64 = 1 << 20;

fn split_sign(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes {
        [b'-', tail @ ..] => (true, tail),
        [b'+', tail @ ..] => (false, tail),
        _ => (false, bytes),
    }
}

fn parse_exponent(bytes: &[u8]) -> Result<i64, NumberError> {
    let (negative, digits) = split_sign(bytes);
    if digits.is_empty() {
        return Err(NumberError::NotANumber);
    }
    let mut exponent = 0_i64;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return Err(NumberError::NotANumber);
        }
        exponent = (exponent * 10 + i64::from(byte - b'0')).min(EXPONENT_CLAMP);
    }
    Ok(if negative { -exponent } else { exponent })
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Number, NumberError> {
        Number::parse(text)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(48);
        self.write_text(&mut text);
        f.write_str(std::str::from_utf8(&text).expect("digits, sign and point are ASCII"))
    }
}
