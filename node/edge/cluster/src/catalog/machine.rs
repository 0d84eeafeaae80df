//! The catalog's group: the pure `Catalog` behind a Raft log, kept as a snapshot and the changes since.
//!
//! Guarantees: what is published is applied; each change's outcome can be asked for by its log index for a while.

use super::copy::Copy;
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use stator_catalog::{Catalog, CatalogRefusal, Outcome, decode_change};
use stator_consensus::{Applied, Committed, Digest, LogPosition, SnapshotSink, SnapshotSource, StateMachine};
use stator_environment::{Direction, DiskError, Family, KeyRange, Rows, WriteBatch};
use stator_item::{PartitionId, ReplicaId};
use std::{collections::BTreeMap, ops::ControlFlow, sync::Arc};

/// Changes kept beside the snapshot before it is written anew.
const JOURNAL_MAX: usize = 256;
/// Outcomes remembered for those who proposed.
const OUTCOMES_MAX: usize = 4_096;
/// A catalog larger than this is not one: 2,500 tables take a few megabytes.
const SNAPSHOT_BYTES_MAX: usize = 256 << 20;

mod tag {
    pub const SNAPSHOT: u8 = 200;
    pub const JOURNAL: u8 = 201;
    pub const APPLIED: u8 = 202;
    /// Which replica of the catalog this node has, and since when.
    pub const SEAT: u8 = 203;
}

fn key(tag: u8, rest: &[u8]) -> Bytes {
    let mut key = PartitionId::CATALOG.0.to_be_bytes().to_vec();
    key.push(tag);
    key.extend_from_slice(rest);
    key.into()
}

fn journal_range() -> KeyRange {
    KeyRange { start: key(tag::JOURNAL, &[]), end: Some(key(tag::JOURNAL + 1, &[])) }
}

/// A node's place in the catalog's group.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub replica: ReplicaId,
    /// The first revision of the catalog known to give it. After a loss of power the catalog here may be older, and knows nothing
    /// of it: that takes no place away.
    pub since: u64,
}

struct State {
    catalog: Catalog,
    applied: Applied,
    journal_count: usize,
    outcomes: BTreeMap<u64, Result<Outcome, CatalogRefusal>>,
}

/// The state machine behind the catalog's log on one node.
pub(crate) struct CatalogMachine {
    rows: Arc<dyn Rows>,
    copy: Arc<Copy>,
    state: Arc<Mutex<State>>,
}

impl CatalogMachine {
    /// Loads what this node has of the catalog and publishes it.
    pub fn open(rows: Arc<dyn Rows>, copy: Arc<Copy>) -> Result<Arc<CatalogMachine>, DiskError> {
        let state = load(&*rows)?;
        copy.publish(&state.catalog);
        Ok(Arc::new(CatalogMachine { rows, copy, state: Arc::new(Mutex::new(state)) }))
    }

    /// What came of the change at a log index, if it was applied here lately.
    pub fn outcome(&self, index: u64) -> Option<Result<Outcome, CatalogRefusal>> {
        self.state.lock().outcomes.get(&index).cloned()
    }

    /// Whether any entry was applied here.
    pub fn has_applied(&self) -> bool {
        self.state.lock().applied.position.is_some()
    }

    pub fn revision(&self) -> u64 {
        self.state.lock().catalog.revision()
    }

    /// This node's place, if it ever had one.
    pub fn place(rows: &dyn Rows) -> Result<Option<Place>, DiskError> {
        let Some(stored) = rows.get(Family::State, &key(tag::SEAT, &[]))? else { return Ok(None) };
        let damaged = |_| DiskError::Damaged("the row with the catalog's seat is unreadable".to_owned());
        postcard::from_bytes(&stored).map(Some).map_err(damaged)
    }

    /// Durable when it returns: a replica must be found again after a crash, whatever of its state was flushed by then. Else a
    /// cluster that loses power as a whole would wait for the votes of nodes that do not know that they have one.
    pub fn remember_place(rows: &dyn Rows, place: Place) -> Result<(), DiskError> {
        let mut batch = WriteBatch::default();
        batch.put(Family::State, key(tag::SEAT, &[]), postcard::to_stdvec(&place).expect("memory takes it"));
        rows.write(batch)?;
        rows.flush()
    }

    /// Removes what a replica that is gone has left.
    pub fn forget(rows: &dyn Rows) -> Result<(), DiskError> {
        let mut batch = WriteBatch::default();
        let all = KeyRange { start: key(tag::SNAPSHOT, &[]), end: Some(key(tag::SEAT + 1, &[])) };
        batch.delete_range(Family::State, all);
        rows.write(batch)?;
        rows.flush()
    }

    fn write_snapshot(state: &mut State, batch: &mut WriteBatch) {
        batch.delete_range(Family::State, journal_range());
        batch.put(Family::State, key(tag::SNAPSHOT, &[]), state.catalog.encode());
        state.journal_count = 0;
    }
}

fn load(rows: &dyn Rows) -> Result<State, DiskError> {
    let damaged = |reason: String| DiskError::Damaged(format!("the catalog: {reason}"));
    let mut catalog = match rows.get(Family::State, &key(tag::SNAPSHOT, &[]))? {
        Some(bytes) => Catalog::decode(&bytes).map_err(|error| damaged(error.to_string()))?,
        None => Catalog::default(),
    };
    let mut journal_count = 0;
    let mut failed = None;
    rows.view()?.scan(
        Family::State,
        &journal_range(),
        Direction::Forward,
        &mut |_, bytes| match decode_change(bytes) {
            Ok((change, at)) => {
                // Refused then, refused now.
                let _ = catalog.step(change, &at);
                journal_count += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                failed = Some(damaged(error.to_string()));
                ControlFlow::Break(())
            }
        },
    )?;
    if let Some(error) = failed {
        return Err(error);
    }
    let applied = match rows.get(Family::State, &key(tag::APPLIED, &[]))? {
        Some(bytes) => postcard::from_bytes(&bytes).map_err(|error| damaged(error.to_string()))?,
        None => Applied::default(),
    };
    Ok(State { catalog, applied, journal_count, outcomes: BTreeMap::new() })
}

/// The catalog as it is stored here, and its digest; `None`: no replica of it is.
pub fn stored_catalog(rows: &dyn Rows) -> Result<Option<(Catalog, Digest)>, DiskError> {
    let state = load(rows)?;
    if state.applied.position.is_none() {
        return Ok(None);
    }
    let pinned = Pinned { applied: state.applied, bytes: state.catalog.encode().into() };
    Ok(Some((state.catalog, Digest::of(&pinned)?)))
}

fn encode_applied(applied: &Applied) -> Vec<u8> {
    postcard::to_stdvec(applied).expect("memory takes whatever is written")
}

impl StateMachine for CatalogMachine {
    fn applied(&self) -> Result<Applied, DiskError> {
        Ok(self.state.lock().applied.clone())
    }

    fn apply(&self, entries: Vec<Committed>) -> Result<(), DiskError> {
        let mut state = self.state.lock();
        let mut batch = WriteBatch::default();
        for committed in entries {
            state.applied.position = Some(committed.position);
            if let Some(membership) = committed.membership {
                state.applied.membership = membership;
            }
            let Some(payload) = committed.payload else { continue };
            let (change, at) = decode_change(&payload).map_err(|error| DiskError::Damaged(error.to_string()))?;
            let outcome = state.catalog.step(change, &at);
            let index = committed.position.index;
            state.outcomes.insert(index, outcome);
            if state.outcomes.len() > OUTCOMES_MAX {
                state.outcomes.pop_first();
            }
            batch.put(Family::State, key(tag::JOURNAL, &index.to_be_bytes()), payload);
            state.journal_count += 1;
        }
        if state.journal_count > JOURNAL_MAX {
            CatalogMachine::write_snapshot(&mut state, &mut batch);
        }
        batch.put(Family::State, key(tag::APPLIED, &[]), encode_applied(&state.applied));
        self.rows.write(batch)?;
        self.copy.publish(&state.catalog);
        Ok(())
    }

    fn durable(&self) -> Result<Option<LogPosition>, DiskError> {
        match self.rows.get_durable(Family::State, &key(tag::APPLIED, &[]))? {
            Some(bytes) => {
                let applied: Applied =
                    postcard::from_bytes(&bytes).map_err(|error| DiskError::Damaged(error.to_string()))?;
                Ok(applied.position)
            }
            None => Ok(None),
        }
    }

    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, DiskError> {
        let state = self.state.lock();
        Ok(Arc::new(Pinned { applied: state.applied.clone(), bytes: state.catalog.encode().into() }))
    }

    fn install(&self) -> Result<Box<dyn SnapshotSink>, DiskError> {
        let (rows, copy, state) = (self.rows.clone(), self.copy.clone(), self.state.clone());
        Ok(Box::new(Received { rows, copy, state, bytes: Vec::new() }))
    }
}

/// A catalog as it was, encoded whole: a few megabytes.
struct Pinned {
    applied: Applied,
    bytes: Bytes,
}

impl SnapshotSource for Pinned {
    fn applied(&self) -> Applied {
        self.applied.clone()
    }

    fn chunk(&self, cursor: Option<Bytes>, bytes_max: usize) -> Result<(Bytes, Option<Bytes>), DiskError> {
        let from = match cursor.as_deref().map(<[u8; 8]>::try_from) {
            None => 0,
            Some(Ok(from)) => usize::try_from(u64::from_be_bytes(from)).unwrap_or(usize::MAX).min(self.bytes.len()),
            Some(Err(_)) => return Err(DiskError::Damaged("a cursor into the catalog is unreadable".to_owned())),
        };
        let to = from.saturating_add(bytes_max).min(self.bytes.len());
        let next = (to < self.bytes.len()).then(|| Bytes::copy_from_slice(&(to as u64).to_be_bytes()));
        Ok((self.bytes.slice(from..to), next))
    }
}

/// A catalog that arrives in pieces; it is written in one batch, so no mark is needed.
struct Received {
    rows: Arc<dyn Rows>,
    copy: Arc<Copy>,
    state: Arc<Mutex<State>>,
    bytes: Vec<u8>,
}

impl SnapshotSink for Received {
    fn chunk(&mut self, piece: Bytes) -> Result<(), DiskError> {
        if self.bytes.len() + piece.len() > SNAPSHOT_BYTES_MAX {
            return Err(DiskError::Damaged("a snapshot of the catalog is too large to be one".to_owned()));
        }
        self.bytes.extend_from_slice(&piece);
        Ok(())
    }

    fn finish(self: Box<Self>, applied: Applied) -> Result<(), DiskError> {
        let catalog = Catalog::decode(&self.bytes).map_err(|error| DiskError::Damaged(error.to_string()))?;
        let mut state = self.state.lock();
        *state = State { catalog, applied, journal_count: 0, outcomes: BTreeMap::new() };
        let mut batch = WriteBatch::default();
        CatalogMachine::write_snapshot(&mut state, &mut batch);
        batch.put(Family::State, key(tag::APPLIED, &[]), encode_applied(&state.applied));
        self.rows.write(batch)?;
        self.rows.flush()?;
        self.copy.publish(&state.catalog);
        Ok(())
    }
}
