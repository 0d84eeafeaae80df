//! DynamoDB JSON: attribute values as `{"S": "text"}` and items as objects of them.
//!
//! Guarantees: reading never recurses deeper than items may be nested; what is written from stored bytes and what is
//! written from the decoded item are the same bytes.

mod error;
mod read;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod write;
mod write_encoded;

pub use error::{ErrorKind, ValueError};
pub use read::{binary_from_json, item_from_json, value_from_json};
pub use text::write_string;
pub use tree::{Entries, Json};
pub use write::{write_item_json, write_value_json};
pub use write_encoded::write_row_item_json;
