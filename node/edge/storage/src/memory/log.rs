//! [`RaftLog`] in memory: what can be read, what is durable, and the calls between the two.

use bytes::Bytes;
use parking_lot::Mutex;
use stator_environment::{DiskError, Done, RaftLog, ReplicaLogState};
use stator_item::ReplicaId;
use std::collections::{BTreeMap, VecDeque};

/// When calls become durable.
pub enum Syncing {
    /// Each before it returns; `done` is called on the caller's thread.
    AtOnce,
    /// When [`MemoryLog::sync`] is called. The hook is told whenever a call waits and none did before; it must not call the
    /// log itself, but have that done.
    OnDemand(Box<dyn Fn() + Send + Sync>),
}

/// A log that survives nothing but [`MemoryLog::crash`], and that only as far as it was synced.
pub struct MemoryLog {
    syncing: Syncing,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    visible: Logs,
    durable: Logs,
    waiting: VecDeque<(ReplicaId, Call, Option<Done>)>,
    failure: Option<DiskError>,
}

type Logs = BTreeMap<ReplicaId, Log>;

#[derive(Clone, Default)]
struct Log {
    vote: Option<Bytes>,
    purged: Option<(u64, Bytes)>,
    entries: BTreeMap<u64, Bytes>,
}

#[derive(Clone)]
enum Call {
    Append(Vec<(u64, Bytes)>),
    Vote(Bytes),
    Truncate(u64),
    Purge(u64, Bytes),
    Remove,
}

impl MemoryLog {
    pub fn new(syncing: Syncing) -> MemoryLog {
        MemoryLog { syncing, state: Mutex::default() }
    }

    /// How many calls wait to become durable.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Makes the `count` oldest waiting calls durable and reports them done, in their order. To be like a disk, a caller
    /// asks how many wait, lets the time of a sync pass, then syncs that many.
    pub fn sync(&self, count: usize) {
        let mut dones = Vec::new();
        let mut state = self.state.lock();
        for _ in 0..count {
            let Some((replica, call, done)) = state.waiting.pop_front() else { break };
            let result = state.failure.clone().map_or(Ok(()), Err);
            if result.is_ok() {
                apply(&mut state.durable, replica, call);
            }
            dones.extend(done.map(|done| (done, result)));
        }
        drop(state);
        for (done, result) in dones {
            done(result);
        }
    }

    /// Loses calls that were not synced; their `done` is never called. `survivors` is told how many there are and says how
    /// many of them, the oldest, survive all the same. A failure is over.
    pub fn crash(&self, survivors: impl FnOnce(usize) -> usize) {
        let mut state = self.state.lock();
        // What waits behind a call that failed was never written: else the log would have a gap.
        let survivors = survivors(state.waiting.len()) * usize::from(state.failure.is_none());
        let lost = std::mem::take(&mut state.waiting);
        for (replica, call, _) in lost.into_iter().take(survivors) {
            apply(&mut state.durable, replica, call);
        }
        state.visible = state.durable.clone();
        state.failure = None;
    }

    /// Forgets everything, as if somebody had removed its files. Only while no process uses it.
    pub fn wipe(&self) {
        *self.state.lock() = State::default();
    }

    /// From now on nothing becomes durable, and every call is told so.
    pub fn fail(&self, failure: DiskError) {
        self.state.lock().failure = Some(failure);
    }

    fn call(&self, replica: ReplicaId, call: Call, done: Option<Done>) {
        let mut state = self.state.lock();
        let refused = match state.failure.clone() {
            Some(failure) => Some(failure),
            None => check(&state.visible, replica, &call).err(),
        };
        if let Some(refused) = refused {
            drop(state);
            return done.into_iter().for_each(|done| done(Err(refused.clone())));
        }
        apply(&mut state.visible, replica, call.clone());
        let first = state.waiting.is_empty();
        state.waiting.push_back((replica, call, done));
        drop(state);
        match &self.syncing {
            Syncing::AtOnce => self.sync(usize::MAX),
            Syncing::OnDemand(hook) if first => hook(),
            Syncing::OnDemand(_) => {}
        }
    }
}

/// Whether an append follows what is there.
fn check(logs: &Logs, replica: ReplicaId, call: &Call) -> Result<(), DiskError> {
    let (Call::Append(entries), Some(log)) = (call, logs.get(&replica)) else { return Ok(()) };
    let Some((first, _)) = entries.first() else { return Ok(()) };
    let purged = log.purged.as_ref().map(|(index, _)| *index);
    let fits = match log.entries.last_key_value() {
        Some((last, _)) => *first == last + 1,
        None => purged.is_none_or(|purged| *first > purged),
    };
    let reason = || format!("entry {first} does not follow the last one");
    if fits { Ok(()) } else { Err(DiskError::Failed { action: "append to the Raft log", reason: reason() }) }
}

fn apply(logs: &mut Logs, replica: ReplicaId, call: Call) {
    match call {
        Call::Remove => drop(logs.remove(&replica)),
        Call::Append(entries) => logs.entry(replica).or_default().entries.extend(entries),
        Call::Vote(vote) => logs.entry(replica).or_default().vote = Some(vote),
        Call::Truncate(index) => {
            if let Some(log) = logs.get_mut(&replica) {
                log.entries.split_off(&index.saturating_add(1));
            }
        }
        Call::Purge(index, mark) => {
            let log = logs.entry(replica).or_default();
            if log.purged.as_ref().is_none_or(|(purged, _)| *purged <= index) {
                log.purged = Some((index, mark));
                log.entries = log.entries.split_off(&index.saturating_add(1));
            }
        }
    }
}

impl RaftLog for MemoryLog {
    fn replicas(&self) -> Vec<ReplicaId> {
        let state = self.state.lock();
        let has_state = |log: &Log| log.vote.is_some() || log.purged.is_some() || !log.entries.is_empty();
        state.visible.iter().filter(|(_, log)| has_state(log)).map(|(replica, _)| *replica).collect()
    }

    fn state(&self, replica: ReplicaId) -> ReplicaLogState {
        let state = self.state.lock();
        let Some(log) = state.visible.get(&replica) else { return ReplicaLogState::default() };
        let last = log.entries.last_key_value().map(|(index, _)| *index);
        ReplicaLogState { vote: log.vote.clone(), purged: log.purged.clone(), last }
    }

    fn append(&self, replica: ReplicaId, entries: Vec<(u64, Bytes)>, done: Done) {
        self.call(replica, Call::Append(entries), Some(done));
    }

    fn save_vote(&self, replica: ReplicaId, vote: Bytes, done: Done) {
        self.call(replica, Call::Vote(vote), Some(done));
    }

    fn truncate_after(&self, replica: ReplicaId, index: u64) {
        self.call(replica, Call::Truncate(index), None);
    }

    fn purge(&self, replica: ReplicaId, index: u64, mark: Bytes) {
        self.call(replica, Call::Purge(index, mark), None);
    }

    fn read(&self, replica: ReplicaId, start: u64, end: u64, bytes_max: usize) -> Result<Vec<(u64, Bytes)>, DiskError> {
        let state = self.state.lock();
        let mut found: Vec<(u64, Bytes)> = Vec::new();
        let (Some(log), true) = (state.visible.get(&replica), start < end) else { return Ok(found) };
        let mut bytes = 0;
        for ((index, entry), expected) in log.entries.range(start..end).zip(start..) {
            bytes += entry.len();
            if *index != expected || (bytes > bytes_max && !found.is_empty()) {
                break;
            }
            found.push((*index, entry.clone()));
        }
        Ok(found)
    }

    fn remove(&self, replica: ReplicaId, done: Done) {
        self.call(replica, Call::Remove, Some(done));
    }

    fn size(&self) -> u64 {
        let state = self.state.lock();
        let entries = state.visible.values().flat_map(|log| log.entries.values());
        entries.map(|entry| entry.len() as u64).sum()
    }
}
