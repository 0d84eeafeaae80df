//! Records of items that share a lane, in order, and the batch that its first ones make.

use crate::{discard::Condition, event::TakenRecord};
use bytes::Bytes;
use stator_partition::trigger::{Retry, Stretch};
use std::{collections::VecDeque, time::Duration};

#[derive(Default)]
pub(super) struct Lane {
    pub queue: VecDeque<Queued>,
    pub work: Option<Work>,
}

pub(super) struct Queued {
    pub record: TakenRecord,
    /// When it came.
    pub since: Duration,
}

pub(super) struct Work {
    pub job: Job,
    pub phase: Phase,
    /// Times that it came to nothing, in a row.
    pub stumbles: u32,
}

pub(super) enum Job {
    /// The queue's first records, in pieces, the last of which has the first records. Not empty but while it changes.
    Records(Vec<Piece>),
    WindowEnd(WindowEnd),
}

/// Records that are brought together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    /// At least 1.
    pub count: usize,
    /// Calls that failed.
    pub attempts: u32,
    /// The last of them failed as a whole.
    pub is_function_error: bool,
    /// They are brought to the function no more.
    pub given_up: Option<Condition>,
}

/// The last call of a window.
pub(super) struct WindowEnd {
    pub attempts: u32,
    pub early: Option<EarlyEnd>,
}

/// A window ends as its state has become too large.
pub(super) struct EarlyEnd {
    pub state: Bytes,
    /// So many records are done when the window has ended: they made that state, which is not kept.
    pub done: usize,
    /// What is left of their batch.
    pub then: Vec<Piece>,
}

pub(super) enum Phase {
    Ready,
    Waiting {
        until: Duration,
    },
    /// The function.
    Calling,
    /// The destination.
    Telling,
}

impl Piece {
    pub fn new(count: usize, attempts: u32) -> Piece {
        Piece { count, attempts, is_function_error: false, given_up: None }
    }
}

impl Lane {
    /// Its piece is brought to the function no more, however often the destination has to be told.
    pub fn give_up(&mut self, condition: Condition) {
        if let Some(Work { job: Job::Records(pieces), stumbles, .. }) = &mut self.work
            && let Some(piece) = pieces.last_mut().filter(|piece| piece.given_up.is_none())
        {
            piece.given_up = Some(condition);
            *stumbles = 0;
        }
    }

    /// The records with which the function is being called.
    pub fn calling(&self) -> impl Iterator<Item = &TakenRecord> {
        let count = match &self.work {
            Some(Work { phase: Phase::Calling, job: Job::Records(pieces), .. }) => {
                pieces.last().map_or(0, |piece| piece.count)
            }
            _ => 0,
        };
        self.queue.iter().take(count).map(|queued| &queued.record)
    }

    /// The pieces of its batch, for whoever goes on with it later.
    pub fn retries(&self) -> Vec<Retry> {
        let (pieces, mut from) = match &self.work {
            Some(Work { job: Job::Records(pieces), .. }) => (pieces, 0),
            Some(Work { job: Job::WindowEnd(WindowEnd { early: Some(early), .. }), .. }) => (&early.then, early.done),
            _ => return Vec::new(),
        };
        let mut retries = Vec::new();
        for piece in pieces.iter().rev() {
            let records = self.queue.get(from).zip(self.queue.get(from + piece.count.saturating_sub(1)));
            if let Some((first, last)) = records.filter(|_| piece.attempts > 0 || pieces.len() > 1) {
                let records = Stretch { first: first.record.sequence, last: last.record.sequence };
                retries.push(Retry { records, attempts: piece.attempts });
            }
            from += piece.count;
        }
        retries
    }
}
