//! Transactions over partitions: their coordinator, strong reads that meet them, and the end of those whose coordinator is gone.
//!
//! Guarantees: only a coordinator commits, once, when all other participants have prepared; everybody else can only write an abort, and
//! only where no decision stands. A commit is forgotten when every participant has finished. So whoever dies at any step leaves
//! something that the others bring to the one end that it can have.

mod claiming;
mod coordinator;
mod finishing;
mod forgetting;
mod parts;
mod reading;
mod recovery;
mod snapshot;

pub use coordinator::{Coordinator, Transacted};
pub(crate) use recovery::Recovery;
