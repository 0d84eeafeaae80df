//! Nodes and wires that fail in one way only.

use super::{
    Played,
    stage::{HOLDERS, Stage, WRITE_MAX, play, sleepless},
};
use crate::client::NODE_WAIT;
use stator_item::NodeId;
use std::time::Duration;

const PK: &str = "key 0";

/// Whoever is not the leader serves again within this time of the beginning of a cut.
const SERVED_WITHIN: Duration = Duration::from_secs(3);

/// The same where the leader first has to find out that it is not answered.
const SERVED_AFTER_SILENCE_WITHIN: Duration = Duration::from_secs(4);

/// Syncs are so slow that what was not synced before an answer is hardly ever synced by accident.
const SLOW_SYNC: Duration = Duration::from_millis(400);

pub(super) fn lost_power(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        for _ in 0..6 {
            let reign = stage.settled(PK).await;
            HOLDERS.into_iter().for_each(|node| stage.cluster.set_disk_speed(node, SLOW_SYNC));
            let is_acknowledged = stage.put_next(reign.leader, PK, WRITE_MAX).await;
            let written = stage.last();
            HOLDERS.into_iter().for_each(|node| stage.cluster.crash(node));
            for node in HOLDERS {
                stage.cluster.set_disk_speed(node, Duration::from_millis(5));
                let _comes_up_by_itself = stage.cluster.launch(node);
            }
            if !is_acknowledged {
                continue;
            }
            let read = read_again(stage).await;
            let is_lost = read.is_none_or(|read| read < written);
            played.note(
                is_lost.then(|| format!("{written} was acknowledged, and after a loss of power there is {read:?}")),
            );
        }
        played
    })
}

/// What a strong read gives once nodes serve again, within a minute.
async fn read_again(stage: &Stage) -> Option<u32> {
    for attempt in 0..120 {
        let node = HOLDERS[attempt % HOLDERS.len()];
        if let Some(read) = stage.read(node, PK, Duration::from_millis(400)).await {
            return Some(read);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

pub(super) fn deaf_leader(seed: u64) -> Played {
    one_way(seed, SERVED_AFTER_SILENCE_WITHIN, |stage, leader, other| stage.cluster.wires.cut(other, leader))
}

pub(super) fn mute_leader(seed: u64) -> Played {
    one_way(seed, SERVED_WITHIN, |stage, leader, other| stage.cluster.wires.cut(leader, other))
}

/// Cuts one direction between a leader and all others, and writes through one of those as a client would.
fn one_way(seed: u64, served_within: Duration, cut: impl Fn(&Stage, NodeId, NodeId)) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        for _ in 0..3 {
            let reign = stage.settled(PK).await;
            let others = stage.others(reign.leader);
            others.iter().for_each(|other| cut(stage, reign.leader, *other));
            let begun = stage.now();
            // Each request is tried for as long as its node tries; then comes the next one.
            let mut is_served = false;
            while !is_served && stage.now() - begun < Duration::from_secs(20) {
                is_served = stage.put_next(others[0], PK, NODE_WAIT).await;
            }
            let took = stage.now() - begun;
            let is_late = took > served_within;
            played.note(is_late.then(|| format!("nothing was served for {took:?}")));
            stage.cluster.wires.mend_all();
        }
        played
    })
}
