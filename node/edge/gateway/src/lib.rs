//! The HTTP edge: bytes -> request -> authenticate -> parse -> Door -> render -> bytes.
//!
//! Guarantees: every request that arrives whole is answered, a mistake in the program included (500); whatever waits is
//! bounded in number, bytes and time, and what is too much is throttled before it costs anything; no secret, key or item
//! reaches the log. Knows no replicas and no storage.

mod admission;
mod authentication;
mod body;
mod control;
mod cors;
mod dispatch;
mod error;
mod fan_out;
mod gateway;
mod lambda;
mod logs;
mod metrics;
mod probes;
mod reply;
mod request_id;
mod scaling;
mod serve;
mod settings;
mod statements;
mod streams;
#[cfg(test)]
mod tests;
mod tls;
mod transactions;

pub use error::GatewayError;
pub use gateway::{Gateway, GatewayParts, Ready};
pub use settings::{Authentication, Settings};
pub use tls::{Tls, TlsSettings};
