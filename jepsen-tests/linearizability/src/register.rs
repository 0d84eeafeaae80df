//! A register: one value that is read, written, and written on condition.

use crate::Model;

/// What was done to the register. Values are the workload's; `None` is "not there".
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Call {
    /// A read and what it saw.
    Read(Option<u64>),
    Write(Option<u64>),
    /// Write `to` if the register holds `from`: whether it did, or `None` if no answer came.
    CompareAndSet {
        from: Option<u64>,
        to: Option<u64>,
        succeeded: Option<bool>,
    },
}

/// The register, empty at first.
pub struct Register;

impl Model for Register {
    type Call = Call;
    type State = Option<u64>;

    fn initial(&self) -> Option<u64> {
        None
    }

    fn step(&self, state: &Option<u64>, call: &Call) -> Option<Option<u64>> {
        match *call {
            Call::Read(seen) => (seen == *state).then_some(*state),
            Call::Write(value) => Some(value),
            Call::CompareAndSet { from, to, succeeded: Some(true) } => (from == *state).then_some(to),
            Call::CompareAndSet { from, succeeded: Some(false), .. } => (from != *state).then_some(*state),
            Call::CompareAndSet { from, to, succeeded: None } => Some(if from == *state { to } else { *state }),
        }
    }
}

#[cfg(test)]
mod tests;
