//! Random faults from a seed: nothing acknowledged is lost or doubled, all replicas agree, and there is one lease at a time.

use crate::world::{World, node, payload, replica, settings, simulate, wait};
use parking_lot::Mutex;
use stator_consensus::Settings;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

const NODES: u64 = 3;
const SIMULATED: Duration = Duration::from_secs(40);

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

type Shared = Arc<Mutex<World>>;

/// Proposes at whatever node, and notes what was acknowledged.
async fn write(
    world: Shared,
    seed: u64,
    first: u64,
    acknowledged: Arc<Mutex<BTreeSet<u64>>>,
    until: tokio::time::Instant,
) {
    let mut dice = Dice(seed);
    for number in first.. {
        if tokio::time::Instant::now() > until {
            return;
        }
        tokio::time::sleep(Duration::from_millis(dice.roll(40))).await;
        let group = world.lock().try_group(1 + dice.roll(NODES));
        let Some(group) = group else { continue };
        let proposal = tokio::time::timeout(Duration::from_secs(1), group.propose(payload(number)));
        if let Ok(Ok(_)) = proposal.await {
            acknowledged.lock().insert(number);
        }
    }
}

/// Looks again and again whether two nodes hold a lease at once.
async fn watch_leases(world: Shared) {
    loop {
        {
            let world = world.lock();
            let groups = (1..=NODES).filter_map(|number| world.try_group(number));
            let leases: Vec<_> = groups.filter_map(|group| Some((group.replica(), group.lease()?))).collect();
            assert!(leases.len() <= 1, "two leases: {leases:?}");
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn break_things(world: &Shared, dice: &mut Dice) {
    let number = 1 + dice.roll(NODES);
    let pause = Duration::from_millis(200 + dice.roll(3_000));
    match dice.roll(6) {
        0 | 1 => {
            world.lock().cut(number);
            tokio::time::sleep(pause).await;
            world.lock().heal();
        }
        2 | 3 => {
            let all = dice.roll(4) == 0;
            let down: Vec<u64> = if all { (1..=NODES).collect() } else { vec![number] };
            down.iter().for_each(|number| world.lock().crash(*number));
            tokio::time::sleep(pause).await;
            for number in down {
                let opening = {
                    let mut world = world.lock();
                    world.boot(number);
                    world.opening(number)
                };
                opening.await.expect("it opens again");
            }
        }
        4 => {
            let group = world.lock().try_group(number);
            let to = replica(1 + dice.roll(NODES));
            if let Some(group) = group {
                // It may have led or not.
                _ = group.transfer(to, pause).await;
            }
        }
        _ => {
            world.lock().state(number).flush();
            tokio::time::sleep(pause / 4).await;
        }
    }
}

async fn run(seed: u64) -> (usize, u64) {
    let settings = Settings {
        purge_every_ms: 300,
        log_entries_kept: 20,
        sleep_after_ms: Some(1_500),
        dormant_after_ms: Some(2_500),
        ..settings()
    };
    let mut dice = Dice(seed);
    let mut world = World::new(seed, settings);
    for number in 1..=NODES {
        // From half as fast to as fast as the others.
        world.skew(number, [50, 75, 100][dice.roll(3) as usize]);
        world.boot(number);
        world.open(number).await;
    }
    world.initialize(1..=NODES).await;
    let world = Arc::new(Mutex::new(world));
    let acknowledged: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let until = tokio::time::Instant::now() + SIMULATED;
    let leases = tokio::spawn(watch_leases(world.clone()));
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            tokio::spawn(write(world.clone(), seed * 10 + writer, writer * 1_000_000, acknowledged.clone(), until))
        })
        .collect();
    while tokio::time::Instant::now() < until {
        break_things(&world, &mut dice).await;
    }
    for writer in writers {
        writer.await.expect("a writer does not panic");
    }
    let acknowledged = acknowledged.lock().clone();
    let report = tokio::spawn({
        let world = world.clone();
        async move {
            tokio::time::sleep(Duration::from_secs(60)).await;
            for number in 1..=NODES {
                let world = world.lock();
                let group = world.try_group(number);
                println!(
                    "node {number}: {} payloads, first entry {:?}, {:?}",
                    world.state(number).payloads().len(),
                    world.log(number).first(replica(number)),
                    group.map(|group| (group.status(), group.failed())),
                );
            }
        }
    });
    // Whoever sleeps is woken by a use, as its owner would do; so is who does not know that its leader died.
    let lists = wait("all replicas to agree", || {
        let world = world.lock();
        for number in 1..=NODES {
            let group = world.try_group(number)?;
            // As its owner does from time to time: without it no log is purged, and a replica that can only be helped by a snapshot
            // waits for one as long as its leader's log is whole.
            world.state(number).flush();
            tokio::spawn(async move { group.read_index(Duration::from_secs(1)).await });
            (1..=NODES).for_each(|dead| world.groups(number).node_is_dead(node(dead)));
        }
        let lists: Vec<_> = (1..=NODES).map(|number| world.state(number).payloads()).collect();
        let all = acknowledged.iter().all(|number| lists[0].contains(&payload(*number)));
        (all && lists.iter().all(|list| *list == lists[0])).then_some(lists)
    })
    .await;
    report.abort();
    let once: BTreeSet<_> = lists[0].iter().collect();
    assert_eq!(once.len(), lists[0].len(), "applied twice");
    assert!(!leases.is_finished(), "the watcher saw two leases");
    leases.abort();
    let trace = world.lock().trace();
    (acknowledged.len(), trace)
}

#[test]
fn nothing_acknowledged_is_lost() {
    let seeds = std::env::var("STATOR_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(8);
    let first = std::env::var("STATOR_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        println!("seed {seed}");
        let (acknowledged, _) = simulate(seed, run(seed));
        println!("seed {seed}: {acknowledged} acknowledged");
        assert!(acknowledged > 50, "hardly anything was written with seed {seed}");
    }
}

#[test]
fn chaos_is_repeatable() {
    assert_eq!(simulate(3, run(3)), simulate(3, run(3)));
}
