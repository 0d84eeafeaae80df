//! Another node at one address: its links, and when to try again after one has ended.

use crate::{lane::Lane, link::Link, network::Local};
use parking_lot::Mutex;
use stator_item::NodeId;
use std::{sync::Arc, time::Duration};

/// A link that stood this long has proven the address: when it ends, the next is opened at once.
const STEADY: Duration = Duration::from_secs(1);
const RETRY_MIN: Duration = Duration::from_millis(25);
const RETRY_MAX: Duration = Duration::from_millis(500);

pub(crate) struct Peer {
    node: NodeId,
    pub address: String,
    lanes: [Mutex<Slot>; 3],
}

/// One lane's link. Without one, the next call opens it, but not before `retry_at`.
#[derive(Default)]
struct Slot {
    link: Option<Arc<Link>>,
    failures: u32,
    retry_at: Duration,
    reason: String,
}

impl Peer {
    pub fn new(node: NodeId, address: &str) -> Peer {
        Peer { node, address: address.to_owned(), lanes: Default::default() }
    }

    /// The lane's link, opened if need be; or why there is none for the moment.
    pub fn link(&self, local: &Arc<Local>, lane: Lane) -> Result<Arc<Link>, String> {
        let mut slot = self.lanes[lane.index()].lock();
        if let Some(link) = &slot.link {
            let Some(end) = link.ended() else { return Ok(link.clone()) };
            slot.failures = if end.stood.is_some_and(|stood| stood >= STEADY) { 0 } else { slot.failures + 1 };
            slot.retry_at = end.at + retry_after(slot.failures, local.environment.random.next_u64());
            slot.reason = end.reason;
            slot.link = None;
        }
        if local.environment.clock.elapsed() < slot.retry_at {
            return Err(slot.reason.clone());
        }
        let link = Arc::new(Link::start(local, self.node, &self.address, lane));
        slot.link = Some(link.clone());
        Ok(link)
    }

    /// Ends all links.
    pub fn stop(&self) {
        for lane in &self.lanes {
            if let Some(link) = &lane.lock().link {
                link.stop();
            }
        }
    }
}

/// Twice as long after each failure, up to a bound low enough for a restarted node to be found soon; a fourth of it is
/// left to chance, so that not all nodes call it at once.
fn retry_after(failures: u32, chance: u64) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let full = RETRY_MIN.saturating_mul(1 << doublings.min(10)).min(RETRY_MAX);
    full.mul_f64(0.75 + 0.25 * (chance as f64 / u64::MAX as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_slow_down_to_a_bound() {
        assert_eq!(retry_after(0, 7), Duration::ZERO);
        assert_eq!(retry_after(1, u64::MAX), RETRY_MIN);
        assert_eq!(retry_after(2, u64::MAX), RETRY_MIN * 2);
        assert_eq!(retry_after(u32::MAX, u64::MAX), RETRY_MAX);
        assert_eq!(retry_after(u32::MAX, 0), RETRY_MAX.mul_f64(0.75));
    }
}
