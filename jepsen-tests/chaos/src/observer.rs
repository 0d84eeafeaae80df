//! Looks at the cluster every other second while it is being broken: who leads, what memory and files its nodes take.

use crate::{
    cluster::Roster,
    process::{resources, state},
    record::Observation,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(2);
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Observes until it is aborted. Each observation goes to `tell`.
pub async fn observe(program: PathBuf, roster: Roster, started: Instant, tell: impl Fn(Observation)) {
    let mut leaders: BTreeMap<u64, Option<u64>> = BTreeMap::new();
    loop {
        tokio::time::sleep(EVERY).await;
        let seats = roster.seats();
        let resources: Vec<(usize, u64, u64)> = seats
            .iter()
            .filter_map(|seat| resources(seat.pid).map(|(bytes, files)| (seat.number, bytes, files)))
            .collect();
        let mut leader_changes = Vec::new();
        for seat in seats.iter().filter(|seat| state(seat.pid).is_some_and(|state| state != 'T')) {
            if let Some(status) = status(&program, &seat.data).await {
                leader_changes = changes(&mut leaders, &status);
                break;
            }
        }
        let at_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        tell(Observation { at_us, resources, leader_changes });
    }
}

async fn status(program: &Path, data: &Path) -> Option<Value> {
    let mut command = tokio::process::Command::new(program);
    command.args(["status", "--json", "--data"]).arg(data).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER_MAX, command.output()).await.ok()?.ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// What is new, in words. The first look is not.
fn changes(leaders: &mut BTreeMap<u64, Option<u64>>, status: &Value) -> Vec<String> {
    let none = Vec::new();
    let name = |leader: Option<u64>| leader.map_or_else(|| "nobody".to_owned(), |leader| format!("node {leader}"));
    let mut changes = Vec::new();
    for partition in status["partitions"].as_array().unwrap_or(&none) {
        let Some(id) = partition["id"].as_u64() else { continue };
        let now = partition["leader"].as_u64();
        if let Some(before) = leaders.insert(id, now)
            && before != now
        {
            changes.push(format!("partition {id}: {} leads, before {}", name(now), name(before)));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_of_leaders_are_told_once() {
        let status = |leader: Option<u64>| json!({ "partitions": [{ "id": 3, "leader": leader }] });
        let mut leaders = BTreeMap::new();
        assert!(changes(&mut leaders, &status(Some(1))).is_empty());
        assert_eq!(changes(&mut leaders, &status(None)), ["partition 3: nobody leads, before node 1"]);
        assert!(changes(&mut leaders, &status(None)).is_empty());
    }
}
