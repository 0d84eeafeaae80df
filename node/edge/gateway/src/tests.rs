//! The whole edge on a real listener, before partitions in memory.

mod api;
mod authentication;
mod bodies;
mod client;
mod connections;
mod exactness;
mod functions;
mod logs;
mod partitions;
mod transactions;
mod world;
