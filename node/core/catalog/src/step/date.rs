//! Moments as DynamoDB's texts show them, in UTC.

const SECOND_MS: u64 = 1_000;
const DAY_SECONDS: u64 = 86_400;
const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

struct Date {
    weekday: &'static str,
    year: u64,
    month: &'static str,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years begin in March, so that the leap day is the last.
fn date(at_ms: u64) -> Date {
    let seconds = at_ms / SECOND_MS;
    let (days, of_day) = (seconds / DAY_SECONDS, seconds % DAY_SECONDS);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = (from_march + 2) % 12;
    Date {
        weekday: WEEKDAYS[(days % 7) as usize],
        year: era * 400 + year_of_era + u64::from(month < 2),
        month: MONTHS[month as usize],
        day: of_year - (153 * from_march + 2) / 5 + 1,
        hour: of_day / 3_600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
    }
}

/// `Friday, October 9, 2026 at 12:21:34 AM Coordinated Universal Time`
pub(super) fn long(at_ms: u64) -> String {
    let Date { weekday, year, month, day, hour, minute, second } = date(at_ms);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{weekday}, {month} {day}, {year} at {hour}:{minute:02}:{second:02} {half} Coordinated Universal Time")
}

/// `Sat Feb 23 03:07:45 UTC 2019`
pub(super) fn short(at_ms: u64) -> String {
    let Date { weekday, year, month, day, hour, minute, second } = date(at_ms);
    let three = |name: &'static str| name.get(..3).unwrap_or(name);
    format!("{} {} {day:02} {hour:02}:{minute:02}:{second:02} UTC {year}", three(weekday), three(month))
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
            assert_eq!(long(seconds * SECOND_MS), format!("{expected_long} Coordinated Universal Time"));
            assert_eq!(short(seconds * SECOND_MS), expected_short);
        }
    }
}
