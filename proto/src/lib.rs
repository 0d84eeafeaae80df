//! The messages and services that nodes, and tools, speak to each other over gRPC, generated from `stator/*.proto`.
//!
//! One file a service, package `stator.<service>.v1`. A field is never renumbered and a number never used again.

/// Messages between two nodes of a cluster.
pub mod link {
    tonic::include_proto!("stator.link.v1");
}

/// How a new node becomes a member of a cluster.
pub mod join {
    tonic::include_proto!("stator.join.v1");
}

/// Administration of a cluster through one of its nodes.
pub mod admin {
    tonic::include_proto!("stator.admin.v1");
}
