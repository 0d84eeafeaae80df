//! Registers: reads, writes and writes on condition of single items, which must be linearizable key by key.
//!
//! A key is used for a bounded number of operations, then a fresh one: what the checker pays grows with what overlaps.

use stator_linearizability::{
    History, Verdict, check,
    register::{Call, Register},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// How an operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// It had no effect, and never will.
    Definite,
    /// It may have had its effect, or may have it later.
    Unknown,
}

/// Steps after which the checker gives up on one key.
const CHECK_STEPS_MAX: u64 = 2_000_000;

/// Does one operation on one register. `None` stands for "no such item".
pub trait RegisterClient {
    fn read(&self, key: u64) -> impl Future<Output = Result<Option<u64>, Failure>> + Send;
    fn write(&self, key: u64, value: u64) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Writes `to` if the register holds `from`; says whether it did.
    fn compare_and_set(
        &self,
        key: u64,
        from: Option<u64>,
        to: u64,
    ) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// What is asked of one step's surroundings.
pub trait Surroundings {
    /// A random number below `end`.
    fn random_below(&self, end: u64) -> u64;
    /// Time since some fixed moment, the same clock for all clients.
    fn now_us(&self) -> u64;
}

/// How the workload is run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Registers in use at once.
    pub keys_count: u64,
    /// Operations on a key before it is replaced by a fresh one.
    pub operations_per_key: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { keys_count: 4, operations_per_key: 60 }
    }
}

/// All histories so far, and the values that were written last: likely ones for a condition.
#[derive(Default)]
struct State {
    histories: BTreeMap<u64, History<Call>>,
    begun: BTreeMap<u64, u64>,
    generation: BTreeMap<u64, u64>,
    likely: BTreeMap<u64, Option<u64>>,
    values: u64,
    counts: Counts,
}

/// How many operations had which end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub succeeded: u64,
    pub failed: u64,
    pub unknown: u64,
}

pub struct RegisterWorkload {
    settings: Settings,
    state: Mutex<State>,
}

impl RegisterWorkload {
    pub fn new(settings: Settings) -> RegisterWorkload {
        RegisterWorkload { settings, state: Mutex::new(State::default()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses a key; a worn-out one is replaced.
    fn choose_key(&self, surroundings: &impl Surroundings) -> (u64, Option<u64>, u64) {
        let slot = surroundings.random_below(self.settings.keys_count);
        let mut state = self.state();
        let generation = *state.generation.entry(slot).or_default();
        let key = slot + generation * self.settings.keys_count;
        let begun = state.begun.entry(key).or_default();
        *begun += 1;
        if *begun >= self.settings.operations_per_key {
            state.generation.insert(slot, generation + 1);
        }
        state.values += 1;
        let likely = state.likely.get(&key).copied().flatten();
        (key, likely, state.values)
    }

    /// One operation of one client, recorded.
    pub async fn step(&self, client: &impl RegisterClient, surroundings: &impl Surroundings) {
        let (key, likely, value) = self.choose_key(surroundings);
        let started = surroundings.now_us();
        let (call, outcome) = match surroundings.random_below(10) {
            0..5 => match client.read(key).await {
                Ok(seen) => (Call::Read(seen), Ok(seen)),
                // A read without an answer says nothing.
                Err(failure) => return self.count_failure(failure),
            },
            5..8 => (Call::Write(Some(value)), client.write(key, value).await.map(|()| Some(value))),
            _ => {
                let outcome = client.compare_and_set(key, likely, value).await;
                let call = Call::CompareAndSet { from: likely, to: Some(value), succeeded: outcome.ok() };
                (call, outcome.map(|succeeded| if succeeded { Some(value) } else { likely }))
            }
        };
        let ended = surroundings.now_us();
        let mut state = self.state();
        match outcome {
            Ok(now) => {
                state.counts.succeeded += 1;
                state.likely.insert(key, now);
                state.histories.entry(key).or_default().answered(call, started, ended);
            }
            Err(Failure::Definite) => state.counts.failed += 1,
            Err(Failure::Unknown) => {
                state.counts.unknown += 1;
                state.histories.entry(key).or_default().unanswered(call, started);
            }
        }
    }

    fn count_failure(&self, failure: Failure) {
        let mut state = self.state();
        match failure {
            Failure::Definite => state.counts.failed += 1,
            Failure::Unknown => state.counts.unknown += 1,
        }
    }

    /// Reads every register once more, when all faults are healed: what was acknowledged must be there.
    pub async fn read_all(
        &self,
        client: &impl RegisterClient,
        surroundings: &impl Surroundings,
    ) -> Result<(), Failure> {
        let keys: Vec<u64> = self.state().histories.keys().copied().collect();
        for key in keys {
            let started = surroundings.now_us();
            let seen = client.read(key).await?;
            let ended = surroundings.now_us();
            self.state().histories.entry(key).or_default().answered(Call::Read(seen), started, ended);
        }
        Ok(())
    }

    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Keys whose history is not linearizable, or too hard to decide, each with what the checker says.
    pub fn violations(&self) -> Vec<(u64, Verdict, History<Call>)> {
        let state = self.state();
        let judged = state
            .histories
            .iter()
            .map(|(key, history)| (*key, check(&Register, history, CHECK_STEPS_MAX), history.clone()));
        judged.filter(|(_, verdict, _)| !matches!(verdict, Verdict::Linearizable(_))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A register that forgets every write after the first, to see the workload notice.
    struct Forgetful {
        value: Mutex<BTreeMap<u64, u64>>,
        is_honest: bool,
    }

    impl RegisterClient for Forgetful {
        async fn read(&self, key: u64) -> Result<Option<u64>, Failure> {
            Ok(self.value.lock().unwrap().get(&key).copied())
        }

        async fn write(&self, key: u64, value: u64) -> Result<(), Failure> {
            let mut values = self.value.lock().unwrap();
            if self.is_honest || !values.contains_key(&key) {
                values.insert(key, value);
            }
            Ok(())
        }

        async fn compare_and_set(&self, key: u64, from: Option<u64>, to: u64) -> Result<bool, Failure> {
            let mut values = self.value.lock().unwrap();
            let holds = values.get(&key).copied() == from;
            if holds {
                values.insert(key, to);
            }
            Ok(holds)
        }
    }

    struct Counter(Cell<u64>);

    impl Surroundings for Counter {
        fn random_below(&self, end: u64) -> u64 {
            self.0.set(self.0.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
            (self.0.get() >> 33) % end
        }

        fn now_us(&self) -> u64 {
            self.0.set(self.0.get() + 1);
            thread_now()
        }
    }

    fn thread_now() -> u64 {
        thread_local!(static NOW: Cell<u64> = const { Cell::new(0) });
        NOW.with(|now| {
            now.set(now.get() + 1);
            now.get()
        })
    }

    fn run(is_honest: bool) -> usize {
        let workload = RegisterWorkload::new(Settings::default());
        let client = Forgetful { value: Mutex::default(), is_honest };
        let surroundings = Counter(Cell::new(7));
        let work = async {
            for _ in 0..500 {
                workload.step(&client, &surroundings).await;
            }
            workload.read_all(&client, &surroundings).await.unwrap();
        };
        futures::executor::block_on(work);
        workload.violations().len()
    }

    #[test]
    fn an_honest_register_passes_and_a_forgetful_one_does_not() {
        assert_eq!(run(true), 0);
        assert!(run(false) > 0);
    }
}
