//! Reads: strong ones on the leader, under its lease or after asking a quorum; eventual ones on any replica that keeps up.

use crate::{request::Request, rows::ViewedRows, shared::Shared};
use stator_consensus::{ConsensusError, Group, Leadership};
use stator_partition::{Refusal, Reply, read::read};
use std::time::Duration;

/// Answers from applied rows, as they stand at one moment of this call.
fn read_now(shared: &Shared, request: &Request) -> Result<Reply, Refusal> {
    // State and view are taken together, under the lock that apply holds while it writes; the rows are then read without it.
    let (state, view) = {
        let state = shared.state.read();
        if request.epoch < state.epoch() {
            return Err(Refusal::StaleEpoch { current: state.epoch() });
        }
        (state.for_reads(), shared.rows.view())
    };
    if let Some(reason) = shared.unusable() {
        return Err(Refusal::Unavailable(reason.to_owned()));
    }
    if request.deadline <= shared.environment.clock.elapsed() {
        return Err(Refusal::DeadlinePassed);
    }
    let rows = match view {
        Ok(view) => ViewedRows(view),
        Err(error) => {
            shared.fail(&error);
            return Err(Refusal::Unavailable("its rows cannot be read".to_owned()));
        }
    };
    read(&request.command, &state, &rows).unwrap_or_else(|error| {
        shared.fail(&error);
        Err(Refusal::Unavailable("its rows cannot be read".to_owned()))
    })
}

/// Sees all that was acknowledged before the call. The lease is looked at after the request arrived and before rows are read: had
/// another leader acknowledged anything by then, this lease would be over.
pub(crate) async fn strong(
    shared: &Shared,
    group: &Group,
    request: &Request,
    leadership: Leadership,
) -> Result<Reply, Refusal> {
    if !leadership.leads {
        return Err(Refusal::NotLeader { leader: leadership.leader.map(|(_, node)| node) });
    }
    let lease = group.lease().filter(|_| shared.settings.lease_reads);
    // Entries of earlier terms may be acknowledged and not yet applied here until one of our own term is.
    if lease.is_some_and(|lease| lease.term == shared.progress.borrow().term) {
        shared.metrics.reads_under_lease.inc();
        return read_now(shared, request);
    }
    shared.metrics.reads_by_quorum.inc();
    let left = time_left(shared, request)?;
    match group.read_index(left).await {
        Ok(_) => read_now(shared, request),
        Err(ConsensusError::NotLeader { leader }) => Err(Refusal::NotLeader { leader: leader.map(|(_, node)| node) }),
        Err(ConsensusError::TimedOut(_)) => Err(Refusal::DeadlinePassed),
        Err(error) => Err(Refusal::Unavailable(error.to_string())),
    }
}

/// Sees some earlier state: that of a replica which has caught up once and hears its leader.
pub(crate) fn eventual(shared: &Shared, request: &Request, leadership: Leadership) -> Result<Reply, Refusal> {
    if leadership.leader.is_none() {
        return Err(Refusal::Unavailable("it does not hear its leader".to_owned()));
    }
    read_now(shared, request)
}

fn time_left(shared: &Shared, request: &Request) -> Result<Duration, Refusal> {
    let left = request.deadline.saturating_sub(shared.environment.clock.elapsed());
    if left.is_zero() { Err(Refusal::DeadlinePassed) } else { Ok(left) }
}
