//! Lines on their way: what functions have printed and no table has yet. Bounded in bytes.
//!
//! Guarantees: of each stream, lines leave in the order in which they came, and one batch at a time; where lines were dropped, the
//! next batch says how many stood there.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// What a line takes beside its text.
const LINE_BYTES: usize = 64;

/// A stream by its names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct StreamName {
    pub group: String,
    pub stream: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub text: String,
}

impl Line {
    fn bytes(&self) -> usize {
        self.text.len() + LINE_BYTES
    }
}

/// Lines of one stream that leave together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Batch {
    pub name: StreamName,
    /// Lines that were dropped in front of these, and when the last of them came.
    pub dropped: u64,
    pub dropped_ms: u64,
    pub lines: Vec<Line>,
    bytes: usize,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Line>,
    bytes: usize,
    dropped: u64,
    dropped_ms: u64,
    /// Since when the first line has waited.
    since: Duration,
    /// A batch is under way.
    is_leaving: bool,
}

/// Lines of all streams.
pub(crate) struct LineQueue {
    streams: BTreeMap<StreamName, Waiting>,
    /// With those that are under way.
    bytes: usize,
    bytes_max: usize,
}

impl LineQueue {
    pub fn new(bytes_max: usize) -> LineQueue {
        LineQueue { streams: BTreeMap::new(), bytes: 0, bytes_max }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Takes lines on. Returns how many were dropped for them.
    pub fn push(&mut self, name: StreamName, at_ms: u64, lines: Vec<String>, now: Duration) -> u64 {
        let waiting = self.streams.entry(name).or_default();
        if waiting.lines.is_empty() {
            waiting.since = now;
        }
        for text in lines {
            let line = Line { at_ms, text };
            waiting.bytes += line.bytes();
            self.bytes += line.bytes();
            waiting.lines.push_back(line);
        }
        if self.bytes > self.bytes_max { self.drop_oldest() } else { 0 }
    }

    /// Makes room: the oldest lines of the stream that has most go first. More than is needed, so that it is seldom.
    fn drop_oldest(&mut self) -> u64 {
        let wanted = self.bytes_max / 8 * 7;
        let mut dropped = 0;
        while self.bytes > wanted {
            let Some(most) = self.streams.values_mut().max_by_key(|waiting| waiting.bytes) else { break };
            let enough = most.bytes / 2;
            let Some(first) = most.lines.front() else { break };
            debug_assert!(first.bytes() <= most.bytes, "the bytes of a stream are those of its lines");
            while most.bytes > enough && self.bytes > wanted {
                let Some(line) = most.lines.pop_front() else { break };
                most.bytes -= line.bytes();
                self.bytes -= line.bytes();
                most.dropped += 1;
                most.dropped_ms = line.at_ms;
                dropped += 1;
            }
        }
        dropped
    }

    /// The batch that is due and has waited for longest: so many bytes are there, or its first line has waited so long.
    pub fn take(&mut self, now: Duration, wait: Duration, batch_bytes: usize) -> Option<Batch> {
        let is_due = |waiting: &Waiting| {
            let is_there = !waiting.lines.is_empty() || waiting.dropped > 0;
            !waiting.is_leaving && is_there && (waiting.bytes >= batch_bytes || now >= waiting.since + wait)
        };
        let due = self.streams.iter_mut().filter(|(_, waiting)| is_due(waiting));
        let (name, waiting) = due.min_by_key(|(_, waiting)| waiting.since)?;
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while let Some(line) =
            waiting.lines.pop_front_if(|line| lines.is_empty() || bytes + line.bytes() <= batch_bytes)
        {
            bytes += line.bytes();
            lines.push(line);
        }
        waiting.bytes -= bytes;
        waiting.since = now;
        waiting.is_leaving = true;
        let dropped = std::mem::take(&mut waiting.dropped);
        Some(Batch { name: name.clone(), dropped, dropped_ms: waiting.dropped_ms, lines, bytes })
    }

    /// A batch has left.
    pub fn left(&mut self, batch: &Batch) {
        self.finish(batch, 0);
    }

    /// A batch was given up.
    pub fn lost(&mut self, batch: &Batch) {
        self.finish(batch, batch.dropped + batch.lines.len() as u64);
    }

    fn finish(&mut self, batch: &Batch, dropped: u64) {
        self.bytes -= batch.bytes;
        let Some(waiting) = self.streams.get_mut(&batch.name) else { return };
        waiting.is_leaving = false;
        if dropped > 0 {
            waiting.dropped += dropped;
            waiting.dropped_ms = batch.lines.last().map_or(batch.dropped_ms, |line| line.at_ms).max(waiting.dropped_ms);
        }
        if waiting.lines.is_empty() && waiting.dropped == 0 {
            self.streams.remove(&batch.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(stream: &str) -> StreamName {
        StreamName { group: "g".to_owned(), stream: stream.to_owned() }
    }

    fn push(queue: &mut LineQueue, stream: &str, lines: &[&str], now_ms: u64) -> u64 {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        queue.push(name(stream), now_ms, lines, Duration::from_millis(now_ms))
    }

    fn take(queue: &mut LineQueue, now_ms: u64) -> Option<Batch> {
        queue.take(Duration::from_millis(now_ms), Duration::from_millis(100), 300)
    }

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_wait_a_while_and_leave_in_their_order() {
        let mut queue = LineQueue::new(10_000);
        push(&mut queue, "a", &["1", "2"], 0);
        push(&mut queue, "b", &["3"], 50);
        assert_eq!(take(&mut queue, 99), None);
        let first = take(&mut queue, 100).expect("it is due");
        assert_eq!((first.name.stream.as_str(), texts(&first)), ("a", vec!["1", "2"]));
        push(&mut queue, "a", &["4"], 110);
        assert_eq!(texts(&take(&mut queue, 300).expect("it is due")), ["3"]);
        assert_eq!(take(&mut queue, 300), None, "a batch of a stream at a time");
        queue.left(&first);
        assert_eq!(texts(&take(&mut queue, 300).expect("it is due")), ["4"]);
    }

    #[test]
    fn a_batch_has_its_bytes_and_at_least_a_line() {
        let mut queue = LineQueue::new(10_000);
        let long = "x".repeat(1_000);
        push(&mut queue, "a", &["1", "2", "3", "4", "5", &long, "6"], 0);
        let mut taken = Vec::new();
        for now_ms in (1_000..).step_by(1_000) {
            let Some(batch) = take(&mut queue, now_ms) else { break };
            taken.push(batch.lines.len());
            queue.left(&batch);
        }
        assert_eq!(taken, [4, 1, 1, 1]);
        assert!(queue.is_empty() && queue.bytes() == 0);
    }

    #[test]
    fn what_is_too_much_is_dropped_from_its_beginning_and_told() {
        let mut queue = LineQueue::new(8 * 65);
        push(&mut queue, "quiet", &["q"], 0);
        let dropped = push(&mut queue, "noisy", &["0", "1", "2", "3", "4", "5", "6", "7", "8"], 0);
        assert_eq!(dropped, 3);
        let quiet = take(&mut queue, 100).expect("it is due");
        let noisy = take(&mut queue, 100).expect("it is due");
        let [quiet, noisy] = if quiet.name.stream == "quiet" { [quiet, noisy] } else { [noisy, quiet] };
        assert_eq!((texts(&quiet), quiet.dropped), (vec!["q"], 0));
        assert_eq!((texts(&noisy)[0], noisy.dropped), ("3", 3));
        queue.lost(&noisy);
        let again = take(&mut queue, 500).expect("the rest is due");
        assert_eq!((texts(&again), again.dropped), (vec!["7", "8"], 7), "four that were lost, and three from before");
    }

    #[test]
    fn what_is_under_way_counts() {
        let mut queue = LineQueue::new(4 * 65);
        push(&mut queue, "a", &["1", "2", "3", "4"], 0);
        let batch = take(&mut queue, 100).expect("it is due");
        assert_eq!(push(&mut queue, "b", &["5"], 100), 1, "there is no room but for what leaves");
        queue.left(&batch);
        assert_eq!(push(&mut queue, "b", &["6"], 100), 0);
    }
}
