//! All groups that have a replica on this node.

use crate::{
    ConsensusError, Failure, Group, Settings, StateMachine, contact,
    metrics::Metrics,
    node::Node,
    receive::RaftMessages,
    replica::{Replica, leader_of},
    snapshot::SnapshotMessages,
    tend,
};
use prometheus_client::registry::Registry;
use stator_environment::{DiskError, Environment, Network, RaftLog, Service};
use stator_item::{NodeId, PartitionId, ReplicaId};
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// The replicas that run on this node. Dropping it lets go of them all, as a crash would.
pub struct Groups(Arc<Node>);

impl Groups {
    /// Takes the services `Raft` and `Snapshot` of `network`. `settings` must pass [`Settings::check`]. Inside a tokio runtime.
    pub fn new(
        settings: Settings,
        node: NodeId,
        environment: Environment,
        network: Arc<dyn Network>,
        log: Arc<dyn RaftLog>,
        registry: &mut Registry,
    ) -> Arc<Groups> {
        let node = Node::new(settings, node, environment, network, log, Metrics::new(registry));
        node.network.serve(Service::Raft, Arc::new(RaftMessages(Arc::downgrade(&node))));
        node.network.serve(Service::Snapshot, Arc::new(SnapshotMessages(Arc::downgrade(&node))));
        tend::start(&node);
        Arc::new(Groups(node))
    }

    pub fn node(&self) -> NodeId {
        self.0.id
    }

    /// Starts a replica over its log and its state. One that never ran before waits for `Group::initialize`, or for a leader that has it
    /// as a member. One whose snapshot broke off waits for the next.
    pub async fn open(
        &self,
        partition: PartitionId,
        replica: ReplicaId,
        state: Arc<dyn StateMachine>,
    ) -> Result<Group, ConsensusError> {
        let opened = Replica::new(self.0.clone(), partition, replica, state);
        {
            let mut replicas = self.0.replicas.lock();
            if replicas.contains_key(&replica) {
                return Err(ConsensusError::Refused(format!("replica {replica} is open already")));
            }
            replicas.insert(replica, opened.clone());
        }
        self.0.metrics.groups.inc();
        let group = Group(opened);
        match group.0.start().await {
            Ok(()) => Ok(group),
            Err(error) => {
                group.close().await;
                Err(error)
            }
        }
    }

    /// The replica, if it is open.
    pub fn group(&self, replica: ReplicaId) -> Option<Group> {
        self.0.replica(replica).map(Group)
    }

    /// All open replicas, in order of their ids.
    pub fn groups(&self) -> Vec<Group> {
        self.0.all().into_iter().map(Group).collect()
    }

    /// Forgets a replica's log and vote; it must be closed. Its id must never come back as a member. Durable when it returns.
    pub async fn remove(&self, replica: ReplicaId) -> Result<(), ConsensusError> {
        if self.0.replica(replica).is_some() {
            return Err(ConsensusError::Refused(format!("replica {replica} is still open")));
        }
        let (sender, receiver) = oneshot::channel();
        self.0.log.remove(replica, Box::new(move |result| drop(sender.send(result))));
        let stopped = DiskError::Failed { action: "forget a replica", reason: "the log has stopped".to_owned() };
        Ok(receiver.await.unwrap_or(Err(stopped))?)
    }

    /// The heartbeat between nodes says that `node` is dead: replicas here of sleeping groups that it leads look for another leader, some
    /// at a time.
    pub fn node_is_dead(&self, node: NodeId) {
        for replica in self.0.all().into_iter().filter(|replica| replica.sleep.is_asleep()) {
            if replica.look(leader_of).flatten().is_some_and(|leader| leader.1 == node) {
                contact::lose(&replica);
            }
        }
    }

    /// The first replica whose core died: the node must stop.
    pub fn failure(&self) -> watch::Receiver<Option<Failure>> {
        self.0.failure.subscribe()
    }

    /// Closes all replicas.
    pub async fn close(&self) {
        for group in self.groups() {
            group.close().await;
        }
    }
}

impl Drop for Groups {
    /// Replicas and node hold each other: whoever crashes a node in a simulation wants them gone.
    fn drop(&mut self) {
        self.0.replicas.lock().clear();
    }
}
