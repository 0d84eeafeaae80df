//! Messages between the nodes of a cluster.

use crate::BoxFuture;
use bytes::Bytes;
use stator_item::NodeId;
use std::{sync::Arc, time::Duration};

/// What a message is for; the receiver has one [`Handler`] for each. The number is the one on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Service {
    /// Votes, appends and heartbeats of Raft groups.
    Raft = 1,
    /// Commands that go to the node of a partition's leader, or of any replica.
    Forward = 2,
    /// The catalog: changes, watching, the nodes' heartbeat.
    Catalog = 3,
    /// Chunks of snapshots: bulk, must not delay the others.
    Snapshot = 4,
}

/// Why a message has no answer. After either, the receiver may or may not have acted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NetworkError {
    /// The node cannot be reached now; nothing says whether the message arrived.
    #[error("node {0} is unreachable: {1}")]
    Unreachable(NodeId, String),
    /// No answer within the deadline.
    #[error("node {0} did not answer in time")]
    TimedOut(NodeId),
    /// The queue to that node is full: the message was not sent.
    #[error("the queue to node {0} is full")]
    Overloaded(NodeId),
    /// The receiver has no handler for the service, or its handler refused.
    #[error("node {0} refused the message: {1}")]
    Refused(NodeId, String),
}

/// Answers messages of one service.
pub trait Handler: Send + Sync + 'static {
    /// Answers one message of `from`. Runs as its own task; the caller's deadline has been checked when it begins.
    fn handle(&self, from: NodeId, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>>;
}

/// A node's connection to all others.
pub trait Network: Send + Sync + 'static {
    /// Sends `body` and waits for the answer, for at most `deadline`. A call to the own node is answered too.
    fn call(
        &self,
        to: NodeId,
        service: Service,
        body: Bytes,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Bytes, NetworkError>>;

    /// Sets the handler of a service; before that its messages are refused.
    fn serve(&self, service: Service, handler: Arc<dyn Handler>);

    /// Tells where a node listens. The last word counts; messages to an unknown node are unreachable.
    fn introduce(&self, node: NodeId, address: &str);
}
