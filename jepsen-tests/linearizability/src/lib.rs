//! Decides whether a history of concurrent operations on one object could have happened one at a time.
//!
//! The method is Wing and Gong's search with Lowe's memo of visited configurations ("Testing for linearizability", 2017):
//! try every operation that may come next, remember (operations done, state), back out where nothing fits. An operation
//! whose outcome is unknown may take effect at any time after it began, or never.

pub mod collection;
mod history;
pub mod register;
mod search;

pub use history::{History, Operation, OperationId};
pub use search::{Verdict, check};

/// An object's sequential behaviour.
pub trait Model {
    /// What is asked and what was answered.
    type Call;
    /// The object at one moment.
    type State: Clone + Eq + std::hash::Hash;

    /// The object before the first operation.
    fn initial(&self) -> Self::State;

    /// The state behind `call` if the answer it got is right in `state`. A call without an answer fits any state.
    fn step(&self, state: &Self::State, call: &Self::Call) -> Option<Self::State>;
}
