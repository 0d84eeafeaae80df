//! A history by the second, and what clients had of the cluster during each fault.

use crate::record::FaultRecord;
use stator_workloads::history::Event;

/// Availability is looked at in slices of this length: available is one in which an operation succeeded.
const SLICE_US: u64 = 100_000;
const SECOND_US: u64 = 1_000_000;
/// After healing, this belongs to the fault as well.
const AFTER_US: u64 = 5 * SECOND_US;

/// What one second held, by when operations ended; those without an end count where they began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Second {
    pub succeeded: u64,
    pub failed: u64,
    pub unknown: u64,
    /// Of those that succeeded.
    pub p50_us: u64,
    pub p99_us: u64,
}

pub fn seconds(events: &[Event]) -> Vec<Second> {
    let at = |event: &Event| event.ended_us.unwrap_or(event.started_us);
    let count = events.iter().map(|event| at(event) / SECOND_US + 1).max().unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(0);
    let mut seconds = vec![Second::default(); count];
    let mut latencies: Vec<Vec<u64>> = vec![Vec::new(); count];
    for event in events {
        let place = usize::try_from(at(event) / SECOND_US).unwrap_or(0);
        let (Some(second), Some(latencies)) = (seconds.get_mut(place), latencies.get_mut(place)) else { continue };
        if event.answer().is_some() {
            second.succeeded += 1;
            latencies.push(at(event).saturating_sub(event.started_us));
        } else if event.is_unknown() {
            second.unknown += 1;
        } else {
            second.failed += 1;
        }
    }
    for (second, mut latencies) in seconds.iter_mut().zip(latencies) {
        latencies.sort_unstable();
        (second.p50_us, second.p99_us) = (quantile(&latencies, 50), quantile(&latencies, 99));
    }
    seconds
}

/// Of sorted values; 0 if there are none.
fn quantile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or(0)
}

/// What clients had of the cluster in one span of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Availability {
    /// Share of the time, from 0 to 1.
    pub share: f64,
    pub longest_gap_us: u64,
    pub succeeded: u64,
    pub p50_us: u64,
    pub p99_us: u64,
}

/// From when a fault began to some seconds after it was healed, but not into the next one.
pub fn during(fault: &FaultRecord, next: Option<&FaultRecord>, end_us: u64, events: &[Event]) -> Availability {
    let until = (fault.healed_us + AFTER_US).min(next.map_or(end_us, |next| next.begun_us)).min(end_us);
    between(fault.begun_us, until.max(fault.healed_us), events)
}

pub fn between(from_us: u64, to_us: u64, events: &[Event]) -> Availability {
    let ends = events.iter().filter(|event| event.answer().is_some());
    let mut ends: Vec<(u64, u64)> = ends.filter_map(|event| Some((event.ended_us?, event.started_us))).collect();
    ends.retain(|(end, _)| (from_us..to_us).contains(end));
    ends.sort_unstable();
    let slices = (to_us.saturating_sub(from_us)).div_ceil(SLICE_US).max(1);
    let mut filled: Vec<u64> = ends.iter().map(|(end, _)| (end - from_us) / SLICE_US).collect();
    filled.dedup();
    let mut latencies: Vec<u64> = ends.iter().map(|(end, start)| end.saturating_sub(*start)).collect();
    latencies.sort_unstable();
    let moments = ends.iter().map(|(end, _)| *end).chain([to_us]);
    let mut before = from_us;
    let mut longest_gap_us = 0;
    for moment in moments {
        longest_gap_us = longest_gap_us.max(moment.saturating_sub(before));
        before = moment;
    }
    Availability {
        share: filled.len() as f64 / slices as f64,
        longest_gap_us,
        succeeded: ends.len() as u64,
        p50_us: quantile(&latencies, 50),
        p99_us: quantile(&latencies, 99),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_workloads::client::{Answer, Failure, Operation, Outcome};

    fn event(started_us: u64, ended_us: u64, outcome: Outcome) -> Event {
        let operation = Operation::DescribeTable { table: "t".to_owned() };
        Event { client: 0, group: 0, operation, started_us, ended_us: Some(ended_us), outcome: Some(outcome) }
    }

    fn succeeded(started_us: u64, ended_us: u64) -> Event {
        event(started_us, ended_us, Ok(Answer::NoSuchTable))
    }

    #[test]
    fn seconds_are_counted() {
        let events = [
            succeeded(0, 10),
            succeeded(0, 30),
            event(0, 1_500_000, Err(Failure::Unknown(String::new()))),
            event(0, 1_600_000, Err(Failure::Definite(String::new()))),
        ];
        let seconds = seconds(&events);
        assert_eq!(seconds[0], Second { succeeded: 2, p50_us: 10, p99_us: 30, ..Second::default() });
        assert_eq!(seconds[1], Second { failed: 1, unknown: 1, ..Second::default() });
    }

    #[test]
    fn gaps_and_shares_are_measured() {
        let events: Vec<Event> = [50_000, 150_000, 850_000].map(|end| succeeded(end - 1_000, end)).to_vec();
        let found = between(0, 1_000_000, &events);
        assert_eq!((found.longest_gap_us, found.succeeded, found.p99_us), (700_000, 3, 1_000));
        assert!((found.share - 0.3).abs() < 1e-9);
        assert_eq!(between(0, 1_000_000, &[]).longest_gap_us, 1_000_000);
    }
}
