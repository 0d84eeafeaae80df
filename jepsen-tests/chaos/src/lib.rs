//! The bench on real processes: starts a cluster (or attaches to one), breaks it on purpose while clients work, heals it, and
//! judges what the clients saw.
//!
//! Not here: what clients do and how a history is judged (`stator-workloads`). A node is known by its wire, its files, its
//! command line and its signals only.

mod aftermath;
pub mod arguments;
pub mod cluster;
pub mod commands;
pub mod dice;
pub mod disk;
mod drive;
pub mod elle;
pub mod error;
pub mod faketime;
pub mod fault;
pub mod history_file;
pub mod instead;
mod junit;
pub mod leftovers;
pub mod links;
pub mod namespace;
mod nemesis;
mod observer;
mod power;
mod preload;
pub mod process;
pub mod record;
pub mod report;
pub mod run;
pub mod sdk;
pub mod timeline;
mod triggers;
pub mod verdict;
