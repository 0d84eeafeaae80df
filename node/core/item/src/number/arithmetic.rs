//! Exact addition and subtraction.

use super::{Number, NumberError};
use std::cmp::Ordering;

impl Number {
    /// The exact sum. `TooManyDigits` where it has more than 38 digits: DynamoDB does not round.
    pub fn checked_add(self, other: Number) -> Result<Number, NumberError> {
        if self.coefficient == 0 {
            return Ok(other);
        }
        if other.coefficient == 0 {
            return Ok(self);
        }
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let shift = i32::from(high.exponent) - i32::from(low.exponent);
        // Where the scaled coefficient leaves 128 bits it is above 3.4E38 and the other one below 1E38,
        // so the result has 39 digits or more, and the last of them is not zero.
        let scaled = u32::try_from(shift)
            .ok()
            .and_then(|shift| 10_u128.checked_pow(shift))
            .and_then(|scale| high.coefficient.checked_mul(scale))
            .ok_or(NumberError::TooManyDigits)?;
        let exponent = i32::from(low.exponent);
        if high.negative == low.negative {
            let sum = scaled.checked_add(low.coefficient).ok_or(NumberError::TooManyDigits)?;
            return Number::new(high.negative, sum, exponent);
        }
        match scaled.cmp(&low.coefficient) {
            Ordering::Equal => Ok(Number::ZERO),
            Ordering::Greater => Number::new(high.negative, scaled - low.coefficient, exponent),
            Ordering::Less => Number::new(low.negative, low.coefficient - scaled, exponent),
        }
    }

    /// The exact difference; see `checked_add`.
    pub fn checked_sub(self, other: Number) -> Result<Number, NumberError> {
        self.checked_add(other.negated())
    }
}
