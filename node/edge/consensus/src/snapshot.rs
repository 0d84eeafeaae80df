//! Sending a replica's whole state to another one, piece by piece.
//!
//! The receiver wipes its state as it begins, so its core is stopped for as long as the installation takes: it votes for nobody
//! and acknowledges nothing. A mark in its log, durable before the state is touched, keeps it so after a crash; then only another
//! snapshot, of any leader, brings it back. Forgetting its entries is safe: its leader had purged them, so a quorum without this
//! replica has them committed.

mod receive;
mod send;

pub(crate) use receive::{Incoming, SnapshotMessages};
pub(crate) use send::send;

use std::time::Duration;

/// For one piece: the receiver writes it to disk before it answers, and flushes all behind the last one.
const PIECE_DEADLINE: Duration = Duration::from_secs(30);
