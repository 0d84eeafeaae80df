//! What is fixed for a cluster at its first start, its nodes, and who may call it.

use crate::secret::Secret;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_item::NodeId;
use std::sync::Arc;

/// Fixed at the first start of the first node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClusterIdentity {
    /// Random; nodes of different clusters never talk.
    pub cluster_id: u128,
    /// Stands in ARNs. A request may be signed for any region.
    pub region: String,
    /// Twelve digits; stands in ARNs.
    pub account_id: String,
    /// The cluster's certificate authority, key included; opaque here.
    pub authority: Secret<Bytes>,
}

/// What a node says of itself whenever it starts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeStart {
    /// Random, made with the data directory: the same directory is the same node.
    pub directory: u128,
    /// Durable in the data directory, grows with every start: a copied or set-back directory shows.
    pub start_counter: u64,
    /// `host:port` for other nodes.
    pub peer_address: String,
    /// `host:port` for clients.
    pub client_address: String,
    /// Failure domain, for placement; may be empty.
    pub zone: String,
    /// Version of the program, for people.
    pub version: String,
    /// Newest format of stored and sent data that the node can read: a newer one is not written before all can.
    pub format: u32,
}

/// Whether a node belongs to the cluster. Whether it lives is not known here: that is observed, not decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NodeState {
    Joined,
    /// Taken out by an operator; it never comes back under this id.
    Removed,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeDescription {
    pub id: NodeId,
    pub start: NodeStart,
    pub state: NodeState,
    /// Milliseconds since 1970.
    pub joined_ms: u64,
}

/// A pair of access key and secret. The secret is kept as it is: SigV4 needs it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccessKey {
    pub id: String,
    pub secret: Secret<Arc<str>>,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    pub disabled: bool,
    /// For people.
    pub description: String,
    /// Made by the cluster's first start.
    pub is_root: bool,
}

/// SHA-256 of a join token; the token itself is shown once and kept nowhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct JoinTokenHash(pub [u8; 32]);
