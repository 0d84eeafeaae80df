//! A token bucket that may go into debt, in integers: the same on every run of a seed.

use super::{COMMAND_UNITS_MAX, TOKENS_COUNT};
use crate::capacity::Units;
use stator_mutants::Mutant;
use std::time::Duration;

/// Grains of a unit: so many that a bucket of one unit a second earns one in each nanosecond.
const UNIT_GRAINS: u64 = 1_000_000_000;
const HALF_GRAINS: u64 = UNIT_GRAINS / 2;

/// Grains that are earned in a second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Grains(pub u64);

impl Grains {
    /// The part of so many units that belongs to so many of all tokens.
    pub fn per_second(units: u64, tokens_count: u128) -> Grains {
        debug_assert!(tokens_count <= TOKENS_COUNT, "more than all tokens");
        // 32 bits of units, 30 of grains and 33 of tokens.
        let units = u128::from(units.min(u64::from(u32::MAX)));
        let grains = units * u128::from(UNIT_GRAINS) * (tokens_count >> 32) / (TOKENS_COUNT >> 32);
        // Never nothing: whoever is refused would be refused for ever.
        Grains(u64::try_from(grains).unwrap_or(u64::MAX).max(1))
    }

    /// The rate of so many tokens, where it is that of others now.
    pub fn scaled(self, tokens_count: u128, of: u128) -> Grains {
        let grains = u128::from(self.0) * (tokens_count >> 32) / (of >> 32).max(1);
        Grains(u64::try_from(grains).unwrap_or(u64::MAX))
    }
}

/// What is left of a capacity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Bucket {
    /// Grains; below nothing, they were consumed before they were earned.
    level: i64,
    rate: Grains,
    most: i64,
    /// Everything is earned up to here.
    at: Duration,
}

impl Bucket {
    /// One with the grains of a second, and nothing saved.
    pub fn new(rate: Grains, now: Duration) -> Bucket {
        let second = signed(rate.0);
        Bucket { level: second, rate, most: second, at: now }
    }

    /// Earns, at the rate that was, what came in until now; from now on another rate may hold, and another bound.
    pub fn turn(&mut self, rate: Grains, seconds_most: u64, now: Duration) {
        let nanos = now.saturating_sub(self.at).as_nanos();
        let earned = u128::from(self.rate.0).saturating_mul(nanos) / u128::from(UNIT_GRAINS);
        self.level = self.level.saturating_add(i64::try_from(earned).unwrap_or(i64::MAX)).min(self.most);
        self.at = self.at.max(now);
        self.rate = rate;
        self.most = signed(rate.0.saturating_mul(seconds_most));
        self.level = self.level.min(self.most);
    }

    pub fn rate(&self) -> Grains {
        self.rate
    }

    pub fn is_open(&self) -> bool {
        self.level > 0
    }

    /// Grains that are missing.
    pub fn debt(&self) -> u64 {
        self.level.min(0).unsigned_abs()
    }

    pub fn take(&mut self, units: Units) {
        let grains = signed(units.halves().saturating_mul(HALF_GRAINS));
        // What is in flight together may cost more than any one command: not for ever.
        let least = signed(COMMAND_UNITS_MAX.halves() * HALF_GRAINS).max(self.most).saturating_neg();
        self.level = self.level.saturating_sub(grains).max(least);
    }

    /// Gives away what is wanted, but keeps the grains of a second.
    pub fn lend(&mut self, wanted: u64) -> u64 {
        let spare = self.level.saturating_sub(signed(self.rate.0)).max(0).unsigned_abs();
        let lent = spare.min(wanted);
        if !stator_mutants::is(Mutant::LendAndKeep) {
            self.level = self.level.saturating_sub(signed(lent));
        }
        lent
    }

    pub fn give(&mut self, grains: u64) {
        self.level = self.level.saturating_add(signed(grains)).min(self.most);
    }
}

fn signed(grains: u64) -> i64 {
    i64::try_from(grains).unwrap_or(i64::MAX)
}
