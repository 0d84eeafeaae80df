//! Event source mappings as arithmetic: which records of a shard a function is called with, when, and what its answer comes to.
//!
//! [`Batches`] is told of records, answers and time, and says what is to be done next; it does nothing itself. Knows no function,
//! no partition and no clock.

pub mod answer;
pub mod batches;
pub mod discard;
pub mod event;
pub mod filter;

pub use answer::Answer;
pub use batches::{Action, Batches, Now};
pub use discard::{Condition, Discard};
pub use event::{Source, TakenRecord};
pub use filter::{Filter, FilterError};
