//! Reads: strong ones on the leader, under its lease or after asking a quorum; eventual ones on any replica that keeps up.

use crate::{
    request::{Consistency, Request},
    rows::{LiveRows, ViewedRows, is_beyond_reach},
    shared::Shared,
};
use stator_consensus::{ConsensusError, Group, Leadership};
use stator_environment::Reach;
use stator_mutants::Mutant;
use stator_partition::{
    Command, PartitionState, Refusal, Reply,
    read::{read, read_item},
    rows::ReadError,
    state::ReadState,
};
use std::{sync::Arc, time::Duration};

/// Answers from applied rows, as they stand at one moment of this call; off the tasks' threads where they are not in memory.
async fn read_now(shared: &Arc<Shared>, request: &Request) -> Result<Reply, Refusal> {
    let mut reply = read_within(shared, request, Reach::Memory);
    if reply.as_ref().is_err_and(is_beyond_reach) {
        shared.metrics.reads_from_disk.inc();
        let reader = (shared.clone(), request.clone());
        let read = shared.environment.blocking(move || read_within(&reader.0, &reader.1, Reach::Disk)).await;
        reply = read.unwrap_or_else(|| Ok(unavailable("its rows were not read to the end")));
    }
    reply.unwrap_or_else(|error| {
        shared.fail(&error);
        unavailable("its rows cannot be read")
    })
}

fn read_within(shared: &Shared, request: &Request, reach: Reach) -> Read {
    match &request.command {
        Command::Get(_) => {
            read_live(shared, request, reach).transpose().unwrap_or_else(|| read_viewed(shared, request, reach))
        }
        _ => read_viewed(shared, request, reach),
    }
}

/// An answer, unless rows cannot be read.
type Read = Result<Result<Reply, Refusal>, ReadError>;

/// One item needs no view of the rows, which costs more than its reading. `None`: the partition changed meanwhile.
fn read_live(shared: &Shared, request: &Request, reach: Reach) -> Result<Option<Result<Reply, Refusal>>, ReadError> {
    let state = match state_for(shared, request, &shared.state.read()) {
        Ok(state) => state,
        Err(refusal) => return Ok(Some(Err(refusal))),
    };
    let reply = read_item(&request.command, &state, &LiveRows { rows: &*shared.rows, reach })?;
    if let Some(reason) = shared.unusable() {
        return Ok(Some(unavailable(reason)));
    }
    // Apply holds the lock while it writes: who has seen rows of an entry waits here for its state.
    Ok(state.is_current(&shared.state.read()).then_some(reply))
}

/// State and view are taken together, under the lock that apply holds while it writes; the rows are then read without it.
fn read_viewed(shared: &Shared, request: &Request, reach: Reach) -> Read {
    let (state, view) = {
        let state = shared.state.read();
        match state_for(shared, request, &state) {
            Ok(state) => (state, shared.rows.view_within(reach)),
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
    let rows = ViewedRows(view.map_err(|error| ReadError::Rows(Box::new(error)))?);
    // After the view: a snapshot that is being installed may have begun before it.
    match shared.unusable() {
        Some(reason) => Ok(unavailable(reason)),
        None => read(&request.command, &state, &rows),
    }
}

fn unavailable(reason: &str) -> Result<Reply, Refusal> {
    Err(Refusal::Unavailable(reason.to_owned()))
}

fn state_for(shared: &Shared, request: &Request, state: &PartitionState) -> Result<ReadState, Refusal> {
    if request.epoch < state.epoch() {
        return Err(Refusal::StaleEpoch { current: state.epoch() });
    }
    if request.deadline <= shared.environment.clock.elapsed() {
        return Err(Refusal::DeadlinePassed);
    }
    Ok(match request.consistency {
        Consistency::Strong => state.for_strong_read(&request.command),
        // Rows as applied.
        Consistency::Eventual => state.for_reads(),
    })
}

/// Sees all that was acknowledged before the call. The lease is looked at after the request arrived and before rows are read: had
/// another leader acknowledged anything by then, this lease would be over.
pub(crate) async fn strong(
    shared: &Arc<Shared>,
    group: &Group,
    request: &Request,
    leadership: Leadership,
) -> Result<Reply, Refusal> {
    if stator_mutants::is(Mutant::ReadOnFollower) {
        return read_now(shared, request).await;
    }
    if !leadership.leads {
        return Err(Refusal::NotLeader { leader: leadership.leader.map(|(_, node)| node) });
    }
    let lease = group.lease().filter(|_| shared.settings.lease_reads);
    // Entries of earlier terms may be acknowledged and not yet applied here until one of our own term is.
    let is_early = stator_mutants::is(Mutant::ReadBeforeOwnTerm);
    if lease.is_some_and(|lease| is_early || lease.term == shared.progress.borrow().term) {
        shared.metrics.reads_under_lease.inc();
        return read_now(shared, request).await;
    }
    shared.metrics.reads_by_quorum.inc();
    let left = time_left(shared, request)?;
    match group.read_index(left).await {
        Ok(_) => read_now(shared, request).await,
        Err(ConsensusError::NotLeader { leader }) => Err(Refusal::NotLeader { leader: leader.map(|(_, node)| node) }),
        Err(ConsensusError::TimedOut(_)) => Err(Refusal::DeadlinePassed),
        Err(error) => Err(Refusal::Unavailable(error.to_string())),
    }
}

/// Sees some earlier state: that of a replica which has caught up once and hears its leader, or sleeps with it.
pub(crate) async fn eventual(
    shared: &Arc<Shared>,
    group: &Group,
    request: &Request,
    leadership: Leadership,
) -> Result<Reply, Refusal> {
    if leadership.leader.is_none() || !group.in_contact() {
        return Err(Refusal::Unavailable("it does not hear its leader".to_owned()));
    }
    read_now(shared, request).await
}

fn time_left(shared: &Shared, request: &Request) -> Result<Duration, Refusal> {
    let left = request.deadline.saturating_sub(shared.environment.clock.elapsed());
    if left.is_zero() { Err(Refusal::DeadlinePassed) } else { Ok(left) }
}
