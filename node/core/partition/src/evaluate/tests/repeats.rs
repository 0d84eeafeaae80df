//! Commands that come again have one effect, and the outcome of it.

use crate::{
    Attempt, Call, Command, CommandId, Evaluated, Refusal, Reply,
    testing::{Leader, check_partition, command, table},
};
use stator_item::Timestamp;

fn birth(wall_ms: u64) -> Timestamp {
    Timestamp { wall_ms, counter: 0, node: 9 }
}

fn attempt(leader: &mut Leader, id: u128, wall_ms: u64, attempt: Attempt, line: &str) -> Evaluated {
    leader.evaluate_as(&Call { id: CommandId(id), birth: birth(wall_ms), attempt, command: &command(line) })
}

fn commit(leader: &mut Leader) {
    let entry = leader.propose().expect("effects wait");
    leader.commit(&entry);
}

#[test]
fn in_flight_and_applied_alike() {
    let mut leader = Leader::of(table(false, true));
    let add = "update a=1 ADD n :1 returns ALL_NEW";
    let first = attempt(&mut leader, 100, 2_000, Attempt::First, add);
    let carrying = leader.overlay.last_entry();
    let again = attempt(&mut leader, 100, 2_000, Attempt::Repeated, add);
    assert_eq!((&again.reply, &again.effects), (&first.reply, &None));
    assert_eq!(again.based_on, Some(carrying), "a repeat's reply waits for the first one's effect");
    commit(&mut leader);
    let again = attempt(&mut leader, 100, 2_000, Attempt::Repeated, add);
    assert_eq!((again.reply, again.effects, again.based_on), (first.reply, None, None));
    check_partition(&mut leader, "get a=1 -> a=1 n=1");
}

#[test]
fn a_late_first_attempt_changes_nothing_after_a_repeat_was_refused() {
    let mut leader = Leader::of(table(false, true));
    let put = "put a=1 n=5 if attribute_exists(a)";
    let refused = Err(Refusal::ConditionFailed { old_item: None });
    let first = attempt(&mut leader, 100, 2_000, Attempt::First, put);
    assert_eq!((first.reply, first.effects), (refused.clone(), None), "a first refusal costs no entry");
    let repeated = attempt(&mut leader, 101, 2_000, Attempt::Repeated, put);
    assert_eq!(repeated.reply, refused);
    commit(&mut leader);
    check_partition(&mut leader, "put a=1 n=1 -> ok log insert");
    let late = attempt(&mut leader, 101, 2_000, Attempt::First, put);
    assert_eq!((late.reply, late.effects), (refused, None));
    let other = attempt(&mut leader, 102, 2_000, Attempt::First, put);
    assert!(other.reply.is_ok() && other.effects.is_some());
}

#[test]
fn below_the_mark_nothing_is_tried_again() {
    let mut leader = Leader::of(table(false, true));
    let add = "update a=1 ADD n :1";
    attempt(&mut leader, 100, 2_000, Attempt::First, add);
    attempt(&mut leader, 101, 3_000, Attempt::First, add);
    commit(&mut leader);
    let raised = leader.evaluate(&Command::RaiseMark { birth_ms: 3_000 });
    assert!(raised.effects.is_some());
    let marking = leader.overlay.last_entry();
    let old = attempt(&mut leader, 105, 2_999, Attempt::First, add);
    assert_eq!((old.reply, old.effects, old.based_on), (Err(Refusal::TooOld), None, Some(marking)));
    commit(&mut leader);
    let forgotten = attempt(&mut leader, 100, 2_000, Attempt::Repeated, add);
    assert_eq!((forgotten.reply, forgotten.effects), (Err(Refusal::TooOld), None));
    let kept = attempt(&mut leader, 101, 3_000, Attempt::Repeated, add);
    assert!(matches!(kept.reply, Ok(Reply::Written(_))) && kept.effects.is_none());
    assert_eq!(leader.evaluate(&Command::RaiseMark { birth_ms: 2_500 }).effects, None, "a mark never falls");
    check_partition(&mut leader, "get a=1 -> a=1 n=2");
}
