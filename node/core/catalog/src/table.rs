//! A table's description: what CreateTable and UpdateTable set and DescribeTable shows, counters apart.

use serde::{Deserialize, Serialize};
use stator_item::{IndexNumber, KeyType, TableId};
use std::collections::BTreeMap;

/// `TableStatus` of the API. A table that is gone has no description.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TableStatus {
    Creating,
    Active,
    Updating,
    Deleting,
}

/// An attribute of a key schema.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyAttribute {
    pub name: String,
    pub key_type: KeyType,
}

/// A primary key: HASH, and RANGE where there is one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeySchema {
    pub hash: KeyAttribute,
    pub range: Option<KeyAttribute>,
}

/// Which attributes an index holds beside the keys of table and index.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IndexProjection {
    KeysOnly,
    Include(Vec<String>),
    All,
}

/// A local secondary index: the table's hash key with another range key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LocalIndex {
    /// 1 and up; never used again in this table.
    pub number: IndexNumber,
    pub name: String,
    pub range: KeyAttribute,
    pub projection: IndexProjection,
}

/// Read and write units a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Throughput {
    pub read_units: u64,
    pub write_units: u64,
}

/// Most request units a second of an on-demand table; `None`: unlimited (-1 on the wire).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OnDemandThroughput {
    pub read_units_max: Option<u64>,
    pub write_units_max: Option<u64>,
}

/// `BillingMode` with what belongs to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Billing {
    /// PAY_PER_REQUEST.
    OnDemand { throughput: Option<OnDemandThroughput> },
    /// PROVISIONED, and when its throughput last rose and fell (milliseconds since 1970).
    Provisioned {
        throughput: Throughput,
        last_increase_ms: Option<u64>,
        last_decrease_ms: Option<u64>,
        decreases_today: u64,
    },
}

/// `TableClass` of the API; both are stored alike here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TableClass {
    Standard,
    StandardInfrequentAccess,
}

/// `SSESpecification` with encryption asked for. Recorded and shown; data lies on disk as the file system keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sse {
    pub key: Option<String>,
}

/// `StreamViewType`: which images a change record shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamView {
    KeysOnly,
    NewImage,
    OldImage,
    NewAndOldImages,
}

/// `ContributorInsightsMode`: which requests for a key are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InsightsMode {
    AccessedAndThrottledKeys,
    ThrottledKeys,
}

/// Contributor Insights of a table. They concern no partition's state, so they stand beside the description.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContributorInsights {
    /// `None`: disabled again.
    pub mode: Option<InsightsMode>,
    /// Milliseconds since 1970.
    pub changed_ms: u64,
}

/// A table as the catalog knows it and as each of its partitions evaluates against.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableDescription {
    pub id: TableId,
    pub name: String,
    /// Grows with every change; a partition takes only a higher one.
    pub version: u64,
    pub status: TableStatus,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    pub key: KeySchema,
    pub local_indexes: Vec<LocalIndex>,
    pub billing: Billing,
    /// When the table last became on-demand (`LastUpdateToPayPerRequestDateTime`).
    pub on_demand_since_ms: Option<u64>,
    pub warm_throughput: Throughput,
    pub class: TableClass,
    pub class_changed_ms: Option<u64>,
    pub deletion_protection: bool,
    pub sse: Option<Sse>,
    pub tags: BTreeMap<String, String>,
    /// Set while something reads the table's change log. No API sets it yet.
    pub stream: Option<StreamView>,
}

impl TableDescription {
    /// The local secondary index of that name.
    pub fn local_index(&self, name: &str) -> Option<&LocalIndex> {
        self.local_indexes.iter().find(|index| index.name == name)
    }

    /// The local secondary index of that number.
    pub fn local_index_numbered(&self, number: IndexNumber) -> Option<&LocalIndex> {
        self.local_indexes.iter().find(|index| index.number == number)
    }
}
