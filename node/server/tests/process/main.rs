//! The real binary as a process: how it starts, what it says, how it ends.

mod client;
mod cluster;
mod dev;
mod refusals;
mod start;
mod stator;
