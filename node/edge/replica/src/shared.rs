//! What the tasks of one replica share: its state as applied, and the news of what was applied.
//!
//! Guarantees: the state and the rows change together under the state's lock, so whoever holds it for reading sees both at one
//! applied position. Only [`machine`](crate::machine) writes here.

use crate::{
    metering::Metering, metrics::Metrics, replica::Parts, request::Request, rows, rows::ViewedRows, settings::Settings,
    snapshot::state_ranges,
};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use stator_catalog::{PartitionDescription, TableDescription};
use stator_changelog::SequenceNumber;
use stator_consensus::{Applied, LogPosition};
use stator_environment::{DiskError, Environment, Family, KeyRange, Rows};
use stator_item::{IndexNumber, PartitionId, ReplicaId, TableId};
use stator_partition::{
    Attempt, PartitionState,
    capacity::way_of,
    effects::EntryNumber,
    keys,
    rows::{ReadError, items_bounds},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use tokio::sync::watch;

/// Local secondary indexes are made with their table and numbered from 1 (AWS: at most 5).
const LOCAL_INDEXES_MAX: u16 = 5;

/// One entry was applied here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    /// The term it was evaluated in, and the number it would have.
    pub term: u64,
    pub number: EntryNumber,
    pub had_effect: bool,
}

/// How far the replica's state has come.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Progress {
    pub position: Option<LogPosition>,
    /// The term of the last entry; a leader evaluates and answers strong reads only once it is its own.
    pub term: u64,
}

/// The indexes that a partition feeds, and how far its change log has come.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Feeding {
    pub indexes: Vec<TableId>,
    /// 0 where no index is fed and no stream is read.
    pub last_change: SequenceNumber,
    /// The replica was closed: nothing more will be told.
    pub closed: bool,
}

pub(crate) struct Shared {
    pub partition: PartitionId,
    pub replica: ReplicaId,
    pub rows: Arc<dyn Rows>,
    pub environment: Environment,
    pub settings: Settings,
    pub metrics: Arc<Metrics>,
    pub metering: Metering,
    description: PartitionDescription,
    pub state: RwLock<PartitionState>,
    pub progress: watch::Sender<Progress>,
    pub feeding: watch::Sender<Feeding>,
    /// Reads of streams that wait for a record.
    pub waiting_reads: AtomicUsize,
    membership: Mutex<Bytes>,
    notices: Mutex<Vec<Notice>>,
    /// Set when the rows cannot be read any more: the node stops.
    failure: Arc<watch::Sender<Option<String>>>,
    /// A snapshot is being installed, or was not to its end: nothing is answered.
    installing: AtomicBool,
    /// The state could not be written, so what is in memory must not be served.
    broken: AtomicBool,
}

impl Shared {
    /// Loads what this node has of the partition, or begins with nothing.
    pub fn open(description: PartitionDescription, replica: ReplicaId, parts: &Parts) -> Result<Shared, DiskError> {
        let fresh = PartitionState::new(description.id, description.table, description.tokens);
        let shared = Shared {
            partition: description.id,
            replica,
            rows: parts.rows.clone(),
            environment: parts.environment.clone(),
            settings: parts.settings.clone(),
            metrics: parts.metrics.clone(),
            metering: Metering::new(parts.meters.clone(), description.id, description.table),
            description,
            state: RwLock::new(fresh),
            progress: watch::Sender::new(Progress::default()),
            feeding: watch::Sender::new(Feeding::default()),
            waiting_reads: AtomicUsize::new(0),
            membership: Mutex::new(Bytes::new()),
            notices: Mutex::new(Vec::new()),
            failure: parts.failure.clone(),
            installing: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        };
        shared.reload()?;
        Ok(shared)
    }

    /// Reads the state from its rows, as after a restart or a snapshot.
    pub fn reload(&self) -> Result<(), DiskError> {
        let marked = self.rows.get(Family::State, &keys::installing_key(self.partition))?.is_some();
        self.installing.store(marked, Ordering::Release);
        if marked {
            return Ok(());
        }
        let view = ViewedRows(self.rows.view()?);
        let loaded = PartitionState::load(self.partition, &view).map_err(damaged)?;
        let applied = match self.rows.get(Family::State, &keys::applied_key(self.partition))? {
            Some(stored) => crate::machine::decode_applied(&stored)?,
            None => Applied::default(),
        };
        let mut state = self.state.write();
        if let Some(loaded) = loaded {
            *state = loaded;
        }
        self.tell_feeding(&state);
        self.set_applied(applied);
        Ok(())
    }

    pub fn applied(&self) -> Applied {
        // A replica whose snapshot was broken off has nothing: the leader sends it another.
        if self.is_installing() {
            return Applied::default();
        }
        Applied { position: self.progress.borrow().position, membership: self.membership.lock().clone() }
    }

    pub fn set_applied(&self, applied: Applied) {
        *self.membership.lock() = applied.membership;
        let term = applied.position.map_or(0, |position| position.term);
        self.progress.send_replace(Progress { position: applied.position, term });
    }

    /// Tells consumers what was applied, if it concerns them.
    pub fn tell_feeding(&self, state: &PartitionState) {
        self.feeding.send_if_modified(|told| {
            let is_read = state.is_feeding() || state.has_streams();
            let last_change = if is_read { state.last_change() } else { SequenceNumber(0) };
            let same = told.last_change == last_change && told.indexes.iter().copied().eq(state.feeds());
            if !same {
                told.last_change = last_change;
                told.indexes = state.feeds().collect();
            }
            !same
        });
    }

    /// The table, as applied, if requests are held to its capacity.
    pub fn limiting_table(&self) -> Option<Arc<TableDescription>> {
        if self.metering.enforces() { self.state.read().description().cloned() } else { None }
    }

    /// Whether a read is the leader's to answer, whatever its consistency: it must be counted where all others are. A repeated
    /// attempt may be answered by anybody: the leader did not.
    pub fn is_for_leader(&self, request: &Request) -> bool {
        self.metering.enforces() && request.attempt == Attempt::First && way_of(&request.command).is_some()
    }

    pub fn is_installing(&self) -> bool {
        self.installing.load(Ordering::Acquire)
    }

    pub fn set_installing(&self) {
        self.installing.store(true, Ordering::Release);
    }

    /// The disk cannot be read: nothing more is answered, and the operator is told.
    pub fn fail(&self, error: &dyn std::error::Error) {
        if !self.broken.swap(true, Ordering::AcqRel) {
            tracing::error!(partition = %self.partition, %error, "the partition's rows cannot be read; the node must stop");
        }
        self.failure.send_replace(Some(format!("the rows of partition {} cannot be read: {error}", self.partition)));
    }

    pub fn set_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Why nothing can be answered from this state, if so.
    pub fn unusable(&self) -> Option<&'static str> {
        if self.broken.load(Ordering::Acquire) {
            Some("its disk failed")
        } else if self.is_installing() {
            Some("it receives a snapshot")
        } else {
            None
        }
    }

    /// Tells the leader's task what was applied. Bounded by the entries in flight: a follower's are dropped at once.
    pub fn notify(&self, news: Vec<Notice>, wanted: bool) {
        let mut notices = self.notices.lock();
        if wanted {
            notices.extend(news);
        } else {
            notices.clear();
        }
    }

    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.lock())
    }

    /// What a snapshot consists of.
    pub fn snapshot_ranges(&self) -> Vec<(Family, KeyRange)> {
        let items = self.state.read().items_bounds();
        let items = items.iter().map(|bounds| (Family::Items, rows::range(bounds)));
        items.chain(state_ranges(self.partition)).collect()
    }

    /// Every range in which rows of the partition can lie, whatever is known of its table.
    pub fn every_range(&self) -> Vec<(Family, KeyRange)> {
        every_range(&self.description)
    }
}

/// Every range in which rows of a partition can lie.
pub(crate) fn every_range(description: &PartitionDescription) -> Vec<(Family, KeyRange)> {
    let local: Vec<IndexNumber> = (1..=LOCAL_INDEXES_MAX).map(IndexNumber).collect();
    let items = items_bounds(description.table, description.tokens, &local);
    items.iter().map(|bounds| (Family::Items, rows::range(bounds))).chain(state_ranges(description.id)).collect()
}

/// A state that cannot be read is damage: the node must not go on as if the rows were not there.
pub(crate) fn damaged(error: ReadError) -> DiskError {
    match error {
        ReadError::Rows(source) => match source.downcast::<DiskError>() {
            Ok(disk) => *disk,
            Err(other) => DiskError::Damaged(other.to_string()),
        },
        other => DiskError::Damaged(other.to_string()),
    }
}
