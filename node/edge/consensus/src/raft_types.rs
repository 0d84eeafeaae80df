//! openraft's types as this crate uses them, and how they become ours.

use crate::{LogPosition, Member, Members, runtime::StatorRuntime};
use bytes::Bytes;
use openraft::{
    EntryPayload, LogId, OptionalSend, RaftTypeConfig,
    impls::{BoxedErrorSource, InlineBatch},
    raft::{ClientWriteResult, responder::Responder},
    type_config::alias::{EntryOf, LogIdOf, StoredMembershipOf, VoteOf},
    vote::leader_id_std,
};
use serde::{Deserialize, Serialize};
use stator_item::{NodeId, ReplicaId};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

#[derive(Debug, Clone, Copy, Default, Eq, PartialEq, Ord, PartialOrd)]
pub(crate) struct Types;

impl RaftTypeConfig for Types {
    type D = Payload;
    type R = ();
    type NodeId = u64;
    type Node = u64;
    type Term = u64;
    // One leader a term: an entry's place in the log names who may have written it.
    type LeaderId = leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Payload, u64, u64>;
    type Entry = openraft::Entry<leader_id_std::CommittedLeaderId<u64>, Self::Payload>;
    type AsyncRuntime = StatorRuntime;
    type Responder<T>
        = Answer<T>
    where
        T: OptionalSend + 'static;
    type Batch<T>
        = InlineBatch<T>
    where
        T: OptionalSend + 'static;
    type ErrorSource = BoxedErrorSource;
}

pub(crate) type Raft = openraft::Raft<Types, crate::state::State>;
pub(crate) type Entry = EntryOf<Types>;
pub(crate) type RaftVote = VoteOf<Types>;
pub(crate) type RaftLogId = LogIdOf<Types>;
pub(crate) type RaftMembership = openraft::Membership<u64, u64>;
pub(crate) type StoredRaftMembership = StoredMembershipOf<Types>;

/// What was proposed. openraft wants to print it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Payload(pub(crate) Bytes);

impl fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.0.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// Takes the result of a proposal to who waits for it, if anybody still does, and makes room for the next proposal.
pub(crate) struct Answer<T> {
    sender: oneshot::Sender<T>,
    _room: Option<Arc<OwnedSemaphorePermit>>,
}

impl<T> Answer<T> {
    pub(crate) fn new(room: OwnedSemaphorePermit) -> (Answer<T>, oneshot::Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        (Answer { sender, _room: Some(Arc::new(room)) }, receiver)
    }
}

impl<T: Send + 'static> Responder<Types, T> for Answer<T> {
    fn on_complete(self, result: T) {
        let _ = self.sender.send(result);
    }
}

pub(crate) type ProposalResult = ClientWriteResult<Types>;

pub(crate) fn position(id: &RaftLogId) -> LogPosition {
    LogPosition { term: id.leader_id.term, index: id.index }
}

pub(crate) fn log_id(position: LogPosition) -> RaftLogId {
    LogId { leader_id: position.term.into(), index: position.index }
}

/// Who is a member, as plain data: what is kept in the state, the log and snapshots.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct MembershipRecord {
    pub(crate) position: Option<LogPosition>,
    /// One set of voters, or two while they change.
    pub(crate) voters: Vec<BTreeSet<u64>>,
    /// Node of each member, voters and learners.
    pub(crate) nodes: BTreeMap<u64, u64>,
}

impl MembershipRecord {
    pub(crate) fn new(position: Option<LogPosition>, membership: &RaftMembership) -> MembershipRecord {
        MembershipRecord {
            position,
            voters: membership.get_joint_config().clone(),
            nodes: membership.nodes().map(|(replica, node)| (*replica, *node)).collect(),
        }
    }

    pub(crate) fn of(stored: &StoredRaftMembership) -> MembershipRecord {
        MembershipRecord::new(stored.log_id().as_ref().map(position), stored.membership())
    }

    /// `None` if it is no valid membership: a voter without a node, or an empty set of voters.
    pub(crate) fn membership(&self) -> Option<RaftMembership> {
        if self.voters.is_empty() && self.nodes.is_empty() {
            return Some(RaftMembership::default());
        }
        RaftMembership::new(self.voters.clone(), self.nodes.clone()).ok()
    }

    pub(crate) fn stored(&self) -> Option<StoredRaftMembership> {
        Some(StoredRaftMembership::new(self.position.map(log_id), self.membership()?))
    }

    pub(crate) fn members(&self) -> Members {
        let is_voter = |replica: &u64| self.voters.iter().any(|set| set.contains(replica));
        let member = |(replica, node): (&u64, &u64)| (ReplicaId(*replica), NodeId(*node));
        Members {
            voters: self.nodes.iter().filter(|(replica, _)| is_voter(replica)).map(member).collect(),
            learners: self.nodes.iter().filter(|(replica, _)| !is_voter(replica)).map(member).collect(),
            position: self.position,
            changing: self.voters.len() > 1,
        }
    }

    /// Whether this replica needs nobody else to lead.
    pub(crate) fn is_sole_voter(&self, replica: ReplicaId) -> bool {
        matches!(self.voters.as_slice(), [set] if set.len() == 1 && set.contains(&replica.0))
    }
}

pub(crate) fn member(leader: Option<u64>, node: Option<u64>) -> Option<Member> {
    Some((ReplicaId(leader?), NodeId(node?)))
}

pub(crate) fn entry_payload(entry: &Entry) -> Option<Bytes> {
    match &entry.payload {
        EntryPayload::Normal(Payload(bytes)) => Some(bytes.clone()),
        EntryPayload::Blank | EntryPayload::Membership(_) => None,
    }
}
