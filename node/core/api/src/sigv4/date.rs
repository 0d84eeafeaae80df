//! The two date formats of SigV4: ISO 8601 "basic", and HTTP's for a `Date` header.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset, format_description::well_known::Rfc2822};

/// `20150830T123600Z` of milliseconds since 1970; times beyond year 9999 show as its last second.
pub fn basic(ms: u64) -> String {
    let seconds = i64::try_from(ms / 1_000).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or_else(|_| {
        PrimitiveDateTime::MAX.replace_nanosecond(0).unwrap_or(PrimitiveDateTime::MAX).assume_utc()
    });
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Milliseconds since 1970 of `20150830T123600Z`; nothing else is taken, nor a time before 1970.
pub fn read_basic(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes.get(8) != Some(&b'T') || bytes.get(15) != Some(&b'Z') {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u16> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0u16, |sum, digit| {
            digit.is_ascii_digit().then(|| sum.wrapping_mul(10).wrapping_add(u16::from(digit - b'0')))
        })
    };
    let small = |from: usize| number(from, from + 2).and_then(|value| u8::try_from(value).ok());
    let date = Date::from_calendar_date(i32::from(number(0, 4)?), Month::try_from(small(4)?).ok()?, small(6)?).ok()?;
    let time = Time::from_hms(small(9)?, small(11)?, small(13)?).ok()?;
    milliseconds(PrimitiveDateTime::new(date, time).assume_utc())
}

/// Milliseconds since 1970 of `Sun, 30 Aug 2015 12:36:00 GMT`.
pub fn read_http(text: &str) -> Option<u64> {
    milliseconds(OffsetDateTime::parse(text.trim(), &Rfc2822).ok()?.to_offset(UtcOffset::UTC))
}

fn milliseconds(at: OffsetDateTime) -> Option<u64> {
    u64::try_from(at.unix_timestamp()).ok()?.checked_mul(1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_and_written() {
        let cases = [
            ("19700101T000000Z", Some(0)),
            ("20150830T123600Z", Some(1_440_938_160_000)),
            ("20240229T235959Z", Some(1_709_251_199_000)),
            ("99991231T235959Z", Some(253_402_300_799_000)),
            ("20230229T000000Z", None),
            ("20151330T123600Z", None),
            ("20150830T246000Z", None),
            ("20150830T123600", None),
            ("20150830 123600Z", None),
            ("2015083aT123600Z", None),
            ("19691231T235959Z", None),
            ("", None),
            ("2015é30T123600Z", None),
        ];
        for (text, ms) in cases {
            assert_eq!(read_basic(text), ms, "{text}");
            if let Some(ms) = ms {
                assert_eq!(basic(ms + 999), text);
            }
        }
        assert_eq!(basic(u64::MAX), "99991231T235959Z");
        for (text, ms) in [
            ("Sun, 30 Aug 2015 12:36:00 GMT", Some(1_440_938_160_000)),
            ("Sun, 30 Aug 2015 14:36:00 +0200", Some(1_440_938_160_000)),
            ("30 Aug", None),
        ] {
            assert_eq!(read_http(text), ms, "{text}");
        }
    }
}
