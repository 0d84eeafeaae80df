//! Sequence numbers: places in a change log, and how the Streams API writes them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Place in a partition's change log. Grows strictly along a shard and from parent to child. The Streams API shows it as
/// a decimal of 21 digits or more (AWS model: 21 to 40), so it is printed above an offset of 10^20.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct SequenceNumber(pub u64);

/// The text is no sequence number that this log could have given out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a sequence number")]
pub struct SequenceNumberError;

const OFFSET: u128 = 100_000_000_000_000_000_000;
const DIGITS: usize = 21;

const _: () =
    assert!(OFFSET + (u64::MAX as u128) < OFFSET * 10, "all sequence numbers have 21 digits, so that texts sort");

impl SequenceNumber {
    /// The place behind this one.
    ///
    /// # Panics
    /// After 2^64 records, which no log lives to see.
    pub fn next(self) -> SequenceNumber {
        SequenceNumber(self.0.checked_add(1).expect("a log has fewer than 2^64 records"))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (OFFSET + u128::from(self.0)).fmt(f)
    }
}

impl FromStr for SequenceNumber {
    type Err = SequenceNumberError;

    fn from_str(text: &str) -> Result<SequenceNumber, SequenceNumberError> {
        if text.len() != DIGITS || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SequenceNumberError);
        }
        let shown: u128 = text.parse().map_err(|_| SequenceNumberError)?;
        let place = shown.checked_sub(OFFSET).ok_or(SequenceNumberError)?;
        u64::try_from(place).map(SequenceNumber).map_err(|_| SequenceNumberError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_21_digits_and_read_back() {
        for place in [0, 1, 9, 10, 12_345, u64::MAX - 1, u64::MAX] {
            let text = SequenceNumber(place).to_string();
            assert_eq!(text.len(), DIGITS, "{text}");
            assert_eq!(text.parse(), Ok(SequenceNumber(place)));
        }
        assert_eq!(SequenceNumber(7).to_string(), "100000000000000000007");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "7",
            "+00000000000000000007",
            "000000000000000000007",
            "10000000000000000000x",
            "118446744073709551616",
            "999999999999999999999",
            "1000000000000000000070",
            "１00000000000000000007",
        ] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(SequenceNumberError), "{text}");
        }
    }
}
