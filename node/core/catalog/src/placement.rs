//! Where replicas should be. Thinks only: what it answers becomes changes of the catalog, which may refuse them.

mod moves;
#[cfg(test)]
mod tests;

pub use moves::{Move, View, moves};

use crate::{Catalog, Role, TABLE_PARTITIONS_MAX, Throughput};
use stator_item::{NodeId, PartitionId};
use std::collections::{BTreeMap, BTreeSet};

/// Replicas of a partition, where there are nodes for them.
pub const REPLICAS_MAX: usize = 3;
/// Replicas of the catalog's own group on a larger cluster.
pub const CATALOG_REPLICAS_MAX: usize = 5;

/// What one partition serves a second, DynamoDB's figures.
pub const PARTITION_READ_UNITS: u64 = 3_000;
pub const PARTITION_WRITE_UNITS: u64 = 1_000;

/// How many partitions DynamoDB needs for that much throughput.
pub fn partitions_needed(warm: Throughput) -> u64 {
    let read = warm.read_units.div_ceil(PARTITION_READ_UNITS);
    read.max(warm.write_units.div_ceil(PARTITION_WRITE_UNITS)).max(1)
}

/// How many partitions a new table or index gets: what its warm throughput needs, as DynamoDB would give it; on one node one, as
/// there is nobody to share the work with.
pub(crate) fn partitions_of_new_table(warm: Throughput, nodes_count: usize, setting: Option<u64>) -> u64 {
    let needed = match setting {
        Some(count) => count,
        None if nodes_count <= 1 => 1,
        None => partitions_needed(warm),
    };
    needed.clamp(1, TABLE_PARTITIONS_MAX)
}

/// How many replicas a partition should have on a cluster of so many nodes.
fn replicas_wanted(partition: PartitionId, nodes_count: usize) -> usize {
    let most = if partition == PartitionId::CATALOG && nodes_count >= CATALOG_REPLICAS_MAX {
        CATALOG_REPLICAS_MAX
    } else {
        REPLICAS_MAX
    };
    nodes_count.min(most)
}

/// A node that may get replicas.
#[derive(Clone, Debug)]
struct Place {
    zone: String,
    /// Not heard of lately: taken only where there is no other.
    avoided: bool,
    replicas_count: u64,
}

/// The cluster's nodes with what they hold; knows what it gave out before.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    nodes: BTreeMap<NodeId, Place>,
    /// Holds the voter of a cluster of two.
    anchor: Option<NodeId>,
}

impl Places {
    pub(crate) fn of(catalog: &Catalog, avoid: &[NodeId]) -> Places {
        let mut nodes: BTreeMap<NodeId, Place> = catalog
            .joined_nodes()
            .map(|node| {
                let place =
                    Place { zone: node.start.zone.clone(), avoided: avoid.contains(&node.id), replicas_count: 0 };
                (node.id, place)
            })
            .collect();
        let plans: BTreeMap<PartitionId, _> = catalog.plans().collect();
        for partition in catalog.partitions() {
            let members = plans.get(&partition.id).map_or(&partition.members, |plan| &plan.members);
            for member in members {
                if let Some(place) = nodes.get_mut(&member.node) {
                    place.replicas_count += 1;
                }
            }
        }
        let anchor = catalog
            .partition(PartitionId::CATALOG)
            .and_then(|group| group.members.iter().find(|member| member.role == Role::Voter))
            .map(|member| member.node)
            .filter(|node| nodes.contains_key(node));
        Places { nodes, anchor }
    }

    fn count(&self) -> usize {
        self.nodes.len()
    }

    /// Nodes for the replicas of a table's partition; the first one makes the group. `number` is the partition's in its
    /// table, so that first leaders spread.
    pub(crate) fn take(&mut self, number: u64) -> Vec<(NodeId, Role)> {
        let mut taken: BTreeSet<NodeId> = BTreeSet::new();
        while taken.len() < REPLICAS_MAX
            && let Some(node) = self.next(&taken, &BTreeSet::new())
        {
            taken.insert(node);
        }
        let mut nodes: Vec<NodeId> = taken.into_iter().collect();
        if self.count() == 2 {
            // A lone second node only learns: its death must stop nothing.
            nodes.sort_by_key(|node| Some(*node) != self.anchor);
            return nodes.into_iter().zip([Role::Voter, Role::Learner]).collect();
        }
        let shift = usize::try_from(number % (nodes.len().max(1) as u64)).unwrap_or(0);
        nodes.rotate_left(shift);
        nodes.into_iter().map(|node| (node, Role::Voter)).collect()
    }

    /// The best node for one more replica of a partition that is on `taken` already, none of `barred`: heard of, in another
    /// zone, with the fewest replicas. Counts as given out.
    fn next(&mut self, taken: &BTreeSet<NodeId>, barred: &BTreeSet<NodeId>) -> Option<NodeId> {
        let zones: BTreeSet<&str> =
            taken.iter().filter_map(|node| self.nodes.get(node)).map(|place| place.zone.as_str()).collect();
        let best = self
            .nodes
            .iter()
            .filter(|(node, _)| !taken.contains(node) && !barred.contains(node))
            .min_by_key(|(node, place)| {
                (place.avoided, zones.contains(place.zone.as_str()), place.replicas_count, **node)
            })
            .map(|(node, _)| *node)?;
        self.nodes.get_mut(&best)?.replicas_count += 1;
        Some(best)
    }
}
