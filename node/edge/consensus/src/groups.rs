//! All groups that have a replica on this node.

use crate::{ConsensusError, Failure, Group, Settings, StateMachine};
use prometheus_client::registry::Registry;
use stator_environment::{Environment, Network, RaftLog};
use stator_item::{NodeId, PartitionId, ReplicaId};
use std::sync::Arc;
use tokio::sync::watch;

/// The replicas that run on this node.
pub struct Groups {
    node: NodeId,
}

impl Groups {
    /// Takes the services `Raft` and `Snapshot` of `network`. `settings` must pass [`Settings::check`].
    pub fn new(
        settings: Settings,
        node: NodeId,
        environment: Environment,
        network: Arc<dyn Network>,
        log: Arc<dyn RaftLog>,
        registry: &mut Registry,
    ) -> Arc<Groups> {
        let _ = (settings, environment, network, log, registry);
        Arc::new(Groups { node })
    }

    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Starts a replica over its log and its state. One that never ran before waits for `Group::initialize`, or for a leader that has it
    /// as a member.
    pub async fn open(
        &self,
        partition: PartitionId,
        replica: ReplicaId,
        state: Arc<dyn StateMachine>,
    ) -> Result<Group, ConsensusError> {
        let _ = (partition, replica, state);
        Err(ConsensusError::Stopped)
    }

    /// The replica, if it is open.
    pub fn group(&self, replica: ReplicaId) -> Option<Group> {
        let _ = replica;
        None
    }

    /// All open replicas, in order of their ids.
    pub fn groups(&self) -> Vec<Group> {
        Vec::new()
    }

    /// Forgets a replica's log and vote; it must be closed. Its id must never come back as a member. Durable when it returns.
    pub async fn remove(&self, replica: ReplicaId) -> Result<(), ConsensusError> {
        let _ = replica;
        Err(ConsensusError::Stopped)
    }

    /// The heartbeat between nodes says that `node` is dead: replicas here of sleeping groups that it leads stand for election, one after
    /// another.
    pub fn node_is_dead(&self, node: NodeId) {
        let _ = node;
    }

    /// The first replica whose core died: the node must stop.
    pub fn failure(&self) -> watch::Receiver<Option<Failure>> {
        watch::channel(None).1
    }

    /// Closes all replicas.
    pub async fn close(&self) {}
}
