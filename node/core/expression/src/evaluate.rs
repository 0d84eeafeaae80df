//! Plans over items. Total: whatever a plan or an item holds, there is an answer, and nothing recurses deeper than
//! paths and values may be nested.

mod compare;
mod condition;
mod projection;
mod update;

pub(crate) use compare::{order, size};
pub use update::Updated;
