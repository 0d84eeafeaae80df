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

impl TableStatus {
    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            TableStatus::Creating => "CREATING",
            TableStatus::Active => "ACTIVE",
            TableStatus::Updating => "UPDATING",
            TableStatus::Deleting => "DELETING",
        }
    }
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

/// `IndexStatus` of the API, and whether rows are still being filled in (`Backfilling`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum IndexStatus {
    /// Not all partitions know it yet.
    Creating,
    /// CREATING with `Backfilling`: every write reaches it, and what was there before is being filled in.
    Backfilling,
    Active,
    Updating,
    /// No partition of the table feeds it any more, or soon none will.
    Deleting,
}

/// A global secondary index: its own key, its own partitions, fed from the change logs of the table's partitions.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GlobalIndex {
    /// Its rows and partitions lie under this id as a table's do under its own. Never used again.
    pub id: TableId,
    pub name: String,
    /// One to four.
    pub hash: Vec<KeyAttribute>,
    /// Up to four.
    pub range: Vec<KeyAttribute>,
    pub projection: IndexProjection,
    pub status: IndexStatus,
    /// Of the table's mode.
    pub billing: Billing,
    pub warm_throughput: Throughput,
}

impl GlobalIndex {
    /// The attributes of its key, in their order.
    pub fn key(&self) -> impl Iterator<Item = &KeyAttribute> + Clone {
        self.hash.iter().chain(&self.range)
    }

    /// Whether the table's partitions feed it.
    pub fn is_fed(&self) -> bool {
        self.status != IndexStatus::Deleting
    }

    /// Whether it may be queried.
    pub fn serves(&self) -> bool {
        matches!(self.status, IndexStatus::Active | IndexStatus::Updating)
    }
}

/// Read and write units a second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Throughput {
    pub read_units: u64,
    pub write_units: u64,
}

/// One of the two capacities of a table or index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Way {
    Read,
    Write,
}

/// Most request units a second of an on-demand table; `None`: unlimited (-1 on the wire).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct OnDemandThroughput {
    pub read_units_max: Option<u64>,
    pub write_units_max: Option<u64>,
}

impl OnDemandThroughput {
    /// Both maxima; 0 stands for none.
    pub fn known(&self) -> Throughput {
        Throughput {
            read_units: self.read_units_max.unwrap_or_default(),
            write_units: self.write_units_max.unwrap_or_default(),
        }
    }
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

/// Names a stream among those of all tables that ever had its table's name: the millisecond since 1970 in which it was enabled,
/// or one soon after. `StreamLabel` of the API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StreamLabel(pub u64);

/// `StreamStatus` of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StreamStatus {
    /// Not all partitions know it yet.
    Enabling,
    Enabled,
    /// Not all partitions know of its end yet.
    Disabling,
    /// Read for [`STREAM_RETENTION_MS`] from then on (milliseconds since 1970).
    Disabled {
        since_ms: u64,
    },
}

/// A stream of a table: what the Streams API shows of its change log from when it was enabled until it was disabled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StreamDescription {
    pub label: StreamLabel,
    pub view: StreamView,
    pub status: StreamStatus,
}

/// How long records of a stream are kept, and a stream that was disabled, in milliseconds. Source: Amazon DynamoDB Developer
/// Guide, "Data retention limit for DynamoDB Streams".
pub const STREAM_RETENTION_MS: u64 = 24 * 60 * 60 * 1_000;

impl StreamDescription {
    /// Whether writes come into it.
    pub fn is_enabled(&self) -> bool {
        matches!(self.status, StreamStatus::Enabling | StreamStatus::Enabled)
    }

    /// Whether it was disabled so long ago that it is there no more.
    pub fn is_over(&self, now_ms: u64) -> bool {
        match self.status {
            StreamStatus::Disabled { since_ms } => since_ms.saturating_add(STREAM_RETENTION_MS) <= now_ms,
            StreamStatus::Enabling | StreamStatus::Enabled | StreamStatus::Disabling => false,
        }
    }
}

/// `TimeToLiveStatus` of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TimeToLiveStatus {
    /// Not all partitions know it yet, or not all that was there before is in order of its expiry.
    Enabling,
    Enabled,
    /// Not all partitions know of its end yet.
    Disabling,
    Disabled,
}

impl TimeToLiveStatus {
    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            TimeToLiveStatus::Enabling => "ENABLING",
            TimeToLiveStatus::Enabled => "ENABLED",
            TimeToLiveStatus::Disabling => "DISABLING",
            TimeToLiveStatus::Disabled => "DISABLED",
        }
    }
}

/// Time to live of a table, from when it was first enabled on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TimeToLive {
    /// Holds the second since 1970 in which an item expires.
    pub attribute: String,
    pub status: TimeToLiveStatus,
    /// When it was last enabled or disabled, in milliseconds since 1970.
    pub changed_ms: u64,
}

impl TimeToLive {
    /// Whether items expire.
    pub fn is_enabled(&self) -> bool {
        matches!(self.status, TimeToLiveStatus::Enabling | TimeToLiveStatus::Enabled)
    }

    /// Whether it is on its way.
    pub fn is_changing(&self) -> bool {
        matches!(self.status, TimeToLiveStatus::Enabling | TimeToLiveStatus::Disabling)
    }
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
    /// Those that may be read, the oldest first. At most the last one is enabled.
    pub streams: Vec<StreamDescription>,
    pub global_indexes: Vec<GlobalIndex>,
    /// `None`: it was never enabled.
    pub time_to_live: Option<TimeToLive>,
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

    /// Whether its key is a string hash key alone: so it can take what is told to a destination, each under an id.
    pub fn has_string_key_alone(&self) -> bool {
        self.key.range.is_none() && self.key.hash.key_type == KeyType::String
    }

    /// The global secondary index of that name.
    pub fn global_index(&self, name: &str) -> Option<&GlobalIndex> {
        self.global_indexes.iter().find(|index| index.name == name)
    }

    /// The global secondary index of that id.
    pub fn global_index_by_id(&self, id: TableId) -> Option<&GlobalIndex> {
        self.global_indexes.iter().find(|index| index.id == id)
    }

    /// The stream into which writes come.
    pub fn stream(&self) -> Option<&StreamDescription> {
        self.streams.last().filter(|stream| stream.is_enabled())
    }

    /// The stream of that label, enabled or not.
    pub fn stream_labelled(&self, label: StreamLabel) -> Option<&StreamDescription> {
        self.streams.iter().find(|stream| stream.label == label)
    }

    /// The attribute that says when an item expires, if items do.
    pub fn expiry_attribute(&self) -> Option<&str> {
        let time_to_live = self.time_to_live.as_ref().filter(|time_to_live| time_to_live.is_enabled());
        time_to_live.map(|time_to_live| time_to_live.attribute.as_str())
    }

    /// Whether somebody reads its change log, so that there has to be one.
    pub fn has_consumer(&self) -> bool {
        self.stream().is_some() || self.global_indexes.iter().any(GlobalIndex::is_fed)
    }

    /// Every attribute of a key: the table's, then those of its indexes. An attribute of several keys comes several times.
    pub fn key_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        let local = self.local_indexes.iter().map(|index| &index.range);
        let global = self.global_indexes.iter().flat_map(GlobalIndex::key);
        std::iter::once(&self.key.hash).chain(&self.key.range).chain(local).chain(global)
    }
}
