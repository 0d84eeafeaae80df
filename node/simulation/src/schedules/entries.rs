//! What the log may hold and a run of the simulation never brings about: there, between evaluation and log no other task has a turn.

use super::Played;
use stator_catalog::TokenRange;
use stator_item::{PartitionId, TableId, Timestamp};
use stator_partition::{Effects, Entry, EntryNumber, Outcome, PartitionState, apply, effects::StateChange};

const TERM: u64 = 4;

fn entry(number: u64, after: u64) -> Entry {
    let effects = Effects { state: Some(StateChange::RaiseMark { birth_ms: 1 }), ..Effects::default() };
    Entry {
        term: TERM,
        number: EntryNumber(number),
        after: EntryNumber(after),
        timestamp: Timestamp { wall_ms: number, counter: 0, node: 0 },
        effects: vec![effects],
    }
}

/// Applies the last entry behind the others: it must have no effect.
fn has_no_effect(before: &[Entry], last: &Entry, log_term: u64) -> Played {
    let mut state = PartitionState::new(PartitionId(2), TableId(2), TokenRange::ALL);
    let mut played = Played::default();
    for entry in before {
        let outcome = apply(entry, TERM, &mut state).outcome;
        played.broken.extend((outcome != Outcome::HadEffect).then(|| format!("{entry:?} had no effect")));
    }
    let outcome = apply(last, log_term, &mut state).outcome;
    played.note((outcome != Outcome::Nothing).then(|| format!("{last:?} had an effect in term {log_term}")));
    played
}

pub(super) fn other_term(_seed: u64) -> Played {
    has_no_effect(&[entry(1, 0)], &entry(2, 1), TERM + 1)
}

pub(super) fn lost_predecessor(_seed: u64) -> Played {
    has_no_effect(&[entry(1, 0)], &entry(3, 2), TERM)
}
