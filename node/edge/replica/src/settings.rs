//! The numbers of this crate, with their bounds.

use crate::metering::Throttling;
use std::time::Duration;

/// How replicas behave. A node may differ from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Commands that wait in one partition's mailbox; the next one is refused as overload.
    pub mailbox_commands_max: usize,
    /// Entries of one partition that are proposed and not yet applied.
    pub entries_in_flight_max: usize,
    /// Commands that are worth an entry of their own while others are in flight. Fewer wait for these to be applied: large entries
    /// are what makes a busy node fast, and entries in flight are what hides a slow network.
    pub commands_ahead_min: usize,
    /// An entry is closed when its effects reach this size; the one that reaches it is in.
    pub entry_bytes_target: usize,
    /// How long a lost proposal's companions may stay unresolved before evaluation begins anew.
    pub settle_max: Duration,
    /// How often a leader looks whether remembered ids can be forgotten.
    pub mark_every: Duration,
    /// Whether strong reads may rely on the lease, or always ask a quorum.
    pub lease_reads: bool,
    /// What is done about requests beyond a table's capacity. All nodes should do the same.
    pub throttling: Throttling,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mailbox_commands_max: 4_096,
            entries_in_flight_max: 4,
            commands_ahead_min: 64,
            entry_bytes_target: 512 << 10,
            settle_max: Duration::from_secs(2),
            mark_every: Duration::from_secs(5),
            lease_reads: true,
            throttling: Throttling::Count,
        }
    }
}
