//! Items and what they are made of: values, numbers, keys, rows, sizes, tokens and timestamps.
//!
//! Pure: no I/O, no clock, no async. Knows no tables and no expressions.

pub mod id;
pub mod json;
pub mod key;
pub mod number;
pub mod row;
pub mod size;
pub mod timestamp;
pub mod value;

pub use id::{IndexNumber, NodeId, PartitionId, ReplicaId, TableId};
pub use key::{Key, KeyPart, KeyType, Token};
pub use number::Number;
pub use timestamp::Timestamp;
pub use value::{Item, Value};
