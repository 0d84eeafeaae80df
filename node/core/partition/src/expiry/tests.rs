//! Items leave when they have expired, and as they stand then; their order is always that of the items.

use super::*;
use crate::{
    Command, Refusal, Reply,
    check::check,
    testing::{Leader, PARTITION, Replica, STREAM, TABLE, command, table},
    transaction::{Finish, Place, Prepare, TransactionId, TransactionWrite},
};
use proptest::prelude::*;
use stator_catalog::{TimeToLive, TimeToLiveStatus};
use stator_changelog::ChangedBy;
use stator_item::{KeyPart, Number, Timestamp};
use std::collections::BTreeMap;

/// Half a century: old enough for the rule of five years.
const NOW_S: u64 = 1_577_836_800;

fn described(version: u64, attribute: Option<&str>, local_indexes: bool) -> TableDescription {
    let enabled = |attribute: &str| TimeToLive {
        attribute: attribute.to_owned(),
        status: TimeToLiveStatus::Enabled,
        changed_ms: version,
    };
    TableDescription { version, time_to_live: attribute.map(enabled), ..table(local_indexes, true) }
}

fn leader(local_indexes: bool) -> Leader {
    leader_of(TokenRange::ALL, local_indexes)
}

fn leader_of(tokens: TokenRange, local_indexes: bool) -> Leader {
    let replica = Replica::of(PARTITION, TABLE, tokens);
    let mut leader = Leader::with(replica, described(1, Some("n"), local_indexes));
    leader.now_ms = NOW_S * 1_000 + 1;
    leader
}

fn write(leader: &mut Leader, line: &str) {
    leader.write(&command(line)).expect("the write is taken");
}

fn describe(leader: &mut Leader, attribute: Option<&str>, local_indexes: bool) {
    let version = leader.replica.state.description().map_or(1, |table| table.version + 1);
    let description = described(version, attribute, local_indexes);
    leader.write(&Command::Describe(Box::new(description))).expect("a newer description is taken");
}

fn look(leader: &Leader, window: Window, at_most: usize) -> Due {
    let state = &leader.replica.state;
    due(TABLE, state.tokens(), window, at_most, &leader.replica.store).expect("maps can be read")
}

/// Looks for what is due now, and has it deleted.
fn sweep(leader: &mut Leader) -> u64 {
    let window = Window::at(leader.now_ms);
    let due = look(leader, window, EXPIRE_ITEMS_MAX).row_keys;
    expire(leader, due, window)
}

fn expire(leader: &mut Leader, due: Vec<Bytes>, window: Window) -> u64 {
    match leader.write(&Command::Expire(Box::new(Expire { due, window }))) {
        Ok(Reply::Expired { items }) => items,
        other => panic!("{other:?}"),
    }
}

/// One page of the backfill. Whether that was the last one.
fn fill(leader: &mut Leader) -> bool {
    let Ok(Reply::Unindexed(page)) = leader.read(&Command::ReadUnindexed) else { panic!("there is a page") };
    let is_last = page.backfill == Backfill::Done;
    leader.write(&Command::IndexExpiries(page)).expect("the page is taken");
    is_last
}

fn sound(leader: &Leader) {
    let checked = check(&leader.replica.state, &leader.replica.store).expect("rows can be read");
    assert!(checked.findings.is_empty(), "{checked:?}");
}

fn keys(leader: &Leader) -> Vec<String> {
    let table = leader.replica.state.description().expect("it is described");
    let items = leader.replica.store.family(FamilyKind::Items);
    let items = items.filter(|(row_key, _)| row_key[8..10] == [0, 0]);
    let mut found: Vec<String> = items
        .map(|(row_key, _)| {
            let key = item_key(table, row_key).expect("it has a key");
            let KeyPart::Number(number) = key.hash else { panic!("keys are numbers") };
            number.to_i64().expect("keys are small").to_string()
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_second_is_a_number_at_the_top_from_1_on() {
    let number = |text: &str| Value::Number(text.parse::<Number>().expect("a number"));
    for (value, expected) in [
        (number("1"), Some(1)),
        (number("1700000000"), Some(1_700_000_000)),
        (number("17E8"), Some(1_700_000_000)),
        (number("1699999999.001"), Some(1_700_000_000)),
        (number("0.0000000000000000000000000000000000000000001"), Some(1)),
        (number("9223372036854775807"), Some(i64::MAX as u64)),
        (number("9223372036854775808"), None),
        (number("1E100"), None),
        (number("0"), None),
        (number("-1"), None),
        (number("-0.5"), None),
        (Value::String("1700000000".into()), None),
        (Value::Map([("n".to_owned(), number("1"))].into()), None),
    ] {
        let encoded = row::item_encoding(&[("n".to_owned(), value.clone())].into());
        assert_eq!(second_of("n", &encoded), Ok(expected), "{value:?}");
        assert_eq!(second_of("m", &encoded), Ok(None));
    }
}

#[test]
fn what_has_expired_leaves_and_says_who_took_it() {
    let mut leader = leader(true);
    for line in ["put a=1 r=1 n=100", "put a=2 r=1 n=7 s=p"] {
        write(&mut leader, line);
    }
    let second = NOW_S - 1;
    write(&mut leader, &format!("put a=3 r=1 n={second} s=p"));
    write(&mut leader, &format!("put a=3 r=2 n={NOW_S} i=4"));
    write(&mut leader, &format!("put a=3 r=3 n={} i=4", NOW_S + 1));
    sound(&leader);
    assert_eq!(look(&leader, Window::at(leader.now_ms), 10).soonest_s, Some(second), "100 and 7 are years ago");
    assert_eq!(sweep(&mut leader), 2);
    assert_eq!(keys(&leader), ["1", "2", "3"]);
    sound(&leader);
    leader.now_ms += 1_000;
    assert_eq!(sweep(&mut leader), 1);
    assert_eq!(sweep(&mut leader), 0);
    sound(&leader);
    let records = crate::read::changes_after(
        stator_changelog::SequenceNumber(5),
        1 << 20,
        &leader.replica.state.for_reads(),
        &leader.replica.store,
    )
    .expect("maps can be read");
    assert_eq!(records.len(), 3);
    assert!(records.iter().all(|record| record.by == ChangedBy::TimeToLive && record.new_image.is_none()));
    let Ok(Reply::Shards(shards)) = leader.read(&Command::ShowShards { stream: STREAM, after: None, shards_max: 9 })
    else {
        panic!("there is a shard")
    };
    let from = stator_changelog::SequenceNumber(1);
    let read = crate::ReadShard { stream: STREAM, shard: shards[0].id, from, records_max: 99, wait_ms: 0 };
    let Ok(Reply::ShardRecords(read)) = leader.read(&Command::ReadShard(Box::new(read))) else { panic!("it is read") };
    let by: Vec<ChangedBy> = read.records.iter().map(|record| record.by).collect();
    assert_eq!(by[..5], [ChangedBy::Client; 5]);
    assert_eq!(by[5..], [ChangedBy::TimeToLive; 3]);
}

#[test]
fn an_item_that_was_renewed_a_moment_ago_stays() {
    let mut leader = leader(false);
    for line in ["put a=1 n=1577836799", "put a=2 n=1577836799", "put a=3 n=1577836799", "put a=4 n=1577836799"] {
        write(&mut leader, line);
    }
    let window = Window::at(leader.now_ms);
    let due = look(&leader, window, 10).row_keys;
    assert_eq!(due.len(), 4);
    // One is on its way when the command is evaluated, the others are applied.
    write(&mut leader, "update a=1 SET n = :1577836801");
    write(&mut leader, "update a=2 REMOVE n");
    write(&mut leader, "delete a=4");
    leader.evaluate(&command("put a=3 n=1577836901"));
    assert_eq!(expire(&mut leader, due.clone(), window), 0);
    assert_eq!(keys(&leader), ["1", "2", "3"]);
    sound(&leader);
    // Another second that is over is as good, and whoever is named twice goes once.
    write(&mut leader, "put a=3 n=1577836000");
    assert_eq!(expire(&mut leader, [due.clone(), due].concat(), window), 1);
    sound(&leader);
}

#[test]
fn an_item_under_an_intent_is_tried_again() {
    let mut leader = leader(false);
    write(&mut leader, "put a=1 n=1577836799");
    write(&mut leader, "put a=2 n=1577836799");
    let birth = Timestamp { wall_ms: leader.now_ms, counter: 0, node: 1 };
    let transaction = TransactionId { birth, number: 7 };
    let Command::Put(put) = command("put a=1 n=1577836800 x=1") else { panic!("a put") };
    let home = Place { table: TABLE, token: Token::MIN };
    let writes = vec![TransactionWrite::Put(put)];
    leader.write(&Command::Prepare(Box::new(Prepare { transaction, home, writes, request: None }))).expect("prepared");
    assert_eq!(sweep(&mut leader), 1);
    assert_eq!(keys(&leader), ["1"]);
    assert_eq!(look(&leader, Window::at(leader.now_ms), 10).count, 1, "it is still due");
    let committed = Some(Timestamp { wall_ms: leader.now_ms + 9, counter: 0, node: 1 });
    leader.write(&Command::Finish(Finish { transaction, committed })).expect("finished");
    sound(&leader);
    assert_eq!(sweep(&mut leader), 1);
    assert_eq!(keys(&leader), Vec::<String>::new());
}

#[test]
fn time_to_live_begins_ends_and_changes_its_attribute() {
    let mut leader = Leader::with(Replica::new(), described(1, None, false));
    leader.now_ms = NOW_S * 1_000 + 1;
    let status = |leader: &Leader| match leader.read(&Command::ShowExpiries) {
        Ok(Reply::Expiries(status)) => status,
        other => panic!("{other:?}"),
    };
    for number in 0..1_300 {
        write(&mut leader, &format!("put a={number} n={} i={}", NOW_S - 5, NOW_S + 5));
    }
    assert!(matches!(leader.read(&Command::ReadUnindexed), Err(Refusal::Invalid(_))));
    assert_eq!((sweep(&mut leader), status(&leader)), (0, ExpiriesStatus::default()));
    describe(&mut leader, Some("n"), false);
    assert_eq!(status(&leader), ExpiriesStatus { attribute: Some("n".into()), is_filled: false });
    let Ok(Reply::Unindexed(page)) = leader.read(&Command::ReadUnindexed) else { panic!("there is a page") };
    assert_eq!(page.row_keys.len(), INDEX_ITEMS_MAX);
    // What is written ahead of the backfill has its row at once, and another when the backfill has come: the same.
    write(&mut leader, "put a=77 n=9 i=1");
    sound(&leader);
    assert!(!fill(&mut leader));
    sound(&leader);
    assert!(!fill(&mut leader));
    assert!(fill(&mut leader));
    assert!(fill(&mut leader), "nothing is left to do");
    assert_eq!(status(&leader), ExpiriesStatus { attribute: Some("n".into()), is_filled: true });
    sound(&leader);
    assert_eq!(look(&leader, Window::at(leader.now_ms), 10).count, 1_299);
    // A page of an attribute that is not the one any more changes nothing.
    describe(&mut leader, Some("i"), false);
    leader.write(&Command::IndexExpiries(page)).expect("it is late");
    sound(&leader);
    assert_eq!(look(&leader, Window::at(leader.now_ms + 9_000), 10).count, 0);
    while !fill(&mut leader) {}
    sound(&leader);
    assert_eq!(look(&leader, Window::at(leader.now_ms + 9_000), 10).count, 1_299);
    describe(&mut leader, None, false);
    assert_eq!((look(&leader, Window::at(u64::MAX), 1), status(&leader)), (Due::default(), ExpiriesStatus::default()));
    sound(&leader);
    describe(&mut leader, Some("n"), false);
    leader.write(&Command::Close).expect("the table goes");
    sound(&leader);
    assert!(leader.replica.store.family(FamilyKind::Items).next().is_none());
}

#[test]
fn each_slice_has_its_share_and_the_oldest_come_first() {
    let mut leader = leader(false);
    for number in 0..300 {
        write(&mut leader, &format!("put a={number} n={}", NOW_S - number % 7));
    }
    let due = look(&leader, Window::at(leader.now_ms), 128);
    assert_eq!((due.count, due.soonest_s), (300, Some(NOW_S - 6)));
    assert!((128..=192).contains(&due.row_keys.len()), "{}", due.row_keys.len());
    assert!(due.row_keys.is_sorted_by_key(|row_key| second_of_row(row_key)));
    let too_many = Expire { due: vec![Bytes::new(); EXPIRE_ITEMS_MAX + 1], window: Window::at(0) };
    assert!(matches!(leader.write(&Command::Expire(Box::new(too_many))), Err(Refusal::Invalid(_))));
    let window = Window::at(leader.now_ms);
    assert_eq!(expire(&mut leader, vec![Bytes::from_static(b"no row"), Bytes::new()], window), 0);
}

#[test]
fn rows_of_a_partition_lie_between_its_bounds() {
    for count in [1, 3, 7, 64, 200] {
        for number in 0..count {
            let tokens = TokenRange::slice(number, count);
            let all: Vec<Token> = slices(tokens).collect();
            assert!(all.len() <= 1 + (64 / count as usize).max(1), "{count}: {}", all.len());
            assert!(all[0] == tokens.first && all.is_sorted_by(|a, b| a < b));
            assert!(all.iter().all(|slice| tokens.contains(*slice)));
            for token in [tokens.first, tokens.last, Token(tokens.first.0 / 2 + tokens.last.0 / 2)] {
                let at = slice(token, tokens.first);
                assert_eq!(all.iter().rfind(|slice| **slice <= token), Some(&at), "{token:?}");
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put {
        key: u8,
        n: Option<u8>,
        s: u8,
    },
    Renew {
        key: u8,
        n: u8,
    },
    Delete {
        key: u8,
    },
    Pass(u8),
    /// Looks for what is due, lets a write come between, and deletes.
    Sweep {
        between: Option<(u8, u8)>,
    },
    Describe(Option<&'static str>),
    Fill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..12u8;
    let second = || 0..20u8;
    let step = prop_oneof![
        6 => (key(), proptest::option::of(second()), second()).prop_map(|(key, n, s)| Step::Put { key, n, s }),
        3 => (key(), second()).prop_map(|(key, n)| Step::Renew { key, n }),
        1 => key().prop_map(|key| Step::Delete { key }),
        3 => (0..5u8).prop_map(Step::Pass),
        4 => proptest::option::of((key(), second())).prop_map(|between| Step::Sweep { between }),
        1 => proptest::sample::select(vec![None, Some("n"), Some("i")]).prop_map(Step::Describe),
        2 => Just(Step::Fill),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// What is there is what a map says that knows of no order: an item goes in a sweep exactly if it is due then.
    #[test]
    fn items_leave_exactly_when_they_are_due(steps in steps(), part in 0..3u64, local_indexes in any::<bool>()) {
        let tokens = TokenRange::slice(part, 3);
        let mut leader = leader_of(tokens, local_indexes);
        let (mut attribute, mut filled) = (Some("n"), true);
        // By key: the seconds of both attributes.
        let mut model: BTreeMap<u8, (Option<u64>, u64)> = BTreeMap::new();
        let is_here = |key: u8| tokens.contains(Token::of(&KeyPart::Number(Number::from_u64(key.into()))));
        let name = |key: u8| format!("a={key}{}", if local_indexes { " r=1" } else { "" });
        for step in steps {
            match step {
                Step::Put { key, n, s } if is_here(key) => {
                    let (n, i) = (n.map(|n| NOW_S + u64::from(n)), NOW_S + u64::from(s));
                    let shown = n.map(|n| format!(" n={n}")).unwrap_or_default();
                    write(&mut leader, &format!("put {}{shown} i={i}", name(key)));
                    model.insert(key, (n, i));
                }
                Step::Renew { key, n } if is_here(key) && model.contains_key(&key) => {
                    let n = NOW_S + u64::from(n);
                    write(&mut leader, &format!("update {} SET n = :{n}", name(key)));
                    model.entry(key).and_modify(|item| item.0 = Some(n));
                }
                Step::Delete { key } if is_here(key) => {
                    write(&mut leader, &format!("delete {}", name(key)));
                    model.remove(&key);
                }
                Step::Pass(seconds) => leader.now_ms += u64::from(seconds) * 1_000,
                Step::Sweep { between } => {
                    let window = Window::at(leader.now_ms);
                    let found = look(&leader, window, EXPIRE_ITEMS_MAX).row_keys;
                    let mut seen: Vec<u8> = Vec::new();
                    if filled {
                        seen.extend(model.keys());
                    } else {
                        // Before the backfill is done, some rows are not there yet: only of those that are can be said what happens.
                        let table = leader.replica.state.description().cloned().expect("it is described");
                        for (_, item) in found.iter().filter_map(|row_key| item_of(row_key)) {
                            let KeyPart::Number(number) = item_key(&table, &item).expect("a key").hash else { panic!() };
                            seen.push(number.to_i64().expect("keys are small") as u8);
                        }
                    }
                    if let Some((key, n)) = between.filter(|(key, _)| is_here(*key) && model.contains_key(key)) {
                        let n = NOW_S + u64::from(n);
                        // In flight, where the sweep's evaluation meets it.
                        leader.evaluate(&command(&format!("update {} SET n = :{n}", name(key))));
                        let was_due = |item: &(Option<u64>, u64)| match attribute {
                            Some("n") => item.0.is_some_and(|second| window.contains(second)),
                            _ => true,
                        };
                        if !was_due(&model[&key]) {
                            seen.retain(|seen| *seen != key);
                        }
                        model.entry(key).and_modify(|item| item.0 = Some(n));
                    }
                    expire(&mut leader, found, window);
                    if let Some(attribute) = attribute {
                        model.retain(|key, (n, i)| {
                            let second = if attribute == "n" { *n } else { Some(*i) };
                            !(seen.contains(key) && second.is_some_and(|second| window.contains(second)))
                        });
                    }
                }
                Step::Describe(other) => {
                    describe(&mut leader, other, local_indexes);
                    if other != attribute {
                        (attribute, filled) = (other, other.is_none());
                    }
                }
                Step::Fill if !filled => filled = fill(&mut leader),
                _ => {}
            }
            let mut expected: Vec<String> = model.keys().map(u8::to_string).collect();
            expected.sort();
            prop_assert_eq!(keys(&leader), expected);
            let checked = check(&leader.replica.state, &leader.replica.store).expect("rows can be read");
            prop_assert!(checked.findings.is_empty(), "{:?}", checked);
            let expiries = leader.replica.store.family(FamilyKind::Items).filter(|(row_key, _)| second_of_row(row_key).is_some());
            let inside = bounds(TABLE, tokens);
            for (row_key, _) in expiries {
                prop_assert!(*row_key >= inside.0 && inside.1.as_ref().is_none_or(|end| row_key < end));
            }
        }
    }
}
