//! Positions: what counts as dealt with, and who may move them.

use super::*;
use crate::{
    Command, Refusal, Reply,
    testing::{Leader, STREAM, command, table},
};
use proptest::prelude::*;

const MAPPING: MappingId = MappingId(3);

fn change(leader: &mut Leader, change: TriggerChange) -> Result<(), Refusal> {
    leader.now_ms += 1;
    leader.write(&Command::ChangeTrigger(change)).map(|_| ())
}

fn begin(leader: &mut Leader, starting: StartingPosition) {
    change(leader, TriggerChange::Begin { mapping: MAPPING, stream: STREAM, starting, is_resting: false })
        .expect("a mapping begins");
}

fn shown(leader: &Leader) -> Option<Trigger> {
    match leader.read(&Command::ShowTrigger { mapping: MAPPING }) {
        Ok(Reply::Trigger(trigger)) => trigger.map(|trigger| *trigger),
        other => panic!("{other:?}"),
    }
}

fn to(position: &TriggerPosition, done: u64) -> Box<TriggerPosition> {
    Box::new(TriggerPosition { done: SequenceNumber(done), ..position.clone() })
}

fn leader_with_records(count: u64) -> Leader {
    let mut leader = Leader::of(table(false, true));
    for number in 0..count {
        leader.write(&command(&format!("put a={number} n=1"))).expect("the write is taken");
    }
    leader
}

#[test]
fn a_mapping_begins_where_it_says_and_once() {
    for (starting, done) in [(StartingPosition::TrimHorizon, 0), (StartingPosition::Latest, 3)] {
        let mut leader = leader_with_records(3);
        begin(&mut leader, starting);
        let began = shown(&leader).expect("it began");
        assert_eq!((began.position.done, began.position.shard.is_some()), (SequenceNumber(done), true));
        leader.write(&command("put a=9 n=1")).expect("the write is taken");
        begin(&mut leader, StartingPosition::Latest);
        assert_eq!(shown(&leader).as_ref(), Some(&began), "a repeat changes nothing");
        assert!(leader.replica.state.owes_consumers());
    }
}

#[test]
fn only_the_session_that_was_opened_last_moves_a_position() {
    let mut leader = leader_with_records(5);
    begin(&mut leader, StartingPosition::TrimHorizon);
    let began = shown(&leader).expect("it began").position;
    let moves = |session, done| TriggerChange::Move { mapping: MAPPING, session, position: to(&began, done) };
    assert!(change(&mut leader, moves(0, 1)).is_err(), "nobody has opened it");
    change(&mut leader, TriggerChange::Open { mapping: MAPPING, session: 1 }).expect("opened");
    change(&mut leader, moves(1, 2)).expect("moved");
    assert!(change(&mut leader, moves(1, 1)).is_err(), "it moves forward only");
    assert!(change(&mut leader, moves(1, 9)).is_err(), "there is no such record");
    change(&mut leader, TriggerChange::Open { mapping: MAPPING, session: 2 }).expect("opened");
    assert!(change(&mut leader, moves(1, 4)).is_err(), "the session is over");
    assert_eq!(shown(&leader).expect("there").position.done, SequenceNumber(2));
    change(&mut leader, moves(2, 5)).expect("moved");
    assert!(!leader.replica.state.owes_consumers(), "it has everything");
}

#[test]
fn what_a_former_session_has_in_flight_has_no_effect() {
    let mut leader = leader_with_records(5);
    begin(&mut leader, StartingPosition::TrimHorizon);
    change(&mut leader, TriggerChange::Open { mapping: MAPPING, session: 1 }).expect("opened");
    let began = shown(&leader).expect("there").position;
    leader.evaluate(&Command::ChangeTrigger(TriggerChange::Open { mapping: MAPPING, session: 2 }));
    let late = TriggerChange::Move { mapping: MAPPING, session: 1, position: to(&began, 4) };
    leader.evaluate(&Command::ChangeTrigger(late));
    let entry = leader.propose().expect("two commands wait");
    leader.commit(&entry);
    assert_eq!(shown(&leader).expect("there").position, began);
}

#[test]
fn a_mapping_rests_and_ends() {
    let mut leader = leader_with_records(2);
    begin(&mut leader, StartingPosition::TrimHorizon);
    change(&mut leader, TriggerChange::Open { mapping: MAPPING, session: 1 }).expect("opened");
    change(&mut leader, TriggerChange::Rest { mapping: MAPPING }).expect("it rests");
    assert!(!leader.replica.state.owes_consumers(), "nobody waits for it");
    assert!(shown(&leader).expect("there").is_resting);
    change(&mut leader, TriggerChange::End { mapping: MAPPING }).expect("it ends");
    change(&mut leader, TriggerChange::End { mapping: MAPPING }).expect("a repeat");
    assert_eq!(shown(&leader), None);
    assert!(change(&mut leader, TriggerChange::Open { mapping: MAPPING, session: 1 }).is_err());
}

#[test]
fn a_position_outlives_the_table() {
    let mut leader = leader_with_records(2);
    begin(&mut leader, StartingPosition::TrimHorizon);
    leader.write(&Command::Close).expect("closed");
    change(&mut leader, TriggerChange::Open { mapping: MAPPING, session: 1 }).expect("opened");
    let began = shown(&leader).expect("there").position;
    change(&mut leader, TriggerChange::Move { mapping: MAPPING, session: 1, position: to(&began, 2) }).expect("moved");
}

#[test]
fn what_a_position_may_hold_is_bounded() {
    let mut position = TriggerPosition::at(None, SequenceNumber(0));
    let before = position.clone();
    position.window = Some(TriggerWindow { start_ms: 0, state: Bytes::from(vec![b' '; WINDOW_STATE_BYTES_MAX]) });
    assert!(position.follows(&before));
    position.window = Some(TriggerWindow { start_ms: 0, state: Bytes::from(vec![b' '; WINDOW_STATE_BYTES_MAX + 1]) });
    assert!(!position.follows(&before));
}

proptest! {
    #[test]
    fn a_position_has_all_that_is_not_open(open in proptest::collection::btree_set(1..40_u64, 0..20), more in 0..5_u64) {
        let up_to = open.last().copied().unwrap_or(0) + more;
        let position =
            TriggerPosition::new(None, SequenceNumber(up_to), open.iter().map(|sequence| SequenceNumber(*sequence)));
        for sequence in 1..50 {
            let is_dealt_with = sequence <= up_to && !open.contains(&sequence);
            prop_assert_eq!(position.has(SequenceNumber(sequence)), is_dealt_with, "{} of {:?}", sequence, &position);
        }
        prop_assert!(position.follows(&TriggerPosition::at(None, SequenceNumber(0))));
    }
}
