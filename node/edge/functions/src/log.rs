//! What an instance prints: lines for the sink, and the tail for whoever asked for the invocation.

use crate::deployment::LogSink;
use parking_lot::Mutex;
use rustix::{fd::OwnedFd, io::Errno};
use stator_environment::Clock;
use std::{collections::VecDeque, io, sync::Arc};
use tokio::net::unix::pipe;

/// What Invoke returns of the log (Lambda: 4 KB).
const TAIL_BYTES: usize = 4096;
/// A line that is longer is cut (CloudWatch Logs: 256 KB an event).
const LINE_BYTES: usize = 256 * 1024;
/// Read at a time: a pipe holds as much.
const PIPE_BYTES: usize = 64 * 1024;
/// Reads before others get their turn; twice a full pipe.
const READS: usize = 2;

struct Lines {
    tail: VecDeque<u8>,
    unfinished: Vec<u8>,
    /// Nobody has the pipe open any more.
    ended: bool,
    buffer: Vec<u8>,
}

/// The log of one instance.
pub(crate) struct InstanceLog {
    pipe: pipe::Receiver,
    lines: Mutex<Lines>,
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    group: String,
    stream: String,
}

impl InstanceLog {
    /// A log that reads from a pipe.
    pub fn new(
        pipe: OwnedFd,
        sink: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
        group: String,
        stream: String,
    ) -> io::Result<InstanceLog> {
        let lines = Lines { tail: VecDeque::new(), unfinished: Vec::new(), ended: false, buffer: vec![0; PIPE_BYTES] };
        let pipe = pipe::Receiver::from_owned_fd(pipe)?;
        Ok(InstanceLog { pipe, lines: Mutex::new(lines), sink, clock, group, stream })
    }

    /// Reads until every process has closed its end.
    pub async fn follow(&self) {
        loop {
            if self.pipe.readable().await.is_err() {
                return;
            }
            // `WouldBlock` tells the runtime to wait for more. What it says otherwise is in `ended`.
            let _ = self.pipe.try_io(|| if self.drain() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) });
            if self.lines.lock().ended {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Reads what is there now, without waiting; true if nothing is left. What a function printed before it answered is in the
    /// pipe when its answer arrives, so this is asked before the log is framed.
    pub fn drain(&self) -> bool {
        let mut guard = self.lines.lock();
        let mut complete = Vec::new();
        let mut empty = false;
        for _ in 0..READS {
            let Lines { buffer, .. } = &mut *guard;
            match rustix::io::read(&self.pipe, buffer.as_mut_slice()) {
                Ok(0) => {
                    guard.ended = true;
                    empty = true;
                    break;
                }
                Ok(length) => {
                    let bytes = std::mem::take(&mut guard.buffer);
                    guard.take(&bytes[..length], &mut complete);
                    guard.buffer = bytes;
                }
                Err(Errno::AGAIN) => {
                    empty = true;
                    break;
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!(%error, "the log of a function cannot be read");
                    guard.ended = true;
                    empty = true;
                    break;
                }
            }
        }
        self.hand_on(complete);
        empty
    }

    /// Adds a line of the runner's own.
    pub fn say(&self, line: &str) {
        let mut guard = self.lines.lock();
        let mut complete = Vec::new();
        if !guard.unfinished.is_empty() {
            guard.take(b"\n", &mut complete);
        }
        guard.take(line.as_bytes(), &mut complete);
        guard.take(b"\n", &mut complete);
        // Within the lock, so that lines reach the sink in their order.
        self.hand_on(complete);
    }

    /// The last 4 KB since the last call.
    pub fn take_tail(&self) -> Vec<u8> {
        std::mem::take(&mut self.lines.lock().tail).into()
    }

    fn hand_on(&self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.sink.write(&self.group, &self.stream, self.clock.wall_ms(), lines);
        }
    }
}

impl Lines {
    fn take(&mut self, bytes: &[u8], complete: &mut Vec<String>) {
        let recent = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        let surplus = (self.tail.len() + recent.len()).saturating_sub(TAIL_BYTES);
        self.tail.drain(..surplus.min(self.tail.len()));
        self.tail.extend(recent);
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LINE_BYTES - self.unfinished.len();
            let end = rest.iter().take(room).position(|byte| *byte == b'\n');
            let (line, after) = match end {
                Some(at) => (&rest[..at], &rest[at + 1..]),
                None => rest.split_at(rest.len().min(room)),
            };
            self.unfinished.extend_from_slice(line);
            if end.is_some() || self.unfinished.len() == LINE_BYTES {
                complete.push(String::from_utf8_lossy(&self.unfinished).into_owned());
                self.unfinished.clear();
            }
            rest = after;
        }
        debug_assert!(self.tail.len() <= TAIL_BYTES && self.unfinished.len() < LINE_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        Lines { tail: VecDeque::new(), unfinished: Vec::new(), ended: false, buffer: Vec::new() }
    }

    #[test]
    fn lines_are_cut_at_their_ends_and_at_their_limit() {
        let (mut lines, mut complete) = (lines(), Vec::new());
        lines.take(b"one\ntw", &mut complete);
        lines.take(b"o\n\nthree", &mut complete);
        assert_eq!(complete, ["one", "two", ""]);
        complete.clear();
        lines.take(&vec![b'x'; LINE_BYTES], &mut complete);
        assert_eq!(complete.len(), 1);
        assert_eq!(complete[0].len(), LINE_BYTES);
        assert_eq!(lines.unfinished.len(), "three".len());
    }

    #[test]
    fn the_tail_is_the_last_4_kb() {
        let (mut lines, mut complete) = (lines(), Vec::new());
        lines.take(&[b'a'; 5000], &mut complete);
        lines.take(b"end", &mut complete);
        assert_eq!(lines.tail.len(), TAIL_BYTES);
        assert!(Vec::from(lines.tail).ends_with(b"aaaend"));
    }
}
