//! One replica of one group, as its owner sees it.

use crate::{
    ConsensusError, Failure, Leadership, Lease, LogPosition, Member, Members, ProposeError, Status, Wakefulness,
    contact, members,
    raft_types::{Answer, MembershipRecord, Payload, ProposalResult, Types, member, position},
    replica::{Core, Replica, applied_of, fatal_error, leadership},
    runtime, sleep,
};
use bytes::Bytes;
use futures::FutureExt;
use openraft::{
    RaftMetrics, ReadPolicy, ServerState,
    errors::{ClientWriteError, Fatal, LinearizableReadError, RaftError},
};
use stator_item::{PartitionId, ReplicaId};
use stator_mutants::Mutant;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::sync::{oneshot, watch};

/// A handle to a replica that runs. Cheap to clone; dropping it stops nothing: see [`close`](Group::close).
#[derive(Clone)]
pub struct Group(pub(crate) Arc<Replica>);

impl Group {
    pub fn partition(&self) -> PartitionId {
        self.0.partition
    }

    pub fn replica(&self) -> ReplicaId {
        self.0.id
    }

    /// Makes `voters` the first members of a group that has none, and waits until it has a leader. Safe to repeat, and for several of
    /// the members to call with the same voters; a group that has members already is left as it is.
    pub async fn initialize(&self, voters: &[Member], deadline: Duration) -> Result<(), ConsensusError> {
        self.within(deadline, "initializing a group", members::initialize(&self.0, voters)).await
    }

    /// Who leads, now and from now on.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.0.leadership.subscribe()
    }

    /// Proposes an entry. It has its place in the order when this returns, before the future is polled: entries of one caller
    /// come into the log in the order of the calls. The future ends when the entry is *applied* here, with its position, or says why
    /// not. A leader that is cut off keeps it open until it hears of the next leader: watch [`leadership`](Group::leadership) too.
    /// A sleeping group takes nothing ([`ProposeError::NotLeader`]): wake it by [`read_index`](Group::read_index).
    pub fn propose(&self, payload: Bytes) -> impl Future<Output = Result<LogPosition, ProposeError>> + Send + 'static {
        let started = self.start_proposal(payload);
        let replica = self.0.clone();
        let begun_at = replica.node.now();
        async move {
            let outcome = match started {
                Ok(receiver) => finish_proposal(&replica, receiver.await),
                Err(error) => Err(error),
            };
            let metrics = &replica.node.metrics;
            match &outcome {
                Ok(_) => metrics.commit_seconds.observe((replica.node.now().saturating_sub(begun_at)).as_secs_f64()),
                Err(_) => _ = metrics.proposals_refused.inc(),
            }
            outcome
        }
    }

    fn start_proposal(&self, payload: Bytes) -> Result<oneshot::Receiver<ProposalResult>, ProposeError> {
        let replica = &self.0;
        let bytes_max = replica.node.settings.entry_bytes_max;
        if payload.len() > bytes_max {
            return Err(ProposeError::TooLarge { bytes: payload.len(), bytes_max });
        }
        let running = members::running(replica).map_err(|error| match error {
            ConsensusError::NotLeader { leader } => ProposeError::NotLeader { leader },
            _ => ProposeError::Stopped,
        })?;
        let Ok(room) = replica.room.clone().try_acquire_owned() else {
            return Err(ProposeError::Overloaded);
        };
        replica.sleep.used(replica.node.now());
        // After the room was taken: a group that falls asleep looks at the room after it says that it sleeps.
        if replica.sleep.is_asleep() {
            if !running.look(|metrics| members::leads_alone(replica.id, metrics)) {
                return Err(ProposeError::NotLeader { leader: None });
            }
            sleep::wake(replica, &running);
        }
        let (answer, receiver) = Answer::new(room);
        let send = running.raft.client_write_ff(Payload(payload), Some(answer));
        // The core's queue is longer than the room for proposals, so it takes the message at once, or it is flooded. Unconstrained:
        // tokio's budget for the caller's task must not look like a full queue.
        let sent =
            runtime::scope_sync(replica.node.environment.clone(), || tokio::task::unconstrained(send).now_or_never());
        match sent {
            Some(Ok(())) => _ = replica.node.metrics.proposals.inc(),
            Some(Err(_)) => return Err(ProposeError::Stopped),
            None => return Err(ProposeError::Overloaded),
        }
        Ok(receiver)
    }

    /// The lease, if this replica leads and is sure of it: a strong read that takes the time, checks the lease and then reads its rows
    /// needs no message. Only after an entry of the own term was applied. Asks nobody: cheap enough for each read.
    pub fn lease(&self) -> Option<Lease> {
        let replica = &self.0;
        let now = replica.node.now();
        let settings = &replica.node.settings;
        let is_long = stator_mutants::is(Mutant::LeaseWithoutMargin);
        let full = if is_long { settings.no_vote() } else { settings.lease() };
        let asleep = replica.sleep.is_asleep();
        let is_kept = stator_mutants::is(Mutant::LeaseForEver) || asleep && stator_mutants::is(Mutant::LeaseAsleep);
        replica.look(|metrics| {
            let term = metrics.current_term;
            if metrics.state != ServerState::Leader
                || applied_of(metrics).is_none_or(|applied| applied.term != term)
                    && !stator_mutants::is(Mutant::ReadBeforeOwnTerm)
                || replica.hands_over(term) && !stator_mutants::is(Mutant::LeaseInTransfer)
            {
                return None;
            }
            if members::leads_alone(replica.id, metrics) || is_kept {
                return Some(Lease { term, left: full });
            }
            // openraft gives the time at which it sent what a quorum has acknowledged.
            let sent = metrics.last_quorum_acked?.into_inner().0;
            let left = (sent + full).checked_sub(now).filter(|left| !left.is_zero() && !asleep)?;
            Some(Lease { term, left })
        })?
    }

    /// Makes sure by a round of messages that this replica led when it was called, and waits until all that was committed by then is
    /// applied here. Wakes a sleeping group, on its leader.
    pub async fn read_index(&self, deadline: Duration) -> Result<LogPosition, ConsensusError> {
        self.within(deadline, "asking a quorum", async {
            let running = members::running(&self.0).inspect_err(|_| self.seek())?;
            match running.look(|metrics| leadership(self.0.id, metrics).leads) {
                true => sleep::wake(&self.0, &running),
                false => self.seek(),
            }
            match running.raft.ensure_linearizable(ReadPolicy::ReadIndex).await {
                Ok(read) => Ok(position(read.log_id())),
                Err(RaftError::Fatal(fatal)) => Err(fatal_error(&fatal)),
                Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(to))) => {
                    Err(ConsensusError::NotLeader { leader: member(to.leader_id, to.leader_node) })
                }
                Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => {
                    Err(ConsensusError::TimedOut("asking a quorum"))
                }
            }
        })
        .await
    }

    /// Brings the group to these members: first adds who is missing as learners and waits until the voters among them have caught up,
    /// then changes all voters at once. Members that are named nowhere leave. Only on the leader; one that leaves hands over
    /// and says that it is none. Safe to repeat.
    pub async fn change_members(
        &self,
        voters: &[Member],
        learners: &[Member],
        deadline: Duration,
    ) -> Result<(), ConsensusError> {
        self.within(deadline, "changing members", async { members::change(&self.0, voters, learners).await }).await
    }

    /// Hands leadership over to another voter that is nearly up to date. The lease is given up first and for the rest of the term, as a
    /// late vote for the other one may still come. After an error other than `Refused` the group may have to elect somebody.
    pub async fn transfer(&self, to: ReplicaId, deadline: Duration) -> Result<(), ConsensusError> {
        self.within(deadline, "handing leadership over", members::transfer(&self.0, to)).await
    }

    /// The members as of the last entry that this replica has, committed or not. None while it is not running.
    pub fn members(&self) -> Members {
        self.0.look(|metrics| MembershipRecord::of(&metrics.membership_config).members()).unwrap_or_default()
    }

    /// The group does not fall asleep for as long as if something had been proposed now. One that sleeps is not woken.
    pub fn keep_awake(&self) {
        self.0.sleep.used(self.0.node.now());
    }

    pub fn wakefulness(&self) -> Wakefulness {
        match self.0.sleep.is_asleep() {
            false => Wakefulness::Awake,
            true if self.0.is_dormant() => Wakefulness::Dormant,
            true => Wakefulness::Asleep,
        }
    }

    /// Whether this replica knows its leader. It does not after its start, nor after the death of its leader's node, until it has found
    /// out in its turn what became of its group. Meanwhile what it has may be old.
    pub fn in_contact(&self) -> bool {
        !self.0.contact.is_lost()
    }

    /// Somebody wants this group: a replica that is not in contact finds out at once.
    pub fn seek(&self) {
        contact::seek(&self.0);
    }

    /// Reads what is durable from disk; all else is in memory.
    pub fn status(&self) -> Result<Status, ConsensusError> {
        let durable = self.0.state.durable()?;
        let wakefulness = self.wakefulness();
        let status = self.0.look(|metrics| Status {
            leadership: leadership(self.0.id, metrics),
            wakefulness,
            last: metrics.last_log_index,
            committed: metrics.local_committed.as_ref().map(position),
            applied: applied_of(metrics),
            durable,
            purged: metrics.purged.as_ref().map(position),
            followers: followers(self.0.id, metrics),
        });
        status.ok_or(ConsensusError::Stopped)
    }

    /// Why the replica's core died, if it did: the node must stop.
    pub fn failed(&self) -> Option<Failure> {
        self.0.failed()
    }

    /// Stops the replica, and waits until it touches neither its log nor its state any more. Its log stays: see `Groups::remove`.
    pub async fn close(&self) {
        let replica = &self.0;
        // No snapshot is being installed from here on.
        let mut incoming = replica.incoming.lock().await;
        *incoming = None;
        replica.stop(Core::Closed).await;
        sleep::forget(replica);
        let mut replicas = replica.node.replicas.lock();
        // Its id may have been opened again by an impatient owner.
        if replicas.get(&replica.id).is_some_and(|open| Arc::ptr_eq(open, replica)) {
            replicas.remove(&replica.id);
            replica.node.metrics.groups.dec();
        }
    }

    async fn within<T>(
        &self,
        deadline: Duration,
        what: &'static str,
        work: impl Future<Output = Result<T, ConsensusError>>,
    ) -> Result<T, ConsensusError> {
        let environment = &self.0.node.environment;
        let work = runtime::scope(environment.clone(), work);
        environment.timeout(deadline, work).await.unwrap_or(Err(ConsensusError::TimedOut(what)))
    }
}

fn followers(
    id: ReplicaId,
    metrics: &RaftMetrics<Types>,
) -> std::collections::BTreeMap<ReplicaId, Option<LogPosition>> {
    let others = metrics.replication.iter().flatten().filter(|(follower, _)| **follower != id.0);
    others.map(|(follower, matched)| (ReplicaId(*follower), matched.as_ref().map(position))).collect()
}

fn finish_proposal(
    replica: &Replica,
    result: Result<ProposalResult, oneshot::error::RecvError>,
) -> Result<LogPosition, ProposeError> {
    match result {
        Ok(Ok(written)) => Ok(position(&written.log_id)),
        Ok(Err(ClientWriteError::ForwardToLeader(to))) => {
            Err(ProposeError::NotLeader { leader: member(to.leader_id, to.leader_node) })
        }
        Ok(Err(_)) => Err(ProposeError::Lost),
        // The core let go of it. Whether it ended or goes on: nobody knows what became of the entry.
        Err(_) if replica.running().is_some_and(|running| running.look(is_alive)) => Err(ProposeError::Lost),
        Err(_) => Err(ProposeError::Stopped),
    }
}

fn is_alive(metrics: &RaftMetrics<Types>) -> bool {
    !matches!(&metrics.running_state, Err(Fatal::Stopped | Fatal::Panicked | Fatal::StorageError(_)))
}
