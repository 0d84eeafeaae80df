//! From lines to batches of events in the table. One batch of a stream is under way at a time, so events stay in their order.
//!
//! A batch that cannot be put is tried again under the same key, so it is there once; after a while it is given up, and the next
//! one says so.

use super::{
    Logs,
    lines::{Batch, StreamName},
};
use parking_lot::Mutex;
use stator_cluster::Deadline;
use stator_logs::{Cursor, Group, LogsError, Stream, encode_batch};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Text of a batch; a single line may be longer, and fits an item all the same.
pub(super) const BATCH_BYTES: usize = 64 << 10;
/// How long a line waits for others.
const BATCH_WAIT: Duration = Duration::from_millis(100);
/// How often waiting lines are looked at, and how often if there are none.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const IDLE_LOOK_EVERY: Duration = Duration::from_secs(10);
/// Batches that are put at once.
const BATCHES_CONCURRENT_MAX: usize = 8;
/// How long one try may take, all tries of a batch together, and the waits between them.
const TRY_MAX: Duration = Duration::from_secs(5);
const TRIES_MAX: Duration = Duration::from_secs(60);
const RETRY_WAITS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// What a group is known to be is believed for so long. A group that was deleted gets lines from here no longer than that and
/// what a try may take; [`sweep`](super::sweep) waits for longer.
const GROUP_KNOWN_FOR: Duration = Duration::from_secs(30);
/// How far ahead of its events the item of a stream says that there may be some, and how often its times are written down.
const UNTIL_AHEAD_MS: u64 = 60_000;
const TELL_EVERY: Duration = Duration::from_secs(30);
/// Groups and streams that are remembered; a stream that is not is read again.
const KNOWN_MAX: usize = 10_000;

/// What this node knows of the groups and streams that it writes to.
#[derive(Default)]
pub(super) struct Streams {
    groups: Mutex<BTreeMap<String, (Group, Duration)>>,
    open: Mutex<BTreeMap<StreamName, Open>>,
}

/// A stream that is being written.
#[derive(Clone)]
struct Open {
    group_id: String,
    /// As its item says.
    stream: Stream,
    told: Duration,
    /// Where its next event stands, or behind that in time.
    next: Cursor,
}

/// A batch as it is put.
struct Sealed {
    first: Cursor,
    last_ms: u64,
    count: u64,
    events: Vec<u8>,
}

impl Logs {
    /// Runs for as long as the node does.
    pub(super) async fn ship(self: Arc<Logs>) {
        let room = Arc::new(Semaphore::new(BATCHES_CONCURRENT_MAX));
        loop {
            let look_every = if self.lines.lock().is_empty() { IDLE_LOOK_EVERY } else { LOOK_EVERY };
            self.environment.timeout(look_every, self.wake.notified()).await;
            let wait = if self.is_closing.load(Ordering::Relaxed) { Duration::ZERO } else { BATCH_WAIT };
            while let Ok(permit) = room.clone().try_acquire_owned() {
                let now = self.environment.clock.elapsed();
                let Some(batch) = self.lines.lock().take(now, wait, BATCH_BYTES) else { break };
                let logs = self.clone();
                let work = async move {
                    logs.ship_batch(batch).await;
                    drop(permit);
                    logs.wake.notify_one();
                };
                self.environment.tasks.spawn("function log", Box::pin(work));
            }
        }
    }

    async fn ship_batch(&self, batch: Batch) {
        let until = self.environment.clock.elapsed() + TRIES_MAX;
        let mut wait = RETRY_WAITS[0];
        loop {
            match self.put_batch(&batch, self.deadline(TRY_MAX)).await {
                Ok(()) => {
                    self.metrics.lines.inc_by(batch.lines.len() as u64);
                    return self.finish(&batch, true);
                }
                Err(error) => {
                    let group = &batch.name.group;
                    tracing::debug!(group, %error, "lines of a function cannot be stored now");
                    if self.environment.clock.elapsed() + wait >= until {
                        tracing::warn!(group, %error, lines = batch.lines.len(), "lines of a function are given up");
                        self.metrics.dropped.inc_by(batch.lines.len() as u64);
                        return self.finish(&batch, false);
                    }
                }
            }
            self.environment.sleep(wait).await;
            wait = (wait * 2).min(RETRY_WAITS[1]);
        }
    }

    fn finish(&self, batch: &Batch, is_stored: bool) {
        let mut lines = self.lines.lock();
        if is_stored {
            lines.left(batch);
        } else {
            lines.lost(batch);
            // It may be there all the same: nothing else is put under its keys.
            drop(self.streams.open.lock().remove(&batch.name));
        }
        self.metrics.waiting_bytes.set(i64::try_from(lines.bytes()).unwrap_or(i64::MAX));
    }

    async fn put_batch(&self, batch: &Batch, deadline: Deadline) -> Result<(), LogsError> {
        let group = self.group_to_write(&batch.name.group, deadline).await?;
        let known = self.streams.open.lock().get(&batch.name).filter(|open| open.group_id == group.id).cloned();
        let mut open = match known {
            Some(open) => open,
            None => self.open(&group, batch, deadline).await?,
        };
        let mut sealed = seal(batch, open.next);
        let now = self.environment.clock.elapsed();
        if sealed.last_ms > open.stream.until_ms || now >= open.told + TELL_EVERY {
            let told = self.times(&open.stream, &sealed);
            if self.store.change_stream(&group, &told, deadline).await? {
                open = Open { stream: told, told: now, ..open };
            } else {
                // It was deleted, and is made anew under another id.
                open = self.open(&group, batch, deadline).await?;
                sealed = seal(batch, open.next);
            }
        }
        self.remember(&batch.name, &open);
        let now_ms = self.environment.clock.wall_ms();
        let (times, events) = ((sealed.first, sealed.last_ms), (sealed.events, now_ms));
        self.store.put_batch((&group, &open.stream), times, events, deadline).await?;
        open.next = Cursor { at_ms: sealed.last_ms, number: sealed.first.number + sealed.count };
        self.remember(&batch.name, &open);
        Ok(())
    }

    /// The stream's item with the times that it has with a batch.
    fn times(&self, stream: &Stream, sealed: &Sealed) -> Stream {
        Stream {
            last_ms: sealed.last_ms,
            ingested_ms: self.environment.clock.wall_ms(),
            until_ms: stream.until_ms.max(sealed.last_ms.saturating_add(UNTIL_AHEAD_MS)),
            ..stream.clone()
        }
    }

    fn remember(&self, name: &StreamName, open: &Open) {
        let mut streams = self.streams.open.lock();
        if streams.len() >= KNOWN_MAX && !streams.contains_key(name) {
            // Those that are written now are told often: half of all goes, the oldest.
            let mut told: Vec<Duration> = streams.values().map(|open| open.told).collect();
            told.sort_unstable();
            let middle = told[told.len() / 2];
            streams.retain(|_, open| open.told > middle);
        }
        streams.insert(name.clone(), open.clone());
    }

    /// Makes the stream, or takes it as it stands.
    async fn open(&self, group: &Group, batch: &Batch, deadline: Deadline) -> Result<Open, LogsError> {
        let begin = Cursor::default();
        let sealed = seal(batch, begin);
        let told = self.environment.clock.elapsed();
        let new = Stream {
            name: batch.name.stream.clone(),
            id: self.new_id(),
            created_ms: self.environment.clock.wall_ms(),
            first_ms: sealed.first.at_ms,
            last_ms: sealed.last_ms,
            ingested_ms: 0,
            until_ms: 0,
        };
        let new = self.times(&new, &sealed);
        if self.store.add_stream(group, &new, deadline).await? {
            return Ok(Open { group_id: group.id.clone(), stream: new, told, next: begin });
        }
        let there = self.store.stream(&group.id, &batch.name.stream, deadline).await?;
        // It was there and is gone: the next try makes it.
        let there = there.ok_or_else(LogsError::internal)?;
        // No event of it is later than its item says, so what comes now stands behind all that is there.
        let next = Cursor::at(there.until_ms.saturating_add(1));
        Ok(Open { group_id: group.id.clone(), stream: there, told, next })
    }

    /// The group, made if this is the first time that it is written to.
    async fn group_to_write(&self, name: &str, deadline: Deadline) -> Result<Group, LogsError> {
        let now = self.environment.clock.elapsed();
        let known = self.streams.groups.lock().get(name).cloned();
        if let Some((group, _)) = known.filter(|(_, since)| now < *since + GROUP_KNOWN_FOR) {
            return Ok(group);
        }
        self.store.made_table(deadline).await?;
        let group = match self.store.group(name, deadline).await? {
            Some(group) => group,
            None => {
                let group = Group {
                    name: name.to_owned(),
                    id: self.new_id(),
                    created_ms: self.environment.clock.wall_ms(),
                    retention_days: self.settings.log_retention_days,
                };
                if !self.store.add_group(&group, deadline).await? {
                    // Another node made it; the next try finds it.
                    return Err(LogsError::internal());
                }
                group
            }
        };
        let mut groups = self.streams.groups.lock();
        if groups.len() >= KNOWN_MAX {
            groups.clear();
        }
        groups.insert(name.to_owned(), (group.clone(), now));
        Ok(group)
    }
}

/// The events of a batch, from a place on. Their times never fall, whatever the clock does: else they would change their order.
fn seal(batch: &Batch, next: Cursor) -> Sealed {
    let note =
        format!("[stator] {} lines are missing here: they came faster than they could be stored\n", batch.dropped);
    let note = (batch.dropped > 0).then_some((batch.dropped_ms, note));
    // Messages end as Lambda's do.
    let lines = batch.lines.iter().map(|line| (line.at_ms, format!("{}\n", line.text)));
    let mut last_ms = next.at_ms;
    let events: Vec<(u64, String)> = note
        .into_iter()
        .chain(lines)
        .map(|(at_ms, text)| {
            last_ms = last_ms.max(at_ms);
            (last_ms, text)
        })
        .collect();
    let first_ms = events.first().map_or(last_ms, |(at_ms, _)| *at_ms);
    Sealed {
        first: Cursor { at_ms: first_ms, number: next.number },
        last_ms,
        count: events.len() as u64,
        events: encode_batch(events.iter().map(|(at_ms, text)| (*at_ms, text.as_str()))),
    }
}
