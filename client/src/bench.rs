//! `stator bench`: how many operations a second, how late, at which cost, compared with whom.
//!
//! Promises: requests are signed as an SDK signs them; latency in an open loop counts from the time at which the operation was
//! due, not from when it could be sent; an operation counts only if its reply came with status 200 and a body of plausible
//! length. Peers take turns within one run, so that a slow minute of the machine meets all of them.

mod args;
mod cell;
mod connection;
mod cpu;
mod etcd;
mod load;
mod pace;
mod peer;
mod report;
mod request;
mod run;
mod signed;
mod tables;
mod tally;
#[cfg(test)]
mod tests;
mod worker;
mod zipf;

pub use args::BenchArgs;
pub use cell::Cell;
pub use run::run;
