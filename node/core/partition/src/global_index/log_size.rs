//! How many bytes of change records are kept, without reading them: the quota of a change log is counted here.

use stator_changelog::SequenceNumber;
use std::collections::BTreeMap;

/// Size of the records that a change log may hold for its consumers: then the table's writes are throttled.
pub const CHANGE_LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes between two marks, and by so much at most the figure is too large.
const MARK_EVERY_BYTES: u64 = 1024 * 1024;

/// The size of a change log, as marks along it: at such a record, so many bytes were written before it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LogSize {
    marks: BTreeMap<SequenceNumber, u64>,
}

impl LogSize {
    /// A record is written behind `written_bytes` of others. The mark to store, if there is to be one.
    pub(crate) fn write(&mut self, record: SequenceNumber, written_bytes: u64) -> Option<(SequenceNumber, u64)> {
        let due = self.marks.last_key_value().is_none_or(|(_, marked)| written_bytes - marked >= MARK_EVERY_BYTES);
        due.then(|| {
            self.marks.insert(record, written_bytes);
            (record, written_bytes)
        })
    }

    /// The records before `first_kept` are gone, and it comes after `last`, the last one, if none is kept. The marks that are
    /// needed no more.
    pub(crate) fn trim(&mut self, first_kept: SequenceNumber, last: SequenceNumber) -> Vec<SequenceNumber> {
        if first_kept > last {
            return std::mem::take(&mut self.marks).into_keys().collect();
        }
        let Some((&last_needed, _)) = self.marks.range(..=first_kept).next_back() else { return Vec::new() };
        let kept = self.marks.split_off(&last_needed);
        std::mem::replace(&mut self.marks, kept).into_keys().collect()
    }

    /// Bytes kept, where so many were ever written.
    pub(crate) fn kept_bytes(&self, written_bytes: u64) -> u64 {
        self.marks.first_key_value().map_or(0, |(_, before)| written_bytes - before)
    }

    /// Bytes of the records behind that one, at most a mark too many.
    pub(crate) fn bytes_behind(&self, record: SequenceNumber, written_bytes: u64) -> u64 {
        let before = self.marks.range(..=record.next()).next_back().or(self.marks.first_key_value());
        before.map_or(0, |(_, before)| written_bytes - before)
    }

    pub(crate) fn load(&mut self, record: SequenceNumber, written_bytes: u64) {
        self.marks.insert(record, written_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_known_to_a_mark() {
        let mut size = LogSize::default();
        let record_bytes = 400 * 1024;
        let mut written = 0;
        for record in 1..=100 {
            size.write(SequenceNumber(record), written);
            written += record_bytes;
        }
        assert_eq!(size.kept_bytes(written), written);
        for first_kept in [2, 3, 4, 50, 99] {
            size.trim(SequenceNumber(first_kept), SequenceNumber(100));
            let exact = (101 - first_kept) * record_bytes;
            let told = size.kept_bytes(written);
            assert!(told >= exact && told < exact + MARK_EVERY_BYTES + record_bytes, "{told} for {exact}");
        }
        for behind in [99, 100] {
            let exact = (100 - behind) * record_bytes;
            let told = size.bytes_behind(SequenceNumber(behind), written);
            assert!(told >= exact && told < exact + MARK_EVERY_BYTES + record_bytes, "{told} for {exact}");
        }
        size.trim(SequenceNumber(101), SequenceNumber(100));
        assert_eq!(size.kept_bytes(written), 0);
    }
}
