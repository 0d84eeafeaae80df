//! What clients do while a cluster is being broken, and how their histories are judged. Written against one client trait, so
//! that the simulation and the bench on real processes run the same.

pub mod client;
pub mod history;
pub mod register;
pub mod workload;

pub use client::{Answer, BoxFuture, Client, Consistency, Expression, Item, Operation, Outcome, PageOf, Shape, Value};
pub use history::{Counts, Event, History, Line};
pub use register::Failure;
pub use workload::{Judgement, Session, Surroundings, Violation, Workload, make_tables};
