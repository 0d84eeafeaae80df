//! Items under a stream: whoever reads its shards, parents before children, sees every write once and in order. The images of an
//! item's records chain from one to the next and end with the item; of a transaction there are all records or none.

use crate::{
    client::{
        Answer, BoxFuture, Consistency, Expression, Failure, Item, Operation, Record, Shape, Shard, TransactItem,
    },
    history::Event,
    judging::{item, number, text},
    keys::Keys,
    workload::{Judgement, Session, Workload},
};
use std::collections::{BTreeMap, BTreeSet};

/// Reads of one shard, or pages of a list of shards, one after the other, at most.
const READS_MAX: usize = 10_000;

pub struct Streams {
    table: String,
    keys: Keys,
}

impl Streams {
    pub fn new(table: String) -> Streams {
        Streams { table, keys: Keys::new(4, 100) }
    }

    fn put(&self, key: u64, value: i64) -> Operation {
        let mut item = key_item(key);
        item.insert("v".to_owned(), value.into());
        Operation::Put { table: self.table.clone(), item, condition: None }
    }

    fn update(&self, key: u64, value: i64) -> Operation {
        let update = Expression::new("SET v = :v", [(":v", value.into())]);
        Operation::Update { table: self.table.clone(), key: key_item(key), update, condition: None }
    }

    fn delete(&self, key: u64) -> Operation {
        Operation::Delete { table: self.table.clone(), key: key_item(key), condition: None }
    }

    fn transact(&self, values: &BTreeMap<u64, i64>) -> Operation {
        let put = |(key, value): (&u64, &i64)| {
            let mut item = key_item(*key);
            item.insert("v".to_owned(), (*value).into());
            TransactItem::Put { table: self.table.clone(), item, condition: None }
        };
        Operation::TransactWrite { writes: values.iter().map(put).collect(), token: None }
    }

    fn read(&self, key: u64) -> Operation {
        Operation::Get { table: self.table.clone(), key: key_item(key), consistency: Consistency::Strong }
    }

    async fn stream(&self, session: &Session) -> Result<String, Failure> {
        match session.call(Operation::StreamOf { table: self.table.clone() }).await? {
            Answer::Stream(Some(stream)) => Ok(stream),
            other => Err(Failure::Unknown(format!("a stream was expected, not {other:?}"))),
        }
    }

    /// All shards of the stream, page by page.
    async fn shards(&self, session: &Session, stream: &str) -> Result<Vec<Shard>, Failure> {
        let (mut found, mut after, group) = (Vec::new(), None, session.history.new_group());
        for _ in 0..READS_MAX {
            match session
                .call_in(group, Operation::Shards { table: self.table.clone(), stream: stream.to_owned(), after })
                .await?
            {
                Answer::Shards { shards, next } => {
                    found.extend(shards);
                    after = next;
                }
                other => return Err(Failure::Unknown(format!("shards were expected, not {other:?}"))),
            }
            if after.is_none() {
                return Ok(found);
            }
        }
        Err(Failure::Unknown("the list of shards has no end".to_owned()))
    }

    /// Reads a shard from a place on: to its end, or until nothing more is there, but not more often than that.
    async fn read_shard(
        &self,
        session: &Session,
        (stream, shard): (&str, &str),
        after: Option<String>,
        reads_max: usize,
    ) -> Result<Option<String>, Failure> {
        let (stream, shard, mut last) = (stream.to_owned(), shard.to_owned(), after.clone());
        let mut iterator =
            match session.call(Operation::ShardIterator { table: self.table.clone(), stream, shard, after }).await? {
                Answer::Iterator(iterator) => iterator,
                other => return Err(Failure::Unknown(format!("an iterator was expected, not {other:?}"))),
            };
        for _ in 0..reads_max {
            let limit = 1 + session.below(20) as u32;
            match session.call(Operation::Records { table: self.table.clone(), iterator, limit }).await? {
                Answer::Records { records, next: Some(next) } if !records.is_empty() => {
                    last = records.last().map(|record| record.sequence.clone());
                    iterator = next;
                }
                Answer::Records { .. } => return Ok(last),
                other => return Err(Failure::Unknown(format!("records were expected, not {other:?}"))),
            }
        }
        Ok(last)
    }

    /// A few reads of a shard, one of those listed, the second time from where the first ended.
    async fn look(&self, session: &Session) -> Result<(), Failure> {
        let stream = self.stream(session).await?;
        let shards = self.shards(session, &stream).await?;
        let Some(shard) = shards.get(session.below(shards.len() as u64) as usize) else { return Ok(()) };
        let place = (stream.as_str(), shard.id.as_str());
        let last = self.read_shard(session, place, None, 1 + session.below(4) as usize).await?;
        self.read_shard(session, place, last, 1 + session.below(4) as usize).await.map(|_| ())
    }
}

fn key_item(key: u64) -> Item {
    item([("pk", format!("item {key}").into())])
}

impl Workload for Streams {
    fn name(&self) -> &'static str {
        "stream"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        vec![(self.table.clone(), Shape::Streamed)]
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let (key, value) = self.keys.choose(session);
            // Outcomes are in the history.
            let _ = match session.below(20) {
                0..=7 => session.call(self.put(key, value)).await.map(|_| ()),
                8..=11 => session.call(self.update(key, value)).await.map(|_| ()),
                12..=14 => session.call(self.delete(key)).await.map(|_| ()),
                15..=17 => {
                    let values = [(key, value), self.keys.choose(session), self.keys.choose(session)].into();
                    session.call(self.transact(&values)).await.map(|_| ())
                }
                _ => self.look(session).await,
            };
        })
    }

    /// The items, every shard from its beginning on, and the items again: in between nothing may have changed.
    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let stream = self.stream(session).await?;
            for shard in self.shards(session, &stream).await? {
                self.read_shard(session, (&stream, &shard.id), None, READS_MAX).await?;
            }
            self.keys.read_used(session, |key| vec![self.read(key)]).await?;
            // What a write whose answer was lost did a moment ago is in the stream by now.
            for shard in self.shards(session, &stream).await? {
                self.read_shard(session, (&stream, &shard.id), None, READS_MAX).await?;
            }
            Ok(())
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        check_lists(history, &mut judgement);
        let seen = Seen::of(history, &mut judgement);
        seen.check_reads(&mut judgement);
        check_images(&seen, &mut judgement);
        check_writes(history, &seen, &mut judgement);
        check_items(history, &seen, &mut judgement);
        judgement
    }
}

const PARENTS: &str = "a child is listed behind its parent, which is closed";
const RECORDS: &str = "a shard has the same records in the same order, whenever it is read";
const IMAGES: &str = "the images of an item's records chain";
const COMPLETE: &str = "a stream has every write once";
const WHOLE: &str = "a stream has all records of a transaction or none";
const LAST: &str = "an item is what its last record shows";

/// Each answer of DescribeStream by itself, and all of them together: what a shard is does not change, but for its end.
fn check_lists(history: &[Event], judgement: &mut Judgement) {
    let mut known: BTreeMap<&str, (&Shard, usize)> = BTreeMap::new();
    for (at, event) in history.iter().enumerate() {
        let Some(Answer::Shards { shards, .. }) = event.answer() else { continue };
        for (place, shard) in shards.iter().enumerate() {
            if let Some(parent) = &shard.parent
                && let Some(listed) = shards.iter().position(|other| other.id == *parent)
            {
                let ending = &shards[listed].ending;
                if listed > place || ending.as_ref().is_none_or(|ending| *ending >= shard.starting) {
                    judgement.violate(PARENTS, format!("{shard:?}, and its parent {:?}", shards[listed]), vec![at]);
                }
            }
            if let Some((before, first)) = known.insert(&shard.id, (shard, at)) {
                let is_same = before.parent == shard.parent && before.starting == shard.starting;
                // Histories are in the order in which operations began; an older answer may come later.
                let ends_agree = before.ending.is_none() || shard.ending.is_none() || before.ending == shard.ending;
                if !is_same || !ends_agree {
                    judgement.violate(RECORDS, format!("{before:?} became {shard:?}"), vec![first, at]);
                }
            }
        }
    }
}

/// One answer of GetRecords: which records, from where on.
struct Read<'a> {
    at: usize,
    shard: &'a str,
    /// All of the shard's records behind this one were asked for; `None`: from the beginning on.
    after: Option<&'a str>,
    records: &'a [Record],
    /// It says that the shard has no more.
    is_end: bool,
}

/// All records that anybody saw.
struct Seen<'a> {
    /// By shard and sequence number, with the place of the first event that showed it.
    records: BTreeMap<(&'a str, &'a str), (&'a Record, usize)>,
    reads: Vec<Read<'a>>,
}

impl<'a> Seen<'a> {
    fn of(history: &'a [Event], judgement: &mut Judgement) -> Seen<'a> {
        let mut seen = Seen { records: BTreeMap::new(), reads: Vec::new() };
        // Where an iterator stands. Events are in the order in which they began, so each comes behind the one that gave it.
        let mut places: BTreeMap<&str, (&str, Option<&str>)> = BTreeMap::new();
        for (at, event) in history.iter().enumerate() {
            match (&event.operation, event.answer()) {
                (Operation::ShardIterator { shard, after, .. }, Some(Answer::Iterator(iterator))) => {
                    places.insert(iterator, (shard, after.as_deref()));
                }
                (Operation::Records { iterator, .. }, Some(Answer::Records { records, next })) => {
                    let Some((shard, after)) = places.get(iterator.as_str()).copied() else { continue };
                    for record in records {
                        let place = (shard, record.sequence.as_str());
                        let (before, first) = *seen.records.entry(place).or_insert((record, at));
                        if before != record {
                            judgement.violate(RECORDS, format!("{before:?} became {record:?}"), vec![first, at]);
                        }
                    }
                    let last = records.last().map(|record| record.sequence.as_str()).or(after);
                    if let Some(next) = next {
                        places.insert(next, (shard, last));
                    }
                    seen.reads.push(Read { at, shard, after, records, is_end: next.is_none() });
                }
                _ => {}
            }
        }
        seen
    }

    /// No read leaves anything out between its place and its last record, or behind it if it says that this is the end.
    fn check_reads(&self, judgement: &mut Judgement) {
        for read in &self.reads {
            let sequences: Vec<&str> = read.records.iter().map(|record| record.sequence.as_str()).collect();
            let first = read.after.unwrap_or_default();
            if sequences.first().is_some_and(|sequence| *sequence <= first) || !sequences.is_sorted_by(|a, b| a < b) {
                judgement.violate(RECORDS, format!("{sequences:?} behind {first:?}"), vec![read.at]);
            }
            let last = match read.is_end {
                true => "~",
                false => sequences.last().copied().unwrap_or(first),
            };
            let between = self.records.range((read.shard, first)..=(read.shard, last));
            for ((_, sequence), (record, at)) in between.filter(|((_, sequence), _)| *sequence > first) {
                if !sequences.contains(sequence) {
                    let explanation = format!("a read behind {first:?} has {sequences:?}, not {record:?}");
                    judgement.violate(RECORDS, explanation, vec![*at, read.at]);
                }
            }
        }
    }

    /// An item's records in their order: it lies in one partition, along whose shards sequence numbers grow.
    fn by_item(&self) -> BTreeMap<&'a str, Vec<(&'a Record, usize)>> {
        let mut items: BTreeMap<&str, Vec<(&Record, usize)>> = BTreeMap::new();
        for (record, at) in self.records.values() {
            if let Some(pk) = text(&record.keys, "pk") {
                items.entry(pk).or_default().push((record, *at));
            }
        }
        for records in items.values_mut() {
            records.sort_by(|(one, _), (other, _)| one.sequence.cmp(&other.sequence));
        }
        items
    }
}

fn check_images(seen: &Seen<'_>, judgement: &mut Judgement) {
    for (pk, records) in seen.by_item() {
        let (mut before, mut before_at) = (None, None);
        for (record, at) in records {
            let kind = match (&record.old, &record.new) {
                (None, Some(_)) => "INSERT",
                (Some(old), Some(new)) if old != new => "MODIFY",
                (Some(_), None) => "REMOVE",
                _ => "none",
            };
            if record.old.as_ref() != before || record.kind != kind {
                let explanation = format!("{pk} was {before:?}, and then {record:?}");
                judgement.violate(IMAGES, explanation, before_at.into_iter().chain([at]).collect());
            }
            (before, before_at) = (record.new.as_ref(), Some(at));
        }
    }
}

fn value_of(item: &Item) -> Option<(&str, i64)> {
    Some((text(item, "pk")?, number(item, "v")?))
}

/// The values that a write writes, with their items.
fn written(operation: &Operation) -> Vec<(&str, i64)> {
    match operation {
        Operation::Put { item, .. } => value_of(item).into_iter().collect(),
        Operation::Update { key, update, .. } => {
            let value = update.values.get(":v").and_then(|value| value.number());
            text(key, "pk").zip(value).into_iter().collect()
        }
        Operation::TransactWrite { writes, .. } => writes
            .iter()
            .filter_map(|write| match write {
                TransactItem::Put { item, .. } => value_of(item),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn check_writes(history: &[Event], seen: &Seen<'_>, judgement: &mut Judgement) {
    let mut shown: BTreeMap<(&str, i64), Vec<usize>> = BTreeMap::new();
    for (record, at) in seen.records.values() {
        if let Some(value) = record.new.as_ref().and_then(value_of) {
            shown.entry(value).or_default().push(*at);
        }
    }
    let mut sent = BTreeSet::new();
    for (at, event) in history.iter().enumerate() {
        let values = written(&event.operation);
        if values.is_empty() {
            continue;
        }
        let counts: Vec<usize> = values.iter().map(|value| shown.get(value).map_or(0, Vec::len)).collect();
        let witnesses = || values.iter().filter_map(|value| shown.get(value)).flatten().copied().chain([at]).collect();
        sent.extend(values.iter().copied());
        let happened = matches!(event.answer(), Some(Answer::Written(_)));
        let fits = |count: &usize| match happened {
            true => *count == 1,
            false => *count <= usize::from(event.is_unknown()),
        };
        if !counts.iter().all(fits) {
            let explanation = format!("{values:?}, written: {happened}, have {counts:?} records");
            judgement.violate(COMPLETE, explanation, witnesses());
        } else if counts.iter().any(|count| *count != counts[0]) {
            judgement.violate(WHOLE, format!("{values:?} have {counts:?} records"), witnesses());
        }
    }
    for ((pk, value), at) in shown.into_iter().filter(|(value, _)| !sent.contains(value)) {
        judgement.violate(COMPLETE, format!("nobody wrote {value} to {pk}"), at);
    }
}

/// The last read of each item: what its record showed that was the last one by then, or a later one's.
fn check_items(history: &[Event], seen: &Seen<'_>, judgement: &mut Judgement) {
    let mut last: BTreeMap<&str, (Option<&Item>, usize)> = BTreeMap::new();
    for (at, event) in history.iter().enumerate() {
        if let (Operation::Get { key, .. }, Some(Answer::Item(found))) = (&event.operation, event.answer())
            && let Some(pk) = text(key, "pk")
        {
            last.insert(pk, (found.as_ref(), at));
        }
    }
    let items = seen.by_item();
    for (pk, (found, at)) in last {
        let records = items.get(pk).map(Vec::as_slice).unwrap_or_default();
        // A write whose answer was lost may have come after the read.
        let late = records.iter().rev().take_while(|(_, seen_at)| *seen_at > at).count();
        let from = records.len() - late;
        let mut may_be = records[from.saturating_sub(1)..].iter().map(|(record, _)| record.new.as_ref());
        let was_never_there = from == 0 && found.is_none();
        if !was_never_there && !may_be.any(|image| image == found) {
            let explanation = format!("{pk} is {found:?}, its records end with {:?}", records.last());
            judgement.violate(LAST, explanation, records.last().map(|(_, at)| *at).into_iter().chain([at]).collect());
        }
    }
}

#[cfg(test)]
mod tests;
