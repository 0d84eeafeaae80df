//! Items and what they are made of: values, numbers, keys, rows, sizes, tokens and timestamps.
//!
//! Pure: no I/O, no clock, no async. Knows no tables and no expressions.

#[cfg(test)]
mod arbitrary;
pub mod id;
pub mod json;
pub mod key;
pub mod number;
pub mod row;
pub mod size;
pub mod timestamp;
pub mod value;

pub use id::{IndexNumber, NodeId, PartitionId, ReplicaId, TableId, Uuid};
pub use json::ValueError;
pub use key::{Bounds, Key, KeyError, KeyPart, KeyType, Token};
pub use number::{Number, NumberError};
pub use row::{RowError, RowHeader};
pub use timestamp::Timestamp;
pub use value::{Item, Value};
