//! A replica that may have missed something of its group finds out in its turn, so that a restart is no storm.
//!
//! It loses contact when it starts, when the node of its sleeping leader dies, and when it votes in its sleep. From then on it neither
//! ticks nor stands: thousands may be in this state at once. Some at a time ask the other members where the group stands. A leader that
//! sleeps answers without waking if the replica has all of its log; else it wakes, and brings what is missing. Where nobody leads, and
//! a majority answers, the replica stands for election. Whoever is wanted by a client does not wait for its turn ([`seek`]).
//!
//! A sleeping group's leader may vanish and nobody hears of it: its node has lost its log and gives the replica up, or is no node of the
//! cluster any more. So a replica that sleeps and is wanted asks its leader whether it is still there.

use crate::{
    LogPosition,
    encoding::{VoteRecord, decode, encode},
    node::Node,
    raft_types::{MembershipRecord, log_id},
    replica::{Replica, Running, leader_of, leadership},
    sleep,
    wire::{Request, RequestBody, Response},
};
use futures::future::join_all;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use parking_lot::Mutex;
use stator_environment::{NetworkError, Service};
use stator_item::{NodeId, ReplicaId};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Between two rounds of turns.
const ROUND: Duration = Duration::from_millis(100);
/// Turns in a round, while few groups are awake: one costs some messages, or an election. Else one turn is given.
const TURNS_MAX: usize = 5;
/// Turns that are not over: on a busy machine elections take long, and more of them would take longer still.
const TURNS_OPEN_MAX: usize = 16;
/// How often a replica stands in one turn: the others may still keep to their no-vote time.
const STANDS_MAX: usize = 4;
/// Who had its turn in vain goes so many ranks back.
const RANKS_BACK: u32 = 8;
/// The last rank.
const RANK_MAX: u32 = 1 << 16;
/// A group that was woken only for a replica's sake may sleep again when it was quiet for so long.
const SHORT_USE: Duration = Duration::from_secs(2);

#[derive(Default)]
pub(crate) struct Contact {
    lost: AtomicBool,
    /// A task of this replica asks around.
    seeking: AtomicBool,
    /// When its sleeping leader was last asked whether it is there, in milliseconds on the elapsed clock.
    doubted_ms: AtomicU64,
}

impl Contact {
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::SeqCst)
    }

    /// `true` once in so many milliseconds.
    fn may_doubt(&self, now: Duration, every_ms: u64) -> bool {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let is_due = |last| (now_ms >= last + every_ms).then_some(now_ms);
        self.doubted_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_due).is_ok()
    }
}

/// Replicas of a node that wait for their turn, the lowest rank first.
#[derive(Default)]
pub(crate) struct Turns {
    waiting: Mutex<BTreeSet<(u32, ReplicaId)>>,
    /// Replicas that ask around or stand, in their turn or as somebody wants them.
    open: AtomicUsize,
}

impl Turns {
    fn push(&self, rank: u32, replica: ReplicaId) {
        self.waiting.lock().insert((rank.min(RANK_MAX), replica));
    }

    fn pop(&self) -> Option<(u32, ReplicaId)> {
        self.waiting.lock().pop_first()
    }
}

/// From now on the replica believes nothing about its group. It must not tick.
pub(crate) fn lose(replica: &Replica) {
    if !replica.contact.lost.swap(true, Ordering::SeqCst) {
        replica.node.turns.push(rank(replica), replica.id);
    }
}

/// It heard a leader, or leads.
pub(crate) fn found(replica: &Replica) {
    replica.contact.lost.store(false, Ordering::SeqCst);
}

/// Whoever led leads again, so that leaders stay spread. Of a lost leader's groups each survivor takes its share; the others come later,
/// when most have heard of their next leader.
fn rank(replica: &Replica) -> u32 {
    let rank = replica.look(|metrics| {
        let leader = metrics.vote.leader_id.voted_for;
        let voters = MembershipRecord::of(&metrics.membership_config).members().voters;
        let others: Vec<u64> = voters.keys().map(|voter| voter.0).filter(|voter| *voter != leader).collect();
        let place = others.iter().position(|voter| *voter == replica.id.0)?;
        Some((place + replica.partition.0 as usize % others.len()) % others.len() + 1)
    });
    match rank {
        Some(Some(rank)) => rank as u32,
        // The leader itself, a learner, or one that has no members yet.
        _ => 0,
    }
}

/// Gives turns until the node is gone.
pub(crate) async fn give_turns(node: Weak<Node>) {
    while let Some(alive) = node.upgrade() {
        let metrics = &alive.metrics;
        let awake = metrics.groups.get() - metrics.groups_asleep.get();
        let is_calm = awake < alive.settings.awake_for_turns_max as i64;
        let mut left = if is_calm { TURNS_MAX } else { 1 };
        while left > 0
            && alive.turns.open.load(Ordering::SeqCst) < TURNS_OPEN_MAX
            && let Some((rank, id)) = alive.turns.pop()
        {
            if let Some(replica) = alive.replica(id)
                && replica.contact.is_lost()
            {
                begin(&replica, rank);
                left -= 1;
            }
        }
        let environment = alive.environment.clone();
        drop(alive);
        environment.sleep(ROUND).await;
    }
}

/// Somebody wants the replica, which does not lead: it does not wait for its turn, and does not trust in a leader that it has not heard.
pub(crate) fn seek(replica: &Arc<Replica>) {
    let (contact, node) = (&replica.contact, &replica.node);
    if contact.is_lost() || replica.sleep.is_asleep() && contact.may_doubt(node.now(), node.settings.heartbeat_ms) {
        begin(replica, 0);
    }
}

fn begin(replica: &Arc<Replica>, rank: u32) {
    if replica.contact.seeking.swap(true, Ordering::SeqCst) {
        return;
    }
    let seeker = replica.clone();
    replica.node.turns.open.fetch_add(1, Ordering::SeqCst);
    replica.node.spawn("raft contact", async move {
        if !seeker.contact.is_lost() {
            doubt(&seeker).await;
        }
        if seeker.contact.is_lost() {
            regain(&seeker).await;
        }
        seeker.contact.seeking.store(false, Ordering::SeqCst);
        seeker.node.turns.open.fetch_sub(1, Ordering::SeqCst);
        if seeker.contact.is_lost() {
            seeker.node.turns.push(rank + RANKS_BACK, seeker.id);
        }
    });
}

/// Asks the leader of a sleeping group whether it is there. Contact is lost unless it says so.
async fn doubt(replica: &Replica) {
    let Ok(Some(last)) = replica.log().last() else { return };
    let Some((vote, Some((leader, node)))) =
        replica.look(|metrics| (VoteRecord::of(&metrics.vote), leader_of(metrics)))
    else {
        return;
    };
    if leader == replica.id {
        return;
    }
    let answer = ask(replica, vote, last, leader, node).await;
    if !matches!(answer, Ok(Response::Asleep | Response::Awake)) {
        tracing::debug!(replica = replica.id.0, leader = leader.0, ?answer, "the leader of a sleeping group is gone");
        lose(replica);
    }
}

/// What the other members say.
enum Standing {
    /// The leader sleeps, and this replica may, too.
    Asleep,
    /// The leader is awake: it will be heard.
    Awake,
    /// A majority answered, and nobody leads.
    Leaderless,
    /// Too few answered.
    Unknown,
}

/// One turn. Afterwards contact is regained, or not.
async fn regain(replica: &Arc<Replica>) {
    let Ok(Some(last)) = replica.log().last() else { return };
    let Some((vote, leads)) =
        replica.look(|metrics| (VoteRecord::of(&metrics.vote), leadership(replica.id, metrics).leads))
    else {
        return;
    };
    if leads {
        // It refused the vote after all.
        return found(replica);
    }
    match inquire(replica, vote, last).await {
        Standing::Asleep => join_sleep(replica, vote, last).await,
        Standing::Awake => _ = wait(replica, replica.node.settings.no_vote()).await,
        Standing::Leaderless => stand(replica).await,
        Standing::Unknown => {}
    }
}

async fn inquire(replica: &Replica, vote: VoteRecord, last: LogPosition) -> Standing {
    let members = replica.look(|metrics| MembershipRecord::of(&metrics.membership_config).members());
    let voters = members.unwrap_or_default().voters;
    let others = voters.iter().filter(|(voter, _)| **voter != replica.id);
    let answers: Vec<Response> = join_all(others.map(|(voter, node)| ask(replica, vote, last, *voter, *node)))
        .await
        .into_iter()
        .filter_map(Result::ok)
        .collect();
    let is_majority = answers.len() + usize::from(voters.contains_key(&replica.id)) > voters.len() / 2;
    if answers.contains(&Response::Awake) {
        Standing::Awake
    } else if answers.contains(&Response::Asleep) {
        Standing::Asleep
    } else if is_majority {
        Standing::Leaderless
    } else {
        Standing::Unknown
    }
}

async fn ask(
    replica: &Replica,
    vote: VoteRecord,
    last: LogPosition,
    to: ReplicaId,
    node: NodeId,
) -> Result<Response, NetworkError> {
    let request = Request { to: to.0, vote, body: RequestBody::Inquire { last } };
    let deadline = replica.node.settings.message_deadline();
    let answer = replica.node.call(node, Service::Raft, encode(&request), deadline).await?;
    decode(&answer, "an answer").map_err(|error| NetworkError::Refused(node, error.to_string()))
}

/// Answers another member's question.
///
/// "Asleep" under the asker's own vote is the truth, or does no harm: had another leader been elected meanwhile, it would hold its group
/// awake until this replica and the asker have its entries, and with them its vote.
pub(crate) fn answer(replica: &Replica, running: &Running, vote: VoteRecord, last: LogPosition) -> Response {
    let (leads, stands_there) = running.look(|metrics| {
        let there = VoteRecord::of(&metrics.vote) == vote && sleep::stands_at(metrics, last);
        // Who hands over is heard no more: if nobody takes over, the asker must stand.
        (leadership(replica.id, metrics).leads && !replica.hands_over(metrics.current_term), there)
    });
    if !leads {
        return Response::NotLeading;
    }
    if replica.sleep.is_asleep() {
        if stands_there {
            return Response::Asleep;
        }
        wake_shortly(replica, running);
    }
    Response::Awake
}

/// Wakes a group that nobody uses.
fn wake_shortly(replica: &Replica, running: &Running) {
    sleep::wake(replica, running);
    if let Some(after) = replica.node.settings.sleep_after_ms.map(Duration::from_millis) {
        let rest = after.saturating_sub(SHORT_USE);
        replica.sleep.used(replica.node.now().saturating_sub(rest));
    }
}

/// The leader sleeps at the end of this replica's log: what is not applied here may be, as if by a heartbeat of it.
async fn join_sleep(replica: &Arc<Replica>, vote: VoteRecord, last: LogPosition) {
    let Some(running) = replica.running() else {
        // It dreams on: nothing has changed since it fell asleep.
        return found(replica);
    };
    let heartbeat = AppendEntriesRequest {
        vote: vote.vote(),
        prev_log_id: Some(log_id(last)),
        entries: Vec::new(),
        leader_commit: Some(log_id(last)),
    };
    if !matches!(running.raft.append_entries(heartbeat).await, Ok(AppendEntriesResponse::Success)) {
        return;
    }
    let applied = running.raft.wait(Some(replica.node.settings.message_deadline()));
    // In vain: the next turn will find it applied.
    if applied.metrics(|metrics| sleep::stands_at(metrics, last), "the end of the log").await.is_ok()
        && sleep::follow(replica, &running, vote, last) == Response::Awake
    {
        tracing::debug!(replica = replica.id.0, "the group woke meanwhile");
    }
}

/// Stands for election until there is a leader.
async fn stand(replica: &Arc<Replica>) {
    let Ok(running) = replica.rouse().await else { return };
    let no_vote = replica.no_vote_left();
    if !no_vote.is_zero() && wait(replica, no_vote).await {
        return;
    }
    let settings = &replica.node.settings;
    for _ in 0..STANDS_MAX {
        if let Err(error) = running.raft.trigger().elect(true).await {
            tracing::warn!(replica = replica.id.0, %error, "cannot stand for election");
            return;
        }
        // The others may keep to their no-vote time a moment longer.
        let patience = settings.election_ms_min / 2;
        let patience = patience + replica.node.environment.random.next_u64() % patience.max(1);
        if wait(replica, Duration::from_millis(patience)).await {
            return;
        }
    }
}

/// Waits until the replica hears a leader, or leads; `false`: not within that time.
async fn wait(replica: &Replica, within: Duration) -> bool {
    let mut leadership = replica.leadership.subscribe();
    let heard = async { while replica.contact.is_lost() && leadership.changed().await.is_ok() {} };
    _ = replica.node.environment.timeout(within, heard).await;
    !replica.contact.is_lost()
}

/// The replica was elected in its turn.
pub(crate) fn leads(replica: &Replica, running: &Running) {
    if replica.contact.is_lost() {
        found(replica);
        wake_shortly(replica, running);
    }
}
