//! A partition's place: its tokens, its epoch and its replicas.

use serde::{Deserialize, Serialize};
use stator_item::{NodeId, PartitionId, ReplicaId, TableId, Token};

/// Tokens from `first` to `last`, both included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TokenRange {
    pub first: Token,
    pub last: Token,
}

impl TokenRange {
    /// Every token.
    pub const ALL: TokenRange = TokenRange { first: Token(0), last: Token(u64::MAX) };

    pub fn contains(&self, token: Token) -> bool {
        self.first <= token && token <= self.last
    }

    /// The `number`th of `count` ranges of about equal size that cover all tokens without overlap (0 <= number < count).
    pub fn slice(number: u64, count: u64) -> TokenRange {
        debug_assert!(number < count, "a slice beyond the last");
        let cut = |n: u64| ((u128::from(n) << 64) / u128::from(count.max(1))) as u64;
        let last = if number + 1 >= count { u64::MAX } else { cut(number + 1) - 1 };
        TokenRange { first: Token(cut(number)), last: Token(last) }
    }

    /// The tokens in both, if any.
    pub fn intersection(&self, other: &TokenRange) -> Option<TokenRange> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (first <= last).then_some(TokenRange { first, last })
    }
}

/// What a replica does in its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Votes, and counts for the quorum.
    Voter,
    /// Only follows.
    Learner,
}

/// One replica of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Member {
    pub replica: ReplicaId,
    pub node: NodeId,
    pub role: Role,
}

/// A partition as routing needs it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PartitionDescription {
    pub id: PartitionId,
    pub table: TableId,
    pub tokens: TokenRange,
    /// Grows with every split, merge or change of replicas.
    pub epoch: u64,
    pub members: Vec<Member>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_all_tokens_once() {
        for count in [1u64, 2, 3, 4, 7, 1_000, 1_000_000] {
            let mut next = 0u128;
            for number in (0..count.min(1_000)).chain(count.saturating_sub(3).max(1_000)..count) {
                let slice = TokenRange::slice(number, count);
                if number < 1_000 {
                    assert_eq!(u128::from(slice.first.0), next, "slice {number} of {count}");
                    next = u128::from(slice.last.0) + 1;
                }
                assert!(slice.first <= slice.last);
            }
            assert_eq!(TokenRange::slice(count - 1, count).last, Token(u64::MAX));
        }
    }
}
