//! Decides whether a history of transactions over lists that are only appended to shows an anomaly of isolation.
//!
//! The method is Elle's (Kingsbury and Alvaro, 2020) with Adya's names for the anomalies: a list tells in which order its
//! elements were appended, so from what was read follows who wrote before whom (ww), who read whose write (wr), and who read
//! what somebody else then overwrote (rw). With the order of one process and of real time, a cycle among these is an anomaly,
//! and its kind says which promise it breaks.
//!
//! Guarantees: what is found is real, whatever the history. What nobody read cannot be found: end a run with reads of all keys.

mod anomaly;
mod dependencies;
mod graph;
mod history;
mod search;
#[cfg(test)]
mod tests;
mod versions;

pub use anomaly::{Anomaly, Isolation, Kind, Order};
pub use history::{Fate, Step, Transaction};
pub use search::check;
