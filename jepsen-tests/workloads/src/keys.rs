//! Which keys a workload uses: a few at a time, each for a bounded number of operations.

use crate::{
    client::{Failure, Operation},
    workload::Session,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) struct Keys {
    at_once: u64,
    operations_per_key: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How often each key was chosen. A key's slot is its number modulo the number of keys in use at once.
    begun: std::collections::BTreeMap<u64, u64>,
    generation: std::collections::BTreeMap<u64, u64>,
    values: i64,
}

impl Keys {
    pub fn new(at_once: u64, operations_per_key: u64) -> Keys {
        Keys { at_once, operations_per_key, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A key, and a value that was never used before. A worn-out key is replaced by a fresh one.
    pub fn choose(&self, session: &Session) -> (u64, i64) {
        let slot = session.below(self.at_once);
        let mut state = self.state();
        let generation = state.generation.get(&slot).copied().unwrap_or_default();
        let key = slot + generation * self.at_once;
        let begun = state.begun.entry(key).or_default();
        *begun += 1;
        if *begun >= self.operations_per_key {
            state.generation.insert(slot, generation + 1);
        }
        state.values += 1;
        (key, state.values)
    }

    /// Every key that was ever chosen.
    pub fn used(&self) -> Vec<u64> {
        self.state().begun.keys().copied().collect()
    }

    /// Carries out the reads of every key that was ever chosen.
    pub async fn read_used(&self, session: &Session, reads: impl Fn(u64) -> Vec<Operation>) -> Result<(), Failure> {
        for read in self.used().into_iter().flat_map(reads) {
            session.call(read).await?;
        }
        Ok(())
    }
}
