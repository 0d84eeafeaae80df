//! DynamoDB's numbers: 38 significant digits, magnitude 1E-130 to 9.9999999999999999999999999999999999999E+125, exact.

use serde::{Deserialize, Serialize};

/// A decimal number: `coefficient * 10^exponent`, with no trailing zero in the coefficient; zero has exponent 0 and no sign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i16,
}
