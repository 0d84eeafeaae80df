//! What is remembered, what is forgotten, and what of it stands in rows.

use super::*;
use crate::{
    Command,
    testing::{Leader, PARTITION, Replica, Store, command, table},
};
use stator_changelog::SequenceNumber;

fn ids(births: impl Iterator<Item = u64>, outcome_bytes: usize) -> RememberedIds {
    let mut remembered = RememberedIds::default();
    for (number, wall_ms) in births.enumerate() {
        let birth = Timestamp { wall_ms, counter: 0, node: 0 };
        remembered.insert(birth, CommandId(number as u128), vec![0; outcome_bytes].into());
    }
    remembered
}

#[test]
fn ids_are_bounded_by_count_bytes_and_age() {
    let count = REMEMBERED_COUNT_MAX as u64;
    assert_eq!(ids(0..count, 1).mark_due(count), None);
    let mut full = ids(0..count + 1, 1);
    let mark = full.mark_due(count).expect("there are too many");
    full.forget_below(mark);
    assert_eq!(full.len(), REMEMBERED_COUNT_MAX / 4 * 3);
    assert_eq!(full.mark_due(count), None);

    let mut large = ids(0..9, REMEMBERED_BYTES_MAX / 8);
    large.forget_below(large.mark_due(0).expect("they are too large"));
    assert_eq!(large.len(), 6);

    let mut old = ids([0, 1_000, REMEMBERED_AGE_MS_MAX].into_iter(), 1);
    assert_eq!(old.mark_due(2 * REMEMBERED_AGE_MS_MAX - 1), None);
    old.forget_below(old.mark_due(2 * REMEMBERED_AGE_MS_MAX).expect("the first is too old"));
    assert_eq!(old.len(), 1);
    assert_eq!(RememberedIds::default().mark_due(u64::MAX), None);
    assert_eq!(ids(std::iter::repeat_n(5, REMEMBERED_COUNT_MAX + 1), 1).mark_due(5), Some(6), "births may be equal");
}

#[test]
fn nothing_is_loaded_where_nothing_is() {
    assert_eq!(PartitionState::load(PARTITION, &Store::default()).unwrap(), None);
    let replica = Replica::new();
    assert_eq!(PartitionState::load(PARTITION, &replica.store).unwrap(), Some(replica.state.clone()));
    assert_eq!(PartitionState::load(PartitionId(PARTITION.0 + 1), &replica.store).unwrap(), None);
}

#[test]
fn damaged_rows_are_an_error() {
    let mut leader = Leader::of(table(true, true));
    leader.write(&command("put a=1 r=1 n=5")).unwrap();
    leader.write(&Command::MoveCursor { consumer: "index".to_owned(), to: SequenceNumber(1) }).unwrap();
    let whole = &leader.replica.store;
    let keys: Vec<Vec<u8>> = whole.family(FamilyKind::State).map(|(key, _)| key.clone()).collect();
    assert_eq!(keys.len(), 5, "progress, description, counters, a cursor, an id");
    for key in keys {
        let mut damaged = whole.clone();
        let rows = damaged.rows.get_mut(&FamilyKind::State).unwrap();
        let is_remembered = matches!(crate::keys::parse_state_key(PARTITION, &key), Some(StateKey::Remembered { .. }));
        rows.insert(key.clone(), vec![99].into());
        let loaded = PartitionState::load(PARTITION, &damaged);
        // An outcome is read when its command comes again.
        assert_eq!(loaded.is_err(), !is_remembered, "{key:?}");
    }
    let mut unknown = whole.clone();
    let strange = [&PARTITION.0.to_be_bytes()[..], &[200]].concat();
    unknown.rows.get_mut(&FamilyKind::State).unwrap().insert(strange, vec![1].into());
    assert!(PartitionState::load(PARTITION, &unknown).is_err(), "a newer release's rows stop this one");
}

#[test]
fn the_replicas_own_rows_are_not_the_state() {
    let (start, end) = crate::keys::state_bounds(PARTITION);
    let end = end.expect("other partitions follow");
    for key in [crate::keys::applied_key(PARTITION), crate::keys::installing_key(PARTITION)] {
        assert!(key[..] < start[..]);
        assert!(key[..] > crate::keys::remembered_key(PartitionId(PARTITION.0 - 1), Timestamp::MIN, CommandId(0))[..]);
    }
    let last = Timestamp { wall_ms: u64::MAX, counter: u32::MAX, node: u32::MAX };
    assert!(crate::keys::remembered_key(PARTITION, last, CommandId(u128::MAX))[..] < end[..]);
}
