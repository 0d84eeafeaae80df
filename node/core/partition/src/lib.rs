//! A partition as arithmetic: commands in, effects and replies out. No Raft, no disk, no nodes, no time.
//!
//! The leader calls [`evaluate`](evaluate::evaluate) for each command in order, against applied rows under the
//! [`overlay`]; every replica calls [`apply`](apply::apply) for each committed entry and gets the row writes back.

pub mod command;
pub mod effects;
pub mod reply;

pub use command::{Command, CommandId, Page, PageRange, Position, Returns};
pub use effects::{Effects, Entry, RowWrite};
pub use reply::{Refusal, Reply};
