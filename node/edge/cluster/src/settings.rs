//! The numbers of this crate, with their bounds.

use stator_catalog::STREAM_RETENTION_MS;
use std::time::Duration;

/// How a node takes part in its cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Partitions of a new table, whatever DynamoDB would give it; `None`: as DynamoDB.
    pub partitions_of_new_table: Option<u64>,
    /// Most tables of the cluster, as this node asks for new ones; `None`: as DynamoDB.
    pub tables_max: Option<u64>,
    /// Between two heartbeats from node to node.
    pub heartbeat_every: Duration,
    /// A node that was not heard of for so long counts as dead: its groups elect others.
    pub dead_after: Duration,
    /// One attempt of a forwarded command; the next one may go to another replica.
    pub attempt_max: Duration,
    /// Between two attempts: at least, and at most after several.
    pub retry_least: Duration,
    pub retry_most: Duration,
    /// How often the catalog's leader looks at placement, and tables on their way.
    pub look_every: Duration,
    /// How often the catalog's leader looks at what was consumed of scalable targets.
    pub scaling_look_every: Duration,
    /// How often a node looks for transactions that wait in the partitions which it leads.
    pub transactions_look_every: Duration,
    /// A transaction that was seen to wait for so long counts as abandoned: longer than any request is worked on.
    pub transaction_old_after: Duration,
    /// How often a node looks whether shards of the streams that it leads are to be rolled or dropped.
    pub streams_look_every: Duration,
    /// A shard with records is open for so long; then it is closed and its child is opened (AWS: about four hours).
    pub shard_open_for: Duration,
    /// A shard is listed, with its records, for so long after it was closed. At least AWS's 24 hours.
    pub shard_listed_for: Duration,
    /// How often a node looks whether items of the partitions that it leads have expired.
    pub expiries_look_every: Duration,
    /// Whether time to live of a table may be changed again within an hour, as this node asks for it. AWS refuses that.
    pub time_to_live_at_any_time: bool,
    /// Changes of members, and of leaders, that are on their way at once.
    pub moves_max: usize,
    /// How long one change of members may take before it is given up.
    pub move_max: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            partitions_of_new_table: None,
            tables_max: None,
            heartbeat_every: Duration::from_millis(250),
            dead_after: Duration::from_millis(1_000),
            attempt_max: Duration::from_secs(1),
            retry_least: Duration::from_millis(2),
            retry_most: Duration::from_millis(100),
            look_every: Duration::from_millis(500),
            scaling_look_every: Duration::from_secs(60),
            transactions_look_every: Duration::from_millis(250),
            transaction_old_after: Duration::from_secs(6),
            streams_look_every: Duration::from_secs(30),
            shard_open_for: Duration::from_secs(4 * 60 * 60),
            shard_listed_for: Duration::from_millis(STREAM_RETENTION_MS),
            expiries_look_every: Duration::from_millis(500),
            time_to_live_at_any_time: false,
            moves_max: 8,
            move_max: Duration::from_secs(60),
        }
    }
}
