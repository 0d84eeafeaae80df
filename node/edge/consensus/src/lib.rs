//! Many Raft groups on one node, over openraft, of which no type is seen outside.

mod error;
mod group;
mod groups;
mod settings;
pub mod state_machine;
mod status;

pub use error::{ConsensusError, Member, ProposeError};
pub use group::Group;
pub use groups::Groups;
pub use settings::Settings;
pub use state_machine::{Applied, Committed, LogPosition, SnapshotSink, SnapshotSource, StateMachine};
pub use status::{Failure, Leadership, Lease, Members, Status, Wakefulness};
