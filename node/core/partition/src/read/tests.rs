//! Pages against sorted lists: every range, direction, limit and filter, cut into pages and joined again.

use crate::{
    Command, Page, PageRange, Position, Refusal, Reply,
    command::Put,
    reply::PageReply,
    testing::{Leader, condition, item, table},
};
use proptest::prelude::*;
use stator_catalog::TokenRange;
use stator_expression::{Path, Projection, RangeCondition};
use stator_item::{IndexNumber, Item, Key, KeyPart, Number, Token, Value, row, size};

fn number(number: i64) -> KeyPart {
    KeyPart::Number(Number::from_i64(number))
}

fn place(item: &Item) -> Key {
    let part = |name: &str| item.get(name).and_then(KeyPart::from_value);
    Key { hash: part("a").expect("an item has its key"), range: part("r") }
}

/// Three collections of numbers; each fifth item is not in index 1 (`n`), each third not in index 2 (`s`).
fn filled() -> (Leader, Vec<Item>) {
    let mut leader = Leader::of(table(true, false));
    let mut items = Vec::new();
    for a in 0..3 {
        for r in -6..6i64 {
            let mut made = item(&format!("a={a} r={r} i={}", r * r % 5));
            if r % 5 != 0 {
                made.insert("n".to_owned(), Value::Number(Number::from_i64(r * r - 7 * r)));
            }
            if r % 3 != 0 {
                made.insert(
                    "s".to_owned(),
                    Value::String("xy\0zz".chars().cycle().skip(r.unsigned_abs() as usize).take(3).collect()),
                );
            }
            let put = Put { key: place(&made), item: row::item_encoding(&made).into(), options: Default::default() };
            leader.write(&Command::Put(put)).expect("it is put");
            items.push(made);
        }
    }
    (leader, items)
}

fn page(index: u16, range: PageRange) -> Page {
    Page {
        index: IndexNumber(index),
        range,
        after: None,
        backward: false,
        items_max: None,
        bytes_max: u64::MAX,
        filter: None,
        projection: None,
        fetch_items: false,
        count_only: false,
    }
}

fn read(leader: &Leader, page: &Page) -> PageReply {
    match leader.read(&Command::Page(page.clone())) {
        Ok(Reply::Page(reply)) => reply,
        other => panic!("{other:?}"),
    }
}

/// All pages, each begun where the one before stopped.
fn pages(leader: &Leader, first: &Page) -> Vec<PageReply> {
    let (mut page, mut pages) = (first.clone(), Vec::new());
    loop {
        let reply = read(leader, &page);
        page.after = reply.stopped.clone();
        pages.push(reply);
        if page.after.is_none() {
            return pages;
        }
        assert!(pages.len() < 1_000, "pages come to an end");
    }
}

fn decoded(replies: &[PageReply]) -> Vec<Item> {
    replies.iter().flat_map(|reply| &reply.items).map(|item| row::decode_item(item).expect("an item")).collect()
}

fn fulfils(condition: &RangeCondition, value: &Value) -> bool {
    match condition {
        RangeCondition::Equal(other) => value == other,
        RangeCondition::Less(other) => value < other,
        RangeCondition::LessOrEqual(other) => value <= other,
        RangeCondition::Greater(other) => value > other,
        RangeCondition::GreaterOrEqual(other) => value >= other,
        RangeCondition::Between(lower, upper) => lower <= value && value <= upper,
        RangeCondition::BeginsWith(Value::String(prefix)) => {
            matches!(value, Value::String(text) if text.starts_with(prefix.as_str()))
        }
        RangeCondition::BeginsWith(_) => false,
    }
}

fn range_conditions(index: u16) -> BoxedStrategy<RangeCondition> {
    let value = match index {
        2 => proptest::sample::select(vec!["", "x", "xy", "y\0", "y", "\0", "zz", "zzx", "\u{10ffff}"])
            .prop_map(|text| Value::String(text.to_owned()))
            .boxed(),
        _ => (-20..60i64).prop_map(|number| Value::Number(Number::from_i64(number))).boxed(),
    };
    let kinds = if index == 2 { 7 } else { 6 };
    (value.clone(), value, 0..kinds)
        .prop_map(|(first, second, kind)| match kind {
            0 => RangeCondition::Equal(first),
            1 => RangeCondition::Less(first),
            2 => RangeCondition::LessOrEqual(first),
            3 => RangeCondition::Greater(first),
            4 => RangeCondition::GreaterOrEqual(first),
            5 => RangeCondition::Between(first, second),
            _ => RangeCondition::BeginsWith(first),
        })
        .boxed()
}

#[derive(Clone, Debug)]
struct Query {
    index: u16,
    hash: Option<i64>,
    range: Option<RangeCondition>,
    backward: bool,
    items_max: Option<u64>,
    bytes_max: u64,
    filtered: bool,
    fetch_items: bool,
}

fn queries() -> impl Strategy<Value = Query> {
    (0..3u16).prop_flat_map(|index| {
        let range = proptest::option::of(range_conditions(index));
        let limits = (proptest::option::of(1..7u64), prop_oneof![Just(u64::MAX), 1..80u64]);
        (proptest::option::of(0..4i64), range, limits, any::<[bool; 3]>()).prop_map(
            move |(hash, range, limits, flags)| {
                let [backward, filtered, fetch_items] = flags;
                let (items_max, bytes_max) = limits;
                Query { index, hash, range, backward, items_max, bytes_max, filtered, fetch_items }
            },
        )
    })
}

/// The items that a query finds, in its order, before the filter.
fn expected<'i>(query: &Query, items: &'i [Item]) -> Vec<&'i Item> {
    let attribute = ["r", "n", "s"][usize::from(query.index)];
    let asked = |item: &&Item| {
        let hash = query.hash.is_none_or(|hash| place(item).hash == number(hash));
        let range = query.range.as_ref().filter(|_| query.hash.is_some());
        let value = item.get(attribute);
        hash && value.is_some_and(|value| range.is_none_or(|range| fulfils(range, value)))
    };
    let mut found: Vec<&Item> = items.iter().filter(asked).collect();
    found.sort_by_key(|item| {
        let Key { hash, range } = place(item);
        (Token::of(&hash), item.get(attribute).cloned(), range)
    });
    if query.backward {
        found.reverse();
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn pages_joined_are_the_range(query in queries()) {
        let (leader, items) = filled();
        let hash_range = |hash| PageRange::Hash { hash: number(hash), range: query.range.clone() };
        let mut first = page(query.index, query.hash.map_or(PageRange::Tokens(TokenRange::ALL), hash_range));
        first.backward = query.backward;
        first.items_max = query.items_max;
        first.bytes_max = query.bytes_max;
        first.filter = query.filtered.then(|| condition("r < :0"));
        first.fetch_items = query.fetch_items;
        let replies = pages(&leader, &first);

        let found = expected(&query, &items);
        let shown = |item: &&Item| {
            let mut item = (*item).clone();
            if query.index == 1 && !query.fetch_items {
                item.retain(|name, _| ["a", "r", "n"].contains(&name.as_str()));
            }
            item
        };
        let passing = found.iter().filter(|item| !query.filtered || condition("r < :0").evaluate(item));
        let passing: Vec<Item> = passing.map(shown).collect();
        prop_assert_eq!(decoded(&replies), passing);

        let scanned: u64 = replies.iter().map(|reply| reply.scanned_count).sum();
        prop_assert_eq!(scanned, found.len() as u64);
        let read: u64 = replies.iter().map(|reply| reply.read_bytes).sum();
        let entries = found.iter().map(|item| if query.index == 1 {
            let mut entry = (*item).clone();
            entry.retain(|name, _| ["a", "r", "n"].contains(&name.as_str()));
            size::item_size(&entry)
        } else { size::item_size(item) });
        prop_assert_eq!(read, entries.sum::<usize>() as u64);
        for reply in &replies {
            let fetches = query.fetch_items && query.index != 0;
            prop_assert_eq!(reply.fetched_bytes.len() as u64, if fetches { reply.scanned_count } else { 0 });
            prop_assert_eq!(reply.count, reply.items.len() as u64);
            if let Some(items_max) = query.items_max {
                prop_assert!(reply.scanned_count <= items_max);
            }
        }
        for reply in &replies[..replies.len() - 1] {
            let filled = reply.read_bytes + reply.fetched_bytes.iter().sum::<u64>() >= query.bytes_max;
            prop_assert!(filled || Some(reply.scanned_count) == query.items_max, "a page is cut only when it is full");
        }
    }
}

#[test]
fn a_full_page_stops_even_where_nothing_follows() {
    let (leader, _) = filled();
    let mut query = page(0, PageRange::Hash { hash: number(1), range: None });
    query.items_max = Some(12);
    let reply = read(&leader, &query);
    assert_eq!(reply.scanned_count, 12);
    let last =
        Position { key: Key { hash: number(1), range: Some(number(5)) }, index_range: None, index_key: Vec::new() };
    assert_eq!(reply.stopped, Some(last.clone()));
    query.after = Some(last);
    let reply = read(&leader, &query);
    assert_eq!((reply.scanned_count, reply.stopped), (0, None));
    query.after = None;
    query.items_max = Some(13);
    assert_eq!(read(&leader, &query).stopped, None);
}

#[test]
fn the_item_that_fills_the_page_belongs_to_it() {
    let (leader, items) = filled();
    let first: Vec<u64> =
        items.iter().filter(|item| place(item).hash == number(1)).map(|item| size::item_size(item) as u64).collect();
    for (bytes_max, scanned) in [(0, 1), (1, 1), (first[0], 1), (first[0] + 1, 2), (first[0] + first[1], 2)] {
        let mut query = page(0, PageRange::Hash { hash: number(1), range: None });
        query.bytes_max = bytes_max;
        assert_eq!(read(&leader, &query).scanned_count, scanned, "{bytes_max}");
    }
}

#[test]
fn places_need_not_exist_and_counts_need_no_items() {
    let (leader, _) = filled();
    let mut query = page(0, PageRange::Hash { hash: number(1), range: None });
    let half = KeyPart::Number("2.5".parse().expect("a number"));
    query.after =
        Some(Position { key: Key { hash: number(1), range: Some(half) }, index_range: None, index_key: Vec::new() });
    query.count_only = true;
    query.projection = Some(Projection::of(vec![Path::attribute("r")]));
    let reply = read(&leader, &query);
    assert_eq!((reply.count, reply.scanned_count, reply.items.len()), (3, 3, 0));
    query.count_only = false;
    query.backward = true;
    let shown = decoded(&[read(&leader, &query)]);
    assert_eq!(shown, (-6..3).rev().map(|r| item(&format!("r={r}"))).collect::<Vec<_>>());
}

#[test]
fn segments_cover_the_table_and_stay_in_the_partition() {
    let (mut leader, items) = filled();
    let segment =
        |leader: &Leader, number| read(leader, &page(0, PageRange::Tokens(TokenRange::slice(number, 4)))).scanned_count;
    assert_eq!((0..4).map(|number| segment(&leader, number)).sum::<u64>(), items.len() as u64);
    leader.replica.state.progress.tokens = TokenRange::slice(1, 4);
    let here = segment(&leader, 1);
    let all = read(&leader, &page(0, PageRange::Tokens(TokenRange::ALL)));
    assert_eq!(all.scanned_count, here, "rows of other partitions stand beside and are not answered");
    let elsewhere = Command::Page(page(0, PageRange::Tokens(TokenRange::slice(2, 4))));
    assert_eq!(leader.read(&elsewhere), Err(Refusal::StaleEpoch { current: 1 }));
}

#[test]
fn an_entry_without_its_item_is_damage() {
    let (mut leader, items) = filled();
    let gone = items.iter().find(|item| item.contains_key("n")).expect("some are indexed");
    let key = stator_item::key::row_key(crate::testing::TABLE, IndexNumber::ITEMS, &place(gone));
    leader.replica.store.rows.get_mut(&crate::FamilyKind::Items).unwrap().remove(&key);
    let mut query = page(1, PageRange::Tokens(TokenRange::ALL));
    query.fetch_items = true;
    let read = crate::read(&Command::Page(query), &leader.replica.state.for_reads(), &leader.replica.store);
    assert!(read.is_err());
}
