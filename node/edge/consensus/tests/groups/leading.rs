//! Proposing, and who may.

use crate::world::{DEADLINE, World, payload, settings, simulate, wait};
use bytes::Bytes;
use stator_consensus::{ProposeError, Settings};

#[test]
fn proposals_are_applied_in_the_order_of_the_calls() {
    simulate(1, async {
        let (world, leader) = World::cluster(1, settings(), 3).await;
        let group = world.group(leader);
        let waiting: Vec<_> = (0..100).map(|number| group.propose(payload(number))).collect();
        let positions = futures::future::join_all(waiting).await;
        let indexes: Vec<u64> = positions.iter().map(|position| position.as_ref().expect("committed").index).collect();
        assert!(indexes.windows(2).all(|pair| pair[0] < pair[1]));
        let applied = world.applied(1..=3, 100).await;
        assert_eq!(applied, (0..100).map(payload).collect::<Vec<_>>());
    });
}

#[test]
fn a_follower_names_the_leader() {
    simulate(2, async {
        let (world, leader) = World::cluster(2, settings(), 3).await;
        let follower = (1..=3).find(|number| *number != leader).expect("a follower");
        let expected = world.leadership(leader).leader;
        assert_eq!(world.group(follower).propose(payload(1)).await, Err(ProposeError::NotLeader { leader: expected }));
        assert!(world.group(follower).lease().is_none());
    });
}

#[test]
fn what_is_too_large_or_too_much_is_refused() {
    simulate(3, async {
        let settings = Settings { proposals_max: 4, entry_bytes_max: 10, ..settings() };
        let (world, leader) = World::cluster(3, settings, 3).await;
        let group = world.group(leader);
        let large = group.propose(Bytes::from(vec![0; 11])).await;
        assert_eq!(large, Err(ProposeError::TooLarge { bytes: 11, bytes_max: 10 }));
        let waiting: Vec<_> = (0..5).map(|number| group.propose(payload(number))).collect();
        let results = futures::future::join_all(waiting).await;
        assert!(results[..4].iter().all(Result::is_ok));
        assert_eq!(results[4], Err(ProposeError::Overloaded));
        group.propose(payload(9)).await.expect("room again");
    });
}

#[test]
fn a_lost_leader_is_replaced_and_nothing_acknowledged_is_lost() {
    simulate(4, async {
        let (mut world, leader) = World::cluster(4, settings(), 3).await;
        for number in 0..10 {
            world.group(leader).propose(payload(number)).await.expect("committed");
        }
        world.crash(leader);
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        let began = tokio::time::Instant::now();
        let next = world.leader(others.clone()).await;
        assert!(began.elapsed() < std::time::Duration::from_secs(4), "took {:?}", began.elapsed());
        world.group(next).propose(payload(10)).await.expect("committed");
        world.boot(leader);
        world.open(leader).await;
        let applied = world.applied(1..=3, 11).await;
        assert_eq!(applied, (0..=10).map(payload).collect::<Vec<_>>());
    });
}

#[test]
fn a_cut_off_leader_commits_nothing() {
    simulate(5, async {
        let (world, leader) = World::cluster(5, settings(), 3).await;
        world.cut(leader);
        let waiting = tokio::spawn(world.group(leader).propose(payload(66)));
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        let next = world.leader(others).await;
        world.group(next).propose(payload(1)).await.expect("committed");
        world.heal();
        let outcome = waiting.await.expect("no panic");
        assert!(matches!(outcome, Err(ProposeError::Lost | ProposeError::NotLeader { .. })), "{outcome:?}");
        assert_eq!(world.applied(1..=3, 1).await, vec![payload(1)]);
    });
}

#[test]
fn read_index_sees_what_was_acknowledged() {
    simulate(6, async {
        let (world, leader) = World::cluster(6, settings(), 3).await;
        let written = world.group(leader).propose(payload(1)).await.expect("committed");
        let read = world.group(leader).read_index(DEADLINE).await.expect("a quorum");
        assert!(read >= written);
        let follower = (1..=3).find(|number| *number != leader).expect("a follower");
        assert!(world.group(follower).read_index(DEADLINE).await.is_err());
    });
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        simulate(seed, async move {
            let (mut world, leader) = World::cluster(seed, settings(), 3).await;
            for number in 0..20 {
                world.group(leader).propose(payload(number)).await.expect("committed");
            }
            world.crash(leader);
            world.leader((1..=3).filter(|number| *number != leader)).await;
            (world.trace(), world.messages())
        })
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn two_hundred_groups_elect_their_leaders() {
    simulate(9, async {
        use stator_item::{PartitionId, ReplicaId};
        let mut world = World::new(9, settings());
        (1..=3).for_each(|number| _ = world.boot(number));
        let id = |group: u64, number: u64| ReplicaId(1_000 + group * 10 + number);
        for group in 0..200 {
            for number in 1..=3 {
                world.open_replica(number, PartitionId(group), id(group, number)).await;
            }
        }
        let voters = |group| (1..=3).map(|number| (id(group, number), stator_item::NodeId(number))).collect::<Vec<_>>();
        for group in 0..200 {
            let first = world.groups(1).group(id(group, 1)).expect("open");
            first.initialize(&voters(group), DEADLINE).await.expect("initialized");
        }
        for group in 0..200 {
            let leader = wait("a lease in each group", || {
                (1..=3)
                    .filter_map(|number| world.groups(number).group(id(group, number)))
                    .find(|one| one.lease().is_some())
            })
            .await;
            leader.propose(payload(group)).await.expect("committed");
        }
    });
}
