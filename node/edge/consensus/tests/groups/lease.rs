//! Leases, and the votes that would break them.

use crate::world::{DEADLINE, World, members, node, payload, replica, settings, simulate, wait};
use stator_consensus::ConsensusError;
use std::time::Duration;
use tokio::time::Instant;

#[test]
fn a_lease_ends_before_another_can_be_elected() {
    // Also where the leader's clock has half or twice the speed of the others.
    for (seed, percent) in [(1, 100), (2, 50), (3, 200), (4, 100)] {
        simulate(seed, async move {
            let mut world = World::new(seed, settings());
            world.skew(1, percent);
            for number in 1..=3 {
                world.boot(number);
                world.open(number).await;
            }
            world.initialize(1..=3).await;
            world.leader(1..=3).await;
            if world.group(1).lease().is_none() {
                let leader = world.leader(1..=3).await;
                world.group(leader).transfer(replica(1), DEADLINE).await.expect("handed over");
                world.leader([1]).await;
            }
            world.cut(1);
            let mut lease_seen_until = Instant::now();
            let next = wait("the next leader", || {
                if world.group(1).lease().is_some() {
                    lease_seen_until = Instant::now();
                }
                [2, 3].into_iter().find(|number| world.leadership(*number).leads)
            })
            .await;
            assert!(world.group(1).lease().is_none(), "two leases with a clock of {percent} percent");
            assert!(lease_seen_until < Instant::now());
            world.leader([next]).await;
        });
    }
}

#[test]
fn an_idle_leader_keeps_its_lease() {
    simulate(5, async {
        let (world, leader) = World::cluster(5, settings(), 3).await;
        for _ in 0..500 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let lease = world.group(leader).lease().expect("a lease");
            assert!(lease.left <= Duration::from_millis(world.settings.lease_ms));
        }
    });
}

#[test]
fn a_transfer_gives_the_lease_up_first_and_for_the_whole_term() {
    simulate(6, async {
        let (world, leader) = World::cluster(6, settings(), 3).await;
        let to = (1..=3).find(|number| *number != leader).expect("another");
        let before = world.leadership(leader).term;
        let group = world.group(leader);
        let transfer = tokio::spawn({
            let group = group.clone();
            async move { group.transfer(replica(to), DEADLINE).await }
        });
        wait("the old leader to be without a lease", || group.lease().is_none().then_some(())).await;
        assert!(!world.leadership(to).leads, "the lease went before the new leader came");
        transfer.await.expect("no panic").expect("handed over");
        assert_eq!(world.leader([to]).await, to);
        assert!(world.leadership(to).term > before);
        world.group(to).propose(payload(1)).await.expect("committed");
    });
}

#[test]
fn a_transfer_to_who_cannot_win_changes_nothing() {
    simulate(7, async {
        let (world, leader) = World::cluster(7, settings(), 3).await;
        let refused = world.group(leader).transfer(replica(9), DEADLINE).await;
        assert!(matches!(refused, Err(ConsensusError::Refused(_))), "{refused:?}");
        assert!(world.group(leader).lease().is_some());
    });
}

#[test]
fn nobody_waits_for_a_leader_that_hands_over_in_vain() {
    simulate(8, async {
        let (mut world, leader) = World::cluster(8, settings(), 3).await;
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        world.group(leader).propose(payload(1)).await.expect("committed");
        world.applied(1..=3, 1).await;
        let group = world.group(leader);
        let transfer = tokio::spawn(async move { group.transfer(replica(others[0]), DEADLINE).await });
        // It has begun, and whoever could take over forgets it.
        wait("the lease to be given up", || world.group(leader).lease().is_none().then_some(())).await;
        for number in (1..=3).filter(|number| *number != leader) {
            world.crash(number);
            world.boot(number);
            world.open(number).await;
        }
        let term = world.leadership(leader).term;
        wait("a leader of a later term", || {
            (1..=3).find(|number| world.leadership(*number).leads && world.leadership(*number).term > term)
        })
        .await;
        _ = transfer.await;
    });
}

#[test]
fn who_has_just_started_does_not_vote() {
    simulate(8, async {
        let (mut world, leader) = World::cluster(8, settings(), 3).await;
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        // The leader is alive, holds a lease and is cut off from one follower; the other one forgets its promise with its process.
        world.crash(others[0]);
        world.cut(leader);
        world.boot(others[0]);
        world.open(others[0]).await;
        let booted = Instant::now();
        wait("the next leader", || others.iter().find(|number| world.leadership(**number).leads)).await;
        assert!(booted.elapsed() >= world.settings.no_vote(), "elected after {:?}", booted.elapsed());
    });
}

#[test]
fn a_sole_voter_leads_at_once_after_a_restart_and_holds_a_lease() {
    simulate(9, async {
        let (mut world, _) = World::cluster(9, settings(), 1).await;
        world.group(1).propose(payload(1)).await.expect("committed");
        world.crash(1);
        let began = Instant::now();
        world.boot(1);
        world.open(1).await;
        world.leader([1]).await;
        assert!(began.elapsed() < world.settings.no_vote(), "took {:?}", began.elapsed());
        assert_eq!(world.state(1).payloads(), vec![payload(1)]);
        assert_eq!(world.group(1).members().voters, members([1]).into_iter().collect());
        assert_eq!(world.leadership(1).leader, Some((replica(1), node(1))));
    });
}
