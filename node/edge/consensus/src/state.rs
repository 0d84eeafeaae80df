//! The owner's state machine as openraft wants to see it.

use crate::{
    Committed, LogPosition, SnapshotSource, StateMachine,
    encoding::{decode_stored_membership, encode_stored_membership},
    log_store::io_error,
    raft_types::{RaftLogId, StoredRaftMembership, Types, entry_payload, log_id, position},
};
use futures::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine},
    type_config::alias::{SnapshotMetaOf, SnapshotOf},
};
use parking_lot::Mutex;
use stator_environment::DiskError;
use std::{io, sync::Arc};

/// Entries given to the owner at once, at most.
const APPLY_ENTRIES_MAX: usize = 256;

/// Keeps calls to the owner's state one at a time. A snapshot is pinned by the task that sends it, not by the one that applies.
pub(crate) struct Gate {
    state: Arc<dyn StateMachine>,
    turn: Mutex<()>,
}

impl Gate {
    pub(crate) fn new(state: Arc<dyn StateMachine>) -> Arc<Gate> {
        Arc::new(Gate { state, turn: Mutex::new(()) })
    }

    fn apply(&self, entries: Vec<Committed>) -> Result<(), DiskError> {
        let _turn = self.turn.lock();
        self.state.apply(entries)
    }

    pub(crate) fn pin(&self) -> Result<Arc<dyn SnapshotSource>, DiskError> {
        let _turn = self.turn.lock();
        self.state.snapshot()
    }
}

type Snapshot = SnapshotOf<Types, Arc<Gate>>;

/// openraft's side of the state. What it calls a snapshot is only the way to one: the state is pinned when a follower wants it,
/// since a leader asks for snapshots again and again while the follower is away.
pub(crate) struct State {
    gate: Arc<Gate>,
    applied: Option<RaftLogId>,
    membership: StoredRaftMembership,
}

impl State {
    pub(crate) fn new(gate: Arc<Gate>) -> Result<State, DiskError> {
        let applied = gate.state.applied()?;
        let membership = decode_stored_membership(&applied.membership)
            .map_err(|error| DiskError::Damaged(format!("applied state: {error}")))?;
        Ok(State { gate, applied: applied.position.map(log_id), membership })
    }

    fn snapshot(&self, last: RaftLogId) -> Snapshot {
        Snapshot {
            meta: SnapshotMetaOf::<Types> { last_log_id: Some(last), last_membership: self.membership.clone() },
            snapshot: self.gate.clone(),
        }
    }

    /// Hands entries to the owner, then their results to who proposed them.
    fn apply_batch(&mut self, batch: Vec<EntryResponder<Types>>) -> Result<(), io::Error> {
        let Some((last, _)) = batch.last() else { return Ok(()) };
        let applied = last.log_id;
        let mut membership = None;
        let mut entries = Vec::with_capacity(batch.len());
        for (entry, _) in &batch {
            let changed = match &entry.payload {
                EntryPayload::Membership(members) => {
                    Some(StoredRaftMembership::new(Some(entry.log_id), members.clone()))
                }
                EntryPayload::Blank | EntryPayload::Normal(_) => None,
            };
            entries.push(Committed {
                position: position(&entry.log_id),
                payload: entry_payload(entry),
                membership: changed.as_ref().map(encode_stored_membership),
            });
            membership = changed.or(membership);
        }
        self.gate.apply(entries).map_err(io_error)?;
        self.applied = Some(applied);
        if let Some(membership) = membership {
            self.membership = membership;
        }
        for (_, responder) in batch {
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }
}

impl RaftStateMachine<Types> for State {
    type SnapshotData = Arc<Gate>;
    type SnapshotBuilder = Durable;

    async fn applied_state(&mut self) -> Result<(Option<RaftLogId>, StoredRaftMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let mut batches = entries.ready_chunks(APPLY_ENTRIES_MAX);
        while let Some(batch) = batches.next().await {
            self.apply_batch(batch.into_iter().collect::<Result<Vec<_>, _>>()?)?;
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Durable> {
        // Nothing durable yet, or a disk that cannot be read: no snapshot, and so no purge, for now.
        let durable: LogPosition = self.gate.state.durable().ok()??;
        Some(Durable(Some(self.snapshot(log_id(durable)))))
    }

    async fn get_snapshot_builder(&mut self) -> Durable {
        Durable(self.try_create_snapshot_builder(false).await.and_then(|durable| durable.0))
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMetaOf<Types>, _gate: Arc<Gate>) -> Result<(), io::Error> {
        // Snapshots are installed while no core runs: see `snapshot/receive.rs`.
        Err(io::Error::other("a snapshot came the wrong way"))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, io::Error> {
        Ok(self.applied.map(|applied| self.snapshot(applied)))
    }
}

/// A "snapshot" whose only use is its position: the log may be purged up to what is durable in the state.
pub(crate) struct Durable(Option<Snapshot>);

impl RaftSnapshotBuilder<Types> for Durable {
    type SnapshotData = Arc<Gate>;

    async fn build_snapshot(&mut self) -> Result<Snapshot, io::Error> {
        self.0.take().ok_or_else(|| io::Error::other("nothing durable to make a snapshot of"))
    }
}
