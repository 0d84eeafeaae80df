//! A leader that hears no majority falls silent.
//!
//! Whoever hears its leader votes for nobody else. A leader that is heard and hears nobody would hold its group for ever, and could
//! commit nothing. So when no majority has answered for as long as an election takes at least, it sends questions only, which
//! bind nobody, until a majority has answered these.

use crate::{
    LogPosition,
    encoding::{VoteRecord, encode},
    members,
    raft_types::{MembershipRecord, Types},
    replica::Replica,
    wire::{Request, RequestBody},
};
use openraft::{RaftMetrics, ServerState};
use parking_lot::Mutex;
use stator_environment::{NetworkError, Service};
use stator_item::{NodeId, ReplicaId};
use stator_mutants::Mutant;
use std::{collections::BTreeMap, time::Duration};

#[derive(Default)]
pub(crate) struct Silence(Mutex<Heard>);

/// On the elapsed clock.
#[derive(Default)]
struct Heard {
    term: u64,
    /// Since when it has been waiting for answers at most: since it leads, or since its group is awake.
    since: Duration,
    /// When whoever answered a question was asked.
    answered: BTreeMap<u64, Duration>,
}

/// The group wakes: nobody was asked anything while it slept.
pub(crate) fn awoke(replica: &Replica) {
    replica.silence.0.lock().since = replica.node.now();
}

/// Whether the replica leads and no majority has answered it for too long.
pub(crate) fn is_due(replica: &Replica) -> bool {
    let now = replica.node.now();
    let patience = Duration::from_millis(replica.node.settings.election_ms_min);
    let is_recent = |at: Duration| now < at + patience;
    let is_due = |metrics: &RaftMetrics<Types>| {
        if metrics.state != ServerState::Leader
            || stator_mutants::is(Mutant::SpeakUnheard)
            || metrics.last_quorum_acked.is_some_and(|acked| is_recent(acked.into_inner().0))
            || members::leads_alone(replica.id, metrics)
        {
            return false;
        }
        let mut heard = replica.silence.0.lock();
        if heard.term != metrics.current_term {
            *heard = Heard { term: metrics.current_term, since: now, answered: BTreeMap::new() };
        }
        let voters = MembershipRecord::of(&metrics.membership_config).members().voters;
        let answered =
            |voter: &&ReplicaId| **voter == replica.id || heard.answered.get(&voter.0).is_some_and(|at| is_recent(*at));
        !is_recent(heard.since) && voters.keys().filter(answered).count() <= voters.len() / 2
    };
    replica.look(is_due).unwrap_or(false)
}

/// Asks another replica anything. That it answers is what matters, also if it refuses.
pub(crate) async fn ask(replica: &Replica, to: ReplicaId, node: NodeId, vote: VoteRecord) {
    let asked = replica.node.now();
    let request = Request { to: to.0, vote, body: RequestBody::Inquire { last: LogPosition { term: 0, index: 0 } } };
    let deadline = Duration::from_millis(replica.node.settings.heartbeat_ms);
    let answer = replica.node.call(node, Service::Raft, encode(&request), deadline).await;
    if matches!(answer, Ok(_) | Err(NetworkError::Refused(..))) {
        replica.silence.0.lock().answered.insert(to.0, asked);
    }
}
