//! What clients do while a cluster is being broken, and how their histories are judged. Written against one client trait, so
//! that the simulation and the bench on real processes run the same.
//!
//! [`workload`] tells how an instrument runs them.

pub mod append;
pub mod bank;
pub mod client;
pub mod counter;
pub mod eventual;
pub mod global_index;
pub mod history;
mod judging;
mod keys;
pub mod local_index;
pub mod registers;
pub mod set;
pub mod sign_up;
pub mod stream;
pub mod stream_wire;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod transact_append;
pub mod trigger;
pub mod ttl;
pub mod workload;

pub use client::{
    Answer, BoxFuture, Client, Consistency, Delivery, Expression, Failure, Item, MappingShape, Operation, Outcome,
    PageOf, Record, Shape, Shard, TransactItem, Value,
};
pub use history::{Counts, Event, History, Line};
pub use judging::judge;
pub use workload::{Judgement, Session, Surroundings, Violation, Workload, make_tables};

/// Names of all workloads.
pub const NAMES: [&str; 14] = [
    "register",
    "counter",
    "append",
    "unique",
    "set",
    "local-index",
    "tables",
    "eventual",
    "bank",
    "transact-append",
    "global-index",
    "stream",
    "ttl",
    "trigger",
];

/// A workload by its name. Its tables' names begin with `prefix`, so that several runs can share an endpoint.
pub fn by_name(name: &str, prefix: &str) -> Option<Box<dyn Workload>> {
    let table = format!("{prefix}{name}");
    Some(match name {
        "register" => Box::new(registers::Registers::new(table)),
        "counter" => Box::new(counter::Counters::new(table)),
        "append" => Box::new(append::Appends::new(table)),
        "unique" => Box::new(sign_up::SignUps::new(table)),
        "set" => Box::new(set::Set::new(table)),
        "local-index" => Box::new(local_index::LocalIndexes::new(table)),
        "tables" => Box::new(tables::Tables::new(table)),
        "global-index" => Box::new(global_index::GlobalIndexes::new(table)),
        "stream" => Box::new(stream::Streams::new(table)),
        "trigger" => Box::new(trigger::Triggers::new(table)),
        "ttl" => Box::new(ttl::Expiries::new(table)),
        "eventual" => Box::new(eventual::Eventual::new(table)),
        "bank" => Box::new(bank::Bank::new(&table)),
        "transact-append" => Box::new(transact_append::TransactAppends::new(&table)),
        _ => return None,
    })
}
