//! What each setting does, one at a time.

use super::super::*;
use serde_json::{Value, json};
use stator_api::arn::Owner;
use stator_catalog::{MappingId, StreamLabel, StreamView};
use stator_changelog::{ChangeKind, HOPS_MAX};
use stator_item::{Item, TableId, row};
use stator_partition::StreamRecord;

pub(super) const SHARD: ShardId = ShardId { created_ms: 5, tail: 3 };

pub(super) fn source() -> Source {
    let owner = Owner { region: "us-east-1".to_owned(), account_id: "000000000000".to_owned() };
    Source::new(owner, (TableId(3), "orders"), StreamLabel(1_700_000_000_123), StreamView::NewAndOldImages)
}

/// A record that holds no more than the machine looks at.
pub(super) fn record(sequence: u64, item: u64, name: &str, created_ms: u64) -> TakenRecord {
    let json = format!(r#"{{"eventName":"{name}","sequence":{sequence}}}"#).into();
    TakenRecord { sequence: SequenceNumber(sequence), created_ms, key_hash: item, hops: 0, json }
}

struct Bench {
    batches: Batches,
    now: Now,
}

impl Bench {
    fn new(settings: MappingSettings) -> Bench {
        Bench::from(settings, TriggerPosition::at(Some(SHARD), SequenceNumber(0)))
    }

    fn from(settings: MappingSettings, position: TriggerPosition) -> Bench {
        let filter = Filter::parse(settings.filters.iter().map(String::as_str)).expect("patterns");
        let batches = Batches::new(Arc::new(settings), Arc::new(filter), Arc::new(source()), (SHARD, position));
        let now = Now { elapsed: Duration::ZERO, wall_ms: 100_000, last_change: SequenceNumber(0), dice: 0 };
        Bench { batches, now }
    }

    /// Records of one item each, made now.
    fn take(&mut self, sequences: std::ops::RangeInclusive<u64>) {
        let wall_ms = self.now.wall_ms;
        self.now.last_change = SequenceNumber(*sequences.end());
        let records = sequences.map(|sequence| record(sequence, sequence, "INSERT", wall_ms)).collect();
        self.batches.take(records, false, &self.now);
    }

    fn wait(&mut self, seconds: u64) {
        self.now.elapsed += Duration::from_secs(seconds);
        self.now.wall_ms += seconds * 1_000;
    }

    /// What the function is called with next, by sequence numbers; what is told to the destination is an error.
    fn called(&mut self) -> Option<Vec<u64>> {
        let mut actions = self.batches.poll(&self.now);
        assert!(actions.len() <= 1);
        match actions.pop()? {
            Action::Call { event, .. } => Some(sequences(&event)),
            Action::Tell { discard, .. } => panic!("{discard:?}"),
        }
    }

    fn told(&mut self) -> Discard {
        match self.batches.poll(&self.now).pop() {
            Some(Action::Tell { discard, .. }) => discard,
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.batches.answered(0, answer, &self.now);
    }

    fn succeed(&mut self) {
        self.answer(Answer::Answered(Bytes::from_static(b"null")));
    }

    /// Fails, and waits until it is tried again.
    fn fail(&mut self) {
        self.answer(Answer::Failed);
        assert!(self.batches.poll(&self.now).is_empty(), "not at once");
        self.wait(60);
    }

    fn done(&self) -> u64 {
        self.batches.position().done.0
    }
}

fn sequences(event: &[u8]) -> Vec<u64> {
    let event: Value = serde_json::from_slice(event).expect("an event is JSON");
    let records = event["Records"].as_array().expect("it has records");
    records.iter().map(|record| record["sequence"].as_u64().expect("a number")).collect()
}

fn plain() -> MappingSettings {
    MappingSettings::new("function".to_owned())
}

fn failing(sequence: u64) -> Answer {
    let identifier = SequenceNumber(sequence);
    Answer::Answered(format!(r#"{{"batchItemFailures": [{{"itemIdentifier": "{identifier}"}}]}}"#).into())
}

#[test]
fn a_batch_has_its_size_and_its_time() {
    let mut bench = Bench::new(MappingSettings { batch_size: 3, batching_window_s: 5, ..plain() });
    bench.take(1..=2);
    assert_eq!(bench.called(), None);
    assert_eq!(bench.batches.wake_at(&bench.now), Some(Duration::from_secs(5)));
    bench.take(3..=7);
    assert_eq!(bench.called(), Some(vec![1, 2, 3]));
    bench.succeed();
    assert_eq!(bench.called(), Some(vec![4, 5, 6]));
    bench.succeed();
    assert_eq!((bench.called(), bench.done()), (None, 6));
    bench.wait(5);
    assert_eq!(bench.called(), Some(vec![7]));
}

#[test]
fn an_event_is_no_larger_than_lambda_takes() {
    let mut bench = Bench::new(MappingSettings { batch_size: 10_000, ..plain() });
    let large = |sequence| TakenRecord {
        json: format!(r#"{{"sequence":{sequence},"x":"{}"}}"#, "x".repeat(1_000_000)).into(),
        ..record(sequence, 1, "INSERT", 0)
    };
    bench.now.wall_ms = 0;
    bench.batches.take((1..=8).map(large).collect(), false, &bench.now);
    assert_eq!(bench.called(), Some((1..=6).collect()));
    bench.succeed();
    assert_eq!(bench.called(), Some(vec![7, 8]));
}

#[test]
fn halves_find_the_poison() {
    let mut bench = Bench::new(MappingSettings { bisects: true, retries_max: Some(1), ..plain() });
    bench.take(1..=4);
    let mut calls = Vec::new();
    let discard = loop {
        let action = bench.batches.poll(&bench.now).pop().expect("something is done");
        match action {
            Action::Call { event, .. } => {
                let called = sequences(&event);
                calls.push(called.clone());
                if called.contains(&3) { bench.fail() } else { bench.succeed() }
            }
            Action::Tell { discard, .. } => break discard,
        }
    };
    assert_eq!(calls, [vec![1, 2, 3, 4], vec![1, 2], vec![3, 4], vec![3], vec![3]]);
    assert_eq!((discard.records[0].sequence, discard.records.len()), (SequenceNumber(3), 1));
    assert_eq!((discard.condition, discard.attempts), (Condition::RetryAttemptsExhausted, 2));
    assert!(!bench.batches.told(0, true, &bench.now));
    assert_eq!(bench.called(), Some(vec![4]));
    bench.succeed();
    assert_eq!(bench.done(), 4);
}

#[test]
fn an_answer_that_names_a_record_is_a_checkpoint() {
    let mut bench = Bench::new(MappingSettings { reports_failures: true, retries_max: Some(1), ..plain() });
    bench.take(1..=4);
    assert_eq!(bench.called(), Some(vec![1, 2, 3, 4]));
    bench.answer(failing(3));
    assert_eq!((bench.called(), bench.done()), (None, 2));
    bench.wait(60);
    assert_eq!(bench.called(), Some(vec![3, 4]));
    bench.answer(failing(3));
    let discard = {
        bench.wait(60);
        bench.told()
    };
    assert_eq!((discard.records.len(), discard.attempts, discard.is_function_error), (2, 2, false));
}

#[test]
fn old_records_are_given_up() {
    let mut bench = Bench::new(MappingSettings { age_max_s: Some(60), ..plain() });
    bench.take(1..=2);
    bench.wait(50);
    bench.take(3..=3);
    assert_eq!(bench.called(), Some(vec![1, 2, 3]));
    bench.answer(Answer::NotCalled);
    bench.wait(20);
    let discard = bench.told();
    assert_eq!((discard.records.len(), discard.condition), (2, Condition::RecordAgeExceeded));
    bench.batches.told(0, true, &bench.now);
    assert_eq!(bench.called(), Some(vec![3]));
}

#[test]
fn attempts_are_counted_on_by_the_next_leader() {
    let settings = MappingSettings { retries_max: Some(2), batch_size: 2, ..plain() };
    let mut bench = Bench::new(settings.clone());
    bench.take(1..=3);
    bench.called();
    bench.fail();
    bench.called();
    bench.fail();
    let position = bench.batches.position();
    let mut next = Bench::from(MappingSettings { batch_size: 3, ..settings }, position);
    next.take(1..=1);
    assert_eq!(next.called(), None, "the batch is waited for");
    next.take(2..=3);
    assert_eq!(next.called(), Some(vec![1, 2]), "the same records, whatever the batch size is now");
    next.fail();
    assert_eq!(next.told().attempts, 3);
}

#[test]
fn a_destination_that_takes_nothing_does_not_block_for_ever() {
    let mut bench = Bench::new(MappingSettings { retries_max: Some(0), ..plain() });
    bench.take(1..=1);
    bench.called();
    bench.fail();
    let mut tries = 1;
    bench.told();
    while !bench.batches.told(0, false, &bench.now) {
        assert_eq!(bench.done(), 0);
        bench.wait(60);
        bench.told();
        tries += 1;
    }
    assert_eq!((tries, bench.done()), (TELLING_TRIES_MAX, 1));
}

/// A client's records that came together with them are brought.
#[test]
fn records_of_a_loop_are_given_up_and_told() {
    let mut bench = Bench::new(plain());
    let of = |sequence: u64, hops| TakenRecord { hops, ..record(sequence, sequence, "INSERT", 100_000) };
    bench.batches.take(vec![of(1, 0), of(2, 15), of(3, 16), of(4, 16), of(5, 3)], false, &bench.now);
    let mut calls = Vec::new();
    for _ in 0..3 {
        let Some(Action::Call { event, hops, .. }) = bench.batches.poll(&bench.now).pop() else { panic!("no call") };
        calls.push((sequences(&event), hops));
        if hops <= HOPS_MAX {
            bench.succeed();
            continue;
        }
        bench.answer(Answer::Looped);
        let discard = bench.told();
        assert_eq!((discard.condition.name(), discard.hops(), discard.attempts), ("RecursiveInvocation", 16, 0));
        assert!(!bench.batches.told(0, true, &bench.now));
    }
    assert_eq!(calls, [(vec![1, 2], 16), (vec![3, 4], 17), (vec![5], 4)]);
    assert_eq!(bench.done(), 5);
}

#[test]
fn what_is_filtered_out_is_passed_without_a_call() {
    let mut bench = Bench::new(MappingSettings { filters: vec![r#"{"eventName": ["REMOVE"]}"#.to_owned()], ..plain() });
    bench.take(1..=5);
    assert_eq!((bench.called(), bench.done()), (None, 5));
}

#[test]
fn items_of_different_lanes_do_not_wait_for_one_another() {
    let mut bench = Bench::new(MappingSettings { parallelization: 2, ..plain() });
    bench.take(1..=4);
    let lanes: Vec<(usize, Vec<u64>)> = bench
        .batches
        .poll(&bench.now)
        .into_iter()
        .map(|action| match action {
            Action::Call { lane, event, .. } => (lane, sequences(&event)),
            Action::Tell { .. } => panic!("nothing failed"),
        })
        .collect();
    assert_eq!(lanes, [(0, vec![2, 4]), (1, vec![1, 3])]);
    bench.batches.answered(0, Answer::Answered(Bytes::new()), &bench.now);
    let position = bench.batches.position();
    assert_eq!(position.done, SequenceNumber(0));
    assert!(position.has(SequenceNumber(2)) && position.has(SequenceNumber(4)) && !position.has(SequenceNumber(3)));
    let mut next = Bench::from(MappingSettings { parallelization: 1, ..plain() }, position);
    next.take(1..=4);
    assert_eq!(next.called(), Some(vec![1, 3]), "the next leader leaves out what is done");
}

#[test]
fn a_window_has_a_state_and_an_end() {
    let mut bench = Bench::new(MappingSettings { tumbling_window_s: 10, batch_size: 2, ..plain() });
    bench.take(1..=3);
    let window = |bench: &mut Bench| -> Value {
        match bench.batches.poll(&bench.now).pop() {
            Some(Action::Call { event, .. }) => serde_json::from_slice(&event).expect("JSON"),
            other => panic!("{other:?}"),
        }
    };
    let stated = |n: u64| Answer::Answered(format!(r#"{{"state": {{"n": {n}}}}}"#).into());
    let first = window(&mut bench);
    assert_eq!(first["window"], json!({"start": "1970-01-01T00:01:40Z", "end": "1970-01-01T00:01:50Z"}));
    assert_eq!((&first["state"], &first["isFinalInvokeForWindow"]), (&json!({}), &json!(false)));
    assert_eq!(first["shardId"], json!(SHARD.to_string()));
    assert_eq!(first["eventSourceARN"], json!(source().arn()));
    bench.answer(stated(2));
    assert_eq!(window(&mut bench)["state"], json!({"n": 2}));
    bench.answer(Answer::Answered(Bytes::from_static(b"{}")));
    bench.wait(1);
    assert_eq!(window(&mut bench)["state"], json!({"n": 2}), "without a state the call has failed");
    bench.answer(stated(3));
    assert!(bench.batches.poll(&bench.now).is_empty());
    bench.wait(11);
    let last = window(&mut bench);
    assert_eq!((&last["Records"], &last["isFinalInvokeForWindow"]), (&json!([]), &json!(true)));
    assert_eq!(last["state"], json!({"n": 3}));
    bench.succeed();
    assert_eq!(bench.batches.position().window, None);
}

#[test]
fn a_window_whose_state_is_too_large_ends_early() {
    let mut bench = Bench::new(MappingSettings { tumbling_window_s: 10, ..plain() });
    bench.take(1..=2);
    bench.called();
    bench.answer(Answer::Answered(format!(r#"{{"state": {{"x": "{}"}}}}"#, "x".repeat(1 << 20)).into()));
    assert_eq!(bench.done(), 0, "the state is nowhere else yet");
    let Some(Action::Call { event, records: 0, .. }) = bench.batches.poll(&bench.now).pop() else {
        panic!("the window ends")
    };
    let event: Value = serde_json::from_slice(&event).expect("JSON");
    assert_eq!((&event["isWindowTerminatedEarly"], &event["isFinalInvokeForWindow"]), (&json!(true), &json!(true)));
    bench.succeed();
    assert_eq!((bench.done(), bench.batches.position().window), (2, None));
}

#[test]
fn a_stopped_machine_begins_nothing() {
    let mut bench = Bench::new(MappingSettings { batch_size: 1, ..plain() });
    bench.take(1..=2);
    bench.called();
    bench.batches.stop();
    assert!(bench.batches.is_waiting() && bench.batches.wants().is_none());
    bench.succeed();
    assert_eq!((bench.called(), bench.done(), bench.batches.is_waiting()), (None, 1, false));
}

fn item(pairs: &[(&str, &str)]) -> Bytes {
    let text = |value: &str| stator_item::Value::String(value.to_owned());
    let item: Item = pairs.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect();
    row::item_encoding(&item).into()
}

#[test]
fn functions_are_told_as_lambda_tells_them() {
    let stream_record = StreamRecord {
        sequence: SequenceNumber(7),
        kind: ChangeKind::Modify,
        by: stator_changelog::ChangedBy::Client,
        created_ms: 1_700_000_000_999,
        keys: item(&[("pk", "a")]),
        old_image: Some(item(&[("pk", "a"), ("v", "1")])),
        new_image: Some(item(&[("pk", "a"), ("v", "2")])),
        size_bytes: 11,
    };
    let taken = source().take(&stream_record, SHARD).expect("it can be read");
    let mut event: Value = serde_json::from_slice(&event::event([&taken], None)).expect("JSON");
    let id = event["Records"][0]["eventID"].take();
    assert_eq!(id.as_str().map(str::len), Some(32));
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders/stream/2023-11-14T22:13:20.123";
    assert_eq!(
        event,
        json!({"Records": [{
            "eventID": null, "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_700_000_000, "Keys": {"pk": {"S": "a"}},
                "NewImage": {"pk": {"S": "a"}, "v": {"S": "2"}}, "OldImage": {"pk": {"S": "a"}, "v": {"S": "1"}},
                "SequenceNumber": "100000000000000000007", "SizeBytes": 11, "StreamViewType": "NEW_AND_OLD_IMAGES"
            },
            "eventSourceARN": arn
        }]})
    );

    let discard = Discard {
        shard: SHARD,
        records: vec![taken.clone()],
        condition: Condition::RetryAttemptsExhausted,
        attempts: 3,
        is_function_error: true,
    };
    let source = source();
    let telling = crate::discard::Telling {
        source: &source,
        mapping: MappingId::of_random(0),
        function: "f",
        request_id: "r",
        now_ms: 1_700_000_001_005,
    };
    let mut told: Value = serde_json::from_slice(&discard.event(telling)).expect("JSON");
    assert_eq!(told["payload"]["Records"][0]["eventSourceARN"], json!(arn));
    told["payload"].take();
    assert_eq!(
        told,
        json!({
            "requestContext": {"requestId": "r", "functionArn": "f", "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 3},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0", "timestamp": "2023-11-14T22:13:21.005Z",
            "DDBStreamBatchInfo": {
                "shardId": SHARD.to_string(), "startSequenceNumber": "100000000000000000007",
                "endSequenceNumber": "100000000000000000007",
                "approximateArrivalOfFirstRecord": "2023-11-14T22:13:20Z",
                "approximateArrivalOfLastRecord": "2023-11-14T22:13:20Z", "batchSize": 1, "streamArn": arn
            },
            "payload": null
        })
    );

    let items = discard.items("id", telling);
    assert_eq!(items.len(), 1);
    let uuid = "00000000-0000-4000-8000-000000000000";
    let id = format!("{uuid}/{SHARD}/100000000000000000007");
    assert_eq!(items[0]["id"], stator_item::Value::String(id));
    let large = TakenRecord {
        json: format!(r#"{{"eventID":"e","dynamodb":{{"NewImage":"{}","SizeBytes":5}}}}"#, "x".repeat(400_000)).into(),
        ..taken
    };
    let item = &Discard { records: vec![large], ..discard }.items("id", telling)[0];
    assert_eq!(item["imagesLeftOut"], stator_item::Value::Bool(true));
    let payload = json!({"eventID": "e", "dynamodb": {"SizeBytes": 5}}).to_string();
    assert_eq!(item["payload"], stator_item::Value::String(payload));
}
