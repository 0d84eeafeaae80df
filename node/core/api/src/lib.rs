//! DynamoDB's API as pure functions: request bytes -> checked input -> commands; replies -> response bytes.
//!
//! Guarantees: whatever the bytes are, parsing ends, does not panic, and refuses in DynamoDB's words and order (JSON and
//! types first, then the model's constraints, then what the operation means). Knows no network, no clock and no nodes; a
//! table only through the [`TableDescription`](stator_catalog::TableDescription) it is handed.

pub mod arn;
pub mod capacity;
mod collection_metrics;
pub mod date_time;
pub mod error_table;
pub mod fuzz;
pub mod operation;
pub mod reader;
mod render;
pub mod scaling;
pub mod sigv4;

pub use error_table::{ApiError, Wire};
pub use operation::Operation;
