//! Where every entry is: in memory, in a segment, or both. What the log knows is here; what it still has to write is not.
//!
//! A call changes the index at once, under its sequence number. Once its record is written, the log's thread places it:
//! from then on its entries can be read from their segment and may leave the memory.

use super::{
    record::{Change, ENTRY_HEADER_BYTES},
    replica_index::{Location, ReplicaIndex},
};
use bytes::Bytes;
use stator_environment::{DiskError, ReplicaLogState};
use stator_item::ReplicaId;
use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    ops::Bound,
    path::PathBuf,
    sync::Arc,
};

/// A segment's file and how much of it is still needed.
pub(crate) struct Segment {
    pub file: Arc<File>,
    pub path: PathBuf,
    /// Up to where it is written.
    pub bytes: u64,
    /// How much of that are entries that can still be read.
    pub live_bytes: u64,
    /// The call that made something in here unneeded. Before that call is durable, a crash brings it back.
    pub released_at: u64,
}

/// An entry, where it was found.
pub(crate) enum Piece {
    Memory(Bytes),
    Disk(Location, Arc<File>),
}

/// Entries that stand in an old segment, one after the other.
pub(crate) struct Run {
    pub replica: ReplicaId,
    pub first: u64,
    pub locations: Vec<Location>,
}

/// Entries of one call that are kept in memory.
struct RecentCall {
    replica: ReplicaId,
    sequence: u64,
    bytes: usize,
}

#[derive(Default)]
pub(crate) struct Index {
    replicas: BTreeMap<ReplicaId, ReplicaIndex>,
    pub segments: BTreeMap<u32, Segment>,
    recent: VecDeque<RecentCall>,
    recent_bytes: usize,
}

/// Charged for each call in `recent`, on top of its entries.
const RECENT_CALL_BYTES: usize = 64;

impl Index {
    pub fn replicas(&self) -> Vec<ReplicaId> {
        self.replicas.iter().filter(|(_, log)| !log.is_blank()).map(|(replica, _)| *replica).collect()
    }

    pub fn state(&self, replica: ReplicaId) -> ReplicaLogState {
        self.replicas.get(&replica).map(ReplicaIndex::state).unwrap_or_default()
    }

    /// Adds entries that are not written yet. Says why not, if they do not follow the last one.
    pub fn append(&mut self, replica: ReplicaId, sequence: u64, first: u64, entries: &[Bytes]) -> Result<(), String> {
        if entries.is_empty() {
            return Ok(());
        }
        let log = self.replicas.entry(replica).or_default();
        log.append(first, entries, sequence)?;
        let bytes = RECENT_CALL_BYTES + entries.iter().map(Bytes::len).sum::<usize>();
        self.recent.push_back(RecentCall { replica, sequence, bytes });
        self.recent_bytes += bytes;
        Ok(())
    }

    pub fn vote(&mut self, replica: ReplicaId, vote: Bytes) {
        self.replicas.entry(replica).or_default().vote = Some(vote);
    }

    pub fn truncate(&mut self, replica: ReplicaId, sequence: u64, index: u64) {
        let Some(log) = self.replicas.get_mut(&replica) else { return };
        log.truncate(index, |location| release(&mut self.segments, location, sequence));
    }

    pub fn purge(&mut self, replica: ReplicaId, sequence: u64, index: u64, mark: Bytes) {
        let log = self.replicas.entry(replica).or_default();
        log.purge(index, mark, |location| release(&mut self.segments, location, sequence));
    }

    pub fn remove(&mut self, replica: ReplicaId, sequence: u64) {
        let Some(mut log) = self.replicas.remove(&replica) else { return };
        for number in [log.vote_segment, log.purged_segment] {
            if let Some(segment) = self.segments.get_mut(&number) {
                segment.released_at = segment.released_at.max(sequence);
            }
        }
        log.clear(|location| release(&mut self.segments, location, sequence));
    }

    /// The entries of one call stand in a segment now.
    pub fn place(&mut self, replica: ReplicaId, sequence: u64, first: u64, locations: &[Location]) {
        let Some(log) = self.replicas.get_mut(&replica) else { return };
        for (index, location) in (first..).zip(locations) {
            if log.place(index, *location, sequence) {
                occupy(&mut self.segments, *location);
            }
        }
    }

    /// Entries have moved from one segment to another, except those that are no longer where they were.
    pub fn place_moved(&mut self, run: &Run, sequence: u64, locations: &[Location]) {
        let Some(log) = self.replicas.get_mut(&run.replica) else { return };
        for ((index, from), to) in (run.first..).zip(&run.locations).zip(locations) {
            if log.replace(index, *from, *to) {
                release(&mut self.segments, *from, sequence);
                occupy(&mut self.segments, *to);
            }
        }
    }

    /// Entries met while the log is opened.
    pub fn replay(&mut self, replica: ReplicaId, first: u64, locations: &[Location]) {
        let log = self.replicas.entry(replica).or_default();
        for (location, index) in locations.iter().zip(first..) {
            let before = log.replay(index, *location);
            release(&mut self.segments, before, 0);
            occupy(&mut self.segments, *location);
        }
    }

    /// After the last replayed record no entry may be missing between others.
    pub fn settle(&mut self) -> Result<(), DiskError> {
        for (replica, log) in &mut self.replicas {
            log.settle().map_err(|index| {
                DiskError::Damaged(format!("entry {index} of replica {replica} is missing in the log"))
            })?;
        }
        Ok(())
    }

    pub fn vote_written(&mut self, replica: ReplicaId, segment: u32) {
        if let Some(log) = self.replicas.get_mut(&replica) {
            log.vote_segment = segment;
        }
    }

    pub fn mark_written(&mut self, replica: ReplicaId, segment: u32) {
        if let Some(log) = self.replicas.get_mut(&replica) {
            log.purged_segment = segment;
        }
    }

    /// Lets the oldest written entries go from memory until the rest fits.
    pub fn forget_recent(&mut self, written: u64, bytes_max: usize) {
        while self.recent_bytes > bytes_max {
            let Some(call) = self.recent.pop_front_if(|call| call.sequence <= written) else { return };
            self.recent_bytes -= call.bytes;
            if let Some(log) = self.replicas.get_mut(&call.replica) {
                log.forget_recent(call.sequence);
            }
        }
    }

    pub fn read(&self, replica: ReplicaId, start: u64, end: u64, bytes_max: usize) -> Vec<(u64, Piece)> {
        let Some(log) = self.replicas.get(&replica) else { return Vec::new() };
        let mut pieces = Vec::new();
        let mut bytes = 0;
        for index in start..end {
            let piece = match (log.recent(index), log.location(index)) {
                (Some(entry), _) => Piece::Memory(entry),
                (None, Some(location)) => match self.segments.get(&location.segment) {
                    Some(segment) => Piece::Disk(location, Arc::clone(&segment.file)),
                    None => break,
                },
                (None, None) => break,
            };
            bytes += match &piece {
                Piece::Memory(entry) => entry.len(),
                Piece::Disk(location, _) => location.bytes as usize,
            };
            if bytes > bytes_max && !pieces.is_empty() {
                break;
            }
            pieces.push((index, piece));
        }
        pieces
    }

    /// The votes and purge marks that stand in a segment, as the records that write them again.
    pub fn kept_in(&self, segment: u32) -> Vec<(ReplicaId, Change)> {
        let kept = self.replicas.iter().flat_map(|(replica, log)| {
            let vote = log.vote.clone().filter(|_| log.vote_segment == segment).map(Change::Vote);
            let purged = log.purged.clone().filter(|_| log.purged_segment == segment);
            let purged = purged.map(|(index, mark)| Change::Purge(index, mark));
            vote.into_iter().chain(purged).map(|change| (*replica, change))
        });
        kept.collect()
    }

    /// Entries that stand in a segment, beginning with those of the first replica above `after`: one replica's share, up to
    /// about `bytes_max`.
    pub fn stragglers(&self, segment: u32, after: Option<ReplicaId>, bytes_max: usize) -> Vec<Run> {
        let replicas = (after.map_or(Bound::Unbounded, Bound::Included), Bound::Unbounded);
        let found = self.replicas.range(replicas).find_map(|(replica, log)| {
            let runs = log.runs_in(segment, bytes_max);
            (!runs.is_empty()).then_some((*replica, runs))
        });
        let Some((replica, runs)) = found else { return Vec::new() };
        runs.into_iter().map(|(first, locations)| Run { replica, first, locations }).collect()
    }

    /// Whether an entry still stands where it stood.
    pub fn is_at(&self, replica: ReplicaId, index: u64, location: Location) -> bool {
        self.replicas.get(&replica).and_then(|log| log.location(index)) == Some(location)
    }

    pub fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum()
    }

    pub fn live_bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.live_bytes).sum()
    }
}

fn release(segments: &mut BTreeMap<u32, Segment>, location: Location, sequence: u64) {
    if let Some(segment) = segments.get_mut(&location.segment) {
        segment.live_bytes = segment.live_bytes.saturating_sub(entry_bytes(location));
        segment.released_at = segment.released_at.max(sequence);
    }
}

fn occupy(segments: &mut BTreeMap<u32, Segment>, location: Location) {
    if let Some(segment) = segments.get_mut(&location.segment) {
        segment.live_bytes += entry_bytes(location);
    }
}

fn entry_bytes(location: Location) -> u64 {
    u64::from(location.bytes) + ENTRY_HEADER_BYTES as u64
}
