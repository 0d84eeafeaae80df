//! What nodes say to each other about the catalog (`Service::Catalog`): a version byte, then postcard.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stator_catalog::{CatalogRefusal, Change, Member, Outcome};
use stator_item::{NodeId, PartitionId, TableId};
use stator_partition::{
    insights::Contributor,
    throttle::{Loan, Pool},
};
use stator_replica::ConsumedHalves;
use std::collections::BTreeMap;

/// First byte of each message.
const FORMAT: u8 = 2;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    /// Make this change, if you lead the catalog.
    Change(Box<Change>),
    /// Make sure that you lead the catalog, and tell its revision.
    Revision,
    /// The whole catalog, if it is newer than this; waits a while for one.
    Watch { newer_than: u64 },
    /// A node lives.
    Heartbeat,
    /// What runs on you?
    Report,
    /// Bring your partition to these members, if you lead it.
    ChangeMembers { partition: PartitionId, members: Vec<Member> },
    /// Hand your partition over, if you lead it.
    HandOver { partition: PartitionId, to: NodeId },
    /// Which keys of the table were you asked for most?
    Insights { table: TableId },
    /// Which partitions do you lead?
    Leading,
    /// Give of a pool what your partitions leave.
    Lend { rows: TableId, pool: Pool, wanted: Loan },
    /// What was consumed on you of tables and indexes?
    Consumed,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// With the revision of the catalog right after.
    Changed {
        outcome: Result<Outcome, CatalogRefusal>,
        revision: u64,
    },
    Revision(u64),
    Catalog(Option<Vec<u8>>),
    /// With the revision of the catalog as this node knows it.
    Alive {
        revision: u64,
        /// The node's wall clock, in milliseconds since 1970.
        wall_ms: u64,
    },
    Report(Report),
    Done,
    /// Ask the leader, if one is known.
    NotLeader {
        leader: Option<NodeId>,
    },
    /// It could not be done now.
    Failed(String),
    Insights(Vec<Contributor>),
    Leading(Vec<PartitionId>),
    Lent(Loan),
    Consumed(BTreeMap<TableId, ConsumedHalves>),
}

/// What one node says of itself.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    pub replicas: Vec<ReplicaReport>,
    /// Bytes of the node's Raft log and of its rows on disk.
    pub log_bytes: u64,
    pub rows_bytes: u64,
    pub version: String,
}

/// One replica, as its node sees it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ReplicaReport {
    pub partition: PartitionId,
    pub replica: stator_item::ReplicaId,
    pub leads: bool,
    pub term: u64,
    pub asleep: bool,
    pub last_index: u64,
    pub applied_index: u64,
    pub items: u64,
    pub bytes: u64,
    /// Age of the oldest change that an index does not have; 0: none waits. `None`: it feeds none, or does not lead.
    pub index_lag_ms: Option<u64>,
    /// Age of the oldest record that a trigger has read and its function has not taken; 0: none waits. `None`: no trigger works here.
    pub trigger_lag_ms: Option<u64>,
    /// For how long the item has been expired that waits longest for its deletion; 0: none does. `None`: nothing expires here, or it
    /// does not lead.
    pub expiry_lag_ms: Option<u64>,
}

pub(crate) fn encode(value: &impl Serialize) -> bytes::Bytes {
    postcard::to_extend(value, vec![FORMAT]).expect("memory takes whatever is written").into()
}

/// `None`: no message of this version.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let (&format, rest) = bytes.split_first()?;
    if format != FORMAT {
        return None;
    }
    postcard::from_bytes(rest).ok()
}
