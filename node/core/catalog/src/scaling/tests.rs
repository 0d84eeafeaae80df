use super::*;

const NOW_MS: u64 = 100_000_000;

fn tracking(target_percent: f64) -> TargetTracking {
    TargetTracking { target_percent, scale_out_cooldown: None, scale_in_cooldown: None, disable_scale_in: None }
}

fn target(policies: &[(&str, TargetTracking)]) -> ScalableTarget {
    let policy = |tracking: &TargetTracking| ScalingPolicy { number: 2, created_ms: 0, tracking: *tracking };
    ScalableTarget {
        number: 1,
        min: 5,
        max: 100,
        role_arn: None,
        created_ms: 0,
        suspended: Suspended::default(),
        tags: BTreeMap::new(),
        policies: policies.iter().map(|(name, tracking)| ((*name).to_owned(), policy(tracking))).collect(),
        activities: VecDeque::new(),
        last_out_ms: None,
        last_in_ms: None,
        last_failed_ms: None,
    }
}

/// A local name of a test hides `target`.
fn with_policy(tracking: TargetTracking) -> ScalableTarget {
    target(&[("p", tracking)])
}

fn target_of_none() -> ScalableTarget {
    target(&[])
}

fn decided(target: &ScalableTarget, provisioned: u64, consumed: &[f64]) -> Option<u64> {
    decide(target, provisioned, consumed, NOW_MS).map(|scaling| scaling.to)
}

#[test]
fn capacity_is_given_after_two_minutes() {
    let target = target(&[("p", tracking(70.0))]);
    for (consumed, expected) in [
        (&[][..], None),
        (&[8.0], None),
        (&[7.0, 7.1], None),
        (&[7.1, 7.0], None),
        (&[7.1, 7.7], Some(11)),
        (&[100.0, 0.0, 7.1, 14.0], Some(20)),
        (&[1e9, 1e9], Some(100)),
    ] {
        assert_eq!(decided(&target, 10, consumed), expected, "{consumed:?}");
    }
    assert_eq!(decided(&target, 100, &[1e9, 1e9]), None, "there is no more");
    assert_eq!(decided(&target_of_none(), 10, &[1e9, 1e9]), None, "nobody asked for it");
}

#[test]
fn capacity_is_taken_after_a_quarter_of_an_hour() {
    let target = target(&[("p", tracking(70.0))]);
    let low = |units: f64, minutes: usize| vec![units; minutes];
    assert_eq!(decided(&target, 40, &low(14.0, 14)), None);
    assert_eq!(decided(&target, 40, &low(14.0, 15)), Some(20));
    assert_eq!(decided(&target, 40, &low(0.0, 15)), Some(5), "its minimum");
    assert_eq!(decided(&target, 40, &low(20.0, 15)), None, "half of it is not far below 70 %");
    let mut once = low(1.0, 15);
    once[7] = 27.0;
    assert_eq!(decided(&target, 40, &once), None);
    once[7] = 19.0;
    assert_eq!(decided(&target, 40, &once), Some(28), "the highest of them");
    let keeps = TargetTracking { disable_scale_in: Some(true), ..tracking(70.0) };
    assert_eq!(decided(&with_policy(keeps), 40, &low(0.0, 15)), None);
}

#[test]
fn policies_agree_on_the_larger() {
    let target = target(&[("a", tracking(50.0)), ("b", tracking(70.0))]);
    let scaling = decide(&target, 10, &[8.0, 8.0], NOW_MS).expect("more");
    assert_eq!(scaling, Scaling { to: 16, cause: ScalingCause::High { policy: "a".into() } });
    assert_eq!(decided(&target, 40, &[14.0; 15]), None, "35 % is far below 70, but not below 50");
    assert_eq!(decided(&target, 40, &[7.0; 15]), Some(14));
}

#[test]
fn the_bounds_hold_and_pauses_are_kept() {
    let pauses = TargetTracking { scale_out_cooldown: Some(60), scale_in_cooldown: Some(120), ..tracking(70.0) };
    let plain = target(&[("p", pauses)]);
    assert_eq!(decide(&plain, 4, &[], NOW_MS), Some(Scaling { to: 5, cause: ScalingCause::Minimum }));
    assert_eq!(decide(&plain, 101, &[], NOW_MS), Some(Scaling { to: 100, cause: ScalingCause::Maximum }));
    let (high, low) = ([9.0, 9.0], [0.0; 15]);
    let ago = |seconds: u64| Some(NOW_MS - seconds * 1_000);
    for (last_out_ms, last_in_ms, expected_out, expected_in) in [
        (ago(59), None, None, None),
        (ago(60), None, Some(13), None),
        (ago(120), None, Some(13), Some(5)),
        (None, ago(1), Some(13), None),
        (None, ago(120), Some(13), Some(5)),
    ] {
        let paused = ScalableTarget { last_out_ms, last_in_ms, ..plain.clone() };
        assert_eq!(decided(&paused, 10, &high), expected_out);
        assert_eq!(decided(&paused, 10, &low), expected_in);
    }
    let failed = ScalableTarget { last_failed_ms: ago(599), ..plain.clone() };
    assert_eq!((decided(&failed, 10, &high), decided(&failed, 4, &[])), (None, None));
    let suspended = |scaling_in, scaling_out| Suspended { scaling_in, scaling_out, scheduled: false };
    let no_out = ScalableTarget { suspended: suspended(false, true), ..plain.clone() };
    assert_eq!((decided(&no_out, 10, &high), decided(&no_out, 10, &low)), (None, Some(5)));
    let no_in = ScalableTarget { suspended: suspended(true, false), ..plain };
    assert_eq!((decided(&no_in, 10, &high), decided(&no_in, 10, &low)), (Some(13), None));
}
