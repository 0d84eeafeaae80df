//! A whole cluster in one process, on simulated time, from one seed. Runs the product's own code; only the seams of
//! `environment` are replaced.

pub mod client;
pub mod clock;
pub mod cluster;
pub mod disk;
pub mod faults;
pub mod functions;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod network;
pub mod replicas;
pub mod run;
pub mod schedules;
pub mod shrink;
pub mod swarm;
pub mod tasks;
pub mod throttling;
mod trace_hash;
pub mod wire;
pub mod world;
