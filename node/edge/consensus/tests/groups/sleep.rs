//! Quiet groups.

use crate::world::{DEADLINE, World, node, payload, settings, simulate, wait};
use stator_consensus::{ProposeError, Settings, Wakefulness};
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

#[test]
fn a_sleeping_sole_voter_keeps_its_lease_and_takes_proposals() {
    simulate(4, async {
        let (world, _) = World::cluster(4, sleepy(), 1).await;
        all_asleep(&world, [1]).await;
        assert!(world.group(1).lease().is_some());
        world.group(1).propose(payload(1)).await.expect("committed");
    });
}
