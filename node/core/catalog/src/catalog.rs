//! The catalog's content, and what is read from it. Changed only by [`step`](Catalog::step).

use crate::{
    change::{ChangeId, Outcome, Plan},
    cluster::{AccessKey, ClusterIdentity, JoinTokenHash, NodeDescription, NodeState},
    function::Function,
    mapping::{Mapping, MappingId},
    partition::{Member, PartitionDescription},
    routing::Routing,
    scaling::{Dimension, ScalableTarget, ScalingResource},
    system_table::SystemTable,
    table::{ContributorInsights, StreamDescription, StreamLabel, TableDescription, TableStatus},
};
use serde::{Deserialize, Serialize};
use stator_item::{NodeId, PartitionId, ReplicaId, TableId};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Bound,
    sync::Arc,
};

/// Ids that were given out last. They only grow, so none is ever used again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct LastIds {
    pub node: NodeId,
    pub table: TableId,
    pub partition: PartitionId,
    pub replica: ReplicaId,
    /// Of scalable targets, policies and activities.
    pub scaling: u64,
    pub function: u64,
}

/// A table that is gone, kept for the streams that it had: its partitions hold nothing but their change logs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DepartedTable {
    pub description: Arc<TableDescription>,
    /// Milliseconds since 1970.
    pub gone_ms: u64,
}

/// The cluster's metadata. Cloning shares the descriptions.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Catalog {
    /// Grows with every change that changed something.
    pub(crate) revision: u64,
    pub(crate) identity: Option<ClusterIdentity>,
    pub(crate) last: LastIds,
    pub(crate) nodes: BTreeMap<NodeId, NodeDescription>,
    pub(crate) join_tokens: BTreeMap<JoinTokenHash, Option<u64>>,
    pub(crate) tables: BTreeMap<TableId, Arc<TableDescription>>,
    /// Of tables that have or once had them.
    pub(crate) insights: BTreeMap<TableId, ContributorInsights>,
    /// When tables became on-demand lately (milliseconds since 1970, the oldest first), so that it is not done too often.
    pub(crate) on_demand_switches: BTreeMap<TableId, Vec<u64>>,
    pub(crate) scalable_targets: BTreeMap<Dimension, ScalableTarget>,
    pub(crate) partitions: BTreeMap<PartitionId, Arc<PartitionDescription>>,
    pub(crate) plans: BTreeMap<PartitionId, Plan>,
    pub(crate) lost_replicas: BTreeSet<ReplicaId>,
    pub(crate) access_keys: BTreeMap<String, AccessKey>,
    /// What came of the latest changes that are made only once; the oldest first.
    pub(crate) made_once: VecDeque<(ChangeId, Outcome)>,
    /// Tables that are gone and whose streams are still read.
    pub(crate) departed: BTreeMap<TableId, DepartedTable>,
    /// By name.
    pub(crate) functions: BTreeMap<String, Arc<Function>>,
    pub(crate) mappings: BTreeMap<MappingId, Arc<Mapping>>,
    /// Tables of clients by name; made anew from `tables`.
    #[serde(skip)]
    pub(crate) names: BTreeMap<String, TableId>,
    /// Made anew from `partitions`.
    #[serde(skip)]
    pub(crate) routing: Routing,
    /// System tables by name; made anew from `tables`.
    #[serde(skip)]
    pub(crate) system_names: BTreeMap<String, TableId>,
    /// The tables of global indexes; made anew from `tables`.
    #[serde(skip)]
    pub(crate) index_tables: BTreeMap<TableId, TableId>,
}

impl Catalog {
    /// Grows with every change that changed something: a watcher compares it.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// `None` before the cluster's first start is over.
    pub fn identity(&self) -> Option<&ClusterIdentity> {
        self.identity.as_ref()
    }

    /// The table of that name, whatever its status. System tables have no names here.
    pub fn table(&self, name: &str) -> Option<&Arc<TableDescription>> {
        self.names.get(name).and_then(|id| self.tables.get(id))
    }

    /// A table of the cluster's own, if it was made already.
    pub fn system_table(&self, table: SystemTable) -> Option<&Arc<TableDescription>> {
        self.system_names.get(table.name()).and_then(|id| self.tables.get(id))
    }

    /// The function of that name.
    pub fn function(&self, name: &str) -> Option<&Arc<Function>> {
        self.functions.get(name)
    }

    /// All functions in the order of their names.
    pub fn functions(&self) -> impl ExactSizeIterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    pub fn table_by_id(&self, id: TableId) -> Option<&Arc<TableDescription>> {
        self.tables.get(&id)
    }

    /// The table whose rows, or whose index's rows, lie under that id.
    pub fn table_of_rows(&self, id: TableId) -> Option<&Arc<TableDescription>> {
        self.tables.get(self.index_tables.get(&id).unwrap_or(&id))
    }

    /// All tables, in the order of their ids.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = &Arc<TableDescription>> {
        self.tables.values()
    }

    /// Names in order, from the first one behind `after` on.
    pub fn table_names<'a>(&'a self, after: Option<&str>) -> impl Iterator<Item = &'a str> + use<'a> {
        let from = match after {
            Some(name) => Bound::Excluded(name.to_owned()),
            None => Bound::Unbounded,
        };
        self.names.range((from, Bound::Unbounded)).map(|(name, _)| name.as_str())
    }

    /// All streams that may be read at that time, with their tables, some of which may be gone. In no order.
    pub fn streams(&self, now_ms: u64) -> impl Iterator<Item = (&Arc<TableDescription>, &StreamDescription)> {
        let departed = self.departed.values().map(|table| &table.description);
        let all = self.tables.values().chain(departed);
        let streams = all.flat_map(|table| table.streams.iter().map(move |stream| (table, stream)));
        streams.filter(move |(_, stream)| !stream.is_over(now_ms))
    }

    /// A stream of a table of that name.
    pub fn stream(
        &self,
        table: &str,
        label: StreamLabel,
        now_ms: u64,
    ) -> Option<(&Arc<TableDescription>, &StreamDescription)> {
        let is_it =
            |(of, stream): &(&Arc<TableDescription>, &StreamDescription)| of.name == table && stream.label == label;
        self.streams(now_ms).find(is_it)
    }

    /// A stream of the table of that id, which may be gone.
    pub fn stream_of(
        &self,
        table: TableId,
        label: StreamLabel,
        now_ms: u64,
    ) -> Option<(&Arc<TableDescription>, &StreamDescription)> {
        let departed = || self.departed.get(&table).map(|table| &table.description);
        let table = self.tables.get(&table).or_else(departed)?;
        let stream = table.stream_labelled(label).filter(|stream| !stream.is_over(now_ms))?;
        Some((table, stream))
    }

    /// Tables, gone ones too, with streams that are to be forgotten.
    pub fn tables_with_old_streams(&self, now_ms: u64) -> impl Iterator<Item = TableId> {
        let departed = self.departed.values().map(|table| &table.description);
        let is_old = move |stream: &StreamDescription| stream.is_over(now_ms);
        let all = self.tables.values().chain(departed);
        all.filter(move |table| table.streams.iter().any(is_old)).map(|table| table.id)
    }

    /// All event source mappings, in the order of their ids.
    pub fn mappings(&self) -> impl ExactSizeIterator<Item = &Arc<Mapping>> {
        self.mappings.values()
    }

    pub fn mapping(&self, id: MappingId) -> Option<&Arc<Mapping>> {
        self.mappings.get(&id)
    }

    /// A table's Contributor Insights; `None`: it never had any.
    pub fn insights(&self, table: TableId) -> Option<&ContributorInsights> {
        self.insights.get(&table)
    }

    /// The capacity that a request names, if its table or index is there.
    pub fn dimension(&self, resource: &ScalingResource) -> Option<Dimension> {
        let table = self.table(&resource.table).filter(|table| table.status != TableStatus::Deleting)?;
        let index = match &resource.index {
            None => None,
            Some(name) => Some(table.global_index(name).filter(|index| index.is_fed())?.id),
        };
        Some(Dimension { table: table.id, index, way: resource.way })
    }

    /// The scalable target of that capacity.
    pub fn scalable_target(&self, resource: &ScalingResource) -> Option<&ScalableTarget> {
        self.scalable_targets.get(&self.dimension(resource)?)
    }

    /// All scalable targets, in a stable order.
    pub fn scalable_targets(&self) -> impl Iterator<Item = (Dimension, &ScalableTarget)> {
        self.scalable_targets.iter().map(|(dimension, target)| (*dimension, target))
    }

    /// The name of a capacity.
    pub fn scaling_resource(&self, dimension: &Dimension) -> Option<ScalingResource> {
        let table = self.tables.get(&dimension.table)?;
        let index = match dimension.index {
            None => None,
            Some(index) => Some(table.global_index_by_id(index)?.name.clone()),
        };
        Some(ScalingResource { table: table.name.clone(), index, way: dimension.way })
    }

    /// Units of a capacity; `None`: it has no certain number of them, or is not active.
    pub fn provisioned(&self, dimension: &Dimension) -> Option<u64> {
        crate::step::scaling::provisioned(self.tables.get(&dimension.table)?, dimension)
    }

    /// The partition of that id; the catalog's own group is one of them.
    pub fn partition(&self, id: PartitionId) -> Option<&Arc<PartitionDescription>> {
        self.partitions.get(&id)
    }

    /// All partitions in the order of their ids, the catalog's own group first.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = &Arc<PartitionDescription>> {
        self.partitions.values()
    }

    /// Where tokens lie.
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// The members that a partition is on its way to.
    pub fn plan(&self, partition: PartitionId) -> Option<&Plan> {
        self.plans.get(&partition)
    }

    pub fn plans(&self) -> impl ExactSizeIterator<Item = (PartitionId, &Plan)> {
        self.plans.iter().map(|(partition, plan)| (*partition, plan))
    }

    /// A node's member of a partition, as its members or the plan for them say. One that is lost is none.
    pub fn member_on(&self, partition: PartitionId, node: NodeId) -> Option<Member> {
        let planned = self.plan(partition).map(|plan| plan.members.as_slice()).unwrap_or_default();
        let mut all = self.partition(partition)?.members.iter().chain(planned);
        all.find(|member| member.node == node && !self.is_lost(member.replica)).copied()
    }

    /// Whether the replica lost its data and waits to be replaced.
    pub fn is_lost(&self, replica: ReplicaId) -> bool {
        self.lost_replicas.contains(&replica)
    }

    pub fn node(&self, id: NodeId) -> Option<&NodeDescription> {
        self.nodes.get(&id)
    }

    /// All nodes that ever joined, removed ones included.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &NodeDescription> {
        self.nodes.values()
    }

    /// Nodes that belong to the cluster.
    pub fn joined_nodes(&self) -> impl Iterator<Item = &NodeDescription> {
        self.nodes.values().filter(|node| node.state == NodeState::Joined)
    }

    pub fn access_key(&self, id: &str) -> Option<&AccessKey> {
        self.access_keys.get(id)
    }

    pub fn access_keys(&self) -> impl ExactSizeIterator<Item = &AccessKey> {
        self.access_keys.values()
    }

    /// Whether a token lets a node join now.
    pub fn admits(&self, token: &JoinTokenHash, now_ms: u64) -> bool {
        self.join_tokens.get(token).is_some_and(|expires_ms| expires_ms.is_none_or(|expires_ms| now_ms < expires_ms))
    }

    /// Makes anew what is derived from the rest.
    pub(crate) fn derive(&mut self) {
        let named = self.tables.values().map(|table| (table.name.clone(), table.id));
        (self.system_names, self.names) = named.partition(|(name, _)| SystemTable::is_name(name));
        self.routing = Routing::of(self.partitions.values());
        self.index_tables = self
            .tables
            .values()
            .flat_map(|table| table.global_indexes.iter().map(|index| (index.id, table.id)))
            .collect();
    }
}
