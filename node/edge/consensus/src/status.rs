//! What can be seen of a group from outside.

use crate::{LogPosition, Member};
use stator_item::{NodeId, ReplicaId};
use std::{collections::BTreeMap, time::Duration};

/// Who leads, as this replica knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Leadership {
    /// The term of the vote that this replica holds.
    pub term: u64,
    /// The leader of `term`, if there is one that this replica has heard of.
    pub leader: Option<Member>,
    /// Whether this replica is that leader. It may not know yet that it was deposed: see [`Lease`].
    pub leads: bool,
}

/// The leader's right to answer strong reads by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    pub term: u64,
    /// How long it is still good for, from now. Above zero.
    pub left: Duration,
}

/// A group's members. During a change of voters: the old and the new ones together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Members {
    pub voters: BTreeMap<ReplicaId, NodeId>,
    pub learners: BTreeMap<ReplicaId, NodeId>,
    /// The entry that made them members, if it is not the state itself.
    pub position: Option<LogPosition>,
    /// Whether the change to these members is still going on.
    pub changing: bool,
}

/// Whether a group exchanges heartbeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wakefulness {
    Awake,
    Asleep,
    /// Asleep for so long that the replica runs no core. It starts one when somebody asks it.
    Dormant,
}

/// Where a replica stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    pub leadership: Leadership,
    pub wakefulness: Wakefulness,
    /// Index of the last entry of the log, durable or not.
    pub last: Option<u64>,
    pub committed: Option<LogPosition>,
    pub applied: Option<LogPosition>,
    /// The position that a crash right now would come back to.
    pub durable: Option<LogPosition>,
    /// The log begins after this.
    pub purged: Option<LogPosition>,
    /// Where this replica leads: how far each other member's log is known to agree with its own.
    pub followers: BTreeMap<ReplicaId, Option<LogPosition>>,
}

/// A replica whose core died. Its node must stop: nothing else can be trusted to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub replica: ReplicaId,
    pub reason: String,
}
