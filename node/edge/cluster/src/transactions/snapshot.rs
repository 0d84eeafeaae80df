//! Reads of several items at one moment: read, read again, and what did not change between was there together.

use super::{
    coordinator::Coordinator,
    parts::{Part, in_order, parts},
};
use crate::door::{Consistency, Deadline};
use futures::future::join_all;
use stator_mutants::Mutant;
use stator_partition::{
    Command, Refusal, Reply,
    command::Get,
    reply::Got,
    transaction::{CancellationReason, PlacedGet, TRANSACTION_BYTES_MAX, TransactGet, TransactGot},
};

/// How often items that change meanwhile are read anew before the transaction is cancelled.
const TRIES_MAX: usize = 4;

impl Coordinator {
    /// Reads items as they stood at one moment, or is cancelled by a write that is under way on one of them.
    pub async fn get(&self, gets: Vec<PlacedGet>, deadline: Deadline) -> Result<Vec<Got>, Refusal> {
        let parts = parts(&*self.door, gets.into_iter().map(|get| (get.place, get.get)))?;
        let mut changed = Vec::new();
        for _ in 0..TRIES_MAX {
            let first = self.read(&parts, false, deadline).await?;
            // Between all reads of the first round and all of the second lies one moment, at which each item was as it was in both.
            // What one partition holds was read at one moment already.
            let second = match parts.len() {
                0 | 1 => None,
                _ if stator_mutants::is(Mutant::ReadOnce) => None,
                _ => Some(self.read(&parts, true, deadline).await?),
            };
            changed = match second {
                Some(second) => first.iter().zip(&second).map(|(one, other)| one.version != other.version).collect(),
                None => vec![false; first.len()],
            };
            if !changed.contains(&true) {
                let got: Vec<Got> = first.into_iter().map(|got| got.got).collect();
                let bytes: u64 = got.iter().map(|got| got.read_bytes).sum();
                return if bytes > TRANSACTION_BYTES_MAX { Err(Refusal::TransactionTooLarge) } else { Ok(got) };
            }
        }
        Err(conflicts(&changed))
    }

    async fn read(
        &self,
        parts: &[Part<Get>],
        versions_only: bool,
        deadline: Deadline,
    ) -> Result<Vec<TransactGot>, Refusal> {
        let each = parts.iter().map(|part| {
            let command = Command::TransactGet(Box::new(TransactGet { gets: part.items.clone(), versions_only }));
            self.door.submit(part.place.table, part.place.token, command, Consistency::Strong, deadline)
        });
        let outcomes = join_all(each).await;
        if let Some(cancelled) = throttled(parts, &outcomes) {
            return Err(cancelled);
        }
        let mut got = Vec::with_capacity(parts.len());
        for (part, outcome) in parts.iter().zip(outcomes) {
            match outcome? {
                Reply::TransactGot(of_part) => got.push((part.at.clone(), of_part)),
                _ => return Err(Refusal::Unavailable("a partition answered another question".to_owned())),
            }
        }
        let got = in_order(got);
        let conflicting: Vec<bool> = got.iter().map(Option::is_none).collect();
        if conflicting.contains(&true) { Err(conflicts(&conflicting)) } else { Ok(got.into_iter().flatten().collect()) }
    }
}

/// Which items could not be read as their partitions were throttled, unless something is wrong beside that.
fn throttled(parts: &[Part<Get>], outcomes: &[Result<Reply, Refusal>]) -> Option<Refusal> {
    let mut is_throttled = false;
    let mut reasons = Vec::with_capacity(parts.len());
    for (part, outcome) in parts.iter().zip(outcomes) {
        let reason = match outcome {
            Ok(_) => None,
            Err(Refusal::Throttled(throttled)) => Some(CancellationReason::of_throttled(throttled)),
            Err(_) => return None,
        };
        is_throttled |= reason.is_some();
        reasons.push((part.at.clone(), vec![reason; part.items.len()]));
    }
    is_throttled.then(|| Refusal::Cancelled(in_order(reasons)))
}

fn conflicts(conflicting: &[bool]) -> Refusal {
    let reason = |conflicts: &bool| conflicts.then_some(CancellationReason::Conflict);
    Refusal::Cancelled(conflicting.iter().map(reason).collect())
}
