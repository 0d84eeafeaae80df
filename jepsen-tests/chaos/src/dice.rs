//! Random numbers from a seed. The schedule of faults follows from it; what processes make of that does not.

use fastrand::Rng;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Shared by reference.
#[derive(Debug)]
pub struct Dice(Mutex<Rng>);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(Mutex::new(Rng::with_seed(seed)))
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.0.lock().unwrap_or_else(PoisonError::into_inner).u64(..end) }
    }

    pub fn between(&self, least: Duration, most: Duration) -> Duration {
        let spread = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        least + Duration::from_millis(self.below(spread.saturating_add(1)))
    }

    /// One of them.
    pub fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        of.get(usize::try_from(self.below(of.len() as u64)).unwrap_or(0))
    }

    /// So many of them, in any order.
    pub fn pick_some<T: Clone>(&self, of: &[T], count: usize) -> Vec<T> {
        let mut left = of.to_vec();
        let mut picked = Vec::with_capacity(count);
        while picked.len() < count && !left.is_empty() {
            picked.push(left.swap_remove(usize::try_from(self.below(left.len() as u64)).unwrap_or(0)));
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same() {
        let throws = |seed| {
            let dice = Dice::new(seed);
            (0..50).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(throws(7), throws(7));
        assert_ne!(throws(7), throws(8));
        assert!(throws(7).iter().all(|throw| *throw < 6) && (0..6).all(|side| throws(7).contains(&side)));
        assert_eq!(Dice::new(1).below(0), 0);
    }

    #[test]
    fn some_of_them_are_different_ones() {
        let mut some = Dice::new(3).pick_some(&[1, 2, 3, 4, 5], 4);
        some.sort_unstable();
        some.dedup();
        assert_eq!(some.len(), 4);
        assert_eq!(Dice::new(3).pick_some(&[1], 4), [1]);
    }
}
