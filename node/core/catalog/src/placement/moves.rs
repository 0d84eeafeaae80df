//! What should be moved now: partitions that lack replicas get them, replicas of nodes that are gone are replaced, leaders
//! spread.

use super::{Places, replicas_wanted};
use crate::{Catalog, Member, MembersPlan, NodeState, PartitionDescription, Role, TableStatus};
use stator_item::{NodeId, PartitionId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// So long a plan may need a node that is not heard of: it may only be starting anew.
const PLAN_WITHOUT_NODE_MAX: Duration = Duration::from_secs(30);
/// So long a plan may take whose nodes all live: a large partition has to be copied.
const PLAN_MAX: Duration = Duration::from_secs(60 * 60);

/// What the catalog's leader observes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// Nodes that were heard of lately.
    pub alive: BTreeSet<NodeId>,
    /// Nodes that are given up though nobody removed them; none while dead nodes are replaced by operators.
    pub given_up: BTreeSet<NodeId>,
    /// Where partitions are led, as far as it is known.
    pub leaders: BTreeMap<PartitionId, NodeId>,
    /// How long plans have been waiting to be carried out, as far as it was watched.
    pub plan_ages: BTreeMap<PartitionId, Duration>,
}

/// One step towards where replicas and leaders should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Move {
    /// Other members: a change for the catalog, whose plan is then carried out.
    Members(MembersPlan),
    /// The plan cannot be carried out: the partition goes back to the members it had, then the plan is dropped.
    GiveUp { partition: PartitionId },
    /// The partition's leader hands over.
    Leader { partition: PartitionId, to: NodeId },
}

/// The moves to begin now: with the plans on their way, no more than `moves_max` changes of members, and no more than
/// `moves_max` leaders. The catalog's own group comes first. Empty where everything is as it should be.
pub fn moves(catalog: &Catalog, view: &View, moves_max: usize) -> Vec<Move> {
    let mut moves: Vec<Move> = catalog.plans().filter_map(|(partition, _)| give_up(catalog, view, partition)).collect();
    let given_up = moves.len();
    let room = moves_max.saturating_sub(catalog.plans().len());
    let dead: Vec<NodeId> =
        catalog.joined_nodes().map(|node| node.id).filter(|node| !view.alive.contains(node)).collect();
    let mut places = Places::of(catalog, &dead);
    for partition in catalog.partitions() {
        if moves.len() - given_up >= room {
            break;
        }
        if is_movable(catalog, view, partition)
            && let Some(plan) = better_members(catalog, view, partition, &mut places)
        {
            moves.push(Move::Members(plan));
        }
    }
    let planned: BTreeSet<PartitionId> = moves
        .iter()
        .filter_map(|planned| match planned {
            Move::Members(plan) => Some(plan.partition),
            Move::GiveUp { .. } | Move::Leader { .. } => None,
        })
        .collect();
    moves.extend(leader_moves(catalog, view, &planned, moves_max));
    moves
}

/// A plan that waits for a node in vain holds up others, and the partition lacks a replica in the meantime.
fn give_up(catalog: &Catalog, view: &View, partition: PartitionId) -> Option<Move> {
    let (plan, description) = (catalog.plan(partition)?, catalog.partition(partition)?);
    let is_new = |member: &&Member| !description.members.iter().any(|known| known.replica == member.replica);
    let lives = plan.members.iter().filter(is_new).all(|member| view.alive.contains(&member.node));
    let age_max = if lives { PLAN_MAX } else { PLAN_WITHOUT_NODE_MAX };
    view.plan_ages.get(&partition).is_some_and(|age| *age >= age_max).then_some(Move::GiveUp { partition })
}

/// Members change only where the change can be carried out: no other is on its way, the table stays, a quorum lives.
fn is_movable(catalog: &Catalog, view: &View, partition: &PartitionDescription) -> bool {
    let deleting = catalog.table_of_rows(partition.table).is_some_and(|table| {
        let index = table.global_index_by_id(partition.table);
        table.status == TableStatus::Deleting || index.is_some_and(|index| !index.is_fed())
    });
    let voters = || partition.members.iter().filter(|member| member.role == Role::Voter);
    let living = voters().filter(|voter| view.alive.contains(&voter.node) && !catalog.is_lost(voter.replica)).count();
    catalog.plan(partition.id).is_none() && !deleting && living * 2 > voters().count()
}

/// The members that the partition should have instead of its own, if others.
fn better_members(
    catalog: &Catalog,
    view: &View,
    partition: &PartitionDescription,
    places: &mut Places,
) -> Option<MembersPlan> {
    let stays = |node: NodeId| {
        !view.given_up.contains(&node) && catalog.node(node).is_some_and(|node| node.state == NodeState::Joined)
    };
    let usable_count = catalog.joined_nodes().filter(|node| stays(node.id)).count();
    let wanted = replicas_wanted(partition.id, usable_count);
    let (mut keep, gone): (Vec<Member>, Vec<Member>) =
        partition.members.iter().partition(|member| stays(member.node) && !catalog.is_lost(member.replica));

    // Only nodes that live get replicas: one that is dead for a while comes back with its own.
    let barred: BTreeSet<NodeId> =
        catalog.joined_nodes().map(|node| node.id).filter(|node| !view.alive.contains(node) || !stays(*node)).collect();
    let mut taken: BTreeSet<NodeId> = keep.iter().map(|member| member.node).collect();
    let mut added = Vec::new();
    while taken.len() < wanted
        && let Some(node) = places.next(&taken, &barred)
    {
        taken.insert(node);
        added.push(node);
    }
    // Two voters of two stop as easily as two of three: without a node to take over, shrinking would win nothing.
    if added.is_empty() && gone.iter().any(|member| member.role == Role::Voter) {
        keep.clone_from(&partition.members);
    }

    // Voters go from one to three at once: of two, one would stop the other.
    let role = if taken.len() >= 3 { Role::Voter } else { Role::Learner };
    for member in keep.iter_mut().filter(|_| role == Role::Voter) {
        member.role = Role::Voter;
    }
    if added.is_empty() && keep == partition.members {
        return None;
    }
    let add = added.into_iter().map(|node| (node, role)).collect();
    Some(MembersPlan { partition: partition.id, epoch: partition.epoch, keep, add })
}

/// Hands leaderships from nodes that lead much to nodes that lead less; a difference of one is left alone.
fn leader_moves(catalog: &Catalog, view: &View, planned: &BTreeSet<PartitionId>, moves_max: usize) -> Vec<Move> {
    let mut leaders_count: BTreeMap<NodeId, usize> =
        catalog.joined_nodes().filter(|node| view.alive.contains(&node.id)).map(|node| (node.id, 0)).collect();
    for leader in view.leaders.values() {
        if let Some(count) = leaders_count.get_mut(leader) {
            *count += 1;
        }
    }
    let mut moves = Vec::new();
    for partition in catalog.partitions() {
        if moves.len() >= moves_max {
            break;
        }
        let Some(leader) = view.leaders.get(&partition.id) else { continue };
        let Some(&from_count) = leaders_count.get(leader) else { continue };
        if planned.contains(&partition.id) || catalog.plan(partition.id).is_some() {
            continue;
        }
        let least = partition
            .members
            .iter()
            .filter(|member| member.role == Role::Voter && !catalog.is_lost(member.replica))
            .filter_map(|member| leaders_count.get(&member.node).map(|count| (*count, member.node)))
            .min();
        if let Some((to_count, to)) = least
            && to_count + 2 <= from_count
        {
            moves.push(Move::Leader { partition: partition.id, to });
            leaders_count.insert(*leader, from_count - 1);
            leaders_count.insert(to, to_count + 1);
        }
    }
    moves
}
