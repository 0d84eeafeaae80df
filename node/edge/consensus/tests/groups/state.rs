//! A state machine that keeps the list of payloads applied to it.

use bytes::Bytes;
use parking_lot::Mutex;
use stator_consensus::{Applied, Committed, LogPosition, SnapshotSink, SnapshotSource, StateMachine};
use stator_environment::DiskError;
use std::sync::Arc;

#[derive(Clone, Default)]
pub struct Rows {
    pub applied: Applied,
    pub payloads: Vec<Bytes>,
    /// An unfinished snapshot: nothing may be read or applied.
    marked: bool,
}

#[derive(Default)]
struct Inner {
    now: Rows,
    durable: Rows,
    installs: u32,
}

/// Clones are the same state.
#[derive(Clone, Default)]
pub struct ListState(Arc<Mutex<Inner>>);

impl ListState {
    pub fn rows(&self) -> Rows {
        self.0.lock().now.clone()
    }

    pub fn payloads(&self) -> Vec<Bytes> {
        self.rows().payloads
    }

    pub fn flush(&self) {
        let mut inner = self.0.lock();
        inner.durable = inner.now.clone();
    }

    pub fn crash(&self) {
        let mut inner = self.0.lock();
        inner.now = inner.durable.clone();
    }

    pub fn installs(&self) -> u32 {
        self.0.lock().installs
    }
}

impl StateMachine for ListState {
    fn applied(&self) -> Result<Applied, DiskError> {
        Ok(self.0.lock().now.applied.clone())
    }

    fn apply(&self, entries: Vec<Committed>) -> Result<(), DiskError> {
        let mut inner = self.0.lock();
        assert!(!inner.now.marked, "applied to a state that is being replaced");
        for entry in entries {
            let next = inner.now.applied.position.map_or(0, |position| position.index + 1);
            assert_eq!(next, entry.position.index, "entries are applied without gaps");
            inner.now.applied.position = Some(entry.position);
            if let Some(membership) = entry.membership {
                inner.now.applied.membership = membership;
            }
            inner.now.payloads.extend(entry.payload);
        }
        Ok(())
    }

    fn durable(&self) -> Result<Option<LogPosition>, DiskError> {
        Ok(self.0.lock().durable.applied.position)
    }

    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, DiskError> {
        Ok(Arc::new(Source(self.rows())))
    }

    fn install(&self) -> Result<Box<dyn SnapshotSink>, DiskError> {
        let mut inner = self.0.lock();
        inner.now = Rows { marked: true, ..Rows::default() };
        inner.durable = inner.now.clone();
        Ok(Box::new(Sink { state: self.clone(), payloads: Vec::new() }))
    }
}

struct Source(Rows);

impl SnapshotSource for Source {
    fn applied(&self) -> Applied {
        self.0.applied.clone()
    }

    /// One payload a piece.
    fn chunk(&self, cursor: Option<Bytes>, _bytes_max: usize) -> Result<(Bytes, Option<Bytes>), DiskError> {
        let at = cursor.map_or(0, |cursor| cursor.len());
        let piece = self.0.payloads.get(at).cloned().unwrap_or_default();
        let next = (at + 1 < self.0.payloads.len()).then(|| Bytes::from(vec![0; at + 1]));
        Ok((piece, next))
    }
}

struct Sink {
    state: ListState,
    payloads: Vec<Bytes>,
}

impl SnapshotSink for Sink {
    fn chunk(&mut self, piece: Bytes) -> Result<(), DiskError> {
        self.payloads.push(piece);
        Ok(())
    }

    fn finish(self: Box<Self>, applied: Applied) -> Result<(), DiskError> {
        let mut inner = self.state.0.lock();
        inner.now = Rows { applied, payloads: self.payloads, marked: false };
        inner.durable = inner.now.clone();
        inner.installs += 1;
        Ok(())
    }
}
