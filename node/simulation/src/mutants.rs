//! Shows that the simulation would notice: the product makes one mistake after the other, until a check fails.
//!
//! Each mistake has a hunt of its own: runs of the swarm with the workloads and kinds of faults that show it, from the seed that
//! did when the hunt was written, or a schedule. The sound product passes every hunt to its end (`tests/mutants.rs`).

use crate::{
    faults::Kind,
    run::{RunSettings, run},
    schedules::{self, Played, Schedule},
    throttling,
};
use stator_mutants::Mutant;
use std::{ops::Range, time::Duration};

/// How a mistake is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Hunt {
    /// Runs of the swarm.
    Swarm {
        workloads: &'static [&'static str],
        /// None: as each seed has it.
        kinds: &'static [Kind],
        seconds: u64,
        /// The seed that showed it when this was written.
        first: u64,
        /// Seeds from there on: so many that others of them do, too, when a change of the code has given seeds another meaning.
        count: u64,
    },
    Schedule(Schedule),
}

/// Seeds with which a schedule is played.
const SCHEDULE_SEEDS: Range<u64> = 1..9;

/// Letters of what is told of a violation.
const LETTERS_MAX: usize = 200;

/// What showed a mistake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Catch {
    /// Workloads or schedule.
    pub by: String,
    pub seed: u64,
    /// Runs until then, this one included.
    pub tried: u64,
    /// The first thing that was not true.
    pub violation: String,
}

/// Runs of the swarm with these workloads, from the first seed on.
const fn swarm(workloads: &'static [&'static str], seconds: u64, first: u64) -> Hunt {
    Hunt::Swarm { workloads, kinds: &[], seconds, first, count: 60 }
}

const INDEXED: Hunt = swarm(&["local-index"], 12, 1);
const COUNTED: Hunt = swarm(&["counter"], 12, 1);
const DELIVERED: Hunt = swarm(&["global-index"], 15, 1);
const TRANSACTED: Hunt = swarm(&["bank", "transact-append"], 15, 1);

/// No workload of the swarm asks for more than a table's capacity.
const THROTTLED: Hunt = Hunt::Schedule(Schedule {
    name: "throttling",
    play: |seed| Played { moments: 1, broken: throttling::violations(seed) },
});

/// The hunt for a mistake.
pub fn hunt_for(mutant: Mutant) -> Hunt {
    match mutant {
        Mutant::AcknowledgeBeforeSync => Hunt::Schedule(schedules::LOST_POWER),
        Mutant::VoteAfterRestart => Hunt::Schedule(schedules::RESTARTED_VOTER),
        Mutant::LeaseWithoutMargin => Hunt::Schedule(schedules::SLOW_CLOCK),
        Mutant::LeaseForEver => Hunt::Schedule(schedules::STANDSTILL),
        Mutant::LeaseInTransfer => Hunt::Schedule(schedules::HAND_OVER),
        Mutant::LeaseAsleep => Hunt::Schedule(schedules::SLEEPING_GROUP),
        Mutant::SpeakUnheard => Hunt::Schedule(schedules::DEAF_LEADER),
        Mutant::WaitForFormerLeader => Hunt::Schedule(schedules::MUTE_LEADER),
        Mutant::RefuseWithoutLease => Hunt::Schedule(schedules::REFUSAL),
        Mutant::SkipTermGuard => Hunt::Schedule(schedules::OTHER_TERM),
        Mutant::SkipPredecessorCheck => Hunt::Schedule(schedules::LOST_PREDECESSOR),
        Mutant::ReadOldWithoutLookingAgain => Hunt::Schedule(schedules::FORGOTTEN_COMMIT),
        Mutant::ReadOnFollower | Mutant::StrongAsEventual | Mutant::ReplyBeforeApplied | Mutant::LeaveIndexEntry => {
            INDEXED
        }
        Mutant::ReadBeforeOwnTerm => swarm(&["local-index"], 12, 43),
        Mutant::ForgetIds | Mutant::NewIdForEachAttempt | Mutant::AppliedApart => COUNTED,
        Mutant::SkipRowBetweenPages => swarm(&["set"], 12, 1),
        Mutant::EvaluateBeforeOwnTerm => swarm(&[], 12, 21),
        Mutant::PurgeTooEarly => swarm(&[], 12, 25),
        Mutant::SnapshotWithoutTail => swarm(&[], 12, 41),
        Mutant::MoveCursorEarly | Mutant::TrimUnread => DELIVERED,
        Mutant::TakeDeliveryTwice => swarm(&["global-index"], 30, 1),
        // A request must be repeated after its answer was lost, which one seed in fifty or so brings about.
        Mutant::ForgetRequestTokens => {
            Hunt::Swarm { workloads: &["bank", "transact-append"], kinds: &[], seconds: 15, first: 1, count: 300 }
        }
        Mutant::ClaimNoTokens => swarm(&["bank"], 15, 1),
        Mutant::ThrottleTooLate | Mutant::LendAndKeep => THROTTLED,
        Mutant::SkipChangeRecord | Mutant::ChangeRecordOutsideBatch | Mutant::ChildBeforeParentClosed => {
            swarm(&["stream"], 15, 1)
        }
        Mutant::ResumeTriggerLate | Mutant::MoveTriggerEarly => swarm(&["trigger"], 15, 1),
        Mutant::TtlUnconditional => swarm(&["ttl"], 15, 1),
        Mutant::ReadThroughIntent => swarm(&["bank", "transact-append"], 15, 10),
        Mutant::WriteThroughIntent
        | Mutant::TransactGetThroughIntent
        | Mutant::DecideTwice
        | Mutant::ForgetAborts
        | Mutant::FinishBeforeDecision
        | Mutant::ForgetBeforeFinished
        | Mutant::DropOldIntents
        | Mutant::ReadOldWithoutDecision
        | Mutant::ReadOnce => TRANSACTED,
    }
}

/// Hunts a mistake, and shows that the mistake alone is what was caught. An error says how it survived.
pub fn hunt(mutant: Mutant) -> Result<Catch, String> {
    let hunt = hunt_for(mutant);
    let seeds = hunt.seeds();
    for seed in seeds.clone() {
        stator_mutants::activate(Some(mutant));
        let caught = hunt.run(seed);
        stator_mutants::activate(None);
        let Some((by, violation)) = caught else { continue };
        if let Some((_, sound)) = hunt.run(seed) {
            return Err(format!("seed {seed} fails without it as well: {sound}"));
        }
        return Ok(Catch { by, seed, tried: seed + 1 - seeds.start, violation });
    }
    Err(format!("{} seeds of {hunt:?} did not show it", seeds.end - seeds.start))
}

impl Hunt {
    fn seeds(&self) -> Range<u64> {
        match self {
            Hunt::Swarm { first, count, .. } => *first..first + count,
            Hunt::Schedule(_) => SCHEDULE_SEEDS,
        }
    }

    /// What caught it with this seed, and the first line of what was not true.
    fn run(&self, seed: u64) -> Option<(String, String)> {
        let (by, broken) = match *self {
            Hunt::Swarm { workloads, kinds, seconds, .. } => {
                let settings = RunSettings {
                    torment: Duration::from_secs(seconds),
                    workloads: workloads.to_vec(),
                    kinds: kinds.to_vec(),
                    ..RunSettings::default()
                };
                let outcome = run(seed, &settings);
                (outcome.workloads.join(", "), outcome.violations)
            }
            Hunt::Schedule(Schedule { name, play }) => (format!("schedule {name}"), play(seed).broken),
        };
        let violation = broken.into_iter().next()?;
        Some((by, violation.lines().next().unwrap_or_default().chars().take(LETTERS_MAX).collect()))
    }
}
