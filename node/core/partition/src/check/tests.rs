//! A sound partition has no findings; each kind of damage has its own.

use super::check;
use crate::{
    FamilyKind,
    rows::COLLECTION_SIZES,
    testing::{Leader, Replica, TABLE, check_partition, table},
};
use bytes::Bytes;
use stator_item::{IndexNumber, key};

fn filled(local_indexes: bool) -> Replica {
    let mut leader = Leader::of(table(local_indexes, true));
    let lines = if local_indexes {
        "put a=1 r=1 n=5 s=p    -> ok log insert
         put a=1 r=2 n=6 i=3    -> ok log insert
         put a=2 r=1 s=q x=1    -> ok log insert
         put a=3 r=1 n=1        -> ok log insert
         delete a=3 r=1         -> ok log remove"
    } else {
        "put a=1 n=5 -> ok log insert\n put a=2 -> ok log insert\n delete a=2 -> ok log remove"
    };
    check_partition(&mut leader, lines);
    leader.replica
}

fn findings(replica: &Replica) -> Vec<String> {
    check(&replica.state, &replica.store).expect("maps can be read").findings
}

/// The first row of the items that lies under this index number.
fn first(replica: &Replica, index: IndexNumber) -> Vec<u8> {
    let (start, _) = key::prefix_bounds([&TABLE.0.to_be_bytes()[..], &index.0.to_be_bytes()].concat());
    let found = replica.store.family(FamilyKind::Items).find(|(row_key, _)| row_key.starts_with(&start));
    found.expect("there is a row").0.clone()
}

#[test]
fn sound_partitions_have_no_findings() {
    assert_eq!(findings(&Replica::new()), Vec::<String>::new());
    for local_indexes in [false, true] {
        assert_eq!(findings(&filled(local_indexes)), Vec::<String>::new());
    }
    let checked = check(&filled(true).state, &filled(true).store).expect("maps can be read");
    assert_eq!((checked.items, checked.index_entries, checked.changes), (3, 5, 5));
}

#[test]
fn a_row_that_is_gone_is_missed() {
    let cases = [
        (IndexNumber::ITEMS, "the counters say"),
        (IndexNumber(1), "its entry in the index by_n is not its own"),
        (COLLECTION_SIZES, "its size is not the"),
    ];
    for (index, expected) in cases {
        let mut replica = filled(true);
        let row_key = first(&replica, index);
        replica.store.rows.entry(FamilyKind::Items).or_default().remove(&row_key);
        let found = findings(&replica);
        assert!(found.iter().any(|finding| finding.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn a_row_too_many_is_found() {
    for (index, expected) in [(IndexNumber(2), "index by_s has 3 entries"), (COLLECTION_SIZES, "3 have a size")] {
        let mut replica = filled(true);
        let mut row_key = first(&replica, index);
        row_key.push(1);
        replica.store.rows.entry(FamilyKind::Items).or_default().insert(row_key, Bytes::from_static(b"?"));
        let found = findings(&replica);
        assert!(found.iter().any(|finding| finding.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn an_item_under_a_foreign_key_is_found() {
    let mut replica = filled(false);
    let row_key = first(&replica, IndexNumber::ITEMS);
    let items = replica.store.rows.entry(FamilyKind::Items).or_default();
    let stored = items.remove(&row_key).expect("it was just found");
    let mut foreign = row_key;
    *foreign.last_mut().expect("keys have bytes") ^= 1;
    items.insert(foreign, stored);
    let found = findings(&replica);
    assert!(found.iter().any(|finding| finding.starts_with("item at ")), "{found:?}");
}

#[test]
fn a_change_record_that_is_gone_is_missed() {
    let mut replica = filled(false);
    let changes = replica.store.rows.entry(FamilyKind::Changes).or_default();
    let second = changes.keys().nth(1).expect("three were made").clone();
    changes.remove(&second);
    let found = findings(&replica);
    assert!(found.iter().any(|finding| finding.contains("number 2 is due there")), "{found:?}");
    assert!(found.iter().any(|finding| finding.contains("has 2 records, and its counters say 3")), "{found:?}");
}
