//! A log in memory: what was written, and the prefix of it that is durable. A crash goes back to that.

use bytes::Bytes;
use parking_lot::Mutex;
use stator_environment::{DiskError, Done, RaftLog, ReplicaLogState};
use stator_item::ReplicaId;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

#[derive(Clone, Default)]
struct Contents(BTreeMap<ReplicaId, One>);

#[derive(Clone, Default)]
struct One {
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    entries: BTreeMap<u64, Bytes>,
}

#[derive(Default)]
struct Inner {
    volatile: Contents,
    durable: Contents,
    /// Raised by a crash: what was under way then is never reported.
    life: u64,
}

#[derive(Clone, Default)]
pub struct MemoryLog(Arc<Mutex<Inner>>);

/// How long an fsync takes.
const SYNC: Duration = Duration::from_millis(1);

impl MemoryLog {
    /// Loses what is not durable.
    pub fn crash(&self) {
        let mut inner = self.0.lock();
        inner.volatile = inner.durable.clone();
        inner.life += 1;
    }

    /// What is in it now.
    pub fn copy(&self) -> MemoryLog {
        let inner = self.0.lock();
        let (volatile, durable) = (inner.volatile.clone(), inner.volatile.clone());
        MemoryLog(Arc::new(Mutex::new(Inner { volatile, durable, life: 0 })))
    }

    /// Loses all that came after `copy`, as if it had never been durable.
    pub fn set_back(&self, copy: &MemoryLog) {
        let kept = copy.0.lock().durable.clone();
        let mut inner = self.0.lock();
        inner.volatile = kept.clone();
        inner.durable = kept;
    }

    pub fn first(&self, replica: ReplicaId) -> Option<u64> {
        self.0.lock().volatile.0.get(&replica)?.entries.keys().next().copied()
    }

    /// Makes all that was written until now durable, after a while.
    fn sync(&self, done: Done) {
        let (snapshot, life) = {
            let inner = self.0.lock();
            (inner.volatile.clone(), inner.life)
        };
        let log = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SYNC).await;
            {
                let mut inner = log.0.lock();
                if inner.life != life {
                    return;
                }
                inner.durable = snapshot;
            }
            done(Ok(()));
        });
    }

    fn change(&self, replica: ReplicaId, change: impl FnOnce(&mut One)) {
        change(self.0.lock().volatile.0.entry(replica).or_default());
    }
}

impl RaftLog for MemoryLog {
    fn replicas(&self) -> Vec<ReplicaId> {
        self.0.lock().volatile.0.keys().copied().collect()
    }

    fn state(&self, replica: ReplicaId) -> ReplicaLogState {
        let inner = self.0.lock();
        let Some(one) = inner.volatile.0.get(&replica) else { return ReplicaLogState::default() };
        ReplicaLogState {
            vote: one.vote.clone(),
            purged: one.purged.clone(),
            last: one.entries.keys().next_back().copied(),
        }
    }

    fn append(&self, replica: ReplicaId, entries: Vec<(u64, Bytes)>, done: Done) {
        self.change(replica, |one| {
            if let (Some((last, _)), Some((first, _))) = (one.entries.last_key_value(), entries.first()) {
                assert_eq!(last + 1, *first, "a gap in the log of replica {replica}");
            }
            one.entries.extend(entries);
        });
        self.sync(done);
    }

    fn save_vote(&self, replica: ReplicaId, vote: Bytes, done: Done) {
        self.change(replica, |one| one.vote = Some(vote));
        self.sync(done);
    }

    fn truncate_after(&self, replica: ReplicaId, index: u64) {
        self.change(replica, |one| _ = one.entries.split_off(&(index + 1)));
    }

    fn purge(&self, replica: ReplicaId, index: u64, mark: Bytes) {
        self.change(replica, |one| {
            one.entries = one.entries.split_off(&(index + 1));
            one.purged = Some((index, mark));
        });
    }

    fn read(&self, replica: ReplicaId, start: u64, end: u64, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, DiskError> {
        let inner = self.0.lock();
        let Some(one) = inner.volatile.0.get(&replica) else { return Ok(Vec::new()) };
        let mut found: Vec<(u64, Bytes)> = Vec::new();
        let mut bytes = 0;
        for (index, entry) in one.entries.range(start..end) {
            bytes += entry.len();
            if *index != start + found.len() as u64 || (bytes > bytes_max && !found.is_empty()) {
                break;
            }
            found.push((*index, entry.clone()));
        }
        Ok(found)
    }

    fn remove(&self, replica: ReplicaId, done: Done) {
        self.0.lock().volatile.0.remove(&replica);
        self.sync(done);
    }

    fn size(&self) -> u64 {
        let inner = self.0.lock();
        inner.volatile.0.values().flat_map(|one| one.entries.values()).map(|entry| entry.len() as u64).sum()
    }
}
