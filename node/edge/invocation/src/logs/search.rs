//! Reading: one stream from either end, or many in the order of their events' times.

use super::{
    Logs,
    store::{LogStore, StoredBatch},
};
use stator_cluster::Deadline;
use stator_expression::RangeCondition;
use stator_item::Value;
use stator_logs::{
    Cursor, Direction, Event, Place, Stream,
    operation::{Searched, StreamPage},
};
use stator_partition::Refusal;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

/// Batches that are read at once.
const BATCHES: u64 = 8;
/// How long a search goes on before it says how far it has come.
const SEARCH_MAX: Duration = Duration::from_secs(3);
/// Bytes of events that a search holds before it forgets some that it will read again.
const HELD_BYTES_MAX: usize = 32 << 20;

/// A stream that is read from a place on.
struct Reading<'s> {
    stream: &'s Stream,
    buffer: VecDeque<Event>,
    bytes: usize,
    /// The key of the last batch in the buffer; `None`: it is to be found.
    last_key: Option<String>,
}

impl<'s> Reading<'s> {
    fn new(stream: &'s Stream) -> Reading<'s> {
        Reading { stream, buffer: VecDeque::new(), bytes: 0, last_key: None }
    }

    /// Forgets what it holds; it is read again when it is wanted.
    fn release(&mut self) -> usize {
        self.buffer.clear();
        self.last_key = None;
        std::mem::take(&mut self.bytes)
    }

    fn hold(&mut self, batches: Vec<StoredBatch>, from: Cursor) {
        for batch in batches {
            self.last_key = Some(batch.key);
            self.buffer.extend(batch.events.into_iter().filter(|event| event.at >= from));
        }
        self.bytes = self.buffer.iter().map(|event| event.message.len()).sum();
    }

    /// Reads on where the buffer ended; false: there is nothing more at `from` or behind it.
    async fn fetch(&mut self, store: &LogStore, from: Cursor, deadline: Deadline) -> Result<bool, Refusal> {
        let id = &self.stream.id;
        if self.last_key.is_none() && from > Cursor::at(self.stream.first_ms) {
            // The batch that begins last before the place may have events behind it.
            let before = Some(RangeCondition::LessOrEqual(Value::String(from.key())));
            let batches = store.batches(id, before, true, 1, deadline).await?;
            self.hold(batches, from);
            if !self.buffer.is_empty() {
                return Ok(true);
            }
        }
        // Batches of which all stands before the place are passed over.
        loop {
            let range = match &self.last_key {
                Some(key) => RangeCondition::Greater(Value::String(key.clone())),
                None => RangeCondition::GreaterOrEqual(Value::String(from.key())),
            };
            let batches = store.batches(id, Some(range), false, BATCHES, deadline).await?;
            if batches.is_empty() {
                return Ok(false);
            }
            self.hold(batches, from);
            if !self.buffer.is_empty() {
                return Ok(true);
            }
        }
    }
}

impl Logs {
    /// Reads a page of one stream.
    pub(super) async fn read_page(
        &self,
        stream: &Stream,
        page: &mut StreamPage,
        deadline: Deadline,
    ) -> Result<(), Refusal> {
        match page.direction {
            Direction::Forward => {
                let mut reading = Reading::new(stream);
                while reading.fetch(&self.store, page.from, deadline).await? {
                    while let Some(event) = reading.buffer.pop_front() {
                        if !page.take(event) {
                            return Ok(());
                        }
                    }
                }
            }
            Direction::Backward => {
                let key = page.to.map(Cursor::key);
                let mut range = key.map(|key| RangeCondition::Less(Value::String(key)));
                loop {
                    let batches = self.store.batches(&stream.id, range, true, BATCHES, deadline).await?;
                    let Some(last) = batches.last() else { return Ok(()) };
                    range = Some(RangeCondition::Less(Value::String(last.key.clone())));
                    for event in batches.into_iter().flat_map(|batch| batch.events.into_iter().rev()) {
                        if !page.take(event) {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at events of all these streams in the order of their times; `true`: at all of them, `false`: there is no more room or
    /// time. A stream is opened when the search has come to its first event.
    pub(super) async fn search(
        &self,
        streams: &[Stream],
        searched: &mut Searched<'_>,
        deadline: Deadline,
    ) -> Result<bool, Refusal> {
        let begin = searched.place().clone();
        let until = self.environment.clock.elapsed() + SEARCH_MAX;
        let mut readings: Vec<Reading<'_>> =
            streams.iter().filter(|stream| stream.until_ms >= begin.at_ms).map(Reading::new).collect();
        let mut heads: BinaryHeap<Reverse<(Place, usize)>> = readings
            .iter()
            .enumerate()
            .map(|(at, Reading { stream, .. })| {
                let first = Cursor::at(stream.first_ms).max(begin.in_stream(&stream.name));
                Reverse((place(stream, first), at))
            })
            .collect();
        let mut held = 0;
        while let Some(Reverse((head, at))) = heads.pop() {
            if head.at_ms > searched.end_ms() {
                return Ok(true);
            }
            let cursor = head.in_stream(&readings[at].stream.name);
            if readings[at].buffer.is_empty() {
                if self.environment.clock.elapsed() >= until {
                    return Ok(false);
                }
                held -= std::mem::take(&mut readings[at].bytes);
                if !readings[at].fetch(&self.store, cursor, deadline).await? {
                    continue;
                }
                held += readings[at].bytes;
                if held > HELD_BYTES_MAX {
                    let others = readings.iter_mut().enumerate().filter(|(other, _)| *other != at);
                    held -= others.map(|(_, reading)| reading.release()).sum::<usize>();
                }
                let first = readings[at].buffer.front().map_or(cursor, |event| event.at);
                heads.push(Reverse((place(readings[at].stream, first), at)));
                continue;
            }
            let Some(event) = readings[at].buffer.pop_front() else { continue };
            let after = event.at.next();
            let stream = readings[at].stream;
            if !searched.look(&stream.name, &stream.id, event) {
                return Ok(false);
            }
            let next = readings[at].buffer.front().map_or(after, |event| event.at);
            heads.push(Reverse((place(stream, next), at)));
        }
        Ok(true)
    }
}

fn place(stream: &Stream, cursor: Cursor) -> Place {
    Place { at_ms: cursor.at_ms, stream: stream.name.clone(), number: cursor.number }
}
