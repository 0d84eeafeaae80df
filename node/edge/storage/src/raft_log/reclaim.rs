//! Giving space back: drops the oldest segment once nothing in it is needed.
//!
//! Only ever the oldest, as records act on what older segments hold: a truncation must not be gone while what it cut off
//! is still there. Votes and purge marks in it are written again. Its entries are waited for, unless more of the log is
//! dead than alive: then they are written again as well, a bit with each batch, so that a quiet replica cannot hold the
//! log of the busy ones.

use super::{
    Queued, State,
    index::{Piece, Run},
    read_pieces,
    record::Change,
    writer::Writer,
};
use stator_environment::DiskError;
use std::path::PathBuf;

/// How much is moved with one batch.
const MOVE_BYTES_MAX: usize = 1 << 20;

enum Step {
    Nothing,
    Drop(u32, PathBuf),
    Move(u32, Vec<(Run, Vec<(u64, Piece)>)>),
}

impl Writer {
    /// Called between two batches.
    pub(super) fn reclaim(&mut self) -> Result<(), DiskError> {
        while self.written >= self.reclaim_after {
            match self.next_step() {
                Step::Nothing => return Ok(()),
                Step::Drop(number, path) => {
                    // What made the segment unneeded must be durable before it goes.
                    self.sync()?;
                    self.shared.state.lock().index.segments.remove(&number);
                    self.moved_up_to = None;
                    self.keeper.remove(path);
                }
                Step::Move(number, runs) if runs.is_empty() => {
                    tracing::error!(segment = number, "a log segment counts entries that nobody knows");
                    self.moved_up_to = None;
                    return Ok(());
                }
                Step::Move(_, runs) => self.move_entries(runs)?,
            }
        }
        Ok(())
    }

    fn next_step(&mut self) -> Step {
        let mut state = self.shared.state.lock();
        let state = &mut *state;
        let (size, live) = (state.index.bytes(), state.index.live_bytes());
        let Some((&number, oldest)) = state.index.segments.first_key_value() else { return Step::Nothing };
        if number == self.active.number || state.stopping {
            return Step::Nothing;
        }
        if oldest.live_bytes > 0 {
            let dead = size.saturating_sub(live);
            if dead <= live.max(2 * self.segment_bytes) {
                return Step::Nothing;
            }
            let runs = state.index.stragglers(number, self.moved_up_to, MOVE_BYTES_MAX);
            let with_pieces = |run: Run| {
                let pieces =
                    state.index.read(run.replica, run.first, run.first + run.locations.len() as u64, usize::MAX);
                (run, pieces)
            };
            return Step::Move(number, runs.into_iter().map(with_pieces).collect());
        }
        if oldest.released_at > self.written {
            return Step::Nothing;
        }
        let path = oldest.path.clone();
        let kept = state.index.kept_in(number);
        if kept.is_empty() {
            return Step::Drop(number, path);
        }
        for (replica, change) in kept {
            self.reclaim_after = state.enqueue_own(replica, change, None);
        }
        Step::Nothing
    }

    /// Queues entries to be written again, except those that have gone meanwhile.
    fn move_entries(&mut self, runs: Vec<(Run, Vec<(u64, Piece)>)>) -> Result<(), DiskError> {
        for (run, pieces) in runs {
            let entries = read_pieces(pieces)?;
            let mut state = self.shared.state.lock();
            self.moved_up_to = Some(run.replica);
            let still_there = entries.into_iter().zip(&run.locations);
            let still_there = still_there.filter(|((index, _), from)| state.index.is_at(run.replica, *index, **from));
            for ((first, entry), from) in still_there.collect::<Vec<_>>() {
                let change = Change::Entries { first, entries: vec![entry] };
                self.reclaim_after = state.enqueue_own(run.replica, change, Some(vec![*from]));
            }
        }
        Ok(())
    }
}

impl State {
    /// Queues a record of the log's own, which changes nothing that can be seen. Returns its number.
    fn enqueue_own(
        &mut self,
        replica: stator_item::ReplicaId,
        change: Change,
        moved_from: Option<Vec<super::Location>>,
    ) -> u64 {
        self.sequence += 1;
        let sequence = self.sequence;
        self.enqueue(Queued { replica, change, sequence, moved_from, refused: None, done: None });
        sequence
    }
}
