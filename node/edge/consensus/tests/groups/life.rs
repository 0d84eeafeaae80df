//! Restarts, logs that are purged, snapshots.

use crate::world::{DEADLINE, World, payload, replica, settings, simulate, wait};
use stator_consensus::{ConsensusError, Settings};
use std::time::Duration;

/// Purges often and keeps little.
fn purging() -> Settings {
    Settings { purge_every_ms: 500, log_entries_kept: 10, ..settings() }
}

async fn write(world: &World, leader: u64, numbers: std::ops::Range<u64>) {
    for number in numbers {
        world.group(leader).propose(payload(number)).await.expect("committed");
    }
}

#[test]
fn a_restart_of_all_replays_the_log() {
    simulate(1, async {
        let (mut world, leader) = World::cluster(1, settings(), 3).await;
        write(&world, leader, 0..20).await;
        world.state(leader).flush();
        write(&world, leader, 20..30).await;
        (1..=3).for_each(|number| world.crash(number));
        for number in 1..=3 {
            world.boot(number);
            world.open(number).await;
        }
        world.leader(1..=3).await;
        let applied = world.applied(1..=3, 30).await;
        assert_eq!(applied, (0..30).map(payload).collect::<Vec<_>>());
    });
}

#[test]
fn the_log_is_purged_up_to_what_is_durable() {
    simulate(2, async {
        let (world, leader) = World::cluster(2, purging(), 3).await;
        write(&world, leader, 0..100).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(world.log(leader).first(replica(leader)), Some(0), "nothing is durable in the state");
        (1..=3).for_each(|number| world.state(number).flush());
        for number in 1..=3 {
            wait("a purge", || world.log(number).first(replica(number)).filter(|first| *first > 50)).await;
            let status = world.group(number).status().expect("it runs");
            assert!(status.purged < status.durable);
        }
        write(&world, leader, 100..110).await;
        world.applied(1..=3, 110).await;
    });
}

/// Cuts one follower off until its entries are purged everywhere else.
async fn leave_behind(world: &World, leader: u64) -> u64 {
    let behind = (1..=3).find(|number| *number != leader).expect("a follower");
    world.cut(behind);
    for chunk in 0..10 {
        write(world, leader, chunk * 20..(chunk + 1) * 20).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        (1..=3).filter(|number| *number != behind).for_each(|number| world.state(number).flush());
    }
    for number in (1..=3).filter(|number| *number != behind) {
        wait("a purge", || world.log(number).first(replica(number)).filter(|first| *first > 100)).await;
    }
    behind
}

#[test]
fn a_follower_far_behind_gets_a_snapshot() {
    simulate(3, async {
        let (mut world, leader) = World::cluster(3, purging(), 3).await;
        let behind = leave_behind(&world, leader).await;
        world.heal();
        world.applied(1..=3, 200).await;
        assert_eq!(world.state(behind).installs(), 1);
        write(&world, leader, 200..210).await;
        let applied = world.applied(1..=3, 210).await;
        assert_eq!(applied, (0..210).map(payload).collect::<Vec<_>>());
        world.crash(behind);
        world.boot(behind);
        world.open(behind).await;
        world.applied(1..=3, 210).await;
        assert_eq!(world.state(behind).installs(), 1, "what was installed is durable");
    });
}

#[test]
fn a_snapshot_that_broke_off_is_sent_again_by_whoever_leads() {
    simulate(4, async {
        let (mut world, leader) = World::cluster(4, purging(), 3).await;
        let behind = leave_behind(&world, leader).await;
        world.break_snapshots_after(41);
        world.heal_only(behind);
        wait("a begun snapshot", || world.group(behind).status().is_err().then_some(())).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(world.state(behind).payloads().is_empty(), "its state is gone");
        // Neither its restart nor the loss of the sender makes it answer before it has a whole one.
        world.crash(behind);
        world.boot(behind);
        world.open(behind).await;
        assert!(matches!(world.group(behind).status(), Err(ConsensusError::Stopped)));
        let other = (1..=3).find(|number| *number != leader && *number != behind).expect("another");
        world.group(leader).transfer(replica(other), DEADLINE).await.expect("handed over");
        world.leader([other]).await;
        world.heal();
        world.applied(1..=3, 200).await;
        assert_eq!(world.state(behind).installs(), 1);
        write(&world, other, 200..210).await;
        world.applied(1..=3, 210).await;
    });
}

#[test]
fn a_log_that_ends_below_the_state_begins_anew_behind_it() {
    simulate(5, async {
        let (mut world, leader) = World::cluster(5, settings(), 3).await;
        write(&world, leader, 0..10).await;
        world.applied(1..=3, 10).await;
        let follower = (1..=3).find(|number| *number != leader).expect("a follower");
        let kept = world.log(follower).copy();
        write(&world, leader, 10..20).await;
        world.applied(1..=3, 20).await;
        world.state(follower).flush();
        world.crash(follower);
        world.log(follower).set_back(&kept);
        world.boot(follower);
        world.open(follower).await;
        write(&world, leader, 20..30).await;
        let applied = world.applied(1..=3, 30).await;
        assert_eq!(applied, (0..30).map(payload).collect::<Vec<_>>());
    });
}

#[test]
fn a_removed_replica_is_forgotten() {
    simulate(6, async {
        let (world, _) = World::cluster(6, settings(), 1).await;
        let groups = world.groups(1);
        let refused = groups.remove(replica(1)).await;
        assert!(matches!(refused, Err(ConsensusError::Refused(_))), "{refused:?}");
        world.group(1).close().await;
        groups.remove(replica(1)).await.expect("forgotten");
        assert!(groups.group(replica(1)).is_none());
        assert_eq!(world.log(1).first(replica(1)), None);
    });
}
