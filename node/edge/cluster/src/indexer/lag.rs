//! How far the indexes of a partition that is led here are behind it.

use stator_item::TableId;
use std::collections::BTreeMap;

/// How far one index, or the worst of several, is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Lag {
    /// Age of the oldest record that it does not have; 0: it has all.
    pub ms: u64,
    pub records: u64,
}

/// What waits for an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Waiting {
    /// When the oldest was written; `None`: nothing waits.
    oldest_ms: Option<u64>,
    records: u64,
}

/// Of each index that a carrier here is at work for.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    by_index: BTreeMap<TableId, Waiting>,
}

impl Lags {
    /// Records wait, the oldest since then; 0 records: it has everything.
    pub fn note(&mut self, index: TableId, records: u64, oldest_ms: Option<u64>) {
        let waiting = self.by_index.entry(index).or_default();
        let oldest_ms = oldest_ms.or(waiting.oldest_ms).filter(|_| records > 0);
        *waiting = Waiting { oldest_ms, records };
    }

    /// It is not known here any more: another one leads, or the index is gone.
    pub fn forget(&mut self, index: TableId) {
        self.by_index.remove(&index);
    }

    /// `None`: nothing is fed from here.
    pub fn worst(&self, now_ms: u64) -> Option<Lag> {
        let lag = |waiting: &Waiting| Lag {
            ms: waiting.oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms)),
            records: waiting.records,
        };
        self.by_index
            .values()
            .map(lag)
            .reduce(|worst, lag| Lag { ms: worst.ms.max(lag.ms), records: worst.records + lag.records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_grows_until_everything_is_there() {
        let mut lags = Lags::default();
        assert_eq!(lags.worst(9), None);
        lags.note(TableId(1), 0, None);
        assert_eq!(lags.worst(9), Some(Lag::default()));
        lags.note(TableId(1), 3, Some(100));
        lags.note(TableId(2), 1, Some(140));
        assert_eq!(lags.worst(150), Some(Lag { ms: 50, records: 4 }));
        lags.note(TableId(1), 2, None);
        assert_eq!(lags.worst(200), Some(Lag { ms: 100, records: 3 }), "it is still the oldest that is known");
        lags.note(TableId(1), 0, None);
        lags.forget(TableId(2));
        assert_eq!(lags.worst(200), Some(Lag::default()));
    }
}
