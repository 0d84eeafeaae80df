//! What the simulation has found, as schedules: the seeds that found it mean something else since the code has changed.

use super::{
    Played,
    stage::{Answer, HOLDERS, Stage, WRITE_MAX, play, sleepless},
};
use crate::{client::NODE_WAIT, network::Moment};
use serde_json::json;
use stator_api::Operation;
use stator_catalog::TableStatus;
use stator_cluster::AllSettings;
use stator_environment::Service;
use stator_item::NodeId;
use std::{sync::Arc, time::Duration};

const PK: &str = "key 0";
/// Nodes that are up serve again within this time.
const SERVED_WITHIN: Duration = Duration::from_secs(30);

/// Whether an answer is an error of that name.
fn says((status, body): &Answer, name: &str) -> bool {
    *status == 400 && body["__type"].as_str().is_some_and(|kind| kind.ends_with(name))
}

/// An addition whose first answer is lost, and whose second attempt meets a full queue, must not be told to have done nothing.
pub(super) fn full_queue(seed: u64) -> Played {
    let mut settings = sleepless();
    settings.replica.mailbox_commands_max = 1;
    settings.replica.entries_in_flight_max = 2;
    settings.replica.commands_ahead_min = 1;
    play(seed, settings, async |stage| {
        let mut played = Played::default();
        let reign = stage.settled(PK).await;
        let through = stage.others(reign.leader)[0];
        stage.put_next(through, PK, WRITE_MAX).await;
        let before = stage.last();
        lose_answers(stage, through, reign.leader);
        let body = json!({
            "TableName": Stage::TABLE, "Key": {"pk": {"S": PK}}, "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        });
        let Some(answer) = stage.begin(through, Operation::UpdateItem, body) else { return played };
        tokio::time::sleep(Duration::from_millis(300)).await;
        // Now it has had its effect. From here on nothing is applied, and whatever comes waits.
        let is_added = stage.read(reign.leader, PK, WRITE_MAX).await == Some(before + 1);
        HOLDERS.into_iter().for_each(|node| stage.cluster.set_disk_speed(node, Duration::from_secs(20)));
        let fillers: Vec<_> =
            (1..40).filter_map(|number| stage.begin_put(reign.leader, &stage.pk(number, true))).collect();
        stage.cluster.wires.watch(None);
        stage.cluster.wires.mend_all();
        let answer = stage.end(answer, 2 * NODE_WAIT).await;
        drop(fillers);
        let told_nothing = answer.filter(|answer| {
            is_added
                && ["ProvisionedThroughputExceededException", "ThrottlingException"]
                    .iter()
                    .any(|name| says(answer, name))
        });
        played.note(told_nothing.map(|answer| format!("an addition had its effect and was answered {answer:?}")));
        played
    })
}

/// From the first message on that arrives, `to` cannot answer `from`.
fn lose_answers(stage: &Stage, from: NodeId, to: NodeId) {
    let wires = Arc::downgrade(&stage.cluster.wires);
    stage.cluster.wires.watch(Some(Arc::new(move |sender, receiver, service, moment| {
        if (sender, receiver, service, moment) == (from, to, Service::Forward, Moment::Arrived)
            && let Some(wires) = wires.upgrade()
        {
            wires.cut(to, from);
        }
    })));
}

/// A node that has heard of a table before it was active, and nothing since, must not say that it is not there.
pub(super) fn old_copy_of_new_table(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        let behind = HOLDERS[2];
        let Some(made) = stage.begin_table(HOLDERS[0], "other") else { return played };
        let is_creating = |stage: &Stage| status_at(stage, behind, "other") == Some(TableStatus::Creating);
        if !stage.comes(Duration::from_secs(10), is_creating).await {
            return played;
        }
        stage.isolate(behind);
        drop(made);
        let is_active = |stage: &Stage| status_at(stage, HOLDERS[0], "other") == Some(TableStatus::Active);
        if stage.comes(Duration::from_secs(60), is_active).await && is_creating(stage) {
            played.note(not_found(stage, behind, "other").await);
        }
        played
    })
}

/// A node that has not heard that a table was deleted and made again must not say that it is not there.
pub(super) fn old_copy_of_table_made_again(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        let behind = HOLDERS[2];
        for round in 0..2 {
            stage.settled(PK).await;
            stage.isolate(behind);
            let is_gone = |stage: &Stage| status_at(stage, HOLDERS[0], Stage::TABLE).is_none();
            let deletion = json!({"TableName": Stage::TABLE});
            stage.ask(HOLDERS[round % 2], Operation::DeleteTable, deletion, NODE_WAIT).await;
            if !stage.comes(Duration::from_secs(60), is_gone).await {
                return played;
            }
            let made = stage.begin_table(HOLDERS[0], Stage::TABLE);
            let is_active = |stage: &Stage| status_at(stage, HOLDERS[0], Stage::TABLE) == Some(TableStatus::Active);
            let is_made = made.is_some() && stage.comes(Duration::from_secs(60), is_active).await;
            // It hears messages again, and has not yet been told of the table.
            stage.cluster.wires.mend_all();
            if !is_made {
                return played;
            }
            played.note(not_found(stage, behind, Stage::TABLE).await);
            stage.know_table();
        }
        played
    })
}

fn status_at(stage: &Stage, node: NodeId, table: &str) -> Option<TableStatus> {
    stage.cluster.node(node)?.catalog().table(table).map(|table| table.status)
}

/// What a node says of a table that is there, if it says that it is not.
async fn not_found(stage: &Stage, node: NodeId, table: &str) -> Option<String> {
    let body = json!({"TableName": table, "Key": {"pk": {"S": PK}}, "ConsistentRead": true});
    let answer = stage.ask(node, Operation::GetItem, body, 2 * NODE_WAIT).await?;
    says(&answer, "ResourceNotFoundException").then(|| format!("of an active table node {node} says {answer:?}"))
}

/// Power is lost everywhere right after nodes have joined, when nothing of them is flushed: all come back.
pub(super) fn power_lost_at_joining(seed: u64) -> Played {
    play(seed, AllSettings::default(), async |stage| {
        let mut played = Played::default();
        for round in 0..4_u64 {
            let joined = stage.cluster.add(1.0).await;
            tokio::time::sleep(Duration::from_millis((seed * 37 + round * 211) % 900)).await;
            stage.cluster.nodes().into_iter().for_each(|node| stage.cluster.crash(node));
            for node in stage.cluster.nodes() {
                let _comes_up_by_itself = stage.cluster.launch(node);
            }
            played.note(unserved(stage, joined.is_ok()).await);
        }
        played
    })
}

async fn unserved(stage: &mut Stage, is_expected: bool) -> Option<String> {
    let begun = stage.now();
    while stage.now() - begun < SERVED_WITHIN {
        for node in HOLDERS {
            if stage.put_next(node, PK, WRITE_MAX).await {
                return None;
            }
        }
        // A node that is down refuses at once.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    is_expected.then(|| format!("nothing is served {SERVED_WITHIN:?} after all nodes came back"))
}

/// A leader hands over to a replica that has just started, and so may not vote yet, while its group is about to sleep.
pub(super) fn successor_just_started(seed: u64) -> Played {
    let mut settings = AllSettings::default();
    settings.consensus.sleep_after_ms = Some(500);
    play(seed, settings, async |stage| {
        let mut played = Played::default();
        for round in 0..4_u64 {
            let reign = stage.settled(PK).await;
            for other in stage.others(reign.leader) {
                stage.cluster.kill(other);
                let _comes_up_by_itself = stage.cluster.launch(other);
            }
            tokio::time::sleep(Duration::from_millis(100 + (seed * 131 + round * 397) % 1_600)).await;
            stage.cluster.stop(reign.leader).await;
            let _comes_up_by_itself = stage.cluster.launch(reign.leader);
            played.note(unserved(stage, true).await);
        }
        played
    })
}

/// A disk fails while a node takes replicas: the process ends, as the binary does, and the next one is whole.
pub(super) fn disk_fails_at_opening(seed: u64) -> Played {
    play(seed, sleepless(), async |stage| {
        let mut played = Played::default();
        let node = HOLDERS[2];
        for round in 0..4_u64 {
            let made = stage.begin_table(HOLDERS[0], &format!("table-{round}"));
            tokio::time::sleep(Duration::from_millis(1 + (seed * 7 + round * 13) % 40)).await;
            let reason = "an input/output error".to_owned();
            stage.cluster.fail_disk(node, &stator_environment::DiskError::Failed { action: "write", reason });
            let is_down = |stage: &Stage| !stage.cluster.is_up(node);
            let ends = stage.comes(SERVED_WITHIN, is_down).await;
            played.note((!ends).then(|| format!("node {node} goes on with a disk that has failed")));
            drop(made);
            if let Err(reason) = stage.cluster.start(node).await {
                played.broken.push(format!("node {node} does not start again: {reason}"));
                return played;
            }
        }
        played
    })
}

/// The leader of a group that sleeps dies, and is taken out before it counts as dead: then nobody would ever count it as dead.
pub(super) fn sleeping_leader_removed(seed: u64) -> Played {
    let mut settings = AllSettings::default();
    settings.consensus.sleep_after_ms = Some(500);
    play(seed, settings, async |stage| {
        let mut played = Played::default();
        let partition = stage.partition_of(PK);
        let reign = stage.settled(PK).await;
        let begun = stage.now();
        while !stage.sleeps(reign.leader, partition).await {
            if stage.now() - begun > SERVED_WITHIN {
                return played;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        stage.cluster.kill(reign.leader);
        if stage.cluster.remove(reign.leader).await.is_err() {
            return played;
        }
        // Nobody wants the group meanwhile.
        let begun = stage.now();
        while stage.reign(partition).await.is_none() && stage.now() - begun < SERVED_WITHIN {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let is_led = stage.reign(partition).await.is_some();
        played.note((!is_led).then(|| format!("nobody leads {SERVED_WITHIN:?} after the leader was removed")));
        played
    })
}
