//! Quiet groups sleep: no ticks, so no heartbeats and no elections, and no cost.
//!
//! The leader decides, when nothing was proposed for a while and all members have applied all entries. It gives its lease up first, then
//! tells the followers, and sleeps when all of them do. It wakes first, by a local use; a follower wakes by the next append, since one
//! that ticks before it would find its leader's time over and stand for election. The death of a leader's node is heard from outside.
//!
//! A follower that has slept for long lets its core go: see `replica.rs`.

use crate::{
    LogPosition, contact,
    encoding::{VoteRecord, decode, encode},
    raft_types::{MembershipRecord, Types, position},
    replica::{Replica, Running, leadership},
    silence,
    wire::{Request, RequestBody, Response},
};
use futures::{StreamExt, future::join_all, stream};
use openraft::{RaftMetrics, ServerState};
use parking_lot::Mutex;
use stator_environment::Service;
use stator_item::{NodeId, ReplicaId};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub(crate) struct SleepState {
    asleep: AtomicBool,
    last: Mutex<Last>,
}

struct Last {
    /// When the group was last used, on the elapsed clock.
    used_at: Duration,
    slept: Option<Slept>,
}

/// How a follower stood when it fell asleep.
#[derive(Clone, Copy)]
struct Slept {
    at: Duration,
    /// Since when it needs no core.
    rests_from: Duration,
    vote: VoteRecord,
    position: LogPosition,
}

/// An append, as far as it matters here.
pub(crate) struct Heard {
    pub(crate) vote: VoteRecord,
    pub(crate) committed: Option<LogPosition>,
    pub(crate) entries_count: u32,
}

impl SleepState {
    pub(crate) fn new(now: Duration) -> SleepState {
        SleepState { asleep: AtomicBool::new(false), last: Mutex::new(Last { used_at: now, slept: None }) }
    }

    pub(crate) fn is_asleep(&self) -> bool {
        self.asleep.load(Ordering::SeqCst)
    }

    /// A dormant replica was asked something: it keeps its core for a while, also if it sleeps on.
    pub(crate) fn roused(&self, now: Duration) {
        if let Some(slept) = &mut self.last.lock().slept {
            slept.rests_from = now;
        }
    }

    pub(crate) fn used(&self, now: Duration) {
        self.last.lock().used_at = now;
    }
}

fn set(replica: &Replica, asleep: bool) {
    if replica.sleep.asleep.swap(asleep, Ordering::SeqCst) != asleep {
        let gauge = &replica.node.metrics.groups_asleep;
        if asleep {
            gauge.inc();
        } else {
            gauge.dec();
            silence::awoke(replica);
        }
    }
}

/// A replica that has just started does not tick before it has heard of its group.
pub(crate) fn start_asleep(replica: &Replica) {
    set(replica, true);
}

/// Ticks again from now on.
pub(crate) fn wake(replica: &Replica, running: &Running) {
    replica.sleep.used(replica.node.now());
    set(replica, false);
    running.raft.runtime_config().tick(true);
}

/// For the owner that closes the replica.
pub(crate) fn forget(replica: &Replica) {
    set(replica, false);
    contact::found(replica);
}

/// A follower heard its leader, or a new one.
pub(crate) fn heard(replica: &Replica, running: &Running, heard: Heard) {
    if !replica.sleep.is_asleep() {
        return;
    }
    let slept = replica.sleep.last.lock().slept;
    let late = Duration::from_millis(2 * replica.node.settings.heartbeat_ms);
    // A heartbeat that was under way when the group fell asleep wakes nobody: the leader sleeps. If it does not, the next will do.
    let is_late = slept.is_some_and(|slept| {
        heard.entries_count == 0
            && heard.vote == slept.vote
            && heard.committed <= Some(slept.position)
            && replica.node.now() < slept.at + late
    });
    if !is_late {
        contact::found(replica);
        wake(replica, running);
    }
}

/// A follower is told to sleep. It does if it stands where its leader believes it to stand.
pub(crate) fn follow(replica: &Replica, running: &Running, vote: VoteRecord, last: LogPosition) -> Response {
    let agrees =
        running.look(|metrics| VoteRecord::of(&metrics.vote) == vote && vote.elected && stands_at(metrics, last));
    if !agrees {
        return Response::Awake;
    }
    let now = replica.node.now();
    replica.sleep.last.lock().slept = Some(Slept { at: now, rests_from: now, vote, position: last });
    set(replica, true);
    contact::found(replica);
    running.raft.runtime_config().tick(false);
    Response::Asleep
}

/// Whether the log ends here, and all of it is applied.
pub(crate) fn stands_at(metrics: &RaftMetrics<Types>, last: LogPosition) -> bool {
    !stands_open(metrics) && metrics.last_applied.as_ref().map(position) == Some(last)
}

/// Whether any entry is not yet applied here.
fn stands_open(metrics: &RaftMetrics<Types>) -> bool {
    metrics.last_log_index != metrics.last_applied.as_ref().map(|applied| applied.index)
}

/// What a quiet leader tells its followers.
struct Plan {
    vote: VoteRecord,
    last: LogPosition,
    followers: Vec<(ReplicaId, NodeId)>,
}

/// What to tell the followers, if this replica leads and nothing at all is left to do in its group.
fn plan(replica: &Replica, metrics: &RaftMetrics<Types>) -> Option<Plan> {
    // If nobody takes over, the followers must be awake to elect somebody.
    let hands_over = replica.hands_over(metrics.current_term);
    if !leadership(replica.id, metrics).leads || stands_open(metrics) || hands_over || !replica.state.may_rest() {
        return None;
    }
    let applied = metrics.last_applied.as_ref()?;
    let all_matched = metrics.replication.as_ref()?.values().all(|matched| matched.as_ref() == Some(applied));
    let members = MembershipRecord::of(&metrics.membership_config).members();
    // Only if all are there, or the group would be without a lease for as long as it takes to ask in vain.
    let now = replica.node.now();
    let recent = Duration::from_millis(3 * replica.node.settings.heartbeat_ms);
    let mut heard = metrics.heartbeat.iter().flatten().filter(|(follower, _)| **follower != replica.id.0);
    let all_heard = heard.all(|(_, at)| at.is_some_and(|at| now < at.into_inner().0 + recent));
    if !all_matched || !all_heard || members.changing || members.position > Some(position(applied)) {
        return None;
    }
    let followers = members.voters.into_iter().chain(members.learners).filter(|(id, _)| *id != replica.id).collect();
    Some(Plan { vote: VoteRecord::of(&metrics.vote), last: position(applied), followers })
}

fn is_idle(replica: &Replica) -> bool {
    replica.room.available_permits() == replica.node.settings.proposals_max
}

/// Puts the group of a leader to sleep if it was quiet for long enough.
pub(crate) async fn lead(replica: Arc<Replica>) {
    let Some(after) = replica.node.settings.sleep_after_ms.map(Duration::from_millis) else { return };
    let quiet = replica.node.now().saturating_sub(replica.sleep.last.lock().used_at);
    let Some(running) = replica.running() else { return };
    if replica.sleep.is_asleep() || quiet < after || !is_idle(&replica) {
        return;
    }
    let Some(plan) = running.look(|metrics| plan(&replica, metrics)) else { return };
    // From here on there is no lease, and no proposal is taken.
    set(&replica, true);
    let agreed = join_all(plan.followers.iter().map(|(to, node)| tell(&replica, &plan, *to, *node))).await;
    let same = running
        .look(|metrics| self::plan(&replica, metrics))
        .is_some_and(|now| (now.vote, now.last) == (plan.vote, plan.last));
    // It may have been woken meanwhile.
    if replica.sleep.is_asleep() && agreed.into_iter().all(|agreed| agreed) && same && is_idle(&replica) {
        running.raft.runtime_config().tick(false);
        if replica.sleep.is_asleep() {
            return;
        }
    }
    // Its next heartbeats wake whoever did fall asleep.
    wake(&replica, &running);
}

async fn tell(replica: &Replica, plan: &Plan, to: ReplicaId, node: NodeId) -> bool {
    let request = Request { to: to.0, vote: plan.vote, body: RequestBody::Sleep { last: plan.last } };
    let deadline = Duration::from_millis(2 * replica.node.settings.heartbeat_ms);
    let answer = replica.node.call(node, Service::Raft, encode(&request), deadline).await;
    answer.is_ok_and(|answer| decode(&answer, "an answer") == Ok(Response::Asleep))
}

/// Groups that are put to sleep at once.
const TOGETHER: usize = 64;

/// Puts quiet groups to sleep that these replicas lead, and lets cores go that are not needed.
pub(crate) async fn tend(replicas: Vec<Arc<Replica>>) {
    stream::iter(replicas.clone()).map(lead).buffer_unordered(TOGETHER).collect::<()>().await;
    for replica in replicas.iter().filter(|replica| sleeps_long(replica)) {
        replica.rest().await;
    }
}

/// A leader keeps its core: only by an election could it have another.
fn sleeps_long(replica: &Replica) -> bool {
    let settings = &replica.node.settings;
    let Some(after) = settings.dormant_after_ms.map(Duration::from_millis) else { return false };
    let slept = replica.sleep.last.lock().slept;
    let is_long = slept.is_some_and(|slept| replica.node.now() >= slept.rests_from + after);
    let is_needed = || {
        let slept_at = slept.map(|slept| slept.position);
        replica.running().is_none_or(|running| {
            running.look(|metrics| {
                metrics.state == ServerState::Leader || slept_at.is_none_or(|slept| !stands_at(metrics, slept))
            })
        })
    };
    is_long && replica.sleep.is_asleep() && !replica.contact.is_lost() && !is_needed()
}
