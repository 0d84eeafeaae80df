//! A leader that was deposed without knowing it answers nothing: the lease is over before another one can be elected.

use super::{
    Played,
    stage::{READ_MAX, Reign, Stage, WRITE_MAX, number_in, play, sleepless},
};
use serde_json::Value as Json;
use stator_api::Operation;
use stator_item::NodeId;
use std::time::Duration;

const PK: &str = "key 0";
/// Tries of a schedule with one cluster.
const ROUNDS: usize = 6;
/// Elections are over by then, also those that clocks at half the speed time.
const ELECTED_WITHIN: Duration = Duration::from_secs(8);

/// Heals all, and gives clocks their speed back.
fn mend(stage: &Stage) {
    stage.cluster.wires.mend_all();
    for node in stage.cluster.nodes() {
        stage.cluster.set_clock_rate(node, 1.0);
    }
}

/// The lease of 600 ms lasts 1,200 on the slow clock, and the promise of 1,250 ms lasts 1,282 on the others.
pub(super) fn slow_clock(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        for _ in 0..ROUNDS {
            let reign = stage.settled(PK).await;
            stage.cluster.set_clock_rate(reign.leader, 0.5);
            stage.others(reign.leader).into_iter().for_each(|other| stage.cluster.set_clock_rate(other, 0.975));
            // What was timed at another speed is over then.
            tokio::time::sleep(Duration::from_secs(4)).await;
            if stage.reign(stage.partition_of(PK)).await == Some(reign) {
                stage.isolate(reign.leader);
                if let Some(stale) = stage.stale_read(PK, reign, ELECTED_WITHIN).await {
                    played.note(stale);
                }
            }
            mend(stage);
        }
        played
    })
}

pub(super) fn standstill(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        let reign = stage.settled(PK).await;
        // Cut off as well, so that what it hears first is the read, not its successor.
        stage.isolate(reign.leader);
        stage.cluster.pause(reign.leader);
        let Some(next) = stage.successor(PK, reign, ELECTED_WITHIN).await else { return played };
        if !stage.put_next(next.leader, PK, WRITE_MAX).await {
            return played;
        }
        let Some(reading) = stage.begin(reign.leader, Operation::GetItem, Stage::get(PK)) else { return played };
        stage.cluster.resume(reign.leader);
        let read = stage.end(reading, READ_MAX).await.and_then(number_in);
        let written = stage.last();
        let stale = read.filter(|read| *read < written);
        played.note(stale.map(|read| format!("after a pause {read} was answered, {written} had been acknowledged")));
        played
    })
}

/// Milliseconds from the beginning of a hand-over to the cut, of which one is right: after the leader has told its successor.
const CUT_AFTER_MS: std::ops::Range<u64> = 2..16;

pub(super) fn hand_over(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        for ms in CUT_AFTER_MS {
            let reign = stage.settled(PK).await;
            let Some(node) = stage.cluster.node(reign.leader) else { return played };
            // As SIGTERM has it.
            let closing = tokio::spawn(async move { node.close().await });
            tokio::time::sleep(Duration::from_millis(ms)).await;
            stage.isolate(reign.leader);
            // Only a transfer brings a successor before the lease is over.
            if let Some(stale) = stage.stale_read(PK, reign, Duration::from_millis(600)).await {
                played.note(stale);
            }
            closing.abort();
            stage.cluster.kill(reign.leader);
            mend(stage);
            if let Err(reason) = stage.cluster.start(reign.leader).await {
                played.broken.push(format!("node {} did not come back: {reason}", reign.leader));
                return played;
            }
        }
        played
    })
}

pub(super) fn sleeping_group(seed: u64) -> Played {
    let mut settings = sleepless();
    settings.consensus.sleep_after_ms = Some(500);
    settings.consensus.dormant_after_ms = None;
    play(seed, settings, async |stage| {
        let mut played = Played::default();
        let partition = stage.partition_of(PK);
        for _ in 0..3 {
            let reign = stage.settled(PK).await;
            for _ in 0..100 {
                if stage.sleeps(reign.leader, partition).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            if stage.sleeps(reign.leader, partition).await {
                stage.isolate(reign.leader);
                if let Some(stale) = stage.stale_read(PK, reign, ELECTED_WITHIN).await {
                    played.note(stale);
                }
                mend(stage);
            }
        }
        played
    })
}

/// The third node has heard nobody but the follower for long, and asks it for its vote again and again.
pub(super) fn restarted_voter(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        for _ in 0..ROUNDS {
            let reign = stage.settled(PK).await;
            let others = stage.others(reign.leader);
            let [follower, third] = others[..] else { unreachable!("there are three nodes") };
            cut_both(stage, reign, third);
            tokio::time::sleep(Duration::from_secs(4)).await;
            if stage.reign(stage.partition_of(PK)).await == Some(reign) {
                cut_both(stage, reign, follower);
                stage.cluster.kill(follower);
                let _comes_up_by_itself = stage.cluster.launch(follower);
                // Its promise ends 1,250 ms after it was given, and an honest successor comes later.
                if let Some(stale) = stage.stale_read(PK, reign, ELECTED_WITHIN).await {
                    played.note(stale);
                }
            }
            mend(stage);
        }
        played
    })
}

fn cut_both(stage: &Stage, reign: Reign, other: NodeId) {
    stage.cluster.wires.cut(reign.leader, other);
    stage.cluster.wires.cut(other, reign.leader);
}

pub(super) fn refusal(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        for number in 1..=2 {
            let reign = stage.settled(PK).await;
            let pk = stage.pk(number, true);
            stage.isolate(reign.leader);
            let Some(next) = stage.successor(PK, reign, ELECTED_WITHIN).await else { continue };
            if stage.put_next(next.leader, &pk, WRITE_MAX).await {
                let answer = stage.put_if_there(reign.leader, &pk, Duration::from_secs(3)).await;
                let is_refused = |(status, body): &(u16, Json)| {
                    let kind = body["__type"].as_str().unwrap_or_default();
                    *status == 400 && kind.ends_with("ConditionalCheckFailedException")
                };
                let refused = answer.filter(is_refused);
                played.note(refused.map(|answer| format!("{pk} is there, and a former leader says {answer:?}")));
            }
            mend(stage);
        }
        played
    })
}
