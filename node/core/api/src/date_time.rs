//! Moments as texts of the APIs: `2015-05-11T21:21:33.291`, UTC. What stands behind, a zone or nothing, differs from member to member.
//!
//! Moments beyond the year 9999, which no clock shows, are shown as its last one.

use time::{OffsetDateTime, PrimitiveDateTime};

/// `2015-05-11T21:21:33` for milliseconds since 1970.
pub fn seconds(ms: u64) -> String {
    let at = moment(ms);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// `2015-05-11T21:21:33.291` for milliseconds since 1970.
pub fn milliseconds(ms: u64) -> String {
    format!("{}.{:03}", seconds(ms), moment(ms).millisecond())
}

fn moment(ms: u64) -> OffsetDateTime {
    let nanoseconds = i128::from(ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or_else(|_| PrimitiveDateTime::MAX.assume_utc())
}
