//! Quiet groups.

use crate::world::{DEADLINE, World, node, payload, replica, settings, simulate, wait};
use stator_consensus::{ConsensusError, ProposeError, Settings, Wakefulness};
use std::time::Duration;

fn sleepy() -> Settings {
    Settings { sleep_after_ms: Some(2_000), ..settings() }
}

async fn all_asleep(world: &World, numbers: impl IntoIterator<Item = u64> + Clone) {
    wait("all replicas to sleep", || {
        numbers.clone().into_iter().all(|number| world.group(number).wakefulness() == Wakefulness::Asleep).then_some(())
    })
    .await;
}

#[test]
fn a_quiet_group_sends_nothing_and_wakes_with_its_leader() {
    simulate(1, async {
        let (world, leader) = World::cluster(1, sleepy(), 3).await;
        world.group(leader).propose(payload(1)).await.expect("committed");
        let term = world.leadership(leader).term;
        all_asleep(&world, 1..=3).await;
        assert!(world.group(leader).lease().is_none(), "a sleeping group has no lease");
        assert_eq!(world.group(leader).propose(payload(9)).await, Err(ProposeError::NotLeader { leader: None }));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before = world.messages();
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(world.messages(), before);

        world.group(leader).read_index(DEADLINE).await.expect("it wakes");
        world.group(leader).propose(payload(2)).await.expect("committed at once");
        assert!(world.group(leader).lease().is_some());
        world.applied(1..=3, 2).await;
        assert!((1..=3).all(|number| world.group(number).wakefulness() == Wakefulness::Awake));
        tokio::time::sleep(Duration::from_millis(1_900)).await;
        assert_eq!(world.leadership(leader).term, term, "no election");
        all_asleep(&world, 1..=3).await;
    });
}

#[test]
fn a_group_in_use_or_with_a_follower_away_stays_awake() {
    simulate(2, async {
        let (world, leader) = World::cluster(2, sleepy(), 3).await;
        for number in 0..20 {
            world.group(leader).propose(payload(number)).await.expect("committed");
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(world.group(leader).wakefulness(), Wakefulness::Awake);
        }
        let away = (1..=3).find(|number| *number != leader).expect("a follower");
        world.cut(away);
        for _ in 0..50 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(world.group(leader).lease().is_some());
        }
        world.heal();
        all_asleep(&world, 1..=3).await;
    });
}

#[test]
fn a_dead_leader_of_a_sleeping_group_is_replaced() {
    simulate(3, async {
        let (mut world, leader) = World::cluster(3, sleepy(), 3).await;
        all_asleep(&world, 1..=3).await;
        world.crash(leader);
        let others: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(others.iter().all(|number| !world.leadership(*number).leads), "nobody has noticed");
        others.iter().for_each(|number| world.groups(*number).node_is_dead(node(leader)));
        let next = world.leader(others).await;
        world.group(next).propose(payload(1)).await.expect("committed");
    });
}

/// Its node answers, so nobody counts it as dead, and has no such replica any more.
#[test]
fn a_leader_that_vanished_from_a_living_node_is_replaced_when_its_sleeping_group_is_wanted() {
    simulate(11, async {
        let (mut world, leader) = World::cluster(11, drowsy(), 3).await;
        world.group(leader).propose(payload(1)).await.expect("committed");
        let followers = followers_dormant(&world, leader).await;
        world.crash(leader);
        world.boot(leader);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(followers.iter().all(|number| !world.leadership(*number).leads), "nobody has noticed");
        world.group(followers[0]).seek();
        let next = world.leader(followers).await;
        world.group(next).propose(payload(2)).await.expect("committed");
    });
}

#[test]
fn a_leader_that_cannot_be_reached_is_replaced_when_its_sleeping_group_is_wanted() {
    simulate(13, async {
        let (mut world, leader) = World::cluster(13, drowsy(), 3).await;
        let followers = followers_dormant(&world, leader).await;
        world.crash(leader);
        let refused = world.group(followers[1]).read_index(DEADLINE).await;
        assert!(matches!(refused, Err(ConsensusError::NotLeader { .. })), "{refused:?}");
        world.leader(followers).await;
    });
}

#[test]
fn a_sleeping_leader_sleeps_on_when_a_follower_is_wanted() {
    simulate(12, async {
        let (world, leader) = World::cluster(12, drowsy(), 3).await;
        world.group(leader).propose(payload(1)).await.expect("committed");
        let followers = followers_dormant(&world, leader).await;
        let before = world.messages();
        for _ in 0..1_000 {
            followers.iter().for_each(|number| world.group(*number).seek());
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(world.messages() - before, 2 * 2, "each asks once, and is answered");
        assert_eq!(followers_dormant(&world, leader).await, followers);
        assert!(followers.iter().all(|number| world.group(*number).in_contact()));
    });
}

#[test]
fn a_sleeping_sole_voter_keeps_its_lease_and_takes_proposals() {
    simulate(4, async {
        let (world, _) = World::cluster(4, sleepy(), 1).await;
        all_asleep(&world, [1]).await;
        assert!(world.group(1).lease().is_some());
        world.group(1).propose(payload(1)).await.expect("committed");
    });
}

/// Groups that sleep soon, and whose followers soon let their cores go.
fn drowsy() -> Settings {
    Settings { dormant_after_ms: Some(5_000), ..sleepy() }
}

async fn followers_dormant(world: &World, leader: u64) -> Vec<u64> {
    let followers: Vec<u64> = (1..=3).filter(|number| *number != leader).collect();
    wait("dormant followers", || {
        followers.iter().all(|number| world.group(*number).wakefulness() == Wakefulness::Dormant).then_some(())
    })
    .await;
    assert_eq!(world.group(leader).wakefulness(), Wakefulness::Asleep, "a leader keeps its core");
    followers
}

#[test]
fn a_dormant_follower_wakes_by_an_append() {
    simulate(5, async {
        let (world, leader) = World::cluster(5, drowsy(), 3).await;
        world.group(leader).propose(payload(1)).await.expect("committed");
        let before = world.leadership(leader);
        let followers = followers_dormant(&world, leader).await;
        for number in &followers {
            let status = world.group(*number).status().expect("it says where it stands");
            assert_eq!((status.leadership.leader, status.applied.map(|at| at.index)), (before.leader, status.last));
            assert!(world.group(*number).in_contact());
            let refused = world.group(*number).propose(payload(9)).await;
            assert_eq!(refused, Err(ProposeError::NotLeader { leader: before.leader }));
            assert_eq!(world.group(*number).wakefulness(), Wakefulness::Dormant, "it needs no core to say no");
        }
        world.group(leader).read_index(DEADLINE).await.expect("it wakes");
        world.group(leader).propose(payload(2)).await.expect("committed at once");
        world.applied(1..=3, 2).await;
        assert!(followers.iter().all(|number| world.group(*number).wakefulness() == Wakefulness::Awake));
        assert_eq!(world.leadership(leader), before, "no election");
        followers_dormant(&world, leader).await;
    });
}

#[test]
fn a_transfer_to_a_follower_that_was_dormant_waits_for_an_entry() {
    simulate(11, async {
        let (world, leader) = World::cluster(11, drowsy(), 3).await;
        world.group(leader).propose(payload(1)).await.expect("committed");
        let to = followers_dormant(&world, leader).await[0];
        let refused = world.group(leader).transfer(replica(to), DEADLINE).await;
        assert!(matches!(refused, Err(ConsensusError::Refused(_))), "{refused:?}");
        world.group(leader).read_index(DEADLINE).await.expect("it leads on");
        world.group(leader).propose(payload(2)).await.expect("committed");
        world.applied([to], 2).await;
        world.group(leader).transfer(replica(to), DEADLINE).await.expect("handed over");
    });
}

#[test]
fn dormant_followers_replace_a_dead_leader() {
    simulate(6, async {
        let (mut world, leader) = World::cluster(6, drowsy(), 3).await;
        world.group(leader).propose(payload(1)).await.expect("committed");
        let followers = followers_dormant(&world, leader).await;
        world.crash(leader);
        // One of them hears of the death, and wakes the other by its vote.
        world.groups(followers[0]).node_is_dead(node(leader));
        let began = tokio::time::Instant::now();
        let next = world.leader(followers.clone()).await;
        assert_eq!(next, followers[0]);
        assert!(began.elapsed() < Duration::from_secs(1), "took {:?}", began.elapsed());
        world.group(next).propose(payload(2)).await.expect("committed");
        world.applied(followers, 2).await;
    });
}

#[test]
fn a_dead_node_that_lives_costs_no_election() {
    simulate(7, async {
        let (world, leader) = World::cluster(7, drowsy(), 3).await;
        let before = world.leadership(leader);
        let followers = followers_dormant(&world, leader).await;
        followers.iter().for_each(|number| world.groups(*number).node_is_dead(node(leader)));
        assert!(followers.iter().all(|number| !world.group(*number).in_contact()));
        wait("contact", || followers.iter().all(|number| world.group(*number).in_contact()).then_some(())).await;
        assert_eq!(followers_dormant(&world, leader).await, followers);
        assert_eq!(world.leadership(leader), before);
    });
}

#[test]
fn a_replica_that_starts_in_its_groups_sleep_sleeps_on() {
    for is_flushed in [true, false] {
        simulate(8, async move {
            let (mut world, leader) = World::cluster(8, drowsy(), 3).await;
            world.group(leader).propose(payload(1)).await.expect("committed");
            let before = world.leadership(leader);
            let followers = followers_dormant(&world, leader).await;
            if is_flushed {
                world.state(followers[0]).flush();
            }
            world.crash(followers[0]);
            world.boot(followers[0]);
            world.open(followers[0]).await;
            assert!(!world.group(followers[0]).in_contact());
            wait("contact", || world.group(followers[0]).in_contact().then_some(())).await;
            // Its log was whole: it applies what it had not flushed, and nobody wakes.
            assert_eq!(world.state(followers[0]).payloads(), [payload(1)]);
            assert_eq!(world.group(leader).wakefulness(), Wakefulness::Asleep);
            assert_eq!(world.group(followers[1]).wakefulness(), Wakefulness::Dormant);
            followers_dormant(&world, leader).await;
            assert_eq!(world.leadership(leader), before);
        });
    }
}

#[test]
fn a_replica_that_missed_something_is_brought_up_to_date() {
    simulate(9, async {
        let (mut world, leader) = World::cluster(9, drowsy(), 3).await;
        world.group(leader).propose(payload(1)).await.expect("committed");
        let followers = followers_dormant(&world, leader).await;
        let kept = world.log(followers[0]).copy();
        world.group(leader).read_index(DEADLINE).await.expect("it wakes");
        world.group(leader).propose(payload(2)).await.expect("committed");
        world.applied(1..=3, 2).await;
        followers_dormant(&world, leader).await;
        // As if it had been away: the entry never came.
        world.crash(followers[0]);
        world.log(followers[0]).set_back(&kept);
        world.boot(followers[0]);
        world.open(followers[0]).await;
        world.applied(1..=3, 2).await;
        followers_dormant(&world, leader).await;
    });
}

mod many {
    //! Many groups on three nodes.

    use super::*;
    use stator_item::{NodeId, PartitionId, ReplicaId};

    const GROUPS: u64 = 240;

    fn id(group: u64, number: u64) -> ReplicaId {
        ReplicaId(10_000 + group * 10 + number)
    }

    fn awake(world: &World) -> usize {
        let all = (1..=3).flat_map(|number| world.groups(number).groups());
        all.filter(|group| group.wakefulness() == Wakefulness::Awake).count()
    }

    async fn open_all(world: &mut World, number: u64) {
        for group in 0..GROUPS {
            world.open_replica(number, PartitionId(group), id(group, number)).await;
        }
    }

    async fn asleep(world: &World) {
        wait("all to be in contact and to sleep", || {
            let mut all = (1..=3).flat_map(|number| world.groups(number).groups());
            all.all(|group| group.in_contact() && group.wakefulness() != Wakefulness::Awake).then_some(())
        })
        .await;
    }

    fn leader(world: &World, group: u64) -> Option<stator_consensus::Group> {
        let mut all = (1..=3).filter_map(|number| world.groups(number).group(id(group, number)));
        all.find(|one| one.leadership().borrow().leads)
    }

    #[test]
    fn a_restart_of_all_wakes_few_at_a_time_and_who_is_wanted_at_once() {
        simulate(10, async {
            let mut world = World::new(10, Settings { awake_for_turns_max: 20, ..sleepy() });
            for number in 1..=3 {
                world.boot(number);
                open_all(&mut world, number).await;
            }
            for group in 0..GROUPS {
                let voters: Vec<_> = (1..=3).map(|number| (id(group, number), NodeId(number))).collect();
                let first = world.groups(1 + group % 3).group(id(group, 1 + group % 3)).expect("open");
                first.initialize(&voters, DEADLINE).await.expect("initialized");
            }
            asleep(&world).await;
            (1..=3).for_each(|number| world.crash(number));
            for number in 1..=3 {
                world.boot(number);
                open_all(&mut world, number).await;
            }
            assert_eq!(awake(&world), 0);
            // The last one would have to wait for long.
            let wanted = GROUPS - 1;
            world.groups(2).group(id(wanted, 2)).expect("open").seek();
            let began = tokio::time::Instant::now();
            wait("the wanted group", || leader(&world, wanted)).await;
            assert!(began.elapsed() < Duration::from_secs(2), "took {:?}", began.elapsed());
            let mut most = 0;
            while !(0..GROUPS).all(|group| leader(&world, group).is_some()) {
                assert!(began.elapsed() < Duration::from_secs(300), "some group is not led");
                most = most.max(awake(&world));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            println!("at most {most} replicas awake, all led after {:?}", began.elapsed());
            assert!(most < 450, "{most} replicas were awake at once");
            asleep(&world).await;
        });
    }
}
