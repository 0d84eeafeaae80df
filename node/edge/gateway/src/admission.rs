//! Admission: how much is worked on at once. What goes beyond it is refused at once, before it costs anything.

use crate::metrics::Metrics;
use prometheus_client::metrics::gauge::Gauge;
use stator_api::ApiError;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// An amount of which at most so much may be taken at once.
pub(crate) struct Budget {
    taken: AtomicUsize,
    max: usize,
}

impl Budget {
    pub fn new(max: usize) -> Arc<Budget> {
        Arc::new(Budget { taken: AtomicUsize::new(0), max })
    }

    fn take(&self, amount: usize) -> bool {
        let before = self.taken.fetch_add(amount, Ordering::Relaxed);
        let fits = before.checked_add(amount).is_some_and(|taken| taken <= self.max);
        if !fits {
            self.taken.fetch_sub(amount, Ordering::Relaxed);
        }
        fits
    }
}

/// Part of a budget, given back when dropped.
pub(crate) struct Share {
    budget: Arc<Budget>,
    amount: usize,
}

impl Share {
    /// A share of nothing, to grow.
    pub fn new(budget: &Arc<Budget>) -> Share {
        Share { budget: budget.clone(), amount: 0 }
    }

    /// Takes more; `false`: so much is not left, and nothing was taken.
    pub fn grow(&mut self, amount: usize) -> bool {
        let fits = self.budget.take(amount);
        if fits {
            self.amount += amount;
        }
        fits
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

/// A share, shown by a gauge as long as it is held.
pub(crate) struct Counted {
    _share: Share,
    gauge: Gauge,
}

impl Counted {
    /// One of the budget; `None`: there is none left.
    pub fn one(budget: &Arc<Budget>, gauge: &Gauge) -> Option<Counted> {
        let mut share = Share::new(budget);
        share.grow(1).then(|| {
            gauge.inc();
            Counted { _share: share, gauge: gauge.clone() }
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

/// The refusal of what is too much, counted.
pub(crate) fn shed(metrics: &Metrics) -> ApiError {
    metrics.shed_requests.inc();
    ApiError::Throttled("The node has too many requests under way. Retry the request after a while.".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_their_budget_and_come_back() {
        let budget = Budget::new(10);
        let mut first = Share::new(&budget);
        let mut second = Share::new(&budget);
        assert!(first.grow(7));
        assert!(!second.grow(4));
        assert!(second.grow(3));
        assert!(!second.grow(usize::MAX));
        drop(first);
        assert!(second.grow(7));
        assert!(!second.grow(1));
    }
}
