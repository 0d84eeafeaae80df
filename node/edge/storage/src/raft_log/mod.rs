//! The log of all Raft replicas of a node, on disk.
//!
//! A call changes the index in memory and queues a record; the log's own thread writes all records that wait as one
//! batch, syncs it, and reports it done (group commit). Batch n + 1 is written only when batch n is durable. Segments are
//! dropped from the oldest on, once nothing in them is needed; what keeps an old one alive for too long is moved.
//!
//! After a write or sync has failed nothing is written any more and every call is told so: the node must stop.

mod frame;
pub mod fuzz;
mod index;
mod keeper;
mod reclaim;
mod record;
mod recover;
mod replica_index;
mod segment;
mod writer;

#[cfg(test)]
mod tests;

use crate::{error::file_error, metrics::LogMetrics, settings::Settings};
use bytes::Bytes;
use index::{Index, Piece};
use parking_lot::{Condvar, Mutex};
use record::{Change, ENTRY_HEADER_BYTES};
use replica_index::Location;
use stator_environment::{DiskError, Done, RaftLog, ReplicaLogState};
use stator_item::ReplicaId;
use std::{
    collections::VecDeque,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};
use writer::Writer;

/// Called once, when the log can no longer be written, with the reason.
pub type FailureHook = Box<dyn FnOnce(DiskError) + Send>;

/// [`RaftLog`] in segment files. Dropping it writes what is queued and waits for that.
pub struct FileLog {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    metrics: LogMetrics,
}

#[derive(Default)]
struct State {
    index: Index,
    queue: VecDeque<Queued>,
    queued_bytes: usize,
    /// Number of the last call.
    sequence: u64,
    failure: Option<DiskError>,
    failure_hook: Option<FailureHook>,
    stopping: bool,
}

/// A record that waits to be written.
struct Queued {
    replica: ReplicaId,
    change: Change,
    sequence: u64,
    /// For entries that move: where they were.
    moved_from: Option<Vec<Location>>,
    /// A call that cannot be done; it waits only to be told so in its turn.
    refused: Option<DiskError>,
    done: Option<Done>,
}

impl FileLog {
    /// Opens the log in `directory`, or begins a new one there. `Damaged`: the node must give up its replicas.
    pub fn open(directory: &Path, settings: &Settings, metrics: LogMetrics) -> Result<FileLog, DiskError> {
        let recovered = recover::recover(directory)?;
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), metrics });
        let writer = Writer::start(Arc::clone(&shared), directory, settings, recovered)?;
        FileLog::run(shared, writer).map_err(|error| file_error("start the log's thread", directory, &error))
    }

    fn run(shared: Arc<Shared>, writer: Writer) -> io::Result<FileLog> {
        let thread = thread::Builder::new().name("raft-log".into()).spawn(move || writer.run())?;
        Ok(FileLog { shared, thread: Some(thread) })
    }

    /// Bytes of calls that are not written yet. The caller sheds load when they are too many.
    pub fn queued_bytes(&self) -> usize {
        self.shared.state.lock().queued_bytes
    }

    /// Sets what is called when the log fails; at once, if it has failed already.
    pub fn on_failure(&self, hook: FailureHook) {
        let mut state = self.shared.state.lock();
        match state.failure.clone() {
            None => state.failure_hook = Some(hook),
            Some(failure) => {
                drop(state);
                hook(failure);
            }
        }
    }

    /// Changes the index and queues the record, as one step.
    fn call(&self, replica: ReplicaId, change: Change, done: Option<Done>) {
        let mut state = self.shared.state.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        let refused = match state.failure.clone() {
            Some(failure) => Some(failure),
            None => state.change(replica, sequence, &change).err(),
        };
        if refused.is_none() || done.is_some() {
            state.enqueue(Queued { replica, change, sequence, moved_from: None, refused, done });
        }
        drop(state);
        self.shared.wake.notify_one();
    }
}

impl State {
    fn change(&mut self, replica: ReplicaId, sequence: u64, change: &Change) -> Result<(), DiskError> {
        match change {
            Change::Entries { first, entries } => {
                let appended = self.index.append(replica, sequence, *first, entries);
                return appended.map_err(|reason| DiskError::Failed { action: "append to the Raft log", reason });
            }
            Change::Vote(vote) => self.index.vote(replica, vote.clone()),
            Change::Truncate(index) => self.index.truncate(replica, sequence, *index),
            Change::Purge(index, mark) => self.index.purge(replica, sequence, *index, mark.clone()),
            Change::Remove => self.index.remove(replica, sequence),
        }
        Ok(())
    }

    fn enqueue(&mut self, queued: Queued) {
        self.queued_bytes += queued.bytes();
        self.queue.push_back(queued);
    }
}

impl Queued {
    fn bytes(&self) -> usize {
        self.change.bytes()
    }
}

impl RaftLog for FileLog {
    fn replicas(&self) -> Vec<ReplicaId> {
        self.shared.state.lock().index.replicas()
    }

    fn state(&self, replica: ReplicaId) -> ReplicaLogState {
        self.shared.state.lock().index.state(replica)
    }

    fn append(&self, replica: ReplicaId, entries: Vec<(u64, Bytes)>, done: Done) {
        let first = entries.first().map_or(0, |(index, _)| *index);
        debug_assert!(
            (first..).zip(&entries).all(|(expected, (index, _))| expected == *index),
            "a gap within an append"
        );
        let entries: Vec<Bytes> = entries.into_iter().map(|(_, entry)| entry).collect();
        self.call(replica, Change::Entries { first, entries }, Some(done));
    }

    fn save_vote(&self, replica: ReplicaId, vote: Bytes, done: Done) {
        self.call(replica, Change::Vote(vote), Some(done));
    }

    fn truncate_after(&self, replica: ReplicaId, index: u64) {
        self.call(replica, Change::Truncate(index), None);
    }

    fn purge(&self, replica: ReplicaId, index: u64, mark: Bytes) {
        self.call(replica, Change::Purge(index, mark), None);
    }

    fn read(&self, replica: ReplicaId, start: u64, end: u64, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, DiskError> {
        let pieces = self.shared.state.lock().index.read(replica, start, end, bytes_max);
        read_pieces(pieces)
    }

    fn remove(&self, replica: ReplicaId, done: Done) {
        self.call(replica, Change::Remove, Some(done));
    }

    fn size(&self) -> u64 {
        self.shared.state.lock().index.bytes()
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        self.shared.state.lock().stopping = true;
        self.shared.wake.notify_one();
        // The last handle may be dropped by a `done`, on the log's own thread, which then ends by itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the log's thread panicked");
        }
    }
}

/// Fetches what is not in memory; neighbours on disk with one read.
fn read_pieces(pieces: Vec<(u64, Piece)>) -> Result<Vec<(u64, Bytes)>, DiskError> {
    let mut entries = Vec::with_capacity(pieces.len());
    let mut run: Vec<(u64, Location)> = Vec::new();
    let mut run_file: Option<Arc<File>> = None;
    for (index, piece) in pieces {
        let follows = match (&piece, run.last()) {
            (Piece::Disk(location, _), Some((_, last))) => {
                location.segment == last.segment && u64::from(location.offset) == end_of(last)
            }
            _ => false,
        };
        if !follows && let Some(file) = run_file.take() {
            read_run(&file, &std::mem::take(&mut run), &mut entries)?;
        }
        match piece {
            Piece::Memory(entry) => entries.push((index, entry)),
            Piece::Disk(location, file) => {
                run.push((index, location));
                run_file = Some(file);
            }
        }
    }
    if let Some(file) = run_file {
        read_run(&file, &run, &mut entries)?;
    }
    Ok(entries)
}

fn end_of(location: &Location) -> u64 {
    u64::from(location.offset) + ENTRY_HEADER_BYTES as u64 + u64::from(location.bytes)
}

fn read_run(file: &File, run: &[(u64, Location)], entries: &mut Vec<(u64, Bytes)>) -> Result<(), DiskError> {
    let (Some((_, first)), Some((_, last))) = (run.first(), run.last()) else { return Ok(()) };
    let start = u64::from(first.offset);
    let mut bytes = vec![0; (end_of(last) - start) as usize];
    file.read_exact_at(&mut bytes, start).map_err(|error| crate::error::io_error("read the Raft log", &error))?;
    let mut bytes = Bytes::from(bytes);
    for (index, location) in run {
        let mut entry = bytes.split_to(ENTRY_HEADER_BYTES + location.bytes as usize);
        if !record::verify_entry(&entry) {
            let place = format!("segment {:08x}, byte {}", location.segment, location.offset);
            return Err(DiskError::Damaged(format!("entry {index} in the Raft log: {place}")));
        }
        entries.push((*index, entry.split_off(ENTRY_HEADER_BYTES)));
    }
    Ok(())
}

/// Whether a directory holds any part of a log.
pub(crate) fn has_segments(directory: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(directory)? {
        if entry?.path().extension().is_some_and(|extension| extension == "log") {
            return Ok(true);
        }
    }
    Ok(false)
}
