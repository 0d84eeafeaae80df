//! Request ids: what `x-amzn-RequestId` says, 52 digits and capital letters as at AWS.

use stator_environment::Random;
use std::sync::atomic::{AtomicU64, Ordering};

const LENGTH: usize = 52;
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";

/// An id, all ASCII.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId([u8; LENGTH]);

impl RequestId {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Makes ids that differ from each other, and from those of every other process with overwhelming likelihood.
///
/// They are no secrets: one random start for each of five words, and a counter, cost no system call per request.
pub struct RequestIds {
    starts: [u64; 5],
    counter: AtomicU64,
}

impl RequestIds {
    pub fn new(random: &dyn Random) -> RequestIds {
        RequestIds { starts: std::array::from_fn(|_| random.next_u64()), counter: AtomicU64::new(0) }
    }

    pub fn next(&self) -> RequestId {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut digits = [0; LENGTH];
        for (start, chunk) in self.starts.iter().zip(digits.chunks_mut(12)) {
            let mut word = mixed(start.wrapping_add(count.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            for digit in chunk {
                *digit = DIGITS[(word & 31) as usize];
                word >>= 5;
            }
        }
        RequestId(digits)
    }
}

/// The finishing steps of SplitMix64: every bit of the input reaches every bit of the output.
fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_environment::SystemRandom;
    use std::collections::BTreeSet;

    #[test]
    fn ids_look_like_those_of_aws_and_differ() {
        let ids = RequestIds::new(&SystemRandom);
        let seen: BTreeSet<String> = (0..1_000).map(|_| ids.next().as_str().to_owned()).collect();
        assert_eq!(seen.len(), 1_000);
        for id in seen {
            assert_eq!(id.len(), 52);
            assert!(id.bytes().all(|digit| digit.is_ascii_digit() || digit.is_ascii_uppercase()), "{id}");
        }
    }
}
