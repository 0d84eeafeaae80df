//! The numbers of this crate, with their bounds.

use std::time::Duration;

/// How groups behave. The same on all nodes of a cluster, as the lease of one node rests on the promises of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Between two heartbeats of an awake leader, in milliseconds.
    pub heartbeat_ms: u64,
    /// A follower that has heard nothing stands for election after a random time between these, on top of the no-vote time.
    pub election_ms_min: u64,
    /// Also the no-vote time: for so long after it heard its leader a follower refuses to vote for anybody else.
    pub election_ms_max: u64,
    /// For how long a leader answers strong reads by itself, counted from when it sent what a quorum acknowledged.
    /// At most half of the no-vote time, so that a clock of twice the speed does no harm.
    pub lease_ms: u64,
    /// The largest payload of one proposal.
    pub entry_bytes_max: usize,
    /// Proposals of one group that are not yet applied; the next one is refused.
    pub proposals_max: usize,
    /// For how long a group has to be quiet before it sleeps. `None`: never.
    pub sleep_after_ms: Option<u64>,
    /// For how long a follower has to sleep before it lets its core go, which frees most of what it takes in memory. `None`: never.
    /// At least twice the no-vote time, which a new core knows nothing of.
    pub dormant_after_ms: Option<u64>,
    /// With so many replicas of a node awake, those that lost contact to their groups get their turns slowly.
    pub awake_for_turns_max: usize,
    /// All groups' log on this node, in bytes. Above it also slow followers' entries are purged, and they get a snapshot.
    pub log_bytes_max: u64,
    /// So many applied entries stay in the log of each group for followers that are a little behind.
    pub log_entries_kept: u64,
    /// Between two looks at what can be purged, in milliseconds.
    pub purge_every_ms: u64,
    /// Bytes of one append message, about.
    pub append_bytes_max: usize,
    /// Bytes of one piece of a snapshot, about.
    pub snapshot_piece_bytes: usize,
    /// Snapshots are sent at most this fast by one node, all receivers together.
    pub snapshot_bytes_per_second: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            heartbeat_ms: 250,
            election_ms_min: 750,
            election_ms_max: 1_250,
            lease_ms: 600,
            entry_bytes_max: 2 << 20,
            proposals_max: 256,
            sleep_after_ms: Some(10_000),
            dormant_after_ms: Some(60_000),
            awake_for_turns_max: 128,
            log_bytes_max: 4 << 30,
            log_entries_kept: 10_000,
            purge_every_ms: 10_000,
            append_bytes_max: 1 << 20,
            snapshot_piece_bytes: 1 << 20,
            snapshot_bytes_per_second: 64 << 20,
        }
    }
}

impl Settings {
    /// Says what is wrong, if anything is.
    pub fn check(&self) -> Result<(), String> {
        if self.heartbeat_ms == 0 || self.election_ms_min <= 2 * self.heartbeat_ms {
            return Err("an election must take more than two heartbeats".to_owned());
        }
        if self.election_ms_max <= self.election_ms_min {
            return Err("election_ms_max must be above election_ms_min".to_owned());
        }
        if self.lease_ms > self.election_ms_max / 2 {
            return Err("a lease must be at most half of the no-vote time (election_ms_max)".to_owned());
        }
        if self.dormant_after_ms.is_some_and(|after| after < 2 * self.election_ms_max) {
            return Err("dormant_after_ms must be at least twice the no-vote time (election_ms_max)".to_owned());
        }
        if self.entry_bytes_max == 0 || self.proposals_max == 0 || self.snapshot_piece_bytes == 0 {
            return Err("sizes and counts must be above zero".to_owned());
        }
        Ok(())
    }

    /// For so long after hearing its leader, or after its start, a replica votes for nobody else.
    pub fn no_vote(&self) -> Duration {
        Duration::from_millis(self.election_ms_max)
    }

    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// How long one Raft message may be under way before its sender gives up.
    pub(crate) fn message_deadline(&self) -> Duration {
        Duration::from_millis(self.election_ms_max)
    }
}
