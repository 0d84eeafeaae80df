//! Opening a log: reads every segment from the first to the last, and tells an unfinished write from damage.
//!
//! Batches are numbered without a gap, and each frame says up to which batch all was durable when it was written. So:
//! a frame that is bad or missing, with proof behind it that its batch was durable once, is damage, and the log does not
//! open. Without such proof it is the end of the log, however many garbage bytes follow: a write that no one heard
//! reported as done. The proof is a later segment or the header of a later frame.
//!
//! What was read without such proof may stand in the memory of the operating system alone: a sync of it may have failed, and
//! ended the process that wrote it. Then its pages count as clean, and no other sync writes them. So it is written once more.

use super::{
    frame::{self, FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader},
    index::{Index, Segment},
    record::{self, Change, Replayed},
    replica_index::Location,
    segment,
};
use crate::error::file_error;
use stator_environment::DiskError;
use stator_item::ReplicaId;
use std::{collections::VecDeque, fs::File, path::Path, sync::Arc};

/// A log as it was found.
#[derive(Default)]
pub(crate) struct Recovered {
    pub index: Index,
    /// Of the newest segment; none if the log is new.
    pub last_header: Option<SegmentHeader>,
    /// The number of the next batch.
    pub next_batch: u64,
    /// The end of the newest segment.
    tail: Option<Tail>,
}

/// The frames at the end of a segment that nothing proves to have been durable.
struct Tail {
    file: Arc<File>,
    at: usize,
    frames: Vec<u8>,
}

impl Recovered {
    /// Makes sure that what was read is there again next time. Before that nothing may rest on it.
    pub fn make_durable(&self) -> Result<(), DiskError> {
        let Some(Tail { file, at, frames }) = &self.tail else { return Ok(()) };
        segment::write_again(file, *at as u64, frames)?;
        segment::close(file, (at + frames.len()) as u64)
    }
}

pub(crate) fn recover(directory: &Path) -> Result<Recovered, DiskError> {
    let mut recovered = Recovered { next_batch: 1, ..Recovered::default() };
    let segments = segment::list(directory)?;
    for (position, (number, path)) in segments.iter().enumerate() {
        let (file, bytes) = segment::read(path).map_err(|error| file_error("read a log segment", path, &error))?;
        let header = check_header(&recovered, *number, path, &bytes)?;
        recovered.last_header = Some(header);
        recovered.next_batch = header.first_batch;
        let file = Arc::new(file);
        let segment = Segment {
            file: Arc::clone(&file),
            path: path.clone(),
            bytes: bytes.len() as u64,
            live_bytes: 0,
            released_at: 0,
        };
        recovered.index.segments.insert(*number, segment);
        let Frames { unproven, end } = replay_segment(&mut recovered, header, &bytes, path)?;
        if let Some(segment) = recovered.index.segments.get_mut(number) {
            segment.bytes = end as u64;
        }
        // The others were closed before the next one was begun. What is unreadable in them stays, as evidence: the next
        // header will not fit.
        if position + 1 == segments.len() {
            check_tail(&recovered, header, bytes.get(end..).unwrap_or_default(), path, end)?;
            let frames = bytes.get(unproven..end).unwrap_or_default().to_vec();
            recovered.tail = Some(Tail { file, at: unproven, frames });
        }
    }
    recovered.index.settle()?;
    Ok(recovered)
}

/// A segment must take over exactly where the one before ended.
fn check_header(recovered: &Recovered, number: u32, path: &Path, bytes: &[u8]) -> Result<SegmentHeader, DiskError> {
    let header = SegmentHeader::decode(bytes, &path.display().to_string())?;
    let fits = match recovered.last_header {
        None => header.first_batch > 0,
        Some(before) => header.salt == before.salt && header.first_batch == recovered.next_batch,
    };
    if header.number != number || !fits {
        return Err(DiskError::Damaged(format!(
            "log segment {} begins with batch {}, but batch {} is the next: batches that were durable are missing",
            path.display(),
            header.first_batch,
            recovered.next_batch
        )));
    }
    Ok(header)
}

/// Where the good frames of a segment end, and the first of them that no later one proves to have been durable.
struct Frames {
    unproven: usize,
    end: usize,
}

/// Replays the good frames.
fn replay_segment(
    recovered: &mut Recovered,
    header: SegmentHeader,
    bytes: &[u8],
    path: &Path,
) -> Result<Frames, DiskError> {
    let mut at = SEGMENT_HEADER_BYTES;
    let mut unproven = VecDeque::new();
    while let Some(rest) = bytes.get(at..) {
        let Some(frame) = FrameHeader::decode(rest, header.salt) else { break };
        let Some(body) = frame.body(rest, header.salt).filter(|_| frame.batch == recovered.next_batch) else { break };
        let body_at = at + FRAME_HEADER_BYTES;
        let index = &mut recovered.index;
        record::decode(body, |replica, replayed| replay_record(index, header.number, body_at, replica, replayed))
            .map_err(|error| DiskError::Damaged(format!("{error}, in {} near byte {at}", path.display())))?;
        while unproven.pop_front_if(|(batch, _)| *batch <= frame.synced).is_some() {}
        unproven.push_back((frame.batch, at));
        recovered.next_batch += 1;
        at += frame.frame_bytes();
    }
    let end = at.min(bytes.len());
    Ok(Frames { unproven: unproven.front().map_or(end, |(_, at)| *at), end })
}

fn replay_record(index: &mut Index, segment: u32, body_at: usize, replica: ReplicaId, replayed: Replayed) {
    match replayed {
        Replayed::Entries { first, places } => {
            let locations: Vec<Location> =
                places.iter().map(|(at, bytes)| location(segment, body_at + at, *bytes)).collect();
            index.replay(replica, first, &locations);
        }
        Replayed::Other(Change::Vote(vote)) => {
            index.vote(replica, vote);
            index.vote_written(replica, segment);
        }
        Replayed::Other(Change::Purge(through, mark)) => {
            index.purge(replica, 0, through, mark);
            index.mark_written(replica, segment);
        }
        Replayed::Other(Change::Truncate(above)) => index.truncate(replica, 0, above),
        Replayed::Other(Change::Remove) => index.remove(replica, 0),
        Replayed::Other(Change::Entries { .. }) => unreachable!("entries are decoded as places"),
    }
}

pub(crate) fn location(segment: u32, offset: usize, bytes: usize) -> Location {
    let fits = |count: usize| u32::try_from(count).expect("a segment is smaller than 4 GB");
    Location { segment, offset: fits(offset), bytes: fits(bytes) }
}

/// Behind the last good frame of the last segment stands nothing, or what an unfinished write left.
fn check_tail(
    recovered: &Recovered,
    header: SegmentHeader,
    unread: &[u8],
    path: &Path,
    end: usize,
) -> Result<(), DiskError> {
    if unread.iter().all(|byte| *byte == 0) {
        return Ok(());
    }
    if frame::proves_durable(unread, header.salt, recovered.next_batch) {
        return Err(DiskError::Damaged(format!(
            "log segment {} is unreadable at byte {end} (batch {}), and batches that were written later follow",
            path.display(),
            recovered.next_batch
        )));
    }
    tracing::warn!(segment = %path.display(), byte = end, "cut an unfinished write off the end of the Raft log");
    Ok(())
}
