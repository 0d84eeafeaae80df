//! Changes of the catalog, from any node: proposed here if this node leads it, else by who does.

use super::{
    copy::Copy,
    machine::CatalogMachine,
    messages::{Answer, Message, decode, encode},
};
use crate::{door::Deadline, error::ChangeError};
use parking_lot::RwLock;
use stator_catalog::{Change, ChangeId, Outcome, Stamp, encode_change};
use stator_consensus::{ConsensusError, Group, ProposeError, Wakefulness};
use stator_environment::{Environment, Network, Service};
use stator_item::{NodeId, PartitionId};
use std::{sync::Arc, time::Duration};

/// One attempt with one node.
const ATTEMPT_MAX: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_millis(20);

/// The catalog's group on this node, if it has a replica of it.
#[derive(Clone)]
pub(crate) struct Seat {
    pub group: Group,
    pub machine: Arc<CatalogMachine>,
    /// The first revision of the catalog known to give this node the seat.
    pub since: u64,
}

pub(crate) struct CatalogClient {
    pub node: NodeId,
    pub environment: Environment,
    pub network: Arc<dyn Network>,
    pub copy: Arc<Copy>,
    pub seat: RwLock<Option<Seat>>,
    /// Nodes to ask before any catalog is known.
    pub contacts: Vec<NodeId>,
}

impl CatalogClient {
    pub fn seat(&self) -> Option<Seat> {
        self.seat.read().clone()
    }

    /// Whether this node leads the catalog, as far as it knows.
    pub fn leads(&self) -> bool {
        self.seat().is_some_and(|seat| seat.group.leadership().borrow().leads)
    }

    /// Makes a change and waits until this node's copy shows it. All attempts bear one id, so they go on to the deadline.
    pub async fn change(&self, change: Change, deadline: Deadline) -> Result<Outcome, ChangeError> {
        let change = change.once(ChangeId(self.environment.random.next_u128()));
        let message = Message::Change(Box::new(change));
        loop {
            if let Some(Answer::Changed { outcome, revision }) = self.ask_leader(&message, deadline).await? {
                let left = self.left(deadline)?;
                if !self.copy.reaches(revision, left).await {
                    return Err(ChangeError::DeadlinePassed);
                }
                return Ok(outcome?);
            }
            self.environment.sleep(RETRY_AFTER).await;
        }
    }

    /// Brings this node's copy up to what the catalog's leader has now.
    pub async fn refresh(&self, deadline: Deadline) -> Result<(), ChangeError> {
        loop {
            if let Some(Answer::Revision(revision)) = self.ask_leader(&Message::Revision, deadline).await? {
                let left = self.left(deadline)?;
                return if self.copy.reaches(revision, left).await { Ok(()) } else { Err(ChangeError::DeadlinePassed) };
            }
            self.environment.sleep(RETRY_AFTER).await;
        }
    }

    fn left(&self, deadline: Deadline) -> Result<Duration, ChangeError> {
        let left = deadline.0.saturating_sub(self.environment.clock.elapsed());
        if left.is_zero() { Err(ChangeError::DeadlinePassed) } else { Ok(left) }
    }

    /// Asks whoever may lead the catalog, one after the other; `None`: none did.
    async fn ask_leader(&self, message: &Message, deadline: Deadline) -> Result<Option<Answer>, ChangeError> {
        let mut asked = Vec::new();
        let mut next = self.likely_leader();
        loop {
            let candidates = self.candidates();
            let Some(node) = next.take().or_else(|| candidates.into_iter().find(|node| !asked.contains(node))) else {
                return Ok(None);
            };
            asked.push(node);
            let within = self.left(deadline)?.min(ATTEMPT_MAX);
            let answer = if node == self.node {
                // Boxed: else the depth of Raft's own futures shows in the type of every caller.
                Some(Box::pin(self.answer_as_leader(message, within)).await)
            } else {
                let reply = self.network.call(node, Service::Catalog, encode(message), within).await;
                reply.ok().and_then(|bytes| decode::<Answer>(&bytes))
            };
            match answer {
                Some(Answer::NotLeader { leader }) => next = leader.filter(|leader| !asked.contains(leader)),
                Some(Answer::Failed(_)) | None => {}
                Some(answer) => return Ok(Some(answer)),
            }
        }
    }

    fn likely_leader(&self) -> Option<NodeId> {
        let leadership = *self.seat()?.group.leadership().borrow();
        leadership.leader.map(|(_, node)| node)
    }

    /// Nodes with a replica of the catalog, as far as it is known; this one included.
    fn candidates(&self) -> Vec<NodeId> {
        let catalog = self.copy.catalog();
        match catalog.partition(PartitionId::CATALOG) {
            Some(group) => group.members.iter().map(|member| member.node).collect(),
            None => [self.node].into_iter().chain(self.contacts.iter().copied()).collect(),
        }
    }

    /// Does what only the catalog's leader can.
    pub async fn answer_as_leader(&self, message: &Message, within: Duration) -> Answer {
        let Some(seat) = self.seat() else { return Answer::NotLeader { leader: None } };
        let leadership = *seat.group.leadership().borrow();
        if !leadership.leads {
            seat.group.seek();
            return Answer::NotLeader { leader: leadership.leader.map(|(_, node)| node) };
        }
        match message {
            Message::Change(change) => self.propose(&seat, change, within).await,
            Message::Revision => match seat.group.read_index(within).await {
                Ok(_) => Answer::Revision(self.copy.revision()),
                Err(error) => Answer::Failed(error.to_string()),
            },
            _ => Answer::Failed("not a question for the catalog's leader".to_owned()),
        }
    }

    async fn propose(&self, seat: &Seat, change: &Change, within: Duration) -> Answer {
        let at = Stamp { now_ms: self.environment.clock.wall_ms() };
        let payload = encode_change(change, &at);
        if let Err(answer) = wake(&seat.group, within).await {
            return answer;
        }
        let proposal = self.environment.timeout(within, seat.group.propose(payload.into())).await;
        match proposal {
            Some(Ok(position)) => match seat.machine.outcome(position.index) {
                Some(outcome) => Answer::Changed { outcome, revision: self.copy.revision() },
                None => Answer::Failed("the outcome is forgotten".to_owned()),
            },
            Some(Err(ProposeError::NotLeader { leader })) => Answer::NotLeader { leader: leader.map(|(_, node)| node) },
            Some(Err(error)) => Answer::Failed(error.to_string()),
            None => Answer::Failed("the proposal took too long".to_owned()),
        }
    }
}

/// A sleeping group takes no proposal: a round of messages wakes it.
pub(crate) async fn wake(group: &Group, within: Duration) -> Result<(), Answer> {
    if group.wakefulness() == Wakefulness::Awake {
        return Ok(());
    }
    match group.read_index(within).await {
        Ok(_) => Ok(()),
        Err(ConsensusError::NotLeader { leader }) => Err(Answer::NotLeader { leader: leader.map(|(_, node)| node) }),
        Err(error) => Err(Answer::Failed(error.to_string())),
    }
}
