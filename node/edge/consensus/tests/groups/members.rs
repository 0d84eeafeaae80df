//! Changes of members.

use crate::world::{DEADLINE, World, members, node, payload, settings, simulate};
use stator_consensus::ConsensusError;
use std::time::Duration;

#[test]
fn one_voter_becomes_three_while_it_writes() {
    simulate(1, async {
        let (mut world, _) = World::cluster(1, settings(), 1).await;
        for number in 2..=3 {
            world.boot(number);
            world.open(number).await;
        }
        let group = world.group(1);
        let writer = tokio::spawn(async move {
            for number in 0..500 {
                group.propose(payload(number)).await.expect("no write fails meanwhile");
            }
        });
        world.group(1).change_members(&members(1..=3), &[], DEADLINE).await.expect("changed");
        writer.await.expect("no panic");
        world.applied(1..=3, 500).await;
        let now = world.group(1).members();
        assert_eq!(now.voters, members(1..=3).into_iter().collect());
        assert!(now.learners.is_empty() && !now.changing);
        world.crash(1);
        let next = world.leader([2, 3]).await;
        world.group(next).propose(payload(500)).await.expect("committed by the two");
    });
}

#[test]
fn a_replica_is_replaced_and_a_learner_only_learns() {
    simulate(2, async {
        let (mut world, leader) = World::cluster(2, settings(), 3).await;
        for number in 4..=5 {
            world.boot(number);
            world.open(number).await;
        }
        world.group(leader).propose(payload(1)).await.expect("committed");
        let gone = (1..=3).find(|number| *number != leader).expect("a follower");
        let voters: Vec<u64> = (1..=4).filter(|number| *number != gone).collect();
        let change = |group: stator_consensus::Group| {
            let voters = members(voters.clone());
            async move { group.change_members(&voters, &members([5]), DEADLINE).await }
        };
        change(world.group(leader)).await.expect("changed");
        change(world.group(leader)).await.expect("nothing to do is no error");
        let now = world.group(leader).members();
        assert_eq!(now.voters, members(voters.clone()).into_iter().collect());
        assert_eq!(now.learners, members([5]).into_iter().collect());
        world.applied(voters.into_iter().chain([5]), 1).await;
    });
}

#[test]
fn a_leader_that_leaves_hands_over_and_a_follower_changes_nothing() {
    simulate(3, async {
        let (world, leader) = World::cluster(3, settings(), 3).await;
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        let follower = world.group(others[0]).change_members(&members(1..=3), &[], DEADLINE).await;
        assert!(matches!(follower, Err(ConsensusError::NotLeader { leader: Some(_) })), "{follower:?}");

        let staying = members(others.clone());
        let itself = world.group(leader).change_members(&staying, &[], DEADLINE).await;
        let Err(ConsensusError::NotLeader { leader: Some((_, next)) }) = itself else { panic!("{itself:?}") };
        assert!(others.iter().any(|number| node(*number) == next), "one of those who stay leads");
        // The one who left may disturb them once more before it knows that it has no vote.
        let mut changed = None;
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let Some(leader) = others.iter().find(|number| world.leadership(**number).leads) else { continue };
            if world.group(*leader).change_members(&staying, &[], DEADLINE).await.is_ok() {
                changed = Some(*leader);
                break;
            }
        }
        let next = changed.expect("a new leader makes the change");
        assert_eq!(world.group(next).members().voters, staying.into_iter().collect());
    });
}
