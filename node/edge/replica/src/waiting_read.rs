//! Reads of a stream that wait for a first record, so that it need not be asked for again and again.
//!
//! Guarantees: at most [`WAITING_MAX`] wait at one replica, none beyond its deadline; what is answered was read after the news of
//! it, strongly, as without the wait.

use crate::{read, request::Request, shared::Shared};
use stator_consensus::{Group, Leadership};
use stator_partition::{Refusal, Reply};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Further ones are answered at once.
const WAITING_MAX: usize = 1_024;

/// A place among those who wait.
struct Place<'a>(&'a Shared);

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Option<Place<'a>> {
        let place = Place(shared);
        let before = shared.waiting_reads.fetch_add(1, Ordering::Relaxed);
        (before < WAITING_MAX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting_reads.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads again with every change until there is a record, the shard ends, or the wait is over.
pub(crate) async fn read(
    shared: &Arc<Shared>,
    group: &Group,
    request: &Request,
    wait: Duration,
    leadership: impl Fn() -> Leadership,
) -> Result<Reply, Refusal> {
    let place = Place::take(shared);
    let environment = &shared.environment;
    let until = (environment.clock.elapsed() + wait).min(request.deadline);
    let mut changes = shared.feeding.subscribe();
    loop {
        // Before the rows are read: what is applied between the two is news.
        changes.borrow_and_update();
        let reply = read::strong(shared, group, request, leadership()).await?;
        let is_empty = matches!(&reply, Reply::ShardRecords(read) if read.records.is_empty() && read.next.is_some());
        let left = until.saturating_sub(environment.clock.elapsed());
        if !is_empty || place.is_none() || left.is_zero() {
            return Ok(reply);
        }
        if !matches!(environment.timeout(left, changes.changed()).await, Some(Ok(()))) {
            return Ok(reply);
        }
    }
}
