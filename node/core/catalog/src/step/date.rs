//! Moments as DynamoDB's texts show them, in UTC.

use time::{OffsetDateTime, PrimitiveDateTime};

/// Beyond the year 9999, which no clock shows, its last moment.
fn moment(at_ms: u64) -> OffsetDateTime {
    let nanoseconds = i128::from(at_ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or_else(|_| PrimitiveDateTime::MAX.assume_utc())
}

/// `Friday, October 9, 2026 at 12:21:34 AM Coordinated Universal Time`
pub(super) fn long(at_ms: u64) -> String {
    let at = moment(at_ms);
    let (weekday, month, day, year) = (at.weekday(), at.month(), at.day(), at.year());
    let (hour, minute, second) = at.to_hms();
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{weekday}, {month} {day}, {year} at {hour}:{minute:02}:{second:02} {half} Coordinated Universal Time")
}

/// `Sat Feb 23 03:07:45 UTC 2019`
pub(super) fn short(at_ms: u64) -> String {
    let at = moment(at_ms);
    let (day, year) = (at.day(), at.year());
    let (hour, minute, second) = at.to_hms();
    let three = |name: String| name.chars().take(3).collect::<String>();
    let (weekday, month) = (three(at.weekday().to_string()), three(at.month().to_string()));
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown() {
        for (seconds, expected_long, expected_short) in [
            (0, "Thursday, January 1, 1970 at 12:00:00 AM", "Thu Jan 01 00:00:00 UTC 1970"),
            (1_550_891_265, "Saturday, February 23, 2019 at 3:07:45 AM", "Sat Feb 23 03:07:45 UTC 2019"),
            (1_582_979_696, "Saturday, February 29, 2020 at 12:34:56 PM", "Sat Feb 29 12:34:56 UTC 2020"),
            (1_791_505_294, "Friday, October 9, 2026 at 12:21:34 AM", "Fri Oct 09 00:21:34 UTC 2026"),
            (4_107_542_399, "Sunday, February 28, 2100 at 11:59:59 PM", "Sun Feb 28 23:59:59 UTC 2100"),
        ] {
            assert_eq!(long(seconds * 1_000), format!("{expected_long} Coordinated Universal Time"));
            assert_eq!(short(seconds * 1_000), expected_short);
        }
    }
}
