//! The Lambda API as pure functions: method, path, query, headers and body -> checked input -> changes of the catalog; what the
//! catalog says -> response bytes.
//!
//! Guarantees: whatever the bytes are, parsing ends, does not panic, and refuses in Lambda's words: JSON and types first, then
//! the model's constraints, then what the operation means. Runs no function, and knows no network, no clock and no nodes.

pub mod error_table;
pub mod fuzz;
pub mod lineage;
mod names;
pub mod operation;
pub mod package;
mod patterns;
pub mod request;
mod route;
mod session;

pub use error_table::{LambdaError, ThrottleReason, Wire};
pub use names::FunctionReference;
pub use operation::Reply;
pub use request::HttpRequest;
pub use route::{Operation, Routed, query, route};
pub use session::{Session, SessionKey};
