//! What has to be done for all replicas of a node from time to time: logs are purged, quiet groups put to sleep, turns given.

use crate::{
    LogPosition, contact,
    node::Node,
    raft_types::{Types, log_id, position},
    replica::{Replica, Running},
    sleep,
};
use openraft::RaftMetrics;
use std::{
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

/// A follower that acknowledged nothing for so long does not hold the log back.
const FOLLOWER_LIVE: Duration = Duration::from_secs(30);

/// How long the core may take to note what is durable.
const NOTE_DEADLINE: Duration = Duration::from_secs(5);

/// Purges until the node is gone.
pub(crate) async fn purge_all(node: Weak<Node>) {
    while let Some(alive) = node.upgrade() {
        let over_budget = alive.log.size() > alive.settings.log_bytes_max;
        for replica in alive.all() {
            if over_budget
                && holds_log(&replica)
                && let Err(error) = replica.rouse().await
            {
                tracing::warn!(replica = replica.id.0, %error, "a dormant replica cannot be purged");
            }
            if let Some(running) = replica.running() {
                purge(&replica, &running).await;
            }
        }
        let (environment, every) = (alive.environment.clone(), alive.settings.purge_every_ms);
        drop(alive);
        environment.sleep(Duration::from_millis(every)).await;
    }
}

/// Whether it is dormant and has entries that could go.
fn holds_log(replica: &Replica) -> bool {
    let holds = |metrics: &RaftMetrics<Types>| metrics.purged < metrics.last_applied;
    replica.is_dormant() && replica.look(holds).unwrap_or(false)
}

/// Puts quiet groups to sleep until the node is gone.
pub(crate) async fn sleep_all(node: Weak<Node>) {
    while let Some(alive) = node.upgrade() {
        let Some(after) = alive.settings.sleep_after_ms else { return };
        sleep::tend(alive.all()).await;
        let environment = alive.environment.clone();
        drop(alive);
        environment.sleep(Duration::from_millis((after / 4).clamp(10, 1_000))).await;
    }
}

/// How hard to purge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pressure {
    /// Keep entries for followers that are a little behind.
    Usual,
    /// The log is past its budget, or a follower waits for a snapshot: only what is not durable in the state stays.
    High,
}

/// Purges what is durable in the state and wanted by no live follower. Never past what is applied: openraft's core would die of it.
async fn purge(replica: &Replica, running: &Running) {
    let settings = &replica.node.settings;
    let over_budget = replica.node.log.size() > settings.log_bytes_max;
    let wanted = replica.purge_all.swap(false, Ordering::Relaxed);
    let pressure = if over_budget || wanted { Pressure::High } else { Pressure::Usual };
    let now = replica.node.now();
    let Some(limit) = running.look(|metrics| limit(metrics, pressure, now, settings.log_entries_kept)) else { return };
    let durable = match replica.state.durable() {
        Ok(Some(durable)) => durable,
        Ok(None) => return,
        Err(error) => return replica.fail(error.to_string()),
    };
    let kept = if pressure == Pressure::High { 0 } else { settings.log_entries_kept };
    let upto = limit.min(durable.index.saturating_sub(kept));
    if upto == 0 || running.look(|metrics| metrics.purged.as_ref().is_some_and(|purged| purged.index >= upto)) {
        return;
    }
    if note_durable(running, durable).await
        && let Err(error) = running.raft.trigger().purge_log(upto).await
    {
        tracing::warn!(replica = replica.id.0, %error, "cannot purge");
    }
}

/// The last index that may go, if it is worth the while.
fn limit(metrics: &RaftMetrics<Types>, pressure: Pressure, now: Duration, kept: u64) -> Option<u64> {
    let applied = metrics.last_applied.as_ref()?.index;
    let purged = metrics.purged.as_ref().map_or(0, |purged| purged.index);
    if pressure == Pressure::High {
        return Some(applied);
    }
    let slowest = metrics.replication.iter().flatten().filter(|(follower, _)| {
        let heard = metrics.heartbeat.as_ref().and_then(|heard| heard.get(follower).copied().flatten());
        heard.is_some_and(|heard| now.saturating_sub(heard.into_inner().0) < FOLLOWER_LIVE)
    });
    let slowest = slowest.map(|(_, matched)| matched.as_ref().map_or(0, |matched| matched.index)).min();
    // A mark in the log for each entry would cost more than it frees.
    let worth = purged.saturating_add(kept).saturating_add(kept / 4);
    (applied > worth).then(|| slowest.unwrap_or(applied).min(applied))
}

/// openraft purges up to its last "snapshot" only: lets it know what is durable.
async fn note_durable(running: &Running, durable: LogPosition) -> bool {
    let noted = |metrics: &RaftMetrics<Types>| metrics.snapshot.as_ref().map(position) >= Some(durable);
    if running.look(noted) {
        return true;
    }
    if running.raft.trigger().snapshot().await.is_err() {
        return false;
    }
    let wait = running.raft.wait(Some(NOTE_DEADLINE));
    wait.metrics(|metrics| metrics.snapshot >= Some(log_id(durable)), "what is durable").await.is_ok()
}

/// Starts all of it for as long as the node lives.
pub(crate) fn start(node: &Arc<Node>) {
    node.spawn("raft log purge", purge_all(Arc::downgrade(node)));
    node.spawn("raft sleep", sleep_all(Arc::downgrade(node)));
    node.spawn("raft contact", contact::give_turns(Arc::downgrade(node)));
}
