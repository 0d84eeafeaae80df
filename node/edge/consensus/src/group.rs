//! One replica of one group, as its owner sees it.

use crate::{ConsensusError, Failure, Leadership, Lease, LogPosition, Member, Members, ProposeError, Status};
use bytes::Bytes;
use stator_item::{PartitionId, ReplicaId};
use std::{future::Future, time::Duration};
use tokio::sync::watch;

/// A handle to a replica that runs. Cheap to clone; dropping it stops nothing: see [`close`](Group::close).
#[derive(Clone)]
pub struct Group {
    pub(crate) partition: PartitionId,
    pub(crate) replica: ReplicaId,
}

impl Group {
    pub fn partition(&self) -> PartitionId {
        self.partition
    }

    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Makes `voters` the first members of a group that has none, and waits until it has a leader. Safe to repeat, and for several of
    /// the members to call with the same voters; a group that has members already is left as it is.
    pub async fn initialize(&self, voters: &[Member], deadline: Duration) -> Result<(), ConsensusError> {
        let _ = (voters, deadline);
        Err(ConsensusError::Stopped)
    }

    /// Who leads, now and from now on.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        watch::channel(Leadership::default()).1
    }

    /// Proposes an entry. It has its place in the order when this returns, before the future is polled: entries of one caller
    /// come into the log in the order of the calls. The future ends when the entry is *applied* here, with its position, or says why not.
    pub fn propose(&self, payload: Bytes) -> impl Future<Output = Result<LogPosition, ProposeError>> + Send + 'static {
        let _ = payload;
        std::future::ready(Err(ProposeError::Stopped))
    }

    /// The lease, if this replica leads and is sure of it. Asks nobody: cheap enough for each read.
    pub fn lease(&self) -> Option<Lease> {
        None
    }

    /// Makes sure by a round of messages that this replica led when it was called, and waits until all that was committed by then is
    /// applied here. Wakes a sleeping group.
    pub async fn read_index(&self, deadline: Duration) -> Result<LogPosition, ConsensusError> {
        let _ = deadline;
        Err(ConsensusError::Stopped)
    }

    /// Brings the group to these members: first adds who is missing as learners and waits until they have caught up, then changes all
    /// voters at once. Members that are named nowhere leave. Only on the leader; safe to repeat.
    pub async fn change_members(
        &self,
        voters: &[Member],
        learners: &[Member],
        deadline: Duration,
    ) -> Result<(), ConsensusError> {
        let _ = (voters, learners, deadline);
        Err(ConsensusError::Stopped)
    }

    /// Hands leadership over to another voter. The lease is given up first. An error says that this replica may still lead.
    pub async fn transfer(&self, to: ReplicaId, deadline: Duration) -> Result<(), ConsensusError> {
        let _ = (to, deadline);
        Err(ConsensusError::Stopped)
    }

    /// The members as of the last entry that this replica has, committed or not.
    pub fn members(&self) -> Members {
        Members::default()
    }

    pub fn status(&self) -> Result<Status, ConsensusError> {
        Err(ConsensusError::Stopped)
    }

    /// Why the replica's core died, if it did: the node must stop.
    pub fn failed(&self) -> Option<Failure> {
        None
    }

    /// Stops the replica, and waits until it touches neither its log nor its state any more. Its log stays: see `Groups::remove`.
    pub async fn close(&self) {}
}
