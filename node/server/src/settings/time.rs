//! Times as people write them: `10m`, `2h`; and how long logs are kept.

use stator_logs::operation::RETENTION_DAYS;
use std::{str::FromStr, time::Duration};

/// So long ago.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ago(pub Duration);

const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

impl FromStr for Ago {
    type Err = String;

    fn from_str(text: &str) -> Result<Ago, String> {
        let wrong = || "a time is a whole number and s, m, h or d, such as 30s, 10m or 2d".to_owned();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(*factor).map(|seconds| Ago(Duration::from_secs(seconds))).ok_or_else(wrong)
    }
}

/// For how many days logs are kept; `None`: until they are deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention(pub Option<u32>);

impl FromStr for Retention {
    type Err = String;

    fn from_str(text: &str) -> Result<Retention, String> {
        if text == "forever" {
            return Ok(Retention(None));
        }
        let days = RETENTION_DAYS.into_iter().find(|days| days.to_string() == text);
        days.map(|days| Retention(Some(days)))
            .ok_or_else(|| format!("logs are kept forever, or for days: {RETENTION_DAYS:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("10m", 600), ("2h", 7_200), ("1d", 86_400)] {
            assert_eq!(text.parse(), Ok(Ago(Duration::from_secs(seconds))), "{text}");
        }
        for text in ["", "10", "m", "-1m", "1w", "99999999999999999999d", "18446744073709551615d"] {
            assert!(text.parse::<Ago>().is_err(), "{text}");
        }
    }

    #[test]
    fn retentions_are_those_of_the_api() {
        assert_eq!("14".parse(), Ok(Retention(Some(14))));
        assert_eq!("forever".parse(), Ok(Retention(None)));
        assert!("15".parse::<Retention>().is_err());
    }
}
