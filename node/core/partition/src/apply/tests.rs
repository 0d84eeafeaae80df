//! The change log of a partition, as its consumers read, move and trim it.

use crate::{
    Command, FamilyKind, Refusal, Reply,
    testing::{Leader, command, table},
};
use stator_changelog::SequenceNumber;

fn with_changes(count: u32) -> Leader {
    let mut leader = Leader::of(table(false, true));
    for _ in 0..count {
        leader.write(&command("update a=1 ADD n :1")).unwrap();
    }
    leader
}

fn move_cursor(leader: &mut Leader, consumer: &str, to: u64) -> Result<Reply, Refusal> {
    leader.write(&Command::MoveCursor { consumer: consumer.to_owned(), to: SequenceNumber(to) })
}

fn trim(leader: &mut Leader, to: u64) -> Vec<u64> {
    leader.write(&Command::TrimChanges { to: SequenceNumber(to) }).unwrap();
    changes(leader, 0, u64::MAX)
}

fn changes(leader: &Leader, after: u64, bytes_max: u64) -> Vec<u64> {
    match leader.read(&Command::ReadChanges { after: SequenceNumber(after), bytes_max }) {
        Ok(Reply::Changes(records)) => records.iter().map(|record| record.sequence.0).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn changes_are_read_from_a_place_on_and_in_pieces() {
    let leader = with_changes(5);
    assert_eq!(changes(&leader, 0, u64::MAX), [1, 2, 3, 4, 5]);
    assert_eq!(changes(&leader, 3, u64::MAX), [4, 5]);
    assert!(changes(&leader, 5, u64::MAX).is_empty());
    assert!(changes(&leader, 99, u64::MAX).is_empty());
    assert_eq!(changes(&leader, 1, 0), [2], "at least one");
    let stored = leader.replica.store.family(FamilyKind::Changes).nth(1).unwrap().1.len() as u64;
    assert_eq!(changes(&leader, 1, stored), [2]);
    assert_eq!(changes(&leader, 1, stored + 1), [2, 3]);
}

#[test]
fn trimming_waits_for_every_consumer() {
    let mut leader = with_changes(5);
    move_cursor(&mut leader, "index", 4).unwrap();
    move_cursor(&mut leader, "archive", 2).unwrap();
    assert_eq!(trim(&mut leader, 3), [1, 2, 3, 4, 5], "the stream's shard has them");
    for drop_before_ms in [0, u64::MAX] {
        leader.now_ms += 1;
        let roll_before_ms = leader.now_ms;
        leader.write(&Command::KeepStreams { roll_before_ms, drop_before_ms }).unwrap();
    }
    assert_eq!(changes(&leader, 0, u64::MAX), [3, 4, 5], "the shard is gone, a consumer is not there yet");
    assert_eq!(trim(&mut leader, 1), [3, 4, 5]);
    move_cursor(&mut leader, "archive", 1).unwrap();
    assert_eq!(leader.replica.state.cursors().get("archive"), Some(SequenceNumber(2)), "a cursor never falls");
    move_cursor(&mut leader, "archive", 5).unwrap();
    assert_eq!(trim(&mut leader, 99), [5]);
    assert_eq!(leader.replica.state.changes(), Some((SequenceNumber(5), SequenceNumber(5))));
    move_cursor(&mut leader, "index", 5).unwrap();
    assert!(trim(&mut leader, 99).is_empty());
    assert_eq!(leader.replica.state.changes(), None);
    leader.write(&command("put a=2")).unwrap();
    assert_eq!(changes(&leader, 0, u64::MAX), [6], "numbers go on");
    assert!(
        matches!(move_cursor(&mut leader, "index", 7), Err(Refusal::Invalid(_))),
        "nothing is read that is not there"
    );
}

#[test]
fn a_missing_record_is_noticed() {
    let mut leader = with_changes(3);
    let second = leader.replica.store.family(FamilyKind::Changes).nth(1).unwrap().0.clone();
    leader.replica.store.rows.get_mut(&FamilyKind::Changes).unwrap().remove(&second);
    let read = Command::ReadChanges { after: SequenceNumber(0), bytes_max: u64::MAX };
    assert!(crate::read(&read, &leader.replica.state.for_reads(), &leader.replica.store).is_err());
}

#[test]
fn consumers_are_bounded() {
    let mut leader = with_changes(1);
    for number in 0..crate::state::CONSUMERS_MAX {
        move_cursor(&mut leader, &format!("consumer {number}"), 1).unwrap();
    }
    assert!(move_cursor(&mut leader, "one more", 1).is_err());
    assert!(move_cursor(&mut leader, "consumer 0", 1).is_ok());
}
