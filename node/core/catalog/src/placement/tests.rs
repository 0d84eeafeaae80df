//! Clusters grow, lose nodes and calm down.

use super::{Move, View, moves};
use crate::{
    step::tests::{cluster, create, done, node, spec},
    *,
};
use proptest::prelude::*;
use stator_item::{NodeId, PartitionId, ReplicaId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

fn view(alive: impl IntoIterator<Item = u64>) -> View {
    View { alive: alive.into_iter().map(NodeId).collect(), ..View::default() }
}

/// Nodes and roles of a partition's members: `1v 2l`.
fn shown(catalog: &Catalog, partition: u64) -> String {
    let partition = catalog.partition(PartitionId(partition)).expect("there");
    let mut members: Vec<String> = partition
        .members
        .iter()
        .map(|member| format!("{}{}", member.node, if member.role == Role::Voter { 'v' } else { 'l' }))
        .collect();
    members.sort();
    members.join(" ")
}

/// Carries moves of members out until there are none.
fn settle(catalog: &mut Catalog, view: &View, moves_max: usize) {
    for _ in 0..1_000 {
        let planned: Vec<MembersPlan> = moves(catalog, view, moves_max)
            .into_iter()
            .filter_map(|planned| match planned {
                Move::Members(plan) => Some(plan),
                Move::GiveUp { .. } | Move::Leader { .. } => None,
            })
            .collect();
        assert!(planned.len() <= moves_max);
        if planned.is_empty() {
            return;
        }
        for plan in planned {
            let (partition, epoch) = (plan.partition, plan.epoch + 1);
            let Outcome::Planned(plan) = done(catalog, Change::PlanMembers(plan)) else { panic!("a plan") };
            done(catalog, Change::PartitionChanged { partition, epoch, members: plan.members });
        }
    }
    panic!("the cluster never calms down");
}

#[test]
fn new_partitions_go_to_three_nodes_in_different_zones_with_the_fewest_replicas() {
    for (nodes_count, expected) in [(1, ["1v", "1v"]), (2, ["1v 2l", "1v 2l"]), (3, ["1v 2v 3v", "1v 2v 3v"])] {
        let mut catalog = cluster(nodes_count);
        done(
            &mut catalog,
            Change::CreateTable { table: Box::new(spec("t")), partitions: Some(2), tables_max: None, avoid: vec![] },
        );
        assert_eq!([shown(&catalog, 1), shown(&catalog, 2)], expected, "{nodes_count} nodes");
    }

    // Six nodes: the catalog is on the first, so the first table goes to the others.
    let mut catalog = cluster(6);
    done(
        &mut catalog,
        Change::CreateTable { table: Box::new(spec("t")), partitions: Some(4), tables_max: None, avoid: vec![] },
    );
    let mut held: BTreeMap<NodeId, u64> = BTreeMap::new();
    for partition in catalog.partitions() {
        partition.members.iter().for_each(|member| *held.entry(member.node).or_default() += 1);
    }
    assert!(held.values().all(|count| (2..=3).contains(count)), "{held:?}");

    // Nodes that are avoided are taken last, and zones count for more than how much a node holds.
    let mut catalog = cluster(3);
    done(&mut catalog, Change::AddNode { node: NodeStart { zone: "zone-2".into(), ..node(4, 1) }, token: None });
    let table = |name: &str, avoid: Vec<u64>| Change::CreateTable {
        table: Box::new(spec(name)),
        partitions: Some(1),
        tables_max: None,
        avoid: avoid.into_iter().map(NodeId).collect(),
    };
    done(&mut catalog, table("a", vec![]));
    done(&mut catalog, table("b", vec![]));
    done(&mut catalog, table("c", vec![3]));
    assert_eq!(shown(&catalog, 1), "1v 2v 3v");
    assert_eq!(shown(&catalog, 2), "1v 3v 4v");
    assert_eq!(shown(&catalog, 3), "1v 2v 4v");
}

#[test]
fn first_leaders_spread() {
    let mut catalog = cluster(3);
    done(
        &mut catalog,
        Change::CreateTable { table: Box::new(spec("t")), partitions: Some(6), tables_max: None, avoid: vec![] },
    );
    let mut first: BTreeMap<NodeId, u64> = BTreeMap::new();
    for partition in catalog.partitions().skip(1) {
        *first.entry(partition.members[0].node).or_default() += 1;
    }
    assert_eq!(first.into_values().collect::<Vec<_>>(), [2, 2, 2]);
}

#[test]
fn a_cluster_grows_from_one_to_three_and_the_catalog_to_five() {
    let mut catalog = cluster(1);
    done(&mut catalog, create(spec("t")));
    settle(&mut catalog, &view(1..=1), 4);
    done(&mut catalog, Change::AddNode { node: node(2, 1), token: None });
    settle(&mut catalog, &view(1..=1), 4);
    assert_eq!(shown(&catalog, 1), "1v", "a node that was not heard of gets nothing");
    settle(&mut catalog, &view(1..=2), 4);
    assert_eq!([shown(&catalog, 0), shown(&catalog, 1)], ["1v 2l", "1v 2l"]);
    done(&mut catalog, Change::AddNode { node: node(3, 1), token: None });
    settle(&mut catalog, &view(1..=2), 4);
    assert_eq!(shown(&catalog, 1), "1v 2l", "voters go from one to three at once");
    settle(&mut catalog, &view(1..=3), 4);
    assert_eq!([shown(&catalog, 0), shown(&catalog, 1)], ["1v 2v 3v", "1v 2v 3v"]);
    done(&mut catalog, Change::AddNode { node: node(4, 1), token: None });
    settle(&mut catalog, &view(1..=4), 4);
    assert_eq!([shown(&catalog, 0), shown(&catalog, 1)], ["1v 2v 3v", "1v 2v 3v"]);
    done(&mut catalog, Change::AddNode { node: node(5, 1), token: None });
    settle(&mut catalog, &view(1..=5), 4);
    assert_eq!([shown(&catalog, 0), shown(&catalog, 1)], ["1v 2v 3v 4v 5v", "1v 2v 3v"]);
}

/// A settled cluster of three with one table of one partition.
fn three() -> Catalog {
    let mut catalog = cluster(3);
    done(
        &mut catalog,
        Change::CreateTable { table: Box::new(spec("t")), partitions: Some(1), tables_max: None, avoid: vec![] },
    );
    settle(&mut catalog, &view(1..=3), 4);
    catalog
}

#[test]
fn an_empty_node_takes_over_from_a_removed_one() {
    let mut catalog = three();
    settle(&mut catalog, &view([1, 3]), 4);
    assert_eq!(shown(&catalog, 1), "1v 2v 3v", "dead is not removed");
    done(&mut catalog, Change::RemoveNode { id: NodeId(2) });
    settle(&mut catalog, &view([1, 3]), 4);
    assert_eq!(shown(&catalog, 1), "1v 2v 3v", "nobody can take over");
    done(&mut catalog, Change::AddNode { node: node(4, 1), token: None });
    settle(&mut catalog, &view([1, 3, 4]), 4);
    assert_eq!([shown(&catalog, 0), shown(&catalog, 1)], ["1v 3v 4v", "1v 3v 4v"]);

    let mut catalog = three();
    done(&mut catalog, Change::AddNode { node: node(4, 1), token: None });
    let given_up = View { given_up: BTreeSet::from([NodeId(3)]), ..view([1, 2, 4]) };
    settle(&mut catalog, &given_up, 4);
    assert_eq!(shown(&catalog, 1), "1v 2v 4v");

    let mut catalog = cluster(2);
    settle(&mut catalog, &view(1..=2), 4);
    done(&mut catalog, Change::RemoveNode { id: NodeId(2) });
    settle(&mut catalog, &view(1..=1), 4);
    assert_eq!(shown(&catalog, 0), "1v", "a learner is missed by nobody");
}

#[test]
fn a_lost_replica_is_replaced_on_its_own_node_under_another_id() {
    let mut catalog = three();
    let lost = catalog.partition(PartitionId(1)).expect("there").members[2];
    done(&mut catalog, Change::ReplicaLost { replica: lost.replica });
    settle(&mut catalog, &view(1..=3), 4);
    assert_eq!(shown(&catalog, 1), "1v 2v 3v");
    let members = &catalog.partition(PartitionId(1)).expect("there").members;
    assert!(members.iter().all(|member| member.replica != lost.replica));
}

#[test]
fn nothing_is_moved_without_a_quorum_nor_more_at_once_than_allowed() {
    let mut catalog = three();
    done(&mut catalog, Change::RemoveNode { id: NodeId(2) });
    done(&mut catalog, Change::AddNode { node: node(4, 1), token: None });
    assert_eq!(moves(&catalog, &view([1, 4]), 4), []);
    let alive = view([1, 3, 4]);
    assert_eq!(moves(&catalog, &alive, 1).len(), 1);
    assert_eq!(moves(&catalog, &alive, 4).len(), 2);
    let Some(Move::Members(plan)) = moves(&catalog, &alive, 1).pop() else { panic!("a plan") };
    assert_eq!(plan.partition, PartitionId::CATALOG, "the catalog comes first");
    done(&mut catalog, Change::PlanMembers(plan));
    assert_eq!(moves(&catalog, &alive, 1), [], "one is on its way");
    assert_eq!(moves(&catalog, &alive, 2).len(), 1);
}

#[test]
fn a_plan_that_waits_for_a_dead_node_is_given_up() {
    let mut catalog = three();
    done(&mut catalog, Change::RemoveNode { id: NodeId(2) });
    done(&mut catalog, Change::AddNode { node: node(4, 1), token: None });
    let Some(Move::Members(plan)) = moves(&catalog, &view([1, 3, 4]), 1).pop() else { panic!("a plan") };
    let partition = plan.partition;
    done(&mut catalog, Change::PlanMembers(plan));
    let given_up = |alive: &[u64], age_s: u64| {
        let plan_ages = BTreeMap::from([(partition, Duration::from_secs(age_s))]);
        let view = View { plan_ages, ..view(alive.iter().copied()) };
        moves(&catalog, &view, 1).contains(&Move::GiveUp { partition })
    };
    assert!(!given_up(&[1, 3], 29), "it may be starting anew");
    assert!(given_up(&[1, 3], 30));
    assert!(!given_up(&[1, 3, 4], 3_599), "much may have to be copied");
    assert!(given_up(&[1, 3, 4], 3_600));
}

#[test]
fn leaders_spread_over_living_voters() {
    let mut catalog = cluster(3);
    done(
        &mut catalog,
        Change::CreateTable { table: Box::new(spec("t")), partitions: Some(5), tables_max: None, avoid: vec![] },
    );
    settle(&mut catalog, &view(1..=3), 4);
    let led = |by: [u64; 6], alive: &[u64]| View {
        leaders: (0u64..).map(PartitionId).zip(by.into_iter().map(NodeId)).collect(),
        ..view(alive.iter().copied())
    };
    let to = |view: &View, moves_max| -> Vec<(u64, u64)> {
        moves(&catalog, view, moves_max)
            .into_iter()
            .map(|planned| match planned {
                Move::Leader { partition, to } => (partition.0, to.0),
                other => panic!("{other:?}"),
            })
            .collect()
    };
    assert_eq!(to(&led([1, 1, 1, 1, 1, 1], &[1, 2, 3]), 9), [(0, 2), (1, 3), (2, 2), (3, 3)]);
    assert_eq!(to(&led([1, 1, 1, 1, 1, 1], &[1, 2, 3]), 2), [(0, 2), (1, 3)]);
    assert_eq!(to(&led([1, 1, 1, 1, 1, 1], &[1, 3]), 9), [(0, 3), (1, 3), (2, 3)], "2 is dead");
    assert_eq!(to(&led([1, 2, 3, 1, 2, 1], &[1, 2, 3]), 9), [(0, 3)]);
    assert_eq!(to(&led([1, 2, 3, 1, 2, 3], &[1, 2, 3]), 9), []);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens to nodes: it calms down, no plan is refused, and nobody loses a quorum by a move.
    #[test]
    fn every_cluster_calms_down(
        events in proptest::collection::vec((0u8..5, 1u64..9), 1..25),
        moves_max in 1usize..6,
    ) {
        let mut catalog = cluster(1);
        let mut alive = BTreeSet::from([NodeId(1)]);
        for (kind, number) in events {
            let id = NodeId(number);
            match kind {
                0 | 1 => {
                    let joined = catalog.nodes().len() as u64 + 1;
                    let zone = format!("zone-{}", joined % 3);
                    done(&mut catalog, Change::AddNode { node: NodeStart { zone, ..node(joined, 1) }, token: None });
                    alive.insert(NodeId(joined));
                }
                2 if alive.len() > 3 && alive.contains(&id) => match catalog.step(Change::RemoveNode { id }, &Stamp { now_ms: 1 }) {
                    // A partition that has lost its other replicas keeps this one.
                    Err(refusal) => prop_assert!(matches!(refusal, CatalogRefusal::OnlyVoter { .. }), "{refusal}"),
                    Ok(_) => prop_assert!(alive.remove(&id)),
                },
                3 => {
                    let at = Stamp { now_ms: 1 };
                    let _ = catalog.step(create(spec(&format!("t{number}"))), &at);
                }
                _ => {
                    let replica = ReplicaId(number);
                    done(&mut catalog, Change::ReplicaLost { replica });
                }
            }
            let view = View { alive: alive.clone(), ..View::default() };
            settle(&mut catalog, &view, moves_max);
            for partition in catalog.partitions() {
                let nodes: BTreeSet<NodeId> = partition.members.iter().map(|member| member.node).collect();
                prop_assert_eq!(nodes.len(), partition.members.len(), "two replicas on one node");
                prop_assert!(partition.members.iter().any(|member| member.role == Role::Voter));
            }
        }
    }
}
