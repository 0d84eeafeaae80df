//! What is done with a cluster when the faults are over: it is mended, its replicas are compared, its nodes are stopped, and
//! what they have stored is checked.

use crate::{
    cluster::{Cluster, STOP_MAX, WHOLE_MAX},
    disk::{DiskControl, DiskMode},
    error::Error,
    faketime::ClockControl,
    process::state,
    record::Aftermath,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// How long replicas may take to come to the same index when nobody writes.
const EQUAL_MAX: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Undoes every fault that may stand, and waits until the cluster is whole.
pub async fn mend(cluster: &mut Cluster) -> Result<(), Error> {
    cluster.heal_network()?;
    for place in cluster.members() {
        if cluster.plan.clocks {
            ClockControl::of(cluster.directory.path(), place).set("+0s")?;
        }
        if cluster.plan.disks {
            DiskControl::of(cluster.directory.path(), place).set(DiskMode::Sound)?;
        }
        let process = &mut cluster.nodes[place].process;
        if process.pid().and_then(state) == Some('T') {
            process.signal(Signal::CONT)?;
        }
    }
    let dead: Vec<usize> =
        cluster.members().into_iter().filter(|place| !cluster.nodes[*place].process.is_running()).collect();
    cluster.start_all(&dead).await?;
    cluster.wait_whole(WHOLE_MAX).await
}

/// By partition: each node's replica.
type Digests = BTreeMap<u64, Vec<(usize, u64, String)>>;

/// Compares the replicas of each partition, at the same applied index.
pub async fn compare(cluster: &Cluster, after: &mut Aftermath) {
    let deadline = Instant::now() + EQUAL_MAX;
    loop {
        let digests = match digests(cluster) {
            Ok(digests) => digests,
            Err(error) => {
                after.not_compared = Some(error.to_string());
                return;
            }
        };
        let (lines, differences, unsettled) = judged(&digests);
        (after.replicas, after.differences) = (lines, differences);
        // Replicas that differ at one index will not become equal again.
        if unsettled.is_none() || Instant::now() >= deadline {
            after.not_compared = unsettled;
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn digests(cluster: &Cluster) -> Result<Digests, Error> {
    let mut digests = Digests::new();
    for place in cluster.members() {
        let data = cluster.nodes[place].data.display().to_string();
        let text = crate::cluster::run_stator(&cluster.plan, &["check", &data, "--digests", "--json"])?;
        let told: Value = serde_json::from_str(&text).map_err(|error| Error::Cluster(error.to_string()))?;
        for replica in told["replicas"].as_array().into_iter().flatten() {
            let partition = replica["partition"].as_u64().unwrap_or_default();
            let index = replica["applied_index"].as_u64().unwrap_or_default();
            let hash = replica["hash"].as_str().unwrap_or_default().to_owned();
            digests.entry(partition).or_default().push((place, index, hash));
        }
    }
    Ok(digests)
}

/// A line for each partition, what differs, and why some cannot be compared yet.
fn judged(digests: &Digests) -> (Vec<String>, Vec<String>, Option<String>) {
    let (mut lines, mut differences, mut unsettled) = (Vec::new(), Vec::new(), None);
    for (partition, replicas) in digests {
        let name = if *partition == 0 { "the catalog".to_owned() } else { format!("partition {partition}") };
        let mut by_index: BTreeMap<u64, Vec<&(usize, u64, String)>> = BTreeMap::new();
        replicas.iter().for_each(|replica| by_index.entry(replica.1).or_default().push(replica));
        for (index, same) in &by_index {
            if same.windows(2).any(|pair| matches!(pair, [one, other] if one.2 != other.2)) {
                let each: Vec<String> =
                    same.iter().map(|(place, _, hash)| format!("node {}: {hash}", place + 1)).collect();
                differences.push(format!("{name} differs at index {index}: {}", each.join(", ")));
            }
        }
        match by_index.first_key_value() {
            Some((index, same)) if by_index.len() == 1 => {
                let hash = same.first().map_or("", |replica| replica.2.as_str());
                lines.push(format!("{name}: {} replicas at index {index}, {hash}", same.len()));
            }
            _ => {
                let indexes: Vec<String> = by_index.keys().map(u64::to_string).collect();
                unsettled = Some(format!("{name}: its replicas stay at the indexes {}", indexes.join(", ")));
            }
        }
    }
    (lines, differences, unsettled)
}

/// Stops all nodes in order and reads what they have stored.
pub async fn stop_and_check(cluster: &mut Cluster, after: &mut Aftermath) {
    for place in cluster.members() {
        let process = &mut cluster.nodes[place].process;
        let Some(status) = process.stop(STOP_MAX).await else {
            after.findings.push(format!(
                "node {} did not end within {} s when it was stopped",
                place + 1,
                STOP_MAX.as_secs()
            ));
            continue;
        };
        if !status.success() {
            after.findings.push(format!(
                "node {} was stopped and ended with {status}; it said last:\n{}",
                place + 1,
                process.said()
            ));
        }
    }
    for place in cluster.members() {
        let data = &cluster.nodes[place].data;
        let mut command = Command::new(&cluster.plan.program);
        command.arg("check").arg(data).arg("--json").stdin(Stdio::null());
        let told = tokio::task::block_in_place(|| command.output());
        let found = match told {
            Ok(output) => match serde_json::from_slice::<Value>(&output.stdout) {
                Ok(found) => found,
                Err(_) => {
                    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                    after.findings.push(format!("node {}: {said}", place + 1));
                    continue;
                }
            },
            Err(error) => {
                after.not_checked = Some(format!("node {}: {error}", place + 1));
                continue;
            }
        };
        let findings = found["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let partitions = found["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let items: u64 = partitions.iter().filter_map(|partition| partition["items"].as_u64()).sum();
        let (node, count) = (place + 1, partitions.len());
        after.checks.push(format!("node {node}: {count} partitions, {items} items, {} findings", findings.len()));
        let words = findings.iter().map(|finding| finding.as_str().unwrap_or_default());
        after.findings.extend(words.map(|finding| format!("node {node}: {finding}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_compared_at_one_index() {
        let replica = |place: usize, index: u64, hash: &str| (place, index, hash.to_owned());
        let digests = |replicas: Vec<(usize, u64, String)>| Digests::from([(4, replicas)]);
        let (lines, differences, unsettled) = judged(&digests(vec![replica(0, 7, "a"), replica(1, 7, "a")]));
        assert_eq!((lines.len(), differences.len(), unsettled), (1, 0, None));
        let (_, differences, unsettled) = judged(&digests(vec![replica(0, 7, "a"), replica(1, 7, "b")]));
        assert_eq!((differences.len(), unsettled), (1, None));
        let (_, differences, unsettled) = judged(&digests(vec![replica(0, 7, "a"), replica(1, 8, "b")]));
        assert_eq!(differences.len(), 0);
        assert_eq!(unsettled.as_deref(), Some("partition 4: its replicas stay at the indexes 7, 8"));
    }
}
