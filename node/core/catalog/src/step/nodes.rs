//! Nodes come, start again and go.

use crate::{
    Catalog, CatalogRefusal, ClusterIdentity, FIRST_NODE, FIRST_REPLICA, JoinTokenHash, Member, NODES_MAX,
    NodeDescription, NodeStart, NodeState, Outcome, PartitionDescription, Role, Stamp, TokenRange,
};
use stator_item::{NodeId, PartitionId, TableId};
use std::sync::Arc;

impl Catalog {
    pub(super) fn init_cluster(
        &mut self,
        identity: ClusterIdentity,
        node: NodeStart,
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        if self.identity.is_some() {
            return Err(CatalogRefusal::AlreadyInitialised);
        }
        self.identity = Some(identity);
        self.last.node = FIRST_NODE;
        self.last.replica = FIRST_REPLICA;
        self.nodes.insert(FIRST_NODE, joined(FIRST_NODE, node, at));
        let members = vec![Member { replica: FIRST_REPLICA, node: FIRST_NODE, role: Role::Voter }];
        let catalog = PartitionDescription {
            id: PartitionId::CATALOG,
            table: TableId(0),
            tokens: TokenRange::ALL,
            epoch: 1,
            members,
        };
        self.partitions.insert(catalog.id, Arc::new(catalog));
        Ok(Outcome::Node(FIRST_NODE))
    }

    pub(super) fn add_node(
        &mut self,
        node: NodeStart,
        token: Option<&JoinTokenHash>,
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        if token.is_some_and(|token| !self.admits(token, at.now_ms)) {
            return Err(CatalogRefusal::BadJoinToken);
        }
        // A node whose first reply was lost asks again and must not become two.
        if let Some(known) = self.nodes.values().find(|known| known.start.directory == node.directory) {
            let id = known.id;
            return self.update_node(id, node).map(|_| Outcome::Node(id));
        }
        if self.nodes.len() >= NODES_MAX {
            return Err(CatalogRefusal::NodesMax { max: NODES_MAX });
        }
        self.last.node.0 += 1;
        let id = self.last.node;
        self.nodes.insert(id, joined(id, node, at));
        Ok(Outcome::Node(id))
    }

    pub(super) fn update_node(&mut self, id: NodeId, node: NodeStart) -> Result<Outcome, CatalogRefusal> {
        let known = self
            .nodes
            .get_mut(&id)
            .filter(|known| known.state == NodeState::Joined)
            .ok_or(CatalogRefusal::NoSuchNode(id))?;
        if known.start.directory != node.directory {
            return Err(CatalogRefusal::OtherDirectory(id));
        }
        if known.start == node {
            return Ok(Outcome::Unchanged);
        }
        if node.start_counter <= known.start.start_counter {
            return Err(CatalogRefusal::DirectorySetBack {
                id,
                known: known.start.start_counter,
                shown: node.start_counter,
            });
        }
        known.start = node;
        Ok(Outcome::Done)
    }

    pub(super) fn remove_node(&mut self, id: NodeId) -> Result<Outcome, CatalogRefusal> {
        let (joined_count, alone) = (self.joined_nodes().count(), self.votes_alone(id));
        let node = self.nodes.get_mut(&id).ok_or(CatalogRefusal::NoSuchNode(id))?;
        match (node.state, alone) {
            (NodeState::Removed, _) => Ok(Outcome::Unchanged),
            (NodeState::Joined, _) if joined_count == 1 => Err(CatalogRefusal::LastNode(id)),
            (NodeState::Joined, Some(partition)) => Err(CatalogRefusal::OnlyVoter { node: id, partition }),
            (NodeState::Joined, None) => {
                node.state = NodeState::Removed;
                Ok(Outcome::Done)
            }
        }
    }

    /// A partition that has a voter on that node and on no other node of the cluster: without it, what it has would be lost.
    fn votes_alone(&self, id: NodeId) -> Option<PartitionId> {
        let is_joined = |node: NodeId| self.node(node).is_some_and(|node| node.state == NodeState::Joined);
        let mut alone = self.partitions().filter(|partition| {
            let mut voters = partition.members.iter().filter(|member| member.role == Role::Voter);
            voters.clone().any(|voter| voter.node == id)
                && !voters.any(|voter| voter.node != id && is_joined(voter.node))
        });
        alone.next().map(|partition| partition.id)
    }

    pub(super) fn add_join_token(
        &mut self,
        token: JoinTokenHash,
        expires_ms: Option<u64>,
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        self.join_tokens.retain(|_, expires_ms| expires_ms.is_none_or(|expires_ms| at.now_ms < expires_ms));
        self.join_tokens.insert(token, expires_ms);
        Ok(Outcome::Done)
    }
}

fn joined(id: NodeId, start: NodeStart, at: &Stamp) -> NodeDescription {
    NodeDescription { id, start, state: NodeState::Joined, joined_ms: at.now_ms }
}
