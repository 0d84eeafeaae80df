//! A partition as arithmetic: commands in, effects and replies out. No Raft, no disk, no nodes, no time.
//!
//! The leader calls [`evaluate`](evaluate::evaluate()) for each command in order, against applied rows under the
//! [`overlay`], and [packs](pack) the effects into entries; every replica calls [`apply`](apply::apply()) for each committed
//! entry and gets the row writes back; [`read`](read::read()) answers reads from committed rows. [`capacity`] says what a
//! command consumes, [`throttle`] whether that is there.

pub mod apply;
pub mod capacity;
pub mod check;
pub mod codec;
pub mod command;
pub mod effects;
pub mod evaluate;
pub mod expiry;
pub mod global_index;
pub mod insights;
pub mod keys;
pub mod overlay;
pub mod pack;
pub mod read;
pub mod reply;
pub mod rows;
pub mod rows_needed;
pub mod state;
pub mod stream;
#[cfg(test)]
mod testing;
pub mod throttle;
pub mod transaction;
pub mod trigger;

pub use apply::{Applied, Outcome, apply};
pub use command::{Command, CommandId, Page, PageRange, Position, Returns};
pub use effects::{Effects, Entry, EntryNumber, RowWrite};
pub use evaluate::{Attempt, Base, Call, Evaluated, Now, evaluate};
pub use expiry::{Expire, ExpiriesStatus, IndexExpiries, Unindexed};
pub use global_index::{Backfill, Delivery, Feed, FeedStatus, IndexRow};
pub use overlay::Overlay;
pub use pack::Pack;
pub use read::read;
pub use reply::{Refusal, Reply};
pub use rows::{Direction, FamilyKind, ReadError, ReadRow, ReadRows, RowChange, RowWrites};
pub use rows_needed::rows_needed;
pub use state::{PartitionState, ReadState};
pub use stream::{ReadShard, RecordPlace, ShardRecords, StreamRecord};
pub use throttle::{Throttle, Throttled};
pub use trigger::{Trigger, TriggerChange, TriggerPosition};
