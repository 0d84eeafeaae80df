//! Changes of a group's members and of its leader.

use crate::{
    ConsensusError, Member,
    encoding::{VoteRecord, decode, encode},
    raft_types::{MembershipRecord, Types, member},
    replica::{Replica, Running, applied_of, fatal_error, leader_of, leadership},
    sleep,
    wire::{Request, RequestBody, Response},
};
use openraft::{
    ChangeMembers, RaftMetrics, ServerState,
    errors::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError},
};
use stator_environment::Service;
use stator_item::{NodeId, ReplicaId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// A new voter may be so many entries behind when it begins to count.
const CAUGHT_UP_ENTRIES: u64 = 100;

/// Between two looks at something that has no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The core of a replica that may lead: one that is dormant does not.
pub(crate) fn running(replica: &Replica) -> Result<Running, ConsensusError> {
    replica.running().ok_or_else(|| match replica.look(leader_of) {
        Some(leader) => ConsensusError::NotLeader { leader },
        None => ConsensusError::Stopped,
    })
}

fn write_error(error: RaftError<Types, ClientWriteError<Types>>) -> ConsensusError {
    match error {
        RaftError::Fatal(fatal) => fatal_error(&fatal),
        RaftError::APIError(ClientWriteError::ForwardToLeader(to) | ClientWriteError::LogEntryDiscarded(to)) => {
            ConsensusError::NotLeader { leader: member(to.leader_id, to.leader_node) }
        }
        RaftError::APIError(ClientWriteError::ChangeMembershipError(
            ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_),
        )) => ConsensusError::Busy,
        RaftError::APIError(error) => ConsensusError::Refused(error.to_string()),
    }
}

/// See [`crate::Group::initialize`].
pub(crate) async fn initialize(replica: &Arc<Replica>, voters: &[Member]) -> Result<(), ConsensusError> {
    let nodes: BTreeMap<u64, u64> = voters.iter().map(|(replica, node)| (replica.0, node.0)).collect();
    if !nodes.contains_key(&replica.id.0) {
        return Err(ConsensusError::Refused("only one of the first voters can initialize a group".to_owned()));
    }
    let mut leadership = replica.leadership.subscribe();
    // One candidate is elected at once; several at once might split the votes.
    let mut is_first = nodes.keys().next() == Some(&replica.id.0);
    let patience = Duration::from_millis(replica.node.settings.election_ms_min);
    loop {
        if leadership.borrow_and_update().leader.is_some() {
            return Ok(());
        }
        let running = running(replica)?;
        if is_first {
            match running.raft.initialize(nodes.clone()).await {
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(RaftError::APIError(InitializeError::NotInMembers(error))) => {
                    return Err(ConsensusError::Refused(error.to_string()));
                }
                Err(RaftError::Fatal(fatal)) => return Err(fatal_error(&fatal)),
            }
        }
        is_first = true;
        // Timed out or not, the loop looks again.
        _ = replica.node.environment.timeout(patience, leadership.changed()).await;
    }
}

fn record(running: &Running) -> MembershipRecord {
    running.look(|metrics| MembershipRecord::of(&metrics.membership_config))
}

fn check_leads(replica: &Replica, running: &Running) -> Result<(), ConsensusError> {
    running.look(|metrics| match leadership(replica.id, metrics).leads {
        true => Ok(()),
        false => Err(ConsensusError::NotLeader { leader: leader_of(metrics) }),
    })
}

/// See [`crate::Group::change_members`].
pub(crate) async fn change(
    replica: &Arc<Replica>,
    voters: &[Member],
    learners: &[Member],
) -> Result<(), ConsensusError> {
    let running = running(replica)?;
    check_leads(replica, &running)?;
    sleep::wake(replica, &running);
    let voter_ids: BTreeSet<u64> = voters.iter().map(|(replica, _)| replica.0).collect();
    let wanted: BTreeMap<u64, u64> = voters.iter().chain(learners).map(|(replica, node)| (replica.0, node.0)).collect();
    if !voter_ids.contains(&replica.id.0) {
        return leave_lead(replica, &voter_ids).await;
    }
    let before = record(&running);
    for (id, node) in wanted.iter().filter(|(id, _)| !before.nodes.contains_key(*id)) {
        running.raft.add_learner(*id, *node, false).await.map_err(write_error)?;
    }
    let new_voters: Vec<u64> =
        voter_ids.iter().copied().filter(|id| !before.voters.iter().all(|set| set.contains(id))).collect();
    caught_up(replica, &running, &new_voters).await?;
    if before.voters.len() != 1 || !before.voters.contains(&voter_ids) {
        // Who stops being a voter stays as a learner for now, as it may be wanted as one.
        let change = ChangeMembers::ReplaceAllVoters(voter_ids);
        running.raft.change_membership(change, true).await.map_err(write_error)?;
    }
    let extra: BTreeSet<u64> = record(&running).nodes.into_keys().filter(|id| !wanted.contains_key(id)).collect();
    if !extra.is_empty() {
        running.raft.change_membership(ChangeMembers::RemoveNodes(extra), true).await.map_err(write_error)?;
    }
    Ok(())
}

/// A leader that is to leave hands over to one of those who stay; the change is then the new leader's to make.
async fn leave_lead(replica: &Arc<Replica>, staying: &BTreeSet<u64>) -> Result<(), ConsensusError> {
    for to in staying {
        match transfer(replica, ReplicaId(*to)).await {
            Ok(()) => return Err(ConsensusError::NotLeader { leader: replica.look(leader_of).flatten() }),
            Err(ConsensusError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ConsensusError::Refused("the leader is to leave, and nobody can take over from it now".to_owned()))
}

/// Waits until these members have almost all entries that there were at the beginning.
async fn caught_up(replica: &Replica, running: &Running, members: &[u64]) -> Result<(), ConsensusError> {
    let goal = running.look(|metrics| metrics.last_log_index.unwrap_or(0)).saturating_sub(CAUGHT_UP_ENTRIES);
    loop {
        check_leads(replica, running)?;
        let reached = running.look(|metrics| {
            let matched = |id: &u64| metrics.replication.as_ref()?.get(id)?.as_ref().map(|matched| matched.index);
            members.iter().all(|id| *id == replica.id.0 || matched(id).is_some_and(|index| index >= goal))
        });
        if reached {
            return Ok(());
        }
        replica.node.environment.sleep(LOOK_EVERY).await;
    }
}

/// See [`crate::Group::transfer`].
pub(crate) async fn transfer(replica: &Arc<Replica>, to: ReplicaId) -> Result<(), ConsensusError> {
    let running = running(replica)?;
    check_leads(replica, &running)?;
    if to == replica.id {
        return Ok(());
    }
    sleep::wake(replica, &running);
    // openraft never takes a begun transfer back: the group has no leader until the next election. So only to one that can win.
    let ready = running.look(|metrics| {
        let is_voter = MembershipRecord::of(&metrics.membership_config).voters.iter().all(|set| set.contains(&to.0));
        let matched = metrics.replication.as_ref().and_then(|matched| matched.get(&to.0).cloned().flatten());
        is_voter
            && matched.is_some()
            && matched.map(|matched| matched.index + CAUGHT_UP_ENTRIES) >= metrics.last_log_index
    });
    if !ready || !may_stand(replica, &running, to).await {
        let reason = "the target is no voter that is nearly up to date and may stand for election";
        return Err(ConsensusError::Refused(reason.to_owned()));
    }
    let term = running.look(|metrics| metrics.current_term);
    replica.record_transfer(term);
    running.raft.trigger().transfer_leader(to.0).await.map_err(|fatal| fatal_error(&fatal))?;
    let mut leadership = replica.leadership.subscribe();
    loop {
        let now = *leadership.borrow_and_update();
        match now.leader {
            Some((leader, _)) if leader == to => return Ok(()),
            Some(leader) if now.term > term => return Err(ConsensusError::NotLeader { leader: Some(leader) }),
            _ => leadership.changed().await.map_err(|_| ConsensusError::Stopped)?,
        }
    }
}

/// Whether the voter `to` answers, and can take over: it may have started just now.
async fn may_stand(replica: &Replica, running: &Running, to: ReplicaId) -> bool {
    let (node, vote, last) = running.look(|metrics| {
        let node = metrics.membership_config.get_node(&to.0).copied();
        (node, VoteRecord::of(&metrics.vote), applied_of(metrics))
    });
    let Some(node) = node else { return false };
    let request = Request { to: to.0, vote, body: RequestBody::MayStand { last } };
    let answer =
        replica.node.call(NodeId(node), Service::Raft, encode(&request), replica.node.settings.message_deadline());
    answer.await.is_ok_and(|answer| decode(&answer, "an answer") == Ok(Response::MayStand))
}

/// Whether this replica leads and needs nobody else for that.
pub(crate) fn leads_alone(id: ReplicaId, metrics: &RaftMetrics<Types>) -> bool {
    metrics.state == ServerState::Leader
        && metrics.membership_config.voter_ids().all(|voter| voter == id.0)
        && metrics.committed_membership_config.voter_ids().all(|voter| voter == id.0)
}
