//! Histories by hand: what a sound stream shows, and each way in which it could be wrong.

use super::*;
use crate::testing::{event, refused, sound, unknown};

fn streams() -> Streams {
    Streams::new("t".to_owned())
}

fn written(operation: Operation) -> (Operation, Answer) {
    (operation, Answer::Written(None))
}

fn image(value: i64) -> Option<Item> {
    let Operation::Put { item, .. } = streams().put(1, value) else { unreachable!("a put") };
    Some(item)
}

fn sequence(number: u64) -> String {
    (100_000_000_000_000_000_000_u128 + u128::from(number)).to_string()
}

/// A record of item 1; values of 0 are no image.
fn record(number: u64, old: i64, new: i64) -> Record {
    let image = |value| if value == 0 { None } else { image(value) };
    let kind = match (old, new) {
        (0, _) => "INSERT",
        (_, 0) => "REMOVE",
        _ => "MODIFY",
    };
    let (old, new) = (image(old), image(new));
    Record { sequence: sequence(number), kind: kind.to_owned(), keys: key_item(1), old, new }
}

fn begin(shard: &str, iterator: &str, after: Option<u64>) -> (Operation, Answer) {
    let (stream, shard, after) = ("s".to_owned(), shard.to_owned(), after.map(sequence));
    (Operation::ShardIterator { table: "t".to_owned(), stream, shard, after }, Answer::Iterator(iterator.to_owned()))
}

fn records(iterator: &str, records: &[Record], next: Option<&str>) -> (Operation, Answer) {
    let next = next.map(str::to_owned);
    (
        Operation::Records { table: "t".to_owned(), iterator: iterator.to_owned(), limit: 9 },
        Answer::Records { records: records.to_vec(), next },
    )
}

fn shard(id: &str, parent: Option<&str>, starting: u64, ending: Option<u64>) -> Shard {
    let parent = parent.map(str::to_owned);
    Shard { id: id.to_owned(), parent, starting: sequence(starting), ending: ending.map(sequence) }
}

fn listed(shards: &[Shard]) -> (Operation, Answer) {
    let operation = Operation::Shards { table: "t".to_owned(), stream: "s".to_owned(), after: None };
    (operation, Answer::Shards { shards: shards.to_vec(), next: None })
}

fn at(events: Vec<(Operation, Answer)>) -> Vec<Event> {
    events.into_iter().zip(0..).map(|(what, place)| event(10 * place, 10 * place + 9, what)).collect()
}

/// Two puts and a delete, in two shards.
fn good() -> Vec<(Operation, Answer)> {
    vec![
        written(streams().put(1, 5)),
        written(streams().put(1, 6)),
        written(streams().delete(1)),
        listed(&[shard("a", None, 1, Some(1)), shard("b", Some("a"), 2, None)]),
        begin("a", "a0", None),
        records("a0", &[record(1, 0, 5)], None),
        begin("b", "b0", None),
        records("b0", &[record(2, 5, 6)], Some("b1")),
        records("b1", &[record(3, 6, 0)], Some("b2")),
        (streams().read(1), Answer::Item(None)),
    ]
}

fn changed(place: usize, what: (Operation, Answer)) -> Vec<Event> {
    let mut events = good();
    events[place] = what;
    at(events)
}

#[test]
fn a_sound_stream_is_accepted() {
    sound(&streams(), &at(good()));
    // An unknown write has a record, or none; so has one that came after the last read of the item.
    let mut events = at(good());
    events.push(unknown(200, streams().put(1, 7)));
    sound(&streams(), &events);
    events.push(event(210, 219, records("b2", &[record(4, 0, 7)], Some("b3"))));
    sound(&streams(), &events);
}

#[test]
fn what_is_wrong_is_refused() {
    for events in [
        // A write without a record, one with two, one that nobody made.
        changed(7, records("b0", &[], Some("b1"))),
        changed(8, records("b1", &[record(3, 6, 5), record(4, 5, 0)], Some("b2"))),
        changed(8, records("b1", &[record(3, 6, 9), record(4, 9, 0)], Some("b2"))),
        // Images that do not chain, a kind that does not fit.
        changed(8, records("b1", &[record(3, 5, 0)], Some("b2"))),
        changed(8, records("b1", &[Record { kind: "MODIFY".to_owned(), ..record(3, 6, 0) }], Some("b2"))),
        // An item that is not what its last record shows.
        changed(9, (streams().read(1), Answer::Item(image(6)))),
        changed(8, records("b1", &[], Some("b2"))),
        // A child beside its open parent, before it, or with numbers below its end.
        changed(3, listed(&[shard("a", None, 1, None), shard("b", Some("a"), 2, None)])),
        changed(3, listed(&[shard("b", Some("a"), 2, None), shard("a", None, 1, Some(1))])),
        changed(3, listed(&[shard("a", None, 1, Some(2)), shard("b", Some("a"), 2, None)])),
        // A shard that ends before its last record.
        [
            at(good()),
            vec![event(200, 209, begin("b", "c", None)), event(210, 219, records("c", &[record(2, 5, 6)], None))],
        ]
        .concat(),
        // A read that leaves a record out, that goes back, that sees another one.
        [
            at(good()),
            vec![event(200, 209, begin("b", "c", None)), event(210, 219, records("c", &[record(3, 6, 0)], Some("d")))],
        ]
        .concat(),
        [
            at(good()),
            vec![
                event(200, 209, begin("b", "c", Some(2))),
                event(210, 219, records("c", &[record(2, 5, 6)], Some("d"))),
            ],
        ]
        .concat(),
        [
            at(good()),
            vec![event(200, 209, begin("b", "c", None)), event(210, 219, records("c", &[record(2, 5, 7)], Some("d")))],
        ]
        .concat(),
    ] {
        refused(&streams(), &events);
    }
}

#[test]
fn halves_of_transactions_are_refused() {
    let both = BTreeMap::from([(1, 5), (2, 6)]);
    let half =
        vec![event(20, 29, begin("a", "a0", None)), event(30, 39, records("a0", &[record(1, 0, 5)], Some("a1")))];
    let transact = |start| unknown(start, streams().transact(&both));
    refused(&streams(), &[vec![transact(0)], half.clone()].concat());
    let other = Record {
        keys: key_item(2),
        new: {
            let Operation::Put { item, .. } = streams().put(2, 6) else { unreachable!("a put") };
            Some(item)
        },
        ..record(1, 0, 6)
    };
    let whole =
        [half, vec![event(40, 49, begin("z", "z0", None)), event(50, 59, records("z0", &[other], None))]].concat();
    sound(&streams(), &[vec![transact(0)], whole].concat());
    sound(&streams(), &[transact(0)]);
}
