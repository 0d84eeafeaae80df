//! A command on its way into a replica.

use stator_item::Timestamp;
use stator_partition::{Command, CommandId, evaluate::Attempt};
use std::time::Duration;

/// What a read must see.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub enum Consistency {
    /// Everything that was acknowledged before it began: answered by the leader, under its lease.
    Strong,
    /// Some earlier state, from any replica that is not cut off.
    Eventual,
}

/// One command with what a replica needs to decide whether it may answer.
#[derive(Clone, Debug)]
pub struct Request {
    /// The same in every attempt.
    pub id: CommandId,
    /// When the first attempt was made; ids born below the partition's mark are refused.
    pub birth: Timestamp,
    /// Whether an earlier attempt may have come through.
    pub attempt: Attempt,
    /// The sender's picture of the partition. Refused if it is older than the partition's own, which its log changes; the catalog's
    /// may be ahead, as a change of replicas is told only there.
    pub epoch: u64,
    /// On this node's elapsed clock.
    pub deadline: Duration,
    /// Writes are always strong.
    pub consistency: Consistency,
    pub command: Command,
}
