//! What can go wrong, by what the caller can do about it.

use stator_environment::DiskError;
use stator_item::{NodeId, ReplicaId};

/// A member of a group and the node that it lives on.
pub type Member = (ReplicaId, NodeId);

/// Why a proposal was not (or not surely) taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProposeError {
    /// This replica does not lead now: the proposal will never take effect. Ask the leader, if one is known.
    #[error("this replica does not lead its group")]
    NotLeader { leader: Option<Member> },
    /// Leadership ended on the way: the proposal may still become committed, or never.
    #[error("leadership was lost before the outcome was known")]
    Lost,
    /// Too many proposals are in flight: nothing was proposed. Shed load, or wait.
    #[error("too many proposals are in flight")]
    Overloaded,
    /// The payload is above `entry_bytes_max`: nothing was proposed.
    #[error("a proposal of {bytes} bytes is above the limit of {bytes_max}")]
    TooLarge { bytes: usize, bytes_max: usize },
    /// The group is closed, or its core died: the proposal may still become committed through the other members.
    #[error("the replica has stopped")]
    Stopped,
}

/// Why something else than a proposal failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConsensusError {
    /// Only the leader can do this. Ask it, if one is known.
    #[error("this replica does not lead its group")]
    NotLeader { leader: Option<Member> },
    /// Not done within its deadline. It may still happen.
    #[error("{0} took too long")]
    TimedOut(&'static str),
    /// Another change of members is on its way; try again later.
    #[error("another change of members is on its way")]
    Busy,
    /// The call makes no sense for this group: an error of the caller.
    #[error("{0}")]
    Refused(String),
    /// The group is closed, or its core died.
    #[error("the replica has stopped")]
    Stopped,
    #[error(transparent)]
    Disk(#[from] DiskError),
}
