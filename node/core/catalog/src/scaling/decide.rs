//! Target tracking: how many units a capacity should have, by what was consumed of it.

use super::{ScalableTarget, ScalingCause, ScalingPolicy, TargetTracking};

/// So many minutes in a row above the target, and more capacity is given.
const MINUTES_OUT: usize = 2;
/// So many in a row far below it, and capacity is taken.
const MINUTES_IN: usize = 15;
/// Points below the target that are far below it; of a low target, half.
const LOW_POINTS: f64 = 20.0;
/// What binary fractions may be off by.
const ROUNDING: f64 = 1e-6;
/// So long nothing is tried again that failed.
const RETRY_AFTER_MS: u64 = 600_000;

/// A change that should be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scaling {
    pub to: u64,
    pub cause: ScalingCause,
}

/// What should become of a capacity of `provisioned` units. `consumed` are units a second, on the average of each minute, the
/// latest last; what was not measured is left out, so after a silence nothing is taken away too soon.
///
/// Capacity is given fast and taken slowly. A target without a policy stays as it is.
pub fn decide(target: &ScalableTarget, provisioned: u64, consumed: &[f64], now_ms: u64) -> Option<Scaling> {
    let is_over = |since_ms: Option<u64>, pause_ms: u64| since_ms.is_none_or(|since_ms| now_ms >= since_ms + pause_ms);
    if target.policies.is_empty() || !is_over(target.last_failed_ms, RETRY_AFTER_MS) {
        return None;
    }
    let (may_out, may_in) = (!target.suspended.scaling_out, !target.suspended.scaling_in);
    if provisioned < target.min {
        return may_out.then_some(Scaling { to: target.min, cause: ScalingCause::Minimum });
    }
    if provisioned > target.max {
        return may_in.then_some(Scaling { to: target.max, cause: ScalingCause::Maximum });
    }
    let cooldown_ms = |seconds: Option<u64>| seconds.unwrap_or_default().saturating_mul(1_000);
    let out = target
        .policies
        .iter()
        .filter(|(_, policy)| is_over(target.last_out_ms, cooldown_ms(policy.tracking.scale_out_cooldown)))
        .filter_map(|(name, policy)| Some((more(&policy.tracking, provisioned, consumed)?.min(target.max), name)))
        .max_by_key(|(units, _)| *units);
    if let Some((to, policy)) = out.filter(|(to, _)| *to > provisioned) {
        return may_out.then(|| Scaling { to, cause: ScalingCause::High { policy: policy.clone() } });
    }
    // All policies that may take capacity must agree.
    let last_ms = target.last_in_ms.max(target.last_out_ms);
    let taking = |policy: &ScalingPolicy| policy.tracking.disable_scale_in != Some(true);
    let mut largest = None;
    for (name, policy) in target.policies.iter().filter(|(_, policy)| taking(policy)) {
        if !is_over(last_ms, cooldown_ms(policy.tracking.scale_in_cooldown)) {
            return None;
        }
        let units = less(&policy.tracking, provisioned, consumed)?.max(target.min);
        largest = largest.filter(|(other, _)| *other >= units).or(Some((units, name)));
    }
    let (to, policy) = largest.filter(|(to, _)| *to < provisioned)?;
    may_in.then(|| Scaling { to, cause: ScalingCause::Low { policy: policy.clone() } })
}

/// Units with which that much is exactly what the policy wants.
fn units_for(tracking: &TargetTracking, consumed: f64) -> u64 {
    // Never negative and far below 2^53; what is not a number becomes nothing.
    (consumed * 100.0 / tracking.target_percent - ROUNDING).ceil().max(1.0) as u64
}

fn more(tracking: &TargetTracking, provisioned: u64, consumed: &[f64]) -> Option<u64> {
    let latest = consumed.get(consumed.len().checked_sub(MINUTES_OUT)?..)?;
    let high = provisioned as f64 * tracking.target_percent / 100.0;
    latest.iter().all(|units| *units > high).then(|| units_for(tracking, *latest.last().unwrap_or(&0.0)))
}

fn less(tracking: &TargetTracking, provisioned: u64, consumed: &[f64]) -> Option<u64> {
    let latest = consumed.get(consumed.len().checked_sub(MINUTES_IN)?..)?;
    let percent = (tracking.target_percent - LOW_POINTS).max(tracking.target_percent / 2.0);
    let low = provisioned as f64 * percent / 100.0;
    let most = latest.iter().copied().fold(0.0, f64::max);
    (most < low).then(|| units_for(tracking, most))
}
