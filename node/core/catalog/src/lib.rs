//! The cluster's metadata as a pure state machine: nodes, tables, partitions, access keys, event source mappings.
//!
//! The catalog owns names, ids and descriptions; a partition's own log owns its range, replicas and epoch, which the
//! catalog is told of (a higher epoch wins).
//!
//! [`Catalog::step`] is deterministic and total: the same changes give the same catalog on every node, and a change that
//! cannot be made is refused and changes nothing. [`placement`] thinks about where replicas should be, and changes nothing.

mod catalog;
pub mod change;
pub mod cluster;
pub mod codec;
pub mod function;
pub mod mapping;
pub mod partition;
pub mod placement;
pub mod routing;
pub mod scaling;
pub mod secret;
mod step;
pub mod system_table;
pub mod table;

pub use catalog::{Catalog, DepartedTable};
pub use change::{
    BillingMode, BillingSpec, CatalogRefusal, Change, ChangeId, GlobalIndexSpec, IndexUpdate, LocalIndexSpec,
    MembersPlan, Outcome, Plan, SseUpdate, Stamp, StreamUpdate, TableSpec, TableUpdate, UnitsMax, UnitsUpdate,
};
pub use cluster::{AccessKey, ClusterIdentity, JoinTokenHash, NodeDescription, NodeStart, NodeState};
pub use codec::{CodecError, decode_change, encode_change};
pub use function::{
    Alias, AliasUpdate, CODE_STORAGE_BYTES_MAX, CONCURRENCY_MAX, EventInvoke, EventInvokeUpdate, FUNCTION_TAGS_MAX,
    FUNCTIONS_BYTES_MAX, Function, FunctionChange, FunctionChangeKind, FunctionCode, FunctionConfiguration, FunctionId,
    FunctionRefusal, FunctionSpec, FunctionUpdate, FunctionVersion, LATEST, Logging, POLICY_BYTES_MAX, Policy,
    Qualified, UNRESERVED_CONCURRENCY_MIN, UPLOAD_AGE_MS_MAX, UploadedCode,
};
pub use mapping::{
    Destination, MAPPINGS_MAX, MAPPINGS_OF_STREAM_MAX, Mapping, MappingChange, MappingId, MappingSettings,
    MappingState, ProcessingResult, StartingPosition,
};
pub use partition::{Member, PartitionDescription, Role, TokenRange};
pub use placement::{PARTITION_READ_UNITS, PARTITION_WRITE_UNITS, partitions_needed};
pub use routing::Routing;
pub use scaling::{
    Dimension, SCALING_ACTIVITIES_MAX, SCALING_POLICIES_MAX, SCALING_TAGS_MAX, ScalableTarget, ScalingActivity,
    ScalingCause, ScalingChange, ScalingPolicy, ScalingResource, Suspended, TargetTracking,
};
pub use secret::Secret;
pub use system_table::SystemTable;
pub use table::{
    Billing, ContributorInsights, GlobalIndex, IndexProjection, IndexStatus, InsightsMode, KeyAttribute, KeySchema,
    LocalIndex, OnDemandThroughput, STREAM_RETENTION_MS, Sse, StreamDescription, StreamLabel, StreamStatus, StreamView,
    TableClass, TableDescription, TableStatus, Throughput, Way,
};

use stator_item::{NodeId, ReplicaId};

/// The node that makes the cluster.
pub const FIRST_NODE: NodeId = NodeId(1);
/// That node's replica of the catalog: alone at first, so it can begin before anything is decided.
pub const FIRST_REPLICA: ReplicaId = ReplicaId(1);

/// Most tables of a cluster unless a setting says otherwise, DynamoDB's quota.
pub const TABLES_MAX: usize = 2_500;
/// Most tables that are being created, updated or deleted at once, DynamoDB's quota.
pub const TABLES_BUSY_MAX: usize = 500;
/// Most nodes that ever joined.
pub const NODES_MAX: usize = 10_000;
/// Most access keys.
pub const ACCESS_KEYS_MAX: usize = 5_000;
/// Most partitions that a table starts with.
pub const TABLE_PARTITIONS_MAX: u64 = 1_024;
/// Most read and write units a second of one table, DynamoDB's default quota (`DescribeLimits`).
pub const TABLE_UNITS_MAX: u64 = 40_000;
/// Warm throughput with which an on-demand table or index begins.
pub const ON_DEMAND_WARM: Throughput = Throughput { read_units: 12_000, write_units: 4_000 };
/// Most global secondary indexes of a table, DynamoDB's default quota.
pub const GLOBAL_INDEXES_MAX: usize = 20;
/// Most attributes that all indexes of a table may include; one in two indexes counts twice.
pub const INCLUDED_ATTRIBUTES_MAX: usize = 100;
