//! Ranks of which few are drawn often: rank r is drawn in proportion to 1 / (r + 1)^0.99, as YCSB does.

use fastrand::Rng;

/// YCSB's constant.
const THETA: f64 = 0.99;

/// After Gray et al., "Quickly generating billion-record synthetic databases" (1994): one draw costs one power.
#[derive(Clone, Debug)]
pub struct Zipf {
    count: u64,
    alpha: f64,
    zeta: f64,
    eta: f64,
}

impl Zipf {
    /// Ranks from 0 to `count` - 1. Takes time linear in `count`, which is at least 1.
    pub fn new(count: u64) -> Zipf {
        let count = count.max(1);
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-THETA)).sum();
        let zeta_2 = 1.0 + 2f64.powf(-THETA);
        let eta = (1.0 - (2.0 / count as f64).powf(1.0 - THETA)) / (1.0 - zeta_2 / zeta);
        Zipf { count, alpha: 1.0 / (1.0 - THETA), zeta, eta }
    }

    pub fn draw(&self, random: &mut Rng) -> u64 {
        let fraction = random.f64();
        let share = fraction * self.zeta;
        let rank = if share < 1.0 {
            0
        } else if share < 1.0 + 0.5f64.powf(THETA) {
            1
        } else {
            (self.count as f64 * (self.eta * fraction - self.eta + 1.0).powf(self.alpha)) as u64
        };
        rank.min(self.count - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two ranks are exact, the others of the approximation within a few percent; every rank is within bounds.
    #[test]
    fn ranks_are_drawn_in_their_proportion() {
        let (count, draws) = (1_000u64, 400_000u32);
        let (zipf, mut random) = (Zipf::new(count), Rng::with_seed(7));
        let mut seen = vec![0u32; count as usize];
        (0..draws).for_each(|_| seen[zipf.draw(&mut random) as usize] += 1);
        let zeta: f64 = (1..=count).map(|rank| (rank as f64).powf(-THETA)).sum();
        let share = |ranks: std::ops::Range<usize>| f64::from(seen[ranks].iter().sum::<u32>()) / f64::from(draws);
        let expected =
            |ranks: std::ops::Range<usize>| ranks.map(|rank| ((rank + 1) as f64).powf(-THETA)).sum::<f64>() / zeta;
        for (ranks, tolerance) in [(0..1, 0.03), (1..2, 0.03), (2..10, 0.15), (10..100, 0.1), (100..1_000, 0.1)] {
            let (seen, expected) = (share(ranks.clone()), expected(ranks.clone()));
            assert!((seen / expected - 1.0).abs() < tolerance, "{ranks:?}: {seen} instead of {expected}");
        }
    }

    #[test]
    fn small_counts_have_no_holes() {
        for count in 1..4 {
            let (zipf, mut random) = (Zipf::new(count), Rng::with_seed(1));
            let seen: std::collections::BTreeSet<u64> = (0..1_000).map(|_| zipf.draw(&mut random)).collect();
            assert_eq!(seen, (0..count).collect());
        }
    }
}
