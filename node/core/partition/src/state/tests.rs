//! What is remembered, what is forgotten, and what of it stands in rows.

use super::*;
use crate::{
    Command,
    testing::{Leader, PARTITION, Replica, Store, command, table},
};
use bytes::Bytes;
use stator_changelog::SequenceNumber;

fn ids(births: impl Iterator<Item = u64>, outcome_bytes: usize) -> RememberedIds {
    let mut remembered = RememberedIds::default();
    for (number, wall_ms) in births.enumerate() {
        let birth = Timestamp { wall_ms, counter: 0, node: 0 };
        let outcome = vec![0; outcome_bytes].into();
        remembered.insert(RememberedId { birth, id: CommandId(number as u128), outcome });
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
    assert_eq!(
        keys.len(),
        7,
        "progress, description, counters, a cursor, the ids of an entry, a mark of the log's size, a stream"
    );
    for key in keys {
        let mut damaged = whole.clone();
        let rows = damaged.rows.get_mut(&FamilyKind::State).unwrap();
        rows.insert(key.clone(), vec![99].into());
        let loaded = PartitionState::load(PARTITION, &damaged);
        assert!(loaded.is_err(), "{key:?}");
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
    use crate::keys::{applied_key, installing_key, owner_key};
    for key in [applied_key(PARTITION), installing_key(PARTITION), owner_key(PARTITION)] {
        assert!(key[..] < start[..]);
        assert!(key[..] > crate::keys::remembered_key(PartitionId(PARTITION.0 - 1), EntryNumber(0))[..]);
    }
    assert!(crate::keys::remembered_key(PARTITION, EntryNumber(u64::MAX))[..] < end[..]);
}

#[test]
fn a_row_of_ids_stands_until_all_of_them_are_forgotten() {
    let id = |number: u64, wall_ms| RememberedId {
        birth: Timestamp { wall_ms, counter: 0, node: 0 },
        id: CommandId(number.into()),
        outcome: Bytes::from_static(&[1]),
    };
    let mut remembered = RememberedIds::default();
    assert_eq!(remembered.close_row(EntryNumber(1)), None, "no row without ids");
    let mut rows = Vec::new();
    for (entry, births) in [(2, vec![10, 40]), (3, vec![20]), (4, vec![50])] {
        births.into_iter().for_each(|birth| remembered.insert(id(birth, birth)));
        rows.push((EntryNumber(entry), remembered.close_row(EntryNumber(entry)).expect("it has ids")));
    }
    assert_eq!(remembered.forget_below(30), None, "the first row has a late id");
    assert_eq!(remembered.len(), 2);

    let mut loaded = RememberedIds::default();
    rows.into_iter().for_each(|(entry, ids)| loaded.load_row(entry, ids, 30));
    assert_eq!(loaded, remembered, "what is below the mark does not come back");

    assert_eq!(remembered.forget_below(41), Some(EntryNumber(3)), "nor does the row behind it stay");
    assert_eq!(remembered.forget_below(41), None);
    assert_eq!(remembered.forget_below(u64::MAX), Some(EntryNumber(4)));
    assert!(remembered.is_empty());
}
