//! Many Raft groups on one node, over openraft, of which no type is seen outside.

mod check;
mod commit_notices;
mod contact;
mod digest;
mod encoding;
mod error;
pub mod fuzz;
mod group;
mod groups;
mod heartbeats;
mod link;
mod log_store;
mod members;
mod metrics;
mod node;
mod raft_types;
mod receive;
mod replica;
mod runtime;
mod settings;
mod silence;
mod sleep;
mod snapshot;
mod state;
pub mod state_machine;
mod status;
mod tend;
mod wire;

pub use check::{CheckedLog, check_log};
pub use digest::Digest;
pub use error::{ConsensusError, Member, ProposeError};
pub use group::Group;
pub use groups::Groups;
pub use settings::Settings;
pub use state_machine::{Applied, Committed, LogPosition, SnapshotSink, SnapshotSource, StateMachine};
pub use status::{Failure, Leadership, Lease, Members, Status, Wakefulness};
