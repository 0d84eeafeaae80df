//! Global secondary indexes, both ends. The table's partition is the *source*: it turns its change records into changes of an
//! index's rows and knows how far each index has them ([`feed`]). An index's partition is the *receiver*: it takes deliveries
//! ([`delivery`]) and keeps, per source, up to where it has everything. Between the two is only a consumer that carries pages
//! of one to the other; whatever it loses, repeats or reorders, the rows of the index are the projection of the items.
//!
//! Guarantees: a receiver takes a delivery only if it joins on to what it has of that source, so no change is missed, none is
//! taken twice, and none that was overtaken comes back; records are kept until every receiver of every index has them.

pub mod delivery;
pub mod entry;
pub mod feed;
pub mod log_size;
mod received;
pub mod session;
#[cfg(test)]
mod tests;

pub use delivery::Delivery;
pub use entry::IndexRow;
pub use feed::{Backfill, Feed, FeedStatus, IndexFeed};
pub use log_size::LogSize;
pub use received::Received;
pub use session::{Receiver, Session, SessionError};
