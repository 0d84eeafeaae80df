//! Entries in flight, and what becomes of those that are lost.

use crate::{
    Outcome, Overlay, Pack, Refusal, Reply,
    effects::{Effects, EntryNumber},
    pack::ENTRY_BYTES_FULL,
    testing::{Leader, check_partition, command, show_item, table},
};
use bytes::Bytes;
use stator_item::Timestamp;

fn counted(leader: &mut Leader) -> String {
    match leader.evaluate(&command("update a=1 ADD n :1 returns ALL_NEW")).reply {
        Ok(Reply::Written(written)) => show_item(&written.attributes.expect("a new item")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn evaluation_sees_what_is_in_flight_and_reads_do_not() {
    let mut leader = Leader::of(table(false, true));
    assert_eq!(counted(&mut leader), "a=1 n=1");
    let first = leader.propose().unwrap();
    assert_eq!(counted(&mut leader), "a=1 n=2");
    let second = leader.propose().unwrap();
    assert_eq!(second.after, first.number);
    check_partition(&mut leader, "get a=1 -> nothing");

    let refused = leader.evaluate(&command("put a=1 if n = :1"));
    let old_item = stator_item::row::item_encoding(&crate::testing::item("a=1 n=2"));
    assert_eq!(refused.reply, Err(Refusal::ConditionFailed { old_item: Some(old_item.into()) }));
    assert_eq!(refused.based_on, Some(second.number), "the refusal must wait for what it was read from");

    assert_eq!(leader.commit(&first), Outcome::HadEffect);
    check_partition(&mut leader, "get a=1 -> a=1 n=1");
    assert_eq!(counted(&mut leader), "a=1 n=3", "the second entry is still in flight");
    assert_eq!(leader.commit(&second), Outcome::HadEffect);
    let third = leader.propose().unwrap();
    assert_eq!(leader.commit(&third), Outcome::HadEffect);
    assert!(leader.overlay.is_empty());
    assert_eq!(leader.overlay.bytes(), 0);
    check_partition(&mut leader, "get a=1 -> a=1 n=3");
}

#[test]
fn what_was_evaluated_on_a_lost_entry_becomes_nothing() {
    let mut leader = Leader::of(table(false, true));
    counted(&mut leader);
    let _lost = leader.propose().unwrap();
    counted(&mut leader);
    let orphan = leader.propose().unwrap();
    let before = leader.replica.clone();
    assert_eq!(leader.commit(&orphan), Outcome::Nothing);
    assert_eq!(leader.replica, before);
    leader.begin_anew();
    assert_eq!(counted(&mut leader), "a=1 n=1");
}

#[test]
fn an_entry_given_up_too_early_may_come_late() {
    let mut leader = Leader::of(table(false, true));
    counted(&mut leader);
    let late = leader.propose().unwrap();
    leader.begin_anew();
    leader.evaluate(&command("put a=2"));
    let beside = leader.propose().unwrap();
    assert_ne!(beside.number, late.number, "numbers are never used twice within a term");
    leader.evaluate(&command("put a=3 if attribute_not_exists(a)"));
    let behind = leader.propose().unwrap();
    assert_eq!(leader.replica.apply(&late, late.term), Outcome::HadEffect);
    assert_eq!(leader.replica.apply(&beside, beside.term), Outcome::Nothing);
    assert_eq!(leader.replica.apply(&behind, behind.term), Outcome::Nothing);
    assert_eq!(leader.replica.apply(&late, late.term), Outcome::Nothing, "nor has anything effect twice");
    check_partition(&mut leader, "get a=1 -> a=1 n=1\n get a=2 -> nothing\n get a=3 -> nothing");
}

#[test]
fn an_entry_of_another_term_becomes_nothing() {
    let mut leader = Leader::of(table(false, true));
    counted(&mut leader);
    let entry = leader.propose().unwrap();
    assert_eq!(leader.replica.apply(&entry, entry.term + 1), Outcome::Nothing);
    assert_eq!(leader.replica.apply(&entry, entry.term), Outcome::HadEffect);
}

#[test]
fn timestamps_rise_whatever_the_clock_says() {
    let mut leader = Leader::of(table(false, true));
    let mut last = Timestamp::MIN;
    for now_ms in [5_000, 4_000, 5_000, 5_001, 0] {
        leader.now_ms = now_ms;
        let evaluated = leader.evaluate(&command("update a=1 ADD n :1"));
        assert!(evaluated.timestamp > last, "{now_ms}");
        last = evaluated.timestamp;
    }
}

#[test]
fn packs_say_when_they_are_full() {
    let leader = Leader::of(table(false, true));
    let mut overlay = Overlay::new(4, &leader.replica.state, EntryNumber(9));
    let mut pack = Pack::default();
    let row = crate::RowWrite { key: Bytes::new(), value: Some(vec![0; ENTRY_BYTES_FULL / 4].into()) };
    let mut timestamp = overlay.last_timestamp();
    for full in [false, false, false, true] {
        timestamp = timestamp.next(0, 0);
        pack.add(Effects { rows: vec![row.clone()], ..Effects::default() }, timestamp, &mut overlay);
        assert_eq!(pack.is_full(), full);
    }
    let entry = pack.take(&overlay).expect("effects wait");
    assert_eq!((entry.after, entry.number), (leader.replica.state.last_entry(), EntryNumber(10)));
    assert_eq!(entry.effects.len(), 4);
    assert!(pack.is_empty() && pack.take(&overlay).is_none());
}
