//! The client side of Stator: finds all nodes from any one, hands the AWS SDK for Rust a connection that spreads load and
//! moves on when a node dies (feature `aws-sdk`), and is the load generator behind `stator bench`.

mod address;
pub mod bench;
mod discovery;
mod endpoints;
mod error;
#[cfg(feature = "aws-sdk")]
pub mod sdk;
#[cfg(test)]
mod test_server;

pub use address::Address;
pub use endpoints::{Endpoints, REFRESH_INTERVAL};
pub use error::Error;
