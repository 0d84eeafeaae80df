//! Partitions: what their logs report, and plans for other members.

use crate::{Catalog, CatalogRefusal, Member, MembersPlan, NodeState, Outcome, PartitionDescription, Plan, Role};
use stator_item::{NodeId, PartitionId, ReplicaId};
use std::{collections::BTreeSet, sync::Arc};

impl Catalog {
    /// Gives ids to the replicas of a plan. Refused where it was thought out on other members than those of now.
    pub(super) fn plan_members(&mut self, plan: &MembersPlan) -> Result<Outcome, CatalogRefusal> {
        let id = plan.partition;
        let partition = self.partitions.get(&id).ok_or(CatalogRefusal::NoSuchPartition(id))?;
        if partition.epoch != plan.epoch {
            return Err(CatalogRefusal::StaleEpoch { partition: id, current: partition.epoch });
        }
        if self.plans.contains_key(&id) {
            return Err(CatalogRefusal::PlanExists(id));
        }
        if !self.is_possible(partition, plan) {
            return Err(CatalogRefusal::BadPlan(id));
        }
        let mut members = plan.keep.clone();
        for (node, role) in &plan.add {
            self.last.replica.0 += 1;
            members.push(Member { replica: self.last.replica, node: *node, role: *role });
        }
        let plan = Plan { epoch: plan.epoch, members };
        self.plans.insert(id, plan.clone());
        Ok(Outcome::Planned(plan))
    }

    /// One member a node, at least one that votes, those to keep are there, those to add are on nodes of the cluster.
    fn is_possible(&self, partition: &PartitionDescription, plan: &MembersPlan) -> bool {
        let nodes: Vec<NodeId> =
            plan.keep.iter().map(|member| member.node).chain(plan.add.iter().map(|(node, _)| *node)).collect();
        let distinct: BTreeSet<NodeId> = nodes.iter().copied().collect();
        let is_member = |kept: &Member| {
            partition.members.iter().any(|member| member.replica == kept.replica && member.node == kept.node)
        };
        let is_joined = |node: &NodeId| self.nodes.get(node).is_some_and(|node| node.state == NodeState::Joined);
        let roles = plan.keep.iter().map(|member| member.role).chain(plan.add.iter().map(|(_, role)| *role));
        distinct.len() == nodes.len()
            && !plan.keep.is_empty()
            && plan.keep.iter().all(is_member)
            && plan.add.iter().all(|(node, _)| is_joined(node))
            && roles.into_iter().any(|role| role == Role::Voter)
    }

    pub(super) fn drop_plan(&mut self, partition: PartitionId, epoch: u64) -> Outcome {
        let is_it = self.plans.get(&partition).is_some_and(|plan| plan.epoch == epoch);
        super::done_if(is_it && self.plans.remove(&partition).is_some())
    }

    pub(super) fn partition_changed(
        &mut self,
        id: PartitionId,
        epoch: u64,
        members: Vec<Member>,
    ) -> Result<Outcome, CatalogRefusal> {
        let known = self.partitions.get(&id).ok_or(CatalogRefusal::NoSuchPartition(id))?;
        let is_planned = |plan: &Plan| plan.epoch + 1 == epoch && plan.members == members;
        if epoch <= known.epoch || !self.plans.get(&id).is_some_and(is_planned) {
            return Ok(Outcome::Unchanged);
        }
        for gone in known.members.iter().filter(|member| !members.iter().any(|other| other.replica == member.replica)) {
            self.lost_replicas.remove(&gone.replica);
        }
        let partition = Arc::new(PartitionDescription { epoch, members, ..PartitionDescription::clone(known) });
        self.routing.put(&partition);
        self.partitions.insert(id, partition);
        self.plans.remove(&id);
        Ok(Outcome::Done)
    }

    pub(super) fn replica_lost(&mut self, replica: ReplicaId) -> Outcome {
        let is_member =
            self.partitions.values().any(|partition| partition.members.iter().any(|member| member.replica == replica));
        super::done_if(is_member && self.lost_replicas.insert(replica))
    }
}
