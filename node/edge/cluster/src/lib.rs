//! The cluster as one node sees it: the catalog's copy, routing, the Door, joining, placement.

pub mod door;

pub use door::{Consistency, Deadline, Door};
