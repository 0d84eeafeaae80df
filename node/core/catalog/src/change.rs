//! What the catalog is told and what it answers.

use crate::{
    cluster::{ClusterIdentity, JoinTokenHash, NodeStart},
    function::{Function, FunctionChange, FunctionRefusal},
    mapping::{Mapping, MappingChange, MappingId},
    partition::{Member, Role},
    scaling::{ScalingChange, ScalingResource},
    secret::Secret,
    system_table::SystemTable,
    table::{
        IndexProjection, InsightsMode, KeyAttribute, KeySchema, OnDemandThroughput, Sse, StreamView, TableClass,
        TableDescription, TableStatus, Throughput,
    },
};
use serde::{Deserialize, Serialize};
use stator_item::{KeyType, NodeId, PartitionId, ReplicaId, TableId};
use std::{collections::BTreeMap, sync::Arc};

/// Decided by the catalog's leader when it proposes a change, the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

/// Tells attempts at one change from changes that look alike. Random.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeId(pub u128);

/// One change of the catalog. Every one may be sent again: it then changes nothing or is refused, unless it bears an id.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// The first start of the first node, which becomes [`FIRST_NODE`](crate::FIRST_NODE).
    InitCluster {
        identity: ClusterIdentity,
        node: NodeStart,
    },
    /// A node joins. With a token if it comes from beyond loopback; the same directory gets the same id again.
    AddNode {
        node: NodeStart,
        token: Option<JoinTokenHash>,
    },
    /// A node has started again.
    UpdateNode {
        id: NodeId,
        node: NodeStart,
    },
    RemoveNode {
        id: NodeId,
    },
    AddJoinToken {
        token: JoinTokenHash,
        expires_ms: Option<u64>,
    },
    RemoveJoinToken {
        token: JoinTokenHash,
    },
    CreateTable {
        table: Box<TableSpec>,
        /// A setting that overrides what DynamoDB would give.
        partitions: Option<u64>,
        /// A setting that overrides [`TABLES_MAX`](crate::TABLES_MAX).
        tables_max: Option<u64>,
        /// Nodes that were not heard of lately: taken last.
        avoid: Vec<NodeId>,
    },
    UpdateTable {
        name: String,
        update: Box<TableUpdate>,
        /// For an index that is made: as with CreateTable.
        partitions: Option<u64>,
        avoid: Vec<NodeId>,
    },
    DeleteTable {
        name: String,
    },
    /// All partitions of the table have applied the description of that version.
    TableReady {
        id: TableId,
        version: u64,
    },
    /// All partitions of the table are closed: its name is free.
    TableGone {
        id: TableId,
    },
    /// Tags to set and to take away, by name.
    ChangeTags {
        table: String,
        set: BTreeMap<String, String>,
        remove: Vec<String>,
    },
    /// Contributor Insights of a table; `None`: disabled.
    ChangeInsights {
        table: String,
        mode: Option<InsightsMode>,
    },
    /// UpdateTimeToLive.
    ChangeTimeToLive {
        table: String,
        attribute: String,
        enabled: bool,
        /// A setting: the last change need not be an hour ago.
        at_any_time: bool,
    },
    /// All partitions of the table follow the change of that millisecond.
    TimeToLiveReady {
        table: TableId,
        changed_ms: u64,
    },
    /// Gives ids to replicas that a partition shall get.
    PlanMembers(MembersPlan),
    /// The plan made at that epoch is not carried out.
    DropPlan {
        partition: PartitionId,
        epoch: u64,
    },
    /// A partition's log has the members of its plan. Others are not believed: the news may come late, of a plan that was
    /// dropped.
    PartitionChanged {
        partition: PartitionId,
        epoch: u64,
        members: Vec<Member>,
    },
    /// A replica lost its data or may have forgotten a vote: it is to be replaced under another id.
    ReplicaLost {
        replica: ReplicaId,
    },
    CreateKey {
        id: String,
        secret: Secret<Arc<str>>,
        description: String,
        /// Made by the cluster's first start.
        is_root: bool,
    },
    SetKey {
        id: String,
        disabled: bool,
    },
    DeleteKey {
        id: String,
    },
    /// The change, made at most once whatever number of attempts arrive: a repeated one gets the first one's outcome.
    Once {
        id: ChangeId,
        change: Box<Change>,
    },
    /// Everything that was in the table when the index was made has reached the index.
    IndexFilled {
        table: TableId,
        index: TableId,
    },
    /// All partitions of the index are closed.
    IndexGone {
        table: TableId,
        index: TableId,
    },
    /// Streams of a table, of one that is gone too, that were disabled so long ago that they are read no more.
    ForgetStreams {
        table: TableId,
        /// By which time: not the stamp's, as a wall clock may have been set forward.
        now_ms: u64,
    },
    /// Application Auto Scaling.
    Scaling(ScalingChange),
    /// Makes a table of the cluster's own, unless it is there.
    CreateSystemTable {
        table: SystemTable,
        avoid: Vec<NodeId>,
    },
    Function(Box<FunctionChange>),
    /// Event source mappings.
    Mapping(Box<MappingChange>),
}

impl Change {
    /// The change in a form in which a repeated attempt is known for what it is. Those that then change nothing stay as they
    /// are.
    pub fn once(self, id: ChangeId) -> Change {
        match self {
            Change::CreateTable { .. }
            | Change::UpdateTable { .. }
            | Change::DeleteTable { .. }
            | Change::ChangeTimeToLive { .. }
            | Change::PlanMembers(_)
            | Change::DeleteKey { .. }
            | Change::Function(_)
            | Change::Mapping(_) => Change::Once { id, change: Box::new(self) },
            Change::InitCluster { .. }
            | Change::AddNode { .. }
            | Change::UpdateNode { .. }
            | Change::RemoveNode { .. }
            | Change::AddJoinToken { .. }
            | Change::RemoveJoinToken { .. }
            | Change::TableReady { .. }
            | Change::TableGone { .. }
            | Change::ChangeTags { .. }
            | Change::ChangeInsights { .. }
            | Change::TimeToLiveReady { .. }
            | Change::DropPlan { .. }
            | Change::PartitionChanged { .. }
            | Change::ReplicaLost { .. }
            | Change::CreateKey { .. }
            | Change::SetKey { .. }
            | Change::IndexFilled { .. }
            | Change::IndexGone { .. }
            | Change::ForgetStreams { .. }
            | Change::Scaling(_)
            | Change::CreateSystemTable { .. }
            | Change::Once { .. } => self,
        }
    }
}

/// A table to be made: what CreateTable asks for, checked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableSpec {
    pub name: String,
    pub key: KeySchema,
    pub local_indexes: Vec<LocalIndexSpec>,
    pub billing: BillingSpec,
    /// 0 stands for what was not asked for.
    pub warm_throughput: Throughput,
    pub class: TableClass,
    pub deletion_protection: bool,
    pub sse: Option<Sse>,
    pub tags: BTreeMap<String, String>,
    pub global_indexes: Vec<GlobalIndexSpec>,
    pub stream: Option<StreamView>,
}

impl TableSpec {
    /// A table with a hash key of strings, and nothing else that could be asked for.
    pub fn plain(name: &str, hash: &str, billing: BillingSpec) -> TableSpec {
        TableSpec {
            name: name.to_owned(),
            key: KeySchema { hash: KeyAttribute { name: hash.to_owned(), key_type: KeyType::String }, range: None },
            local_indexes: Vec::new(),
            billing,
            warm_throughput: Throughput::default(),
            class: TableClass::Standard,
            deletion_protection: false,
            sse: None,
            tags: BTreeMap::new(),
            global_indexes: Vec::new(),
            stream: None,
        }
    }
}

/// A global index without its id, which the catalog gives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GlobalIndexSpec {
    pub name: String,
    pub hash: Vec<KeyAttribute>,
    pub range: Vec<KeyAttribute>,
    pub projection: IndexProjection,
    /// What it asks for; it must fit the table's mode.
    pub units: UnitsUpdate,
}

/// Throughput of a table's index; what is not named stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UnitsUpdate {
    pub throughput: Option<Throughput>,
    pub on_demand_read: Option<UnitsMax>,
    pub on_demand_write: Option<UnitsMax>,
    pub warm_read_units: Option<u64>,
    pub warm_write_units: Option<u64>,
}

/// One of `GlobalSecondaryIndexUpdates`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IndexUpdate {
    Create(GlobalIndexSpec),
    Update { name: String, units: UnitsUpdate },
    Delete { name: String },
}

/// A local index without its number, which the catalog gives.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LocalIndexSpec {
    pub name: String,
    pub range: KeyAttribute,
    pub projection: IndexProjection,
}

/// How a table shall be billed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BillingSpec {
    OnDemand { throughput: Option<OnDemandThroughput> },
    Provisioned { throughput: Throughput },
}

/// `BillingMode`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BillingMode {
    OnDemand,
    Provisioned,
}

/// What UpdateTable asks for; what it does not name stays.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TableUpdate {
    pub billing_mode: Option<BillingMode>,
    pub throughput: Option<Throughput>,
    pub on_demand_read: Option<UnitsMax>,
    pub on_demand_write: Option<UnitsMax>,
    pub warm_read_units: Option<u64>,
    pub warm_write_units: Option<u64>,
    pub class: Option<TableClass>,
    pub deletion_protection: Option<bool>,
    pub sse: Option<SseUpdate>,
    pub indexes: Vec<IndexUpdate>,
    pub stream: Option<StreamUpdate>,
}

/// `StreamSpecification` of UpdateTable.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamUpdate {
    Enable(StreamView),
    Disable,
}

impl TableUpdate {
    /// What is asked for as warm throughput; 0 stands for nothing.
    pub fn warm_throughput(&self) -> Throughput {
        let units = |asked: Option<u64>| asked.unwrap_or_default();
        Throughput { read_units: units(self.warm_read_units), write_units: units(self.warm_write_units) }
    }

    /// What is asked for as on-demand maximum; 0 stands for nothing.
    pub fn on_demand_most(&self) -> Throughput {
        most(self.on_demand_read, self.on_demand_write)
    }
}

impl UnitsUpdate {
    /// As [`TableUpdate::warm_throughput`].
    pub fn warm_throughput(&self) -> Throughput {
        let units = |asked: Option<u64>| asked.unwrap_or_default();
        Throughput { read_units: units(self.warm_read_units), write_units: units(self.warm_write_units) }
    }

    /// As [`TableUpdate::on_demand_most`].
    pub fn on_demand_most(&self) -> Throughput {
        most(self.on_demand_read, self.on_demand_write)
    }
}

fn most(read: Option<UnitsMax>, write: Option<UnitsMax>) -> Throughput {
    let units = |asked: Option<UnitsMax>| match asked {
        Some(UnitsMax::Most(units)) => units,
        Some(UnitsMax::Unlimited) | None => 0,
    };
    Throughput { read_units: units(read), write_units: units(write) }
}

/// One way of `OnDemandThroughput`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum UnitsMax {
    /// -1 on the wire.
    Unlimited,
    Most(u64),
}

/// `SSESpecification` of UpdateTable.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SseUpdate {
    Off,
    On(Sse),
}

/// Members that a partition shall have: those of now that stay, with their role to be, and new ones.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MembersPlan {
    pub partition: PartitionId,
    /// The epoch at which this was thought out.
    pub epoch: u64,
    pub keep: Vec<Member>,
    pub add: Vec<(NodeId, Role)>,
}

/// Members a partition is on its way to; every replica among them may be opened by its node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub epoch: u64,
    pub members: Vec<Member>,
}

/// What came of a change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// It was so already.
    Unchanged,
    Done,
    /// The id of a node that joined, now or before.
    Node(NodeId),
    /// The table as it is now.
    Table(Arc<TableDescription>),
    Planned(Plan),
    /// The function as it is now.
    Function(Arc<Function>),
    /// The mapping as it is now, or as it was last.
    Mapping(Arc<Mapping>),
}

/// Why a change is not made. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, Serialize, Deserialize)]
pub enum CatalogRefusal {
    #[error("the cluster was made already")]
    AlreadyInitialised,
    #[error("the cluster is not made yet")]
    NotInitialised,
    #[error("the join token is unknown or has expired")]
    BadJoinToken,
    #[error("node {0} does not exist or was removed")]
    NoSuchNode(NodeId),
    /// The data directory is a copy of another one, or was set back.
    #[error("node {id} has started {known} times already, not {shown}: its data directory was copied or set back")]
    DirectorySetBack { id: NodeId, known: u64, shown: u64 },
    #[error("node {0} has another data directory")]
    OtherDirectory(NodeId),
    #[error("node {0} is the last one and cannot be removed")]
    LastNode(NodeId),
    #[error(
        "node {node} has the only voting replica of partition {partition}: remove it when others have replicas, as `stator status` shows"
    )]
    OnlyVoter { node: NodeId, partition: PartitionId },
    #[error("there are {max} nodes already")]
    NodesMax { max: usize },
    #[error("Table already exists: {0}")]
    TableExists(String),
    #[error("Table: {0} not found")]
    NoSuchTable(String),
    /// The table is being created, updated or deleted.
    #[error("table {name} is busy: {status:?}")]
    TableBusy { name: String, status: TableStatus },
    #[error("the table is protected against deletion")]
    DeletionProtected(String),
    #[error("index {0} does not exist")]
    NoSuchIndex(String),
    /// A quota of tables, or of tables on their way.
    #[error("{0}")]
    LimitExceeded(String),
    /// The update does not fit the table; the text is DynamoDB's.
    #[error("{0}")]
    Invalid(String),
    #[error("partition {0} does not exist")]
    NoSuchPartition(PartitionId),
    #[error("partition {partition} is at epoch {current}")]
    StaleEpoch { partition: PartitionId, current: u64 },
    #[error("partition {0} has a plan already")]
    PlanExists(PartitionId),
    /// The plan names members that cannot be.
    #[error("the plan for partition {0} is not a possible one")]
    BadPlan(PartitionId),
    #[error("access key {0} exists already")]
    KeyExists(String),
    #[error("access key {0} does not exist")]
    NoSuchKey(String),
    #[error("there are {max} access keys already")]
    KeysMax { max: usize },
    /// The table or index of a scalable target is not there.
    #[error("there is no such capacity to scale")]
    NothingToScale(ScalingResource),
    #[error("there is no such scalable target")]
    NoSuchTarget(ScalingResource),
    #[error("scalable target {0} does not exist")]
    NoSuchTargetNumber(u64),
    #[error("scaling policy {name} does not exist")]
    NoSuchPolicy { resource: ScalingResource, name: String },
    #[error("event source mapping {0} does not exist")]
    NoSuchMapping(MappingId),
    /// It brings the stream's records to that function already.
    #[error("event source mapping {0} has the same source and function")]
    MappingExists(MappingId),
    /// The mapping is between two states.
    #[error("event source mapping {0} is being changed")]
    MappingBusy(MappingId),
    /// The source of a mapping that is to be made has no such stream, or it is disabled.
    #[error("there is no such stream")]
    NoSuchStream,
    #[error("there would be more than {max} tags")]
    TooManyTags { max: usize },
    #[error(transparent)]
    Function(#[from] FunctionRefusal),
}
