//! Commands and what comes of them.

mod model;
mod repeats;
mod transactions;

use crate::{
    Command, FamilyKind, Refusal, Reply,
    reply::IndexCount,
    rows::COLLECTION_SIZES,
    testing::{Leader, TABLE, check_partition, command, show_item, table},
};
use stator_item::{IndexNumber, KeyPart, Number, key, row};

#[test]
fn conditions_and_change_records() {
    check_partition(
        &mut Leader::of(table(false, true)),
        "put a=1 n=5                              -> ok log insert
         put a=1 n=6 if attribute_not_exists(a)   -> refuse ConditionFailed a=1 n=5
         put a=2 if attribute_exists(a)           -> refuse ConditionFailed
         update a=1 ADD n :2                      -> ok log modify n: 5 => 7
         update a=1 SET n = n - :1 if n = :7      -> ok log modify n: 7 => 6
         put a=1 n=6                              -> ok
         get a=1                                  -> a=1 n=6
         get a=1 only n                           -> n=6
         get a=1 only z                           ->
         delete a=1 if n = :5                     -> refuse ConditionFailed a=1 n=6
         delete a=1                               -> ok log remove
         delete a=1                               -> ok
         get a=1                                  -> nothing",
    );
}

#[test]
fn a_table_without_a_stream_logs_nothing() {
    check_partition(&mut Leader::of(table(false, false)), "put a=1 n=5 -> ok\n delete a=1 -> ok");
}

#[test]
fn returned_values() {
    check_partition(
        &mut Leader::of(table(false, false)),
        "put a=1 n=5 x=7 returns ALL_OLD               -> ok
         put a=1 n=6 x=7 returns ALL_OLD               -> ok a=1 n=5 x=7
         update a=1 SET n = :8 returns UPDATED_OLD     -> ok n=6
         update a=1 SET n = :9, y = :1 returns UPDATED_NEW -> ok n=9 y=1
         update a=1 SET z = :1 returns UPDATED_OLD     -> ok
         update a=1 REMOVE z returns UPDATED_NEW       -> ok
         update a=1 REMOVE y returns ALL_OLD           -> ok a=1 n=9 x=7 y=1
         update a=1 SET n = :9 returns ALL_NEW         -> ok a=1 n=9 x=7
         update a=1 returns ALL_NEW                    -> ok a=1 n=9 x=7
         delete a=1 returns ALL_OLD                    -> ok a=1 n=9 x=7
         delete a=1 returns ALL_OLD                    -> ok
         update a=2 SET n = :1 returns UPDATED_OLD     -> ok
         update a=3 returns ALL_NEW                    -> ok a=3",
    );
}

#[test]
fn updates_of_what_is_not_there() {
    check_partition(
        &mut Leader::of(table(false, true)),
        "update a=1 REMOVE n returns ALL_NEW         -> ok
         get a=1                                     -> nothing
         update a=1 SET m = n + :1                   -> refuse The provided expression refers to an attribute that does not exist in the item
         update a=1 ADD n :1                         -> ok log insert
         update a=1 SET n = :x                       -> ok log modify n: 1 => x
         update a=1 ADD n :1                         -> refuse An operand in the update expression has an incorrect data type
         update a=1 SET a = :2                       -> refuse One or more parameter values were invalid: Cannot update attribute a. This attribute is part of the key
         update a=2                                  -> ok log insert
         update a=2                                  -> ok",
    );
}

#[test]
fn index_keys_are_checked() {
    check_partition(
        &mut Leader::of(table(true, false)),
        "put a=1 r=1 n=5 s=x        -> ok
         update a=1 r=1 SET s = :5  -> refuse One or more parameter values were invalid: Type mismatch for Index Key s Expected: S Actual: N IndexName: by_s
         put a=1 r=2 n=x            -> refuse One or more parameter values were invalid: Type mismatch for Index Key n Expected: N Actual: S IndexName: by_n
         put a=1 r=2 s=             -> refuse One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by_s, IndexKey: s
         get a=1 r=1                -> a=1 n=5 r=1 s=x",
    );
}

/// What stands in a local index, in order.
fn entries(leader: &Leader, index: u16) -> Vec<String> {
    let (start, end) = key::token_bounds(TABLE, IndexNumber(index), stator_item::Token::MIN, stator_item::Token::MAX);
    let rows = leader.replica.store.family(FamilyKind::Items);
    let inside = rows.filter(|(key, _)| **key >= start && end.as_ref().is_none_or(|end| *key < end));
    inside.map(|(_, stored)| show_item(row::split_row(stored).expect("a row is stored").encoded_item)).collect()
}

#[test]
fn indexes_follow_their_items() {
    let mut leader = Leader::of(table(true, false));
    check_partition(
        &mut leader,
        "put a=1 r=1 n=5 s=x i=1 x=7 y=8  -> ok
         put a=1 r=2 n=4                  -> ok
         put a=1 r=3                      -> ok",
    );
    assert_eq!(entries(&leader, 1), ["a=1 n=4 r=2", "a=1 n=5 r=1"], "keys only");
    assert_eq!(entries(&leader, 2), ["a=1 i=1 n=5 r=1 s=x x=7 y=8"], "all");
    assert_eq!(entries(&leader, 3), ["a=1 i=1 r=1 x=7"], "included");
    check_partition(&mut leader, "update a=1 r=1 SET n = :3 REMOVE i -> ok\n delete a=1 r=2 -> ok");
    assert_eq!(entries(&leader, 1), ["a=1 n=3 r=1"]);
    assert_eq!(entries(&leader, 2), ["a=1 n=3 r=1 s=x x=7 y=8"]);
    assert!(entries(&leader, 3).is_empty());
}

#[test]
fn only_changed_index_entries_are_written_and_reported() {
    let mut leader = Leader::of(table(true, false));
    leader.write(&command("put a=1 r=1 n=5 s=x i=1 y=8")).unwrap();
    let evaluated = leader.evaluate(&command("update a=1 r=1 SET y = :9"));
    let Ok(Reply::Written(written)) = evaluated.reply else { panic!("an update is written") };
    assert_eq!(written.old_bytes, written.new_bytes);
    let indexes: Vec<u16> = written.index_bytes.iter().map(|(index, _, _)| index.0).collect();
    assert_eq!(indexes, [2], "only the index that holds y");
    let effects = evaluated.effects.expect("an update has effects");
    assert_eq!(effects.rows.len(), 2, "item and one entry; the collection keeps its size");
    assert!(effects.counts.is_empty());

    let evaluated = leader.evaluate(&command("update a=1 r=1 SET n = :6"));
    let Ok(Reply::Written(written)) = evaluated.reply else { panic!("an update is written") };
    let moved: Vec<(bool, bool)> = written
        .index_bytes
        .iter()
        .filter(|(index, _, _)| index.0 == 1)
        .map(|(_, old_bytes, new_bytes)| (*old_bytes > 0, *new_bytes > 0))
        .collect();
    assert_eq!(moved, [(true, false), (false, true)], "an entry that moves is deleted and put");
}

#[test]
fn counters_and_collection_sizes() {
    let mut leader = Leader::of(table(true, false));
    // Sizes: a name and a number of up to two digits count 1 + 2 bytes, "s" and "x" count 2.
    check_partition(&mut leader, "put a=1 r=1 n=5 -> ok\n put a=1 r=2 s=x -> ok\n put a=2 r=1 -> ok");
    let counts = |leader: &Leader| match leader.read(&Command::Count) {
        Ok(Reply::Counted(counts)) => counts,
        other => panic!("{other:?}"),
    };
    let count = |index, items, bytes| IndexCount { index: IndexNumber(index), items, bytes };
    assert_eq!(counts(&leader), [count(0, 3, 9 + 8 + 6), count(1, 1, 9), count(2, 1, 8), count(3, 0, 0)]);
    let collection = |leader: &mut Leader| {
        let Command::Update(mut update) = command("update a=1 r=1") else { panic!("an update") };
        update.options.collection_size = true;
        match leader.write(&Command::Update(update)) {
            Ok(Reply::Written(written)) => written.collection_bytes,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(collection(&mut leader), Some(2 * 9 + 2 * 8));
    check_partition(&mut leader, "update a=1 r=1 REMOVE n -> ok\n delete a=1 r=2 -> ok");
    assert_eq!(collection(&mut leader), Some(6));
    check_partition(&mut leader, "delete a=1 r=1 -> ok\n delete a=2 r=1 -> ok");
    assert!(counts(&leader).iter().all(|count| count.items == 0 && count.bytes == 0));
    assert_eq!(leader.replica.store.family(FamilyKind::Items).count(), 0, "an empty collection has no size");
}

#[test]
fn a_full_collection_takes_nothing_more() {
    let mut leader = Leader::of(table(true, false));
    leader.write(&command("put a=1 r=1")).unwrap();
    let hash = KeyPart::Number(Number::from_u64(1));
    let size_key = key::hash_prefix(TABLE, COLLECTION_SIZES, &hash);
    let size = super::write::encode_size(super::write::COLLECTION_BYTES_MAX);
    leader.replica.store.rows.get_mut(&FamilyKind::Items).unwrap().insert(size_key, size.into());
    assert_eq!(leader.write(&command("put a=1 r=2")), Err(Refusal::CollectionFull));
    check_partition(&mut leader, "delete a=1 r=1 -> ok\n put a=2 r=1 -> ok\n put a=1 r=2 -> ok");
}

#[test]
fn items_have_a_greatest_size() {
    let mut leader = Leader::of(table(false, false));
    let text = "x".repeat(200_000);
    check_partition(&mut leader, &format!("put a=1 x={text} -> ok"));
    let too_large = "refuse Item size to update has exceeded the maximum allowed size";
    check_partition(&mut leader, &format!("update a=1 SET y = x, z = x -> {too_large}"));
    let too_large = "refuse Item size has exceeded the maximum allowed size";
    check_partition(&mut leader, &format!("put a=1 x={text} y={text} z={text} -> {too_large}"));
}

#[test]
fn tokens_of_others_are_refused() {
    let mut leader = Leader::of(table(false, false));
    let Command::Put(put) = command("put a=1") else { panic!("a put") };
    let token = put.key.token();
    leader.replica.state.progress.tokens.last = stator_item::Token(token.0 - 1);
    assert_eq!(leader.write(&Command::Put(put)), Err(Refusal::StaleEpoch { current: 1 }));
    assert_eq!(leader.read(&command("get a=1")), Err(Refusal::StaleEpoch { current: 1 }));
}

#[test]
fn descriptions_only_get_newer() {
    let mut leader = Leader::of(table(false, false));
    let described = |version, stream| {
        let mut description = table(false, stream);
        description.version = version;
        Command::Describe(Box::new(description))
    };
    for (version, stream, taken) in [(1, true, false), (3, true, true), (2, false, false), (3, false, false)] {
        assert_eq!(leader.evaluate(&described(version, stream)).effects.is_some(), taken, "{version}");
    }
    // The description in flight counts already.
    let evaluated = leader.evaluate(&command("put a=1"));
    assert!(evaluated.effects.expect("a put has effects").change.is_some());
    let entry = leader.propose().expect("effects wait");
    leader.commit(&entry);
    assert_eq!(leader.replica.state.description().unwrap().version, 3);
}

#[test]
fn a_closed_partition_is_empty_and_answers_nothing() {
    let mut leader = Leader::of(table(true, true));
    leader.write(&command("put a=1 r=1 n=5 s=x")).unwrap();
    assert!(leader.evaluate(&Command::Close).effects.is_some());
    let refused = leader.evaluate(&command("put a=1 r=1"));
    assert_eq!((refused.reply, refused.effects), (Err(Refusal::NoSuchTable), None));
    assert_eq!(refused.based_on, Some(leader.overlay.last_entry()), "the refusal must wait for the closing entry");
    let entry = leader.propose().expect("the closing waits");
    leader.commit(&entry);
    assert_eq!(leader.replica.store.family(FamilyKind::Items).count(), 0);
    assert_eq!(leader.replica.store.family(FamilyKind::Changes).count(), 1, "the change log is still owed");
    assert_eq!(leader.read(&command("get a=1 r=1")), Err(Refusal::NoSuchTable));
    assert_eq!(leader.write(&Command::Close), Ok(Reply::Done));
    assert_eq!(leader.write(&Command::Describe(Box::new(table(true, true)))), Err(Refusal::NoSuchTable));
}
