//! The log's own thread: writes what waits as one batch, makes it durable, reports it done.

use super::{
    Queued, Shared,
    frame::{self, FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader},
    index::{Run, Segment},
    keeper::Keeper,
    record::Change,
    recover::{Recovered, location},
    replica_index::Location,
    segment,
};
use crate::{
    error::io_error,
    settings::{Durability, Settings},
};
use stator_environment::DiskError;
use stator_item::ReplicaId;
use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

/// A batch ends with the record that reaches this size.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// What the buffer keeps between batches.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) keeper: Keeper,
    directory: PathBuf,
    pub(super) segment_bytes: u64,
    durability: Durability,
    recent_bytes_max: usize,
    pub(super) active: Active,
    salt: u32,
    /// The number of the next batch.
    batch: u64,
    /// Every batch up to this one is durable.
    synced: u64,
    buffer: Vec<u8>,
    /// The last call that is written.
    pub(super) written: u64,
    /// No reclaiming before this call is written: it belongs to the last round.
    pub(super) reclaim_after: u64,
    /// Up to which replica the oldest segment has been looked through for entries to move.
    pub(super) moved_up_to: Option<ReplicaId>,
}

/// The segment that is being written.
pub(super) struct Active {
    pub number: u32,
    pub file: Arc<File>,
    offset: u64,
    capacity: u64,
}

impl Writer {
    /// Makes what was recovered durable, and begins a new segment behind it.
    pub fn start(
        shared: Arc<Shared>,
        directory: &Path,
        settings: &Settings,
        recovered: Recovered,
    ) -> Result<Writer, DiskError> {
        recovered.make_durable()?;
        let Recovered { index, last_header, next_batch, .. } = recovered;
        let salt = match last_header {
            Some(header) => header.salt,
            None => random_salt()?,
        };
        let header =
            SegmentHeader { number: last_header.map_or(0, |header| header.number) + 1, salt, first_batch: next_batch };
        let mut keeper = Keeper::start(directory.to_owned())
            .map_err(|error| crate::error::file_error("start the log's keeper", directory, &error))?;
        shared.state.lock().index = index;
        let segment_bytes = settings.segment_bytes.clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let active = begin_segment(&shared, directory, &mut keeper, header, segment_bytes)?;
        drop_empty(&shared, &keeper, active.number);
        Ok(Writer {
            shared,
            keeper,
            directory: directory.to_owned(),
            segment_bytes,
            durability: settings.durability,
            recent_bytes_max: settings.recent_entries_bytes(),
            active,
            salt,
            batch: next_batch,
            synced: next_batch - 1,
            buffer: Vec::new(),
            written: 0,
            reclaim_after: 0,
            moved_up_to: None,
        })
    }

    pub fn run(mut self) {
        while let Some(batch) = self.next_batch() {
            let result = self.write(&batch);
            if let Err(failure) = &result {
                self.fail(failure, &batch);
            }
            for queued in batch {
                if let Some(done) = queued.done {
                    done(queued.refused.map_or_else(|| result.clone(), Err));
                }
            }
            if result.is_ok()
                && let Err(failure) = self.reclaim()
            {
                self.fail(&failure, &[]);
            }
        }
    }

    /// Waits for records and takes them, as many as make a batch. None when the log is closed and all is written.
    fn next_batch(&self) -> Option<Vec<Queued>> {
        let mut state = self.shared.state.lock();
        while state.queue.is_empty() {
            if state.stopping {
                return None;
            }
            self.shared.wake.wait(&mut state);
        }
        let mut bytes = 0;
        let mut batch = Vec::new();
        while bytes < BATCH_BYTES_MAX
            && let Some(queued) = state.queue.pop_front()
        {
            bytes += queued.bytes();
            batch.push(queued);
        }
        Some(batch)
    }

    fn write(&mut self, batch: &[Queued]) -> Result<(), DiskError> {
        if let Some(failure) = self.shared.state.lock().failure.clone() {
            return Err(failure);
        }
        let entries = self.encode(batch);
        if batch.iter().any(|queued| queued.refused.is_none()) {
            self.make_room()?;
            let wrote = self.active.file.write_all_at(&self.buffer, self.active.offset);
            wrote.map_err(|error| io_error("write the Raft log", &error))?;
            self.batch += 1;
            if self.durability == Durability::Strict || batch.iter().any(must_be_synced) {
                self.sync()?;
            }
        }
        let body_at = self.active.offset as usize;
        let entries: Vec<Location> =
            entries.into_iter().map(|(at, bytes)| location(self.active.number, body_at + at, bytes)).collect();
        self.active.offset += self.buffer.len() as u64;
        self.place(batch, &entries);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        if self.active.offset > self.segment_bytes / 2 {
            self.keeper.prepare(self.segment_bytes);
        }
        Ok(())
    }

    /// Makes the frame of the batch in the buffer; returns where in it the entries are, and how long.
    fn encode(&mut self, batch: &[Queued]) -> Vec<(usize, usize)> {
        self.buffer.clear();
        if batch.iter().all(|queued| queued.refused.is_some()) {
            return Vec::new();
        }
        let mut positions = Vec::new();
        let mut lengths = Vec::new();
        self.buffer.resize(FRAME_HEADER_BYTES, 0);
        for queued in batch.iter().filter(|queued| queued.refused.is_none()) {
            queued.change.encode(queued.replica, &mut self.buffer, |at| positions.push(at));
            if let Change::Entries { entries, .. } = &queued.change {
                lengths.extend(entries.iter().map(bytes::Bytes::len));
            }
        }
        frame::seal(&mut self.buffer, self.salt, self.batch, self.synced);
        positions.into_iter().zip(lengths).collect()
    }

    /// Goes on to the next segment if the frame does not fit into this one.
    fn make_room(&mut self) -> Result<(), DiskError> {
        let frame_bytes = self.buffer.len() as u64;
        if self.active.offset + frame_bytes <= self.active.capacity {
            return Ok(());
        }
        self.sync()?;
        segment::close(&self.active.file, self.active.offset)?;
        let header = SegmentHeader { number: self.active.number + 1, salt: self.salt, first_batch: self.batch };
        let capacity = self.segment_bytes.max(frame_bytes + SEGMENT_HEADER_BYTES as u64);
        self.active = begin_segment(&self.shared, &self.directory, &mut self.keeper, header, capacity)?;
        Ok(())
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&mut self) -> Result<(), DiskError> {
        if self.synced + 1 == self.batch {
            return Ok(());
        }
        let start = Instant::now();
        self.active.file.sync_data().map_err(|error| io_error("sync the Raft log", &error))?;
        self.shared.metrics.sync_seconds.observe(start.elapsed().as_secs_f64());
        self.synced = self.batch - 1;
        Ok(())
    }

    /// Tells the index where the records of the batch are now.
    fn place(&mut self, batch: &[Queued], mut locations: &[Location]) {
        let segment = self.active.number;
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        let (mut bytes, mut entries_count) = (0, 0);
        for queued in batch.iter() {
            bytes += queued.bytes();
            self.written = self.written.max(queued.sequence);
            let (replica, sequence) = (queued.replica, queued.sequence);
            match &queued.change {
                _ if queued.refused.is_some() => {}
                Change::Entries { first, entries } => {
                    let (mine, rest) = locations.split_at(entries.len());
                    locations = rest;
                    entries_count += entries.len();
                    match &queued.moved_from {
                        None => state.index.place(replica, sequence, *first, mine),
                        Some(from) => {
                            let run = Run { replica, first: *first, locations: from.clone() };
                            state.index.place_moved(&run, sequence, mine);
                        }
                    }
                }
                Change::Vote(_) => state.index.vote_written(replica, segment),
                Change::Purge(..) => state.index.mark_written(replica, segment),
                Change::Truncate(_) | Change::Remove => {}
            }
        }
        state.queued_bytes = state.queued_bytes.saturating_sub(bytes);
        if let Some(active) = state.index.segments.get_mut(&segment) {
            active.bytes = self.active.offset;
        }
        state.index.forget_recent(self.written, self.recent_bytes_max);
        let metrics = &self.shared.metrics;
        metrics.batch_bytes.observe(self.buffer.len() as f64);
        metrics.batch_entries.observe(entries_count as f64);
        metrics.size_bytes.set(state.index.bytes() as i64);
        metrics.segments.set(state.index.segments.len() as i64);
    }

    /// From now on nothing is written.
    fn fail(&self, failure: &DiskError, batch: &[Queued]) {
        let mut state = self.shared.state.lock();
        let bytes: usize = batch.iter().map(Queued::bytes).sum();
        state.queued_bytes = state.queued_bytes.saturating_sub(bytes);
        if state.failure.is_some() {
            return;
        }
        tracing::error!(error = %failure, "the Raft log can no longer be written");
        state.failure = Some(failure.clone());
        let hook = state.failure_hook.take();
        drop(state);
        if let Some(hook) = hook {
            hook(failure.clone());
        }
    }
}

/// Without its votes a node could vote twice; a removed replica must not come back.
fn must_be_synced(queued: &Queued) -> bool {
    matches!(queued.change, Change::Vote(_) | Change::Remove)
}

const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// Places in a segment are counted in 32 bits; a batch that is larger than its segment makes it longer.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

fn begin_segment(
    shared: &Shared,
    directory: &Path,
    keeper: &mut Keeper,
    header: SegmentHeader,
    capacity: u64,
) -> Result<Active, DiskError> {
    let prepared = keeper.take_prepared(capacity)?;
    let path = segment::begin(directory, &prepared, header, capacity)?;
    let capacity = capacity.max(prepared.capacity);
    let file = Arc::new(prepared.file);
    let offset = SEGMENT_HEADER_BYTES as u64;
    let segment = Segment { file: Arc::clone(&file), path, bytes: offset, live_bytes: 0, released_at: 0 };
    shared.state.lock().index.segments.insert(header.number, segment);
    Ok(Active { number: header.number, file, offset, capacity })
}

/// Earlier starts may have begun segments and written nothing.
fn drop_empty(shared: &Shared, keeper: &Keeper, active: u32) {
    let mut state = shared.state.lock();
    let is_empty =
        |number: &u32, segment: &mut Segment| *number != active && segment.bytes <= SEGMENT_HEADER_BYTES as u64;
    for (_, segment) in state.index.segments.extract_if(.., is_empty) {
        keeper.remove(segment.path);
    }
}

fn random_salt() -> Result<u32, DiskError> {
    let mut salt = [0; 4];
    rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| io_error("draw a random number", &error.into()))?;
    Ok(u32::from_le_bytes(salt))
}
