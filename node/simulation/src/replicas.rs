//! Replicas of a partition must be the same, byte for byte, once they have applied the same.

use crate::cluster::Cluster;
use bytes::Bytes;
use stator_environment::{Direction, Family, KeyRange};
use std::ops::ControlFlow;

/// Where the nodes' rows differ. All partitions of a cluster of three are on all three nodes.
pub fn differences(cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.nodes();
    let mut found = Vec::new();
    let contents: Vec<_> = nodes.iter().map(|node| (*node, content(cluster, *node))).collect();
    for pair in contents.windows(2) {
        let [(one, ours), (other, theirs)] = pair else { continue };
        if ours.len() != theirs.len() {
            found.push(format!("node {one} has {} rows, node {other} {}", ours.len(), theirs.len()));
        } else if let Some((left, _)) = ours.iter().zip(theirs).find(|(left, right)| left != right) {
            found.push(format!("nodes {one} and {other} differ at row {:02x?}", &left.0[..]));
        }
    }
    found
}

fn content(cluster: &Cluster, node: stator_item::NodeId) -> Vec<(Bytes, Bytes)> {
    let mut rows = Vec::new();
    let everything = KeyRange { start: Bytes::new(), end: None };
    let Some(Ok(view)) = cluster.rows(node).map(|rows| rows.view()) else { return rows };
    for family in [Family::Items, Family::Changes] {
        // A simulated disk that runs does not fail.
        let _ = view.scan(family, &everything, Direction::Forward, &mut |key, value| {
            rows.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            ControlFlow::Continue(())
        });
    }
    rows
}
