//! Replicas follow the nodes: a removed node's go to an empty one, also when the first one that was chosen dies.

use stator_catalog::{Catalog, Change, NodeState};
use stator_cluster::AllSettings;
use stator_item::{NodeId, PartitionId, ReplicaId};
use stator_simulation::{
    client::create_table,
    cluster::Cluster,
    network::{Weather, Wires},
    replicas::differences,
    run::runtime,
    world::World,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// In simulated time.
const AMPLE: Duration = Duration::from_secs(600);

fn simulate(seed: u64, test: impl AsyncFnOnce(Arc<Cluster>)) {
    runtime(seed).block_on(async {
        let world = World::new(seed, false);
        let wires = Wires::new(world.clone(), Weather::default());
        test(Cluster::new(world, wires, AllSettings::default())).await;
    });
}

async fn grow(cluster: &Arc<Cluster>, nodes_count: u64) {
    for number in 1..=nodes_count {
        assert_eq!(cluster.add(1.0).await, Ok(NodeId(number)));
    }
}

fn catalog(cluster: &Cluster, through: u64) -> Arc<Catalog> {
    cluster.node(NodeId(through)).expect("the node runs").catalog()
}

async fn becomes(cluster: &Cluster, through: u64, what: &str, is_so: impl Fn(&Catalog) -> bool) {
    let node = cluster.node(NodeId(through)).expect("the node runs");
    assert!(node.catalog_becomes(is_so, node.deadline(AMPLE)).await, "never came: {what}\n{:#?}", node.catalog());
}

async fn remove(cluster: &Cluster, through: u64, id: u64) {
    let node = cluster.node(NodeId(through)).expect("the node runs");
    let removed = node.change(Change::RemoveNode { id: NodeId(id) }, node.deadline(AMPLE)).await;
    assert!(removed.is_ok(), "{removed:?}");
}

/// The nodes on which each partition is, the catalog's group apart.
fn places(catalog: &Catalog) -> Vec<BTreeSet<u64>> {
    let tables = catalog.partitions().filter(|partition| partition.id != PartitionId::CATALOG);
    tables.map(|partition| partition.members.iter().map(|member| member.node.0).collect()).collect()
}

fn all_on(catalog: &Catalog, nodes: [u64; 3]) -> bool {
    let nodes = BTreeSet::from(nodes);
    catalog.plans().len() == 0
        && catalog.partitions().all(|partition| partition.members.iter().all(|member| nodes.contains(&member.node.0)))
        && places(catalog).iter().all(|place| *place == nodes)
}

async fn replicas_agree(cluster: &Cluster) {
    for _ in 0..60 {
        if differences(cluster).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("replicas differ: {:?}", differences(cluster));
}

#[test]
fn an_empty_node_takes_over_from_a_dead_one_that_was_removed() {
    simulate(11, async |cluster| {
        grow(&cluster, 3).await;
        create_table(&cluster, NodeId(1), "t").await.expect("a table");
        becomes(&cluster, 1, "three replicas everywhere", |catalog| all_on(catalog, [1, 2, 3])).await;
        assert_eq!(cluster.add(1.0).await, Ok(NodeId(4)));
        cluster.crash(NodeId(2));
        remove(&cluster, 1, 2).await;
        becomes(&cluster, 4, "the empty node took over", |catalog| all_on(catalog, [1, 3, 4])).await;
        replicas_agree(&cluster).await;
    });
}

#[test]
fn a_plan_whose_node_died_is_dropped_and_another_node_takes_over() {
    simulate(12, async |cluster| {
        grow(&cluster, 3).await;
        create_table(&cluster, NodeId(1), "t").await.expect("a table");
        becomes(&cluster, 1, "three replicas everywhere", |catalog| all_on(catalog, [1, 2, 3])).await;
        assert_eq!(cluster.add(1.0).await, Ok(NodeId(4)));
        cluster.crash(NodeId(2));
        // Reachable for heartbeats until the plans are made, then gone for good.
        cluster.set_disk_speed(NodeId(4), Duration::from_secs(60));
        remove(&cluster, 1, 2).await;
        becomes(&cluster, 1, "a plan", |catalog| catalog.plans().len() > 0).await;
        cluster.crash(NodeId(4));
        assert_eq!(cluster.add(1.0).await, Ok(NodeId(5)));
        becomes(&cluster, 5, "the other node took over", |catalog| all_on(catalog, [1, 3, 5])).await;
        replicas_agree(&cluster).await;
        let catalog = catalog(&cluster, 5);
        assert!(catalog.node(NodeId(4)).is_some_and(|node| node.state == NodeState::Joined), "it was only down");
    });
}

#[test]
fn new_partitions_go_to_the_emptiest_nodes() {
    simulate(13, async |cluster| {
        grow(&cluster, 3).await;
        create_table(&cluster, NodeId(1), "before").await.expect("a table");
        becomes(&cluster, 1, "three replicas everywhere", |catalog| all_on(catalog, [1, 2, 3])).await;
        grow_to_six(&cluster).await;
        for name in ["a", "b", "c"] {
            create_table(&cluster, NodeId(6), name).await.expect("a table");
        }
        let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
        let catalog = catalog(&cluster, 6);
        let members = catalog.partitions().flat_map(|partition| &partition.members);
        members.for_each(|member| *counts.entry(member.node.0).or_default() += 1);
        let (least, most) = (counts.values().min(), counts.values().max());
        assert!(counts.len() == 6 && most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{counts:?}");
    });
}

/// Until the catalog's group has its five members, which count as well.
async fn grow_to_six(cluster: &Arc<Cluster>) {
    for number in 4..=6 {
        assert_eq!(cluster.add(1.0).await, Ok(NodeId(number)));
    }
    becomes(cluster, 6, "five replicas of the catalog", |catalog| {
        catalog.plans().len() == 0
            && catalog.partition(PartitionId::CATALOG).is_some_and(|group| group.members.len() == 5)
    })
    .await;
}

#[test]
fn a_node_whose_log_was_removed_gives_up_its_replicas_and_gets_others() {
    simulate(14, async |cluster| {
        grow(&cluster, 3).await;
        create_table(&cluster, NodeId(1), "t").await.expect("a table");
        becomes(&cluster, 1, "three replicas everywhere", |catalog| all_on(catalog, [1, 2, 3])).await;
        let own = |catalog: &Catalog| -> BTreeSet<ReplicaId> {
            let members = catalog.partitions().flat_map(|partition| partition.members.clone());
            members.filter(|member| member.node == NodeId(2)).map(|member| member.replica).collect()
        };
        let before = own(&catalog(&cluster, 2));
        // What is applied must be durable, or nothing is left that a vote could contradict.
        cluster.rows(NodeId(2)).expect("the node has a disk").flush().expect("flushed");
        cluster.kill(NodeId(2));
        cluster.remove_log(NodeId(2));
        cluster.start(NodeId(2)).await.expect("it starts");
        let is_renewed = |catalog: &Catalog| all_on(catalog, [1, 2, 3]) && own(catalog).is_disjoint(&before);
        becomes(&cluster, 2, "new replicas in the old places", is_renewed).await;
        replicas_agree(&cluster).await;
        // The new ones count: without node 3, they make the quorum.
        cluster.kill(NodeId(3));
        create_table(&cluster, NodeId(2), "u").await.expect("another table");
    });
}

#[test]
fn a_sole_node_whose_log_was_removed_does_not_start() {
    simulate(15, async |cluster| {
        grow(&cluster, 1).await;
        create_table(&cluster, NodeId(1), "t").await.expect("a table");
        cluster.rows(NodeId(1)).expect("the node has a disk").flush().expect("flushed");
        cluster.kill(NodeId(1));
        cluster.remove_log(NodeId(1));
        let refused = cluster.start(NodeId(1)).await.expect_err("nobody knows what it voted for");
        assert!(refused.contains("log of this node is gone"), "{refused}");
    });
}

#[test]
fn a_node_that_is_removed_while_it_runs_hands_over_what_it_leads() {
    simulate(16, async |cluster| {
        grow(&cluster, 4).await;
        create_table(&cluster, NodeId(1), "t").await.expect("a table");
        becomes(&cluster, 2, "no plans", |catalog| catalog.plans().len() == 0).await;
        // The founder leads the catalog, and runs on.
        remove(&cluster, 2, 1).await;
        becomes(&cluster, 3, "the others took over", |catalog| all_on(catalog, [2, 3, 4])).await;
        replicas_agree(&cluster).await;
    });
}
