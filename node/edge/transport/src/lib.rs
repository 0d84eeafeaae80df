//! Messages between the nodes of a cluster, over gRPC.
//!
//! [`TonicNetwork`] implements the seam `Network`: one stream for each pair of nodes and [`Lane`], opened by the caller
//! when it first calls; all frames that wait go out as one batch. Beyond loopback both sides prove themselves by
//! certificates of the cluster's [`Authority`], and a stranger reaches nothing but joining ([`join()`], [`Admission`]).
//!
//! *Invariant: nothing here knows what a message is for.* Protobuf stops here, the messages of joining apart.

mod answer;
mod authority;
mod dial;
mod error;
mod hello;
mod join;
mod lane;
mod link;
mod listen;
mod metrics;
mod network;
mod peer;
mod pending;
mod queue;
mod secret;
mod security;
mod services;

pub use authority::{Authority, NodeKey};
pub use error::TransportError;
pub use hello::Identity;
pub use join::{Admission, Refusal, Trust, join};
pub use lane::{Lane, Limits};
pub use network::TonicNetwork;
pub use secret::{Fingerprint, JoinSecret};
pub use security::Security;
pub use stator_proto::join::{JoinReply, JoinRequest, JoinedNode};

#[cfg(test)]
mod tests;
