//! Which instances there are, and when they go.

mod world;

use serde_json::json;
use stator_environment::Clock;
use stator_functions::{Deployment, RunError};
use std::time::Duration;
use world::{PATIENCE, World, namespaces_allowed, processes_with};

const COUNTS: &str = "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    return count\n";
const SLEEPS: &str = "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'slept'\n";

/// Waits at the endpoint until the test lets it go on.
const WAITS: &str = "import os, urllib.request\ndef handler(event, context):\n    \
    urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/gate')\n    return 'waited'\n";

/// Has `waits` work, and invokes `other` meanwhile, which finds no room.
async fn refused_meanwhile(world: &World, waits: &Deployment, other: &Deployment) {
    let (waited, ()) = tokio::join!(world.answer(waits, "{}"), async {
        world.gate.reached().await;
        let refused = world.try_invoke(other, "{}").await;
        assert!(matches!(refused, Err(RunError::NoRoom)), "{refused:?}");
        world.gate.open();
    });
    assert_eq!(waited, json!("waited"));
}

#[tokio::test]
async fn a_full_node_throttles_and_makes_room_of_idle_instances() {
    let world = World::with(|settings| settings.instances_max = 1);
    let (waits, counts) = (world.python(WAITS), world.python(COUNTS));
    refused_meanwhile(&world, &waits, &counts).await;
    assert_eq!(world.answer(&counts, "{}").await, json!(1), "the idle instance has made room");
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &world.registry).unwrap();
    assert!(text.contains("stator_functions_throttles_total{function=\"tested\"} 1\n"), "{text}");
    assert!(text.contains("stator_functions_invocations_total{function=\"tested\"} 2\n"), "{text}");
    assert!(text.contains("stator_functions_cold_starts_total{function=\"tested\"} 2\n"), "{text}");
    assert!(text.contains("stator_functions_instances 1\n"), "{text}");
    world.close().await;
}

#[tokio::test]
async fn memory_is_bounded_for_all_together() {
    let world = World::with(|settings| settings.memory_max_mb = 300);
    let (mut large, mut small) = (world.python(WAITS), world.python(COUNTS));
    (large.memory_mb, small.memory_mb) = (256, 128);
    refused_meanwhile(&world, &large, &small).await;
    let mut huge = world.python(COUNTS);
    (huge.memory_mb, huge.revision) = (1024, "huge".to_owned());
    assert_eq!(world.answer(&huge, "{}").await, json!(1), "larger than all room, it runs alone");
    world.close().await;
}

#[tokio::test]
async fn retired_instances_get_no_more_events() {
    let world = World::new();
    let deployment = world.python(COUNTS);
    assert_eq!(world.answer(&deployment, "{}").await, json!(1));
    assert_eq!(world.answer(&deployment, "{}").await, json!(2));
    let mut updated = deployment.clone();
    updated.revision = "2".to_owned();
    assert_eq!(world.answer(&updated, "{}").await, json!(1), "another revision is another process");
    world.runner.retire(&deployment.arn, Some("1"));
    assert_eq!(world.answer(&updated, "{}").await, json!(2));
    assert_eq!(world.answer(&deployment, "{}").await, json!(1));
    world.runner.retire(deployment.arn.strip_suffix(":$LATEST").unwrap(), None);
    assert_eq!(world.answer(&updated, "{}").await, json!(1));
    world.close().await;
}

#[tokio::test]
async fn an_instance_goes_before_its_credentials_end() {
    let world = World::new();
    let deployment = world.python(COUNTS);
    *world.outside.expires_at_ms.lock() = stator_environment::SystemClock.wall_ms() + 90_000;
    assert_eq!(world.answer(&deployment, "{}").await, json!(1));
    *world.outside.expires_at_ms.lock() = u64::MAX;
    // The timeout is 60 s, and a minute is kept to spare.
    assert_eq!(world.answer(&deployment, "{}").await, json!(1), "it was replaced");
    assert_eq!(world.answer(&deployment, "{}").await, json!(2));
    assert_eq!(*world.outside.issued.lock(), 2);
    world.close().await;
}

#[tokio::test]
async fn idle_instances_end_and_so_do_abandoned_ones() {
    let world = World::with(|settings| settings.idle_max = Duration::from_millis(100));
    let file = ("marker_idle.py", COUNTS, false);
    let deployment = world.deploy("python3.11", "marker_idle.handler", &[file]);
    assert_eq!(world.answer(&deployment, "{}").await, json!(1));
    gone("marker_idle").await;
    let deployment = world.deploy("python3.11", "marker_abandoned.handler", &[("marker_abandoned.py", SLEEPS, false)]);
    let abandoned = tokio::time::timeout(Duration::from_secs(3), world.invoke(&deployment, "1000"));
    assert!(abandoned.await.is_err(), "whoever asked has gone");
    gone("marker_abandoned").await;
    world.close().await;
}

#[tokio::test]
async fn closing_ends_everything() {
    let world = World::new();
    let deployment = world.deploy("python3.11", "marker_closing.handler", &[("marker_closing.py", SLEEPS, false)]);
    assert_eq!(world.answer(&deployment, "0").await, json!("slept"));
    let (ended, ()) = tokio::join!(world.try_invoke(&deployment, "1000"), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.runner.close().await;
    });
    assert!(matches!(ended, Err(RunError::Closed)), "{ended:?}");
    assert_eq!(processes_with("marker_closing"), 0);
    assert!(matches!(world.try_invoke(&deployment, "0").await, Err(RunError::Closed)));
}

/// What [`functions_end_with_the_server`] runs as a server of its own.
#[tokio::test]
#[ignore = "run by functions_end_with_the_server"]
async fn a_server_that_will_be_killed() {
    let world = World::new();
    let deployment = world.deploy("python3.11", "marker_widow.handler", &[("marker_widow.py", SLEEPS, false)]);
    world.invoke(&deployment, "1000").await;
}

#[tokio::test]
async fn functions_end_with_the_server() {
    if !namespaces_allowed("functions_end_with_the_server") {
        return;
    }
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_server_that_will_be_killed"])
        .spawn()
        .unwrap();
    for _ in 0..PATIENCE.as_millis() / 20 {
        if processes_with("marker_widow") > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(processes_with("marker_widow") > 0, "the function has begun");
    server.kill().unwrap();
    server.wait().unwrap();
    gone("marker_widow").await;
}

async fn gone(marker: &str) {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if processes_with(marker) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("processes of {marker} are left");
}
