//! Two encodings of numbers: one ordered as bytes for keys, one short and quick for rows and messages.
//!
//! Both decoders take hostile bytes, and accept only what the encoders write.

use super::{DIGITS_MAX, MAGNITUDE_MAX, MAGNITUDE_MIN, Number};

/// First byte of an ordered encoding.
const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;

/// The longest compact encoding: head, exponent, coefficient.
pub(super) const COMPACT_BYTES_MAX: usize = 1 + 2 + 16;

const _: () = assert!(MAGNITUDE_MAX - MAGNITUDE_MIN <= 255, "a magnitude must fit one byte");

impl Number {
    /// Appends the ordered encoding: byte order is numeric order, and no encoding is another one's beginning.
    ///
    /// Sign; magnitude plus 130; digits in pairs, each plus one; a zero byte. Below zero all but the sign is inverted.
    pub fn encode_ordered(&self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            out.push(ZERO);
            return;
        }
        out.push(if self.negative { NEGATIVE } else { POSITIVE });
        let start = out.len();
        out.push((self.magnitude() - MAGNITUDE_MIN) as u8);
        for pair in self.decimal_digits().as_slice().chunks(2) {
            out.push(pair[0] * 10 + pair.get(1).copied().unwrap_or(0) + 1);
        }
        out.push(0);
        if self.negative {
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }

    /// Takes one ordered encoding off the front of `input`.
    pub fn decode_ordered(input: &mut &[u8]) -> Option<Number> {
        let (&sign, mut rest) = input.split_first()?;
        let inverted = match sign {
            ZERO => {
                *input = rest;
                return Some(Number::ZERO);
            }
            NEGATIVE => 0xff,
            POSITIVE => 0,
            _ => return None,
        };
        let mut next = || {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            Some(byte ^ inverted)
        };
        let magnitude = i32::from(next()?) + MAGNITUDE_MIN;
        let (mut coefficient, mut digits, mut last) = (0_u128, 0, 0);
        loop {
            match next()? {
                0 => break,
                byte @ 1..=100 if digits < DIGITS_MAX => {
                    last = byte - 1;
                    coefficient = coefficient * 100 + u128::from(last);
                    digits += 2;
                }
                _ => return None,
            }
        }
        let leading = coefficient >= 10_u128.checked_pow(digits.checked_sub(1)?)?;
        if !leading || last == 0 {
            return None;
        }
        let number = Number::new(inverted != 0, coefficient, magnitude + 1 - digits as i32).ok()?;
        *input = rest;
        Some(number)
    }

    /// Appends the compact encoding: sign bit and coefficient's length in bytes; unless that is zero, the exponent
    /// (zigzag, base 128) and the coefficient (little endian).
    pub fn encode_compact(&self, out: &mut Vec<u8>) {
        let length = 16 - self.coefficient.leading_zeros() as usize / 8;
        out.push(length as u8 | (u8::from(self.negative) << 7));
        if length == 0 {
            return;
        }
        let zigzag = ((self.exponent << 1) ^ (self.exponent >> 15)) as u16;
        if zigzag < 0x80 {
            out.push(zigzag as u8);
        } else {
            out.extend_from_slice(&[zigzag as u8 | 0x80, (zigzag >> 7) as u8]);
        }
        out.extend_from_slice(&self.coefficient.to_le_bytes()[..length]);
    }

    /// Takes one compact encoding off the front of `input`.
    pub fn decode_compact(input: &mut &[u8]) -> Option<Number> {
        let (&head, rest) = input.split_first()?;
        if head == 0 {
            *input = rest;
            return Some(Number::ZERO);
        }
        let (&first, mut rest) = rest.split_first()?;
        let mut zigzag = u16::from(first & 0x7f);
        if first >= 0x80 {
            let (&second, tail) = rest.split_first()?;
            if !(1..0x80).contains(&second) {
                return None;
            }
            zigzag |= u16::from(second) << 7;
            rest = tail;
        }
        let length = usize::from(head & 0x7f);
        let (low, tail) = rest.split_at_checked(length)?;
        let mut coefficient = [0; 16];
        coefficient.get_mut(..length)?.copy_from_slice(low);
        let coefficient = u128::from_le_bytes(coefficient);
        if low.last().copied().unwrap_or(0) == 0 {
            return None;
        }
        let exponent = (zigzag >> 1) as i16 ^ -((zigzag & 1) as i16);
        let number = Number::new(head >= 0x80, coefficient, i32::from(exponent)).ok()?;
        if number.coefficient != coefficient {
            return None;
        }
        *input = tail;
        Some(number)
    }
}
