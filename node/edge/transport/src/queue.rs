//! Frames that wait to be sent on one link.
//!
//! Guarantees: bounded in count and bytes; order is kept; everything that waits goes out as one batch, up to its greatest
//! size; a call whose deadline passes while it waits is not sent.
//!
//! A batch costs more than its frames: two flushes, two system calls, four tasks woken. So before one is taken, every task that is
//! ready has its turn once, and may add to it. Where nothing else is ready that costs a microsecond.

use crate::metrics::LaneMetrics;
use futures::Stream;
use stator_environment::Clock;
use stator_proto::link::{Batch, Frame};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::sync::mpsc;

/// What a frame costs beside its body, about.
const FRAME_OVERHEAD_BYTES: usize = 32;

/// A frame, and for a call the moment on the node's elapsed clock when it becomes useless.
pub(crate) struct Waiting {
    pub frame: Frame,
    pub due: Option<Duration>,
}

/// Why a frame was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotQueued {
    Full,
    Closed,
}

/// The end into which frames are put.
#[derive(Clone)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Waiting>,
    bytes: Arc<AtomicUsize>,
    bytes_max: usize,
}

/// The end from which batches are sent.
pub(crate) struct Batches {
    receiver: mpsc::Receiver<Waiting>,
    bytes: Arc<AtomicUsize>,
    batch_bytes_max: usize,
    clock: Arc<dyn Clock>,
    metrics: LaneMetrics,
    /// Frames wait, and the other tasks have been let go first.
    has_yielded: bool,
}

/// The bounds of a queue.
pub(crate) struct QueueBounds {
    pub frames_max: usize,
    pub bytes_max: usize,
    pub batch_bytes_max: usize,
}

/// A new queue.
pub(crate) fn queue(bounds: QueueBounds, clock: Arc<dyn Clock>, metrics: LaneMetrics) -> (Queue, Batches) {
    let (sender, receiver) = mpsc::channel(bounds.frames_max.max(1));
    let bytes = Arc::new(AtomicUsize::new(0));
    let queue = Queue { sender, bytes: bytes.clone(), bytes_max: bounds.bytes_max };
    (queue, Batches { receiver, bytes, batch_bytes_max: bounds.batch_bytes_max, clock, metrics, has_yielded: false })
}

impl Queue {
    /// Puts a frame in, or says at once that there is no room.
    pub fn try_push(&self, waiting: Waiting) -> Result<(), NotQueued> {
        let length = waiting.frame.body.len();
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        // A body that is larger than the bound passes when it is alone, or it could never be sent.
        let outcome = if before > 0 && before + length > self.bytes_max {
            Err(NotQueued::Full)
        } else {
            self.sender.try_send(waiting).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => NotQueued::Full,
                mpsc::error::TrySendError::Closed(_) => NotQueued::Closed,
            })
        };
        if outcome.is_err() {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
        }
        outcome
    }

    /// Puts a frame in as soon as there is room; drops it if the link has ended.
    pub async fn push(&self, frame: Frame) {
        let length = frame.body.len();
        self.bytes.fetch_add(length, Ordering::Relaxed);
        if self.sender.send(Waiting { frame, due: None }).await.is_err() {
            self.bytes.fetch_sub(length, Ordering::Relaxed);
        }
    }
}

impl Batches {
    /// The frame as it goes out, unless its time is over.
    fn stamp(&self, waiting: Waiting, now: Duration) -> Option<Frame> {
        let mut frame = waiting.frame;
        if let Some(due) = waiting.due {
            let left = due.saturating_sub(now);
            if left.is_zero() {
                return None;
            }
            // Rounded up, as zero would say that the time is over.
            frame.deadline_ms = left.as_micros().div_ceil(1000) as u64;
        }
        Some(frame)
    }
}

impl Stream for Batches {
    type Item = Batch;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Batch>> {
        if !self.has_yielded && !self.receiver.is_empty() {
            self.has_yielded = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.has_yielded = false;
        let (mut frames, mut batch_bytes, mut body_bytes) = (Vec::new(), 0, 0);
        let mut now = None;
        while batch_bytes < self.batch_bytes_max {
            let waiting = match self.receiver.poll_recv(context) {
                Poll::Ready(Some(waiting)) => waiting,
                _ if !frames.is_empty() => break,
                none => {
                    ready!(none);
                    return Poll::Ready(None);
                }
            };
            let length = waiting.frame.body.len();
            self.bytes.fetch_sub(length, Ordering::Relaxed);
            let now = *now.get_or_insert_with(|| self.clock.elapsed());
            if let Some(frame) = self.stamp(waiting, now) {
                frames.push(frame);
                body_bytes += length;
                batch_bytes += length + FRAME_OVERHEAD_BYTES;
            }
        }
        self.metrics.sent_batches.inc();
        self.metrics.sent_frames.inc_by(frames.len() as u64);
        self.metrics.sent_bytes.inc_by(body_bytes as u64);
        Poll::Ready(Some(Batch { hello: None, frames }))
    }
}
