//! Schedules of faults that are written down: each brings about one moment that chance would meet in one of thousands of seeds,
//! and looks whether a promise holds in it.
//!
//! A schedule is played with a seed, which decides all that it leaves open: delays, elections, how long syncs take. The sound product
//! passes each with every seed; `mutants.rs` says which mistakes each shows.

mod entries;
mod leases;
mod outages;
mod regressions;
mod stage;
mod transactions;

/// What came of a schedule.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Played {
    /// How often its moment came about. After zero nothing is known.
    pub moments: u32,
    /// What was not true.
    pub broken: Vec<String>,
}

impl Played {
    /// The moment came about; `broken`: what was not true in it.
    fn note(&mut self, broken: Option<String>) {
        self.moments += 1;
        self.broken.extend(broken);
    }
}

/// A schedule of faults, and what is looked at meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    pub name: &'static str,
    pub play: fn(u64) -> Played,
}

macro_rules! schedules {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $play:path;)+) => {
        $($(#[doc = $doc])+ pub const $name: Schedule = Schedule { name: $text, play: $play };)+

        /// Every schedule.
        pub const ALL: &[Schedule] = &[$($name),+];
    };
}

schedules! {
    /// A leader whose clock runs at half the speed of the others' is cut off, and asked for what its successor has written.
    SLOW_CLOCK = "slow-clock", leases::slow_clock;
    /// A leader stands still while another takes over, with a read in its hand.
    STANDSTILL = "standstill", leases::standstill;
    /// A leader is cut off in the moment in which it hands over.
    HAND_OVER = "hand-over", leases::hand_over;
    /// The leader of a group that sleeps is cut off.
    SLEEPING_GROUP = "sleeping-group", leases::sleeping_group;
    /// A follower that has just promised the leader its time dies, starts again, and is asked for its vote.
    RESTARTED_VOTER = "restarted-voter", leases::restarted_voter;
    /// A leader that was deposed without knowing it refuses a write by what it has.
    REFUSAL = "refusal", leases::refusal;
    /// Power is lost everywhere as soon as a write is acknowledged, while syncs take long.
    LOST_POWER = "lost-power", outages::lost_power;
    /// A leader hears nobody, and everybody hears it.
    DEAF_LEADER = "deaf-leader", outages::deaf_leader;
    /// A leader hears everybody, and nobody hears it.
    MUTE_LEADER = "mute-leader", outages::mute_leader;
    /// A transaction ends, and is forgotten, between a read that met its intent and the question for its decision.
    FORGOTTEN_COMMIT = "forgotten-commit", transactions::forgotten_commit;
    /// A coordinator dies when all others have prepared; then the leader of what it left behind dies with it.
    ABANDONED_INTENT = "abandoned-intent", transactions::abandoned_intent;
    /// An addition's answer is lost, and its second attempt meets a full queue.
    FULL_QUEUE = "full-queue", regressions::full_queue;
    /// A node has heard of a table while it was made, and nothing since.
    OLD_COPY_OF_NEW_TABLE = "old-copy-of-new-table", regressions::old_copy_of_new_table;
    /// A table is deleted and made again behind a node's back.
    OLD_COPY_OF_TABLE_MADE_AGAIN = "old-copy-of-table-made-again", regressions::old_copy_of_table_made_again;
    /// Power is lost everywhere right after a node has joined.
    POWER_LOST_AT_JOINING = "power-lost-at-joining", regressions::power_lost_at_joining;
    /// A leader ends in order while all others have just started.
    SUCCESSOR_JUST_STARTED = "successor-just-started", regressions::successor_just_started;
    /// The leader of a group that sleeps dies, and is taken out of the cluster before anybody counts it as dead.
    SLEEPING_LEADER_REMOVED = "sleeping-leader-removed", regressions::sleeping_leader_removed;
    /// A node's disk fails while it opens replicas.
    DISK_FAILS_AT_OPENING = "disk-fails-at-opening", regressions::disk_fails_at_opening;
    /// An entry comes into the log of another term than it was evaluated in.
    OTHER_TERM = "other-term", entries::other_term;
    /// An entry comes into the log without the one that it was evaluated on.
    LOST_PREDECESSOR = "lost-predecessor", entries::lost_predecessor;
}
