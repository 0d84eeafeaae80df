//! Streams of a partition: what their shards hold, and how shards open, roll, close and go.

use super::*;
use crate::{
    Command, Refusal, Reply,
    testing::{Leader, STREAM, command, item, show_item, table},
};
use proptest::prelude::*;
use stator_catalog::{StreamDescription, StreamStatus, StreamView, TableDescription};
use stator_changelog::Shard;
use std::collections::BTreeMap;

fn streamed(version: u64, streams: &[(u64, StreamView, bool)]) -> TableDescription {
    let mut described = table(false, false);
    described.version = version;
    described.streams = streams
        .iter()
        .map(|(label, view, enabled)| StreamDescription {
            label: StreamLabel(*label),
            view: *view,
            status: if *enabled { StreamStatus::Enabled } else { StreamStatus::Disabling },
        })
        .collect();
    described
}

fn describe(leader: &mut Leader, description: TableDescription) {
    leader.now_ms += 1;
    leader.write(&Command::Describe(Box::new(description))).expect("a newer description is taken");
}

fn write(leader: &mut Leader, line: &str) {
    leader.write(&command(line)).expect("the write is taken");
}

/// Rolls what was opened before now and drops what was closed before that time.
fn keep(leader: &mut Leader, drop_before_ms: u64) {
    leader.now_ms += 10;
    let roll_before_ms = leader.now_ms;
    leader.write(&Command::KeepStreams { roll_before_ms, drop_before_ms }).expect("streams are kept");
}

fn shards(leader: &Leader, stream: StreamLabel) -> Vec<Shard> {
    match leader.read(&Command::ShowShards { stream, after: None, shards_max: 100 }) {
        Ok(Reply::Shards(shards)) => shards,
        other => panic!("{other:?}"),
    }
}

fn find(leader: &Leader, shard: ShardId, place: RecordPlace) -> Result<u64, Refusal> {
    match leader.read(&Command::FindRecord { stream: STREAM, shard, place }) {
        Ok(Reply::Place(sequence)) => Ok(sequence.0),
        Err(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn read(
    leader: &Leader,
    stream: StreamLabel,
    shard: ShardId,
    from: u64,
    records_max: u64,
) -> Result<ShardRecords, Refusal> {
    let from = SequenceNumber(from);
    match leader.read(&Command::ReadShard(Box::new(ReadShard { stream, shard, from, records_max, wait_ms: 0 }))) {
        Ok(Reply::ShardRecords(read)) => Ok(*read),
        Err(refusal) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

/// A whole shard, in reads of so many records, and whether it has an end.
fn read_all(leader: &Leader, stream: StreamLabel, shard: &Shard, records_max: u64) -> (Vec<StreamRecord>, bool) {
    let (mut found, mut from) = (Vec::new(), shard.starting);
    loop {
        let read = read(leader, stream, shard.id, from.0, records_max).expect("a listed shard is read");
        let is_empty = read.records.is_empty();
        assert!(read.records.len() as u64 <= records_max);
        found.extend(read.records);
        match read.next {
            None => return (found, true),
            Some(_) if is_empty => return (found, false),
            Some(next) => from = next,
        }
    }
}

fn shown(record: &StreamRecord) -> String {
    let image = |image: &Option<Bytes>| image.as_ref().map_or_else(|| "-".to_owned(), |image| show_item(image));
    let kind = format!("{:?}", record.kind).to_lowercase();
    format!("{kind} {}: {} => {}", show_item(&record.keys), image(&record.old_image), image(&record.new_image))
}

#[test]
fn records_show_what_the_view_has() {
    for (view, bytes, expected) in [
        (StreamView::KeysOnly, 3, "modify a=1: - => -"),
        (StreamView::NewImage, 3 + 6, "modify a=1: - => a=1 n=2"),
        (StreamView::OldImage, 3 + 6, "modify a=1: a=1 n=1 => -"),
        (StreamView::NewAndOldImages, 3 + 6 + 6, "modify a=1: a=1 n=1 => a=1 n=2"),
    ] {
        let mut leader = Leader::of(streamed(1, &[(STREAM.0, view, true)]));
        for line in ["put a=1 n=1", "put a=1 n=1", "put a=1 n=2", "delete a=2"] {
            write(&mut leader, line);
        }
        let shard = shards(&leader, STREAM).remove(0);
        let (records, has_end) = read_all(&leader, STREAM, &shard, 100);
        assert_eq!(records.len(), 2, "what changes nothing leaves no record");
        assert!(!has_end);
        assert_eq!((shown(&records[1]).as_str(), records[1].size_bytes), (expected, bytes), "{view:?}");
    }
}

#[test]
fn shards_roll_only_with_records_and_end() {
    let mut leader = Leader::of(table(false, true));
    keep(&mut leader, 0);
    assert_eq!(shards(&leader, STREAM).len(), 1, "it has no records");
    write(&mut leader, "put a=1 n=1");
    keep(&mut leader, 0);
    keep(&mut leader, 0);
    let [parent, child] = shards(&leader, STREAM).try_into().expect("two shards");
    assert_eq!(child.parent, Some(parent.id));
    assert!(parent.id < child.id && child.closed.is_none());
    assert_eq!(parent.shown_ending(), Some(SequenceNumber(1)));
    write(&mut leader, "put a=1 n=2");
    let read_of = |shard: &Shard| read_all(&leader, STREAM, shard, 1);
    assert_eq!(read_of(&parent).0.iter().map(shown).collect::<Vec<_>>(), ["insert a=1: - => a=1 n=1"]);
    assert!(read_of(&parent).1, "a closed shard ends");
    assert_eq!(read_of(&child).0.iter().map(shown).collect::<Vec<_>>(), ["modify a=1: a=1 n=1 => a=1 n=2"]);
    assert!(!read_of(&child).1);
    // After it comes what has an id behind it.
    let behind = Command::ShowShards { stream: STREAM, after: Some(parent.id), shards_max: 100 };
    assert_eq!(leader.read(&behind), Ok(Reply::Shards(vec![child])));
}

#[test]
fn places_are_found() {
    let mut leader = Leader::of(table(false, true));
    write(&mut leader, "put a=1 n=1");
    write(&mut leader, "put a=1 n=2");
    keep(&mut leader, 0);
    write(&mut leader, "put a=1 n=3");
    let [parent, child] = shards(&leader, STREAM).try_into().expect("two shards");
    let at = |sequence| RecordPlace::At(SequenceNumber(sequence));
    let after = |sequence| RecordPlace::After(SequenceNumber(sequence));
    for (shard, place, expected) in [
        (&parent, RecordPlace::First, Ok(1)),
        (&parent, RecordPlace::End, Ok(3)),
        (&parent, at(2), Ok(2)),
        (&parent, after(2), Ok(3)),
        (&child, RecordPlace::First, Ok(3)),
        (&child, RecordPlace::End, Ok(4)),
        (&child, at(2), Err(Refusal::Trimmed)),
    ] {
        assert_eq!(find(&leader, shard.id, place), expected, "{place:?}");
    }
    for beyond in [at(3), after(3), at(u64::MAX)] {
        assert!(matches!(find(&leader, parent.id, beyond), Err(Refusal::Invalid(_))), "{beyond:?}");
    }
    let unknown = ShardId { created_ms: 1, tail: 0 };
    assert_eq!(find(&leader, unknown, RecordPlace::First), Err(Refusal::NoSuchShard));
    assert_eq!(read(&leader, STREAM, unknown, 1, 1), Err(Refusal::NoSuchShard));
    assert_eq!(read(&leader, StreamLabel(1), parent.id, 1, 1), Err(Refusal::NoSuchShard));
    assert_eq!(read(&leader, STREAM, child.id, 2, 1), Err(Refusal::Trimmed));
    let end = read(&leader, STREAM, parent.id, 3, 1).expect("behind the last record");
    assert_eq!((end.records.len(), end.next), (0, None));
}

#[test]
fn a_time_leads_to_the_first_record_of_then() {
    let mut leader = Leader::of(table(false, true));
    for number in 1..=20 {
        leader.now_ms += number % 3;
        write(&mut leader, &format!("put a={number} n=1"));
    }
    let shard = shards(&leader, STREAM).remove(0);
    let (records, _) = read_all(&leader, STREAM, &shard, 100);
    for created_ms in 990..leader.now_ms + 3 {
        let expected =
            records.iter().find(|record| record.created_ms >= created_ms).map_or(21, |record| record.sequence.0);
        assert_eq!(find(&leader, shard.id, RecordPlace::Since { created_ms }), Ok(expected), "{created_ms}");
    }
}

#[test]
fn a_disabled_stream_stays_until_its_time_is_over() {
    let mut leader = Leader::of(table(false, true));
    write(&mut leader, "put a=1 n=1");
    keep(&mut leader, 0);
    let other = StreamLabel(600);
    let old = (STREAM.0, StreamView::NewAndOldImages, false);
    describe(&mut leader, streamed(2, &[old]));
    write(&mut leader, "put a=1 n=2");
    assert_eq!(leader.replica.state.changes(), Some((SequenceNumber(1), SequenceNumber(1))), "no stream, no record");
    describe(&mut leader, streamed(3, &[old, (other.0, StreamView::KeysOnly, true)]));
    write(&mut leader, "put a=1 n=3");

    let [parent, child] = shards(&leader, STREAM).try_into().expect("two shards");
    assert_eq!(read_all(&leader, STREAM, &parent, 10).0.len(), 1);
    assert_eq!(read_all(&leader, STREAM, &child, 10), (Vec::new(), true), "what comes later is not the old stream's");
    assert_eq!(find(&leader, child.id, RecordPlace::At(child.starting)), Ok(2), "what is shown may be named");
    let [new] = shards(&leader, other).try_into().expect("one shard");
    assert_eq!((new.parent, read_all(&leader, other, &new, 10).0.len()), (None, 1));

    let closed_ms = child.closed.expect("it is closed").at_ms;
    keep(&mut leader, closed_ms);
    assert_eq!(shards(&leader, STREAM), [child]);
    assert_eq!(leader.replica.state.changes().map(|(first, _)| first), Some(SequenceNumber(2)));
    keep(&mut leader, closed_ms + 1);
    assert_eq!(shards(&leader, STREAM), []);
    assert_eq!(read_all(&leader, other, &new, 10).0.len(), 1);
}

#[test]
fn a_stream_outlives_its_table() {
    let mut leader = Leader::of(table(false, true));
    write(&mut leader, "put a=1 n=1");
    leader.write(&Command::Close).expect("the table goes");
    let shard = shards(&leader, STREAM).remove(0);
    let (records, has_end) = read_all(&leader, STREAM, &shard, 10);
    assert_eq!((records.len(), has_end), (1, true));
    keep(&mut leader, u64::MAX);
    assert_eq!(shards(&leader, STREAM), []);
    assert_eq!(leader.replica.state.changes(), None);
}

#[test]
fn a_full_stream_throttles_writes_that_leave_records() {
    let mut leader = Leader::of(table(false, true));
    write(&mut leader, "put a=1 n=1");
    leader.replica.state.progress.change_bytes += STREAM_BYTES_MAX;
    assert_eq!(leader.evaluate(&command("put a=1 n=2")).reply, Err(Refusal::StreamFull));
    assert!(leader.evaluate(&command("put a=1 n=1")).reply.is_ok(), "this one changes nothing");
}

#[test]
fn one_read_is_bounded_by_bytes() {
    let mut leader = Leader::of(table(false, true));
    let text = "x".repeat(300 * 1024);
    for number in 1..=8 {
        write(&mut leader, &format!("put a={number} s={text}"));
    }
    let shard = shards(&leader, STREAM).remove(0);
    let first = read(&leader, STREAM, shard.id, 1, 1_000).expect("a listed shard is read");
    assert_eq!(first.records.len(), 3);
    assert!(first.records.iter().map(|record| record.size_bytes).sum::<u64>() <= RECORDS_BYTES_MAX);
    assert_eq!(read_all(&leader, STREAM, &shard, 1_000).0.len(), 8);
}

#[derive(Clone, Debug)]
enum Step {
    Write(String),
    Roll,
    /// The stream is disabled, and another one enabled.
    Again,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0..3u8, 0..3u8, 0..4u8).prop_map(|(key, value, verb)| {
        Step::Write(match verb {
            0 => format!("delete a={key}"),
            1 => format!("update a={key} SET n = :{value}"),
            _ => format!("put a={key} n={value}"),
        })
    });
    let step =
        prop_oneof![10 => write, 2 => Just(Step::Roll), 1 => Just(Step::Again), 2 => (0..5u64).prop_map(Step::Wait)];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Each stream's shards, read one after the other, are the writes made while it was enabled: complete, in order, each once.
    #[test]
    fn shards_hold_every_write_once(steps in steps(), records_max in 1..7u64) {
        let view = StreamView::NewAndOldImages;
        let mut streams = vec![(STREAM.0, view, true)];
        let mut leader = Leader::of(streamed(1, &streams));
        let mut items: BTreeMap<String, String> = BTreeMap::new();
        let mut expected: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Write(line) => {
                    write(&mut leader, &line);
                    let (verb, rest) = line.split_once(' ').expect("a verb");
                    let key = rest.split_whitespace().next().expect("a key").to_owned();
                    let new = match verb {
                        "delete" => None,
                        "update" => Some(format!("{key} n={}", rest.rsplit(':').next().expect("a value"))),
                        _ => Some(rest.to_owned()),
                    };
                    let old = match &new {
                        Some(new) => items.insert(key.clone(), new.clone()),
                        None => items.remove(&key),
                    };
                    let kind = match (&old, &new) {
                        (None, Some(_)) => "insert",
                        (Some(old), Some(new)) if old != new => "modify",
                        (Some(_), None) => "remove",
                        _ => continue,
                    };
                    let image = |image: Option<String>| image.unwrap_or_else(|| "-".to_owned());
                    let record = format!("{kind} {key}: {} => {}", image(old), image(new));
                    expected.entry(streams.last().expect("a stream").0).or_default().push(record);
                }
                Step::Roll => keep(&mut leader, 0),
                Step::Again => {
                    streams.last_mut().expect("a stream").2 = false;
                    let version = 2 * streams.len() as u64;
                    describe(&mut leader, streamed(version, &streams));
                    streams.push((STREAM.0 + streams.len() as u64, view, true));
                    describe(&mut leader, streamed(version + 1, &streams));
                }
                Step::Wait(ms) => leader.now_ms += ms,
            }
        }
        for (label, ..) in streams {
            let label = StreamLabel(label);
            let (mut found, mut last, mut parent) = (Vec::new(), None, None);
            for shard in shards(&leader, label) {
                prop_assert_eq!(shard.parent, parent);
                parent = Some(shard.id);
                let (records, has_end) = read_all(&leader, label, &shard, records_max);
                prop_assert_eq!(has_end, shard.closed.is_some());
                for record in records {
                    prop_assert!(record.sequence >= shard.starting && last < Some((record.sequence, record.created_ms)));
                    prop_assert!(shard.shown_ending().is_none_or(|ending| record.sequence <= ending));
                    last = Some((record.sequence, record.created_ms));
                    found.push(shown(&record));
                }
            }
            prop_assert_eq!(found, expected.remove(&label.0).unwrap_or_default());
        }
        let checked = crate::check::check(&leader.replica.state, &leader.replica.store).expect("rows can be read");
        prop_assert!(checked.findings.is_empty(), "{checked:?}");
    }
}

#[test]
fn keys_are_the_record_s_item() {
    let mut leader = Leader::of(table(true, true));
    write(&mut leader, "put a=1 r=2 x=3");
    let shard = shards(&leader, STREAM).remove(0);
    let (records, _) = read_all(&leader, STREAM, &shard, 10);
    assert_eq!(records[0].keys, Bytes::from(stator_item::row::item_encoding(&item("a=1 r=2"))));
}
