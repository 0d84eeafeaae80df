//! Sizes as people write them: `4GiB`, `512 MB`, `1000`.

use std::{fmt, str::FromStr};

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Size(pub u64);

const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let wrong = || "a size is a whole number and a unit, such as 4GiB, 512MiB or 800MB".to_owned();
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start().to_ascii_lowercase();
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(*factor).map(Size).ok_or_else(wrong)
    }
}

impl fmt::Display for Size {
    /// In the largest binary unit that leaves at least one before the point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 1u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.iter().find(|(_, unit)| self.0 >= *unit) {
            Some((name, unit)) if self.0.is_multiple_of(*unit) => write!(f, "{} {name}", self.0 / unit),
            Some((name, unit)) => write!(f, "{:.1} {name}", self.0 as f64 / *unit as f64),
            None => write!(f, "{} B", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let check = |text: &str, bytes: Option<u64>| assert_eq!(text.parse().ok(), bytes.map(Size), "{text}");
        check("4GiB", Some(4 << 30));
        check(" 512 mib ", Some(512 << 20));
        check("800MB", Some(800_000_000));
        check("1000", Some(1_000));
        check("7b", Some(7));
        for wrong in
            ["", "GiB", "-1", "1.5GiB", "4 GiB x", "4gibibytes", "99999999999999999999", "18446744073709551615TiB"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn sizes_are_shown() {
        let check = |bytes: u64, text: &str| assert_eq!(Size(bytes).to_string(), text);
        check(0, "0 B");
        check(1_023, "1023 B");
        check(4 << 30, "4 GiB");
        check(1_500_000, "1.4 MiB");
    }
}
