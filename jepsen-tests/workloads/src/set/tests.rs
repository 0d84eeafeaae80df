use super::*;
use crate::testing::{event, refused, sound, unknown};

fn set() -> Set {
    Set::new("t".to_owned())
}

fn put(member: i64) -> (Operation, Answer) {
    (set().put(member), Answer::Written(None))
}

fn delete(member: i64) -> (Operation, Answer) {
    (set().delete(member), Answer::Written(None))
}

fn stored(member: i64) -> Item {
    let mut item = key_item(member);
    item.insert("v".to_owned(), content(member).into());
    item
}

/// A page of a reading: which members, and whether more follow.
fn page(started_us: u64, reading: Reading, members: &[i64], more: bool) -> Event {
    let items: Vec<Item> = members.iter().map(|member| stored(*member)).collect();
    let next = more.then(|| items.last().map(|_| key_item(members[members.len() - 1])).unwrap_or_default());
    let answer = Answer::Page { items, next };
    Event { group: 1, ..event(started_us, started_us + 9, (set().page(reading, Some(2), None), answer)) }
}

const QUERY: Reading = Reading::Query { collection: 0, backward: false };

#[test]
fn whole_readings_are_accepted() {
    sound(
        &set(),
        &[
            event(0, 9, put(3)),
            event(0, 9, put(6)),
            event(0, 9, put(9)),
            page(10, QUERY, &[3, 6], true),
            page(20, QUERY, &[9], false),
        ],
    );
    let backward = Reading::Query { collection: 0, backward: true };
    sound(&set(), &[event(0, 9, put(3)), event(0, 9, put(6)), page(10, backward, &[6, 3], false)]);
    // Other partition keys are not asked for.
    sound(&set(), &[event(0, 9, put(4)), page(10, QUERY, &[], false)]);
}

#[test]
fn what_comes_or_goes_meanwhile_may_be_seen_or_not() {
    for seen in [&[3][..], &[]] {
        sound(&set(), &[event(5, 25, put(3)), page(10, QUERY, seen, false)]);
        sound(&set(), &[event(0, 4, put(3)), event(5, 25, delete(3)), page(10, QUERY, seen, false)]);
        sound(&set(), &[unknown(0, put(3).0), page(10, QUERY, seen, false)]);
        sound(&set(), &[event(0, 2, put(3)), unknown(4, delete(3).0), page(10, QUERY, seen, false)]);
    }
    // Broken off: says nothing of what would have come.
    sound(&set(), &[event(0, 9, put(3)), event(0, 9, put(6)), page(10, QUERY, &[3], true)]);
}

#[test]
fn losses_phantoms_doubles_and_disorder_are_refused() {
    let scan = Reading::Scan;
    refused(&set(), &[event(0, 9, put(3)), page(10, QUERY, &[], false)]);
    refused(&set(), &[event(0, 9, put(4)), page(10, scan, &[], false)]);
    refused(&set(), &[page(10, QUERY, &[3], false)]);
    refused(&set(), &[event(0, 4, put(3)), event(5, 9, delete(3)), page(10, QUERY, &[3], false)]);
    refused(&set(), &[event(20, 29, put(3)), page(5, QUERY, &[3], false)]);
    refused(&set(), &[event(0, 9, put(3)), page(10, scan, &[3], true), page(20, scan, &[3], false)]);
    refused(&set(), &[event(0, 9, put(3)), event(0, 9, put(6)), page(10, QUERY, &[6, 3], false)]);
    refused(&set(), &[event(0, 9, put(4)), page(10, QUERY, &[4], false)]);
    let three = [event(0, 9, put(3)), event(0, 9, put(6)), event(0, 9, put(9)), page(10, QUERY, &[3, 6, 9], false)];
    refused(&set(), &three);
    // A mixture of two items.
    let mut mixed = page(10, QUERY, &[3], false);
    let Some(Ok(Answer::Page { items, .. })) = &mut mixed.outcome else { panic!("a page") };
    items[0].insert("v".to_owned(), content(6).into());
    refused(&set(), &[event(0, 9, put(3)), mixed]);
}
