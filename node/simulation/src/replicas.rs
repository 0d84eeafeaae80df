//! Replicas of a partition must be the same, byte for byte, once they have applied the same: their items in the end, and all of
//! their state wherever two have applied as much.

use crate::cluster::Cluster;
use bytes::Bytes;
use stator_catalog::{Catalog, PartitionDescription};
use stator_cluster::ReplicaDigest;
use stator_environment::{Direction, Family, KeyRange};
use stator_item::{IndexNumber, NodeId, PartitionId};
use stator_partition::rows::items_bounds;
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// Where the replicas of some partition differ, as the newest catalog that a node knows has them.
pub fn differences(cluster: &Cluster) -> Vec<String> {
    let Some(catalog) = cluster.newest_catalog() else {
        return vec!["no node is up".to_owned()];
    };
    let in_items = partitions(&catalog).flat_map(|partition| compare(cluster, partition));
    in_items.chain(differing_states(cluster)).collect()
}

/// Where two replicas differ though they have applied the same entries.
fn differing_states(cluster: &Cluster) -> Vec<String> {
    let mut known: BTreeMap<(PartitionId, u64), (NodeId, u128)> = BTreeMap::new();
    let mut found = Vec::new();
    for (id, node) in cluster.nodes().into_iter().filter_map(|id| Some((id, cluster.node(id)?))) {
        // A disk that fails has stopped its node, or is about to.
        for ReplicaDigest { partition, digest, .. } in node.digests().unwrap_or_default() {
            let Some(position) = digest.position else { continue };
            let (other, hash) = *known.entry((partition, position.index)).or_insert((id, digest.hash));
            if hash != digest.hash {
                let index = position.index;
                found.push(format!(
                    "the states of partition {partition} at entry {index} differ on nodes {other} and {id}"
                ));
            }
        }
    }
    found
}

fn partitions(catalog: &Catalog) -> impl Iterator<Item = &Arc<PartitionDescription>> {
    catalog.partitions().filter(|partition| partition.id != PartitionId::CATALOG)
}

fn compare(cluster: &Cluster, partition: &PartitionDescription) -> Vec<String> {
    // A node whose joining was broken off has no machine.
    let members = partition.members.iter().map(|member| member.node).filter(|node| cluster.rows(*node).is_some());
    let contents: Vec<_> = members.map(|node| (node, content(cluster, node, partition))).collect();
    let mut found = Vec::new();
    for [(one, ours), (other, theirs)] in contents.array_windows() {
        let id = partition.id;
        if ours.len() != theirs.len() {
            let (ours, theirs) = (ours.len(), theirs.len());
            found.push(format!("of partition {id} node {one} has {ours} rows, node {other} {theirs}"));
        } else if let Some((left, _)) = ours.iter().zip(theirs).find(|(left, right)| left != right) {
            found.push(format!("of partition {id} nodes {one} and {other} differ at row {:02x?}", &left.0[..]));
        }
    }
    found
}

/// All items and entries of local indexes that a node has of a partition.
fn content(cluster: &Cluster, node: NodeId, partition: &PartitionDescription) -> Vec<(Bytes, Bytes)> {
    let mut rows = Vec::new();
    let Some(Ok(view)) = cluster.rows(node).map(|rows| rows.view()) else { return rows };
    let local: Vec<IndexNumber> = (1..=5).map(IndexNumber).collect();
    for (start, end) in items_bounds(partition.table, partition.tokens, &local) {
        let range = KeyRange { start: start.into(), end: end.map(Bytes::from) };
        // A simulated disk that runs does not fail.
        let _ = view.scan(Family::Items, &range, Direction::Forward, &mut |key, value| {
            rows.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            ControlFlow::Continue(())
        });
    }
    rows
}
