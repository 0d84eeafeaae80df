//! Requests of the Streams API in, refusals or commands out; replies in, bodies out.

use super::*;
use crate::Wire;
use crate::fuzz::table;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use stator_catalog::{ClusterIdentity, Secret, StreamStatus};
use stator_changelog::{ChangeKind, ChangedBy, Closed, SequenceNumber, Shard};
use stator_item::{Item, TableId, Value, row::item_encoding};
use stator_partition::{Command, RecordPlace, Refusal, ShardRecords, StreamRecord};

const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/music/stream/2015-05-11T21:21:33.291";
const SHARD: ShardId = ShardId { created_ms: 1_541_626_099_285, tail: 7 };
const NOW_MS: u64 = 1_600_000_000_000;

fn stream() -> StreamDescription {
    StreamDescription {
        label: StreamLabel(1_431_379_293_291),
        view: StreamView::NewAndOldImages,
        status: StreamStatus::Enabled,
    }
}

fn owner() -> Owner {
    Owner { region: "us-east-1".into(), account_id: "000000000000".into() }
}

fn key(authority: &'static [u8]) -> IteratorKey {
    IteratorKey::of(&ClusterIdentity {
        cluster_id: 7,
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        authority: Secret(Bytes::from_static(authority)),
    })
}

fn iterator() -> ShardIterator {
    ShardIterator { table: TableId(1), stream: stream().label, shard: SHARD, from: SequenceNumber(5), given_ms: NOW_MS }
}

fn shown<T>(result: Result<T, ApiError>) -> Result<T, String> {
    result.map_err(|error| {
        let wire = Wire::from(error);
        format!("{}: {}", wire.short_name(), wire.message.unwrap_or_default())
    })
}

fn body(render: impl FnOnce(&mut Vec<u8>)) -> Json {
    let mut out = Vec::new();
    render(&mut out);
    serde_json::from_slice(&out).expect("a body is JSON")
}

#[test]
fn labels_are_times() {
    for (ms, text) in [(0, "1970-01-01T00:00:00.000"), (1_431_379_293_291, "2015-05-11T21:21:33.291")] {
        assert_eq!(label_text(StreamLabel(ms)), text);
        assert_eq!(read_label(text), Some(StreamLabel(ms)));
    }
    for text in
        ["", "2015-05-11T21:21:33", "2015-13-11T21:21:33.291", "2015-05-11 21:21:33.291", "+015-05-11T21:21:33.291"]
    {
        assert_eq!(read_label(text), None, "{text}");
    }
    assert_eq!(label_text(StreamLabel(u64::MAX)).len(), 23);
}

proptest! {
    #[test]
    fn any_label_is_read_back(ms in 0..253_402_300_800_000u64) {
        prop_assert_eq!(read_label(&label_text(StreamLabel(ms))), Some(StreamLabel(ms)));
    }

    #[test]
    fn iterators_that_somebody_made_are_refused(at in 0..61usize, bit in 0..8u8, text in ".{0,100}") {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let (own, sealed) = (key(b"ca"), iterator().seal(&key(b"ca")));
        prop_assert_eq!(ShardIterator::open(&sealed, &own, NOW_MS), Ok(iterator()));
        let mut bytes = STANDARD.decode(&sealed).expect("it is base64");
        bytes[at] ^= 1 << bit;
        let forged = STANDARD.encode(bytes);
        for other in [&forged, &text] {
            let refused = shown(ShardIterator::open(other, &own, NOW_MS));
            prop_assert_eq!(refused, Err("ValidationException: Invalid ShardIterator".to_owned()));
        }
    }
}

#[test]
fn iterators_expire_and_are_one_cluster_s() {
    let sealed = iterator().seal(&key(b"ca"));
    assert!(sealed.len() <= 2_048);
    assert!(ShardIterator::open(&sealed, &key(b"other"), NOW_MS).is_err());
    let own = key(b"ca");
    assert_eq!(ShardIterator::open(&sealed, &own, NOW_MS + ITERATOR_AGE_MS_MAX), Ok(iterator()));
    assert_eq!(ShardIterator::open(&sealed, &own, NOW_MS - 5_000), Ok(iterator()), "another node's clock is ahead");
    let late = shown(ShardIterator::open(&sealed, &own, NOW_MS + ITERATOR_AGE_MS_MAX + 1));
    assert!(late.expect_err("it is too old").starts_with("ExpiredIteratorException: "));
}

#[test]
fn places_are_named() {
    let parse = |kind: &str, rest: Json| {
        let mut body = json!({"StreamArn": ARN, "ShardId": SHARD.to_string(), "ShardIteratorType": kind});
        body.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        let input = shown(GetShardIterator::parse(body.to_string().as_bytes()))?;
        shown(input.command(&stream(), NOW_MS))
    };
    let sequence = SequenceNumber(12);
    let given = json!({"SequenceNumber": sequence.to_string()});
    for (kind, rest, place) in [
        ("TRIM_HORIZON", json!({}), RecordPlace::First),
        ("LATEST", json!({}), RecordPlace::End),
        ("AT_SEQUENCE_NUMBER", given.clone(), RecordPlace::At(sequence)),
        ("AFTER_SEQUENCE_NUMBER", given.clone(), RecordPlace::After(sequence)),
        ("AT_TIMESTAMP", json!({"Timestamp": 1_500_000_000.25}), RecordPlace::Since { created_ms: 1_500_000_000_250 }),
        ("AT_TIMESTAMP", json!({"Timestamp": 1_600_000_000}), RecordPlace::Since { created_ms: NOW_MS }),
        ("AT_TIMESTAMP", json!({"Timestamp": -5}), RecordPlace::Since { created_ms: 0 }),
    ] {
        let expected = Command::FindRecord { stream: stream().label, shard: SHARD, place };
        assert_eq!(parse(kind, rest), Ok(expected), "{kind}");
    }
    for (kind, rest, expected) in [
        ("AT_TIMESTAMP", json!({"Timestamp": 1_600_000_000.001}), "Invalid Timestamp: it must not be in the future"),
        ("AT_TIMESTAMP", json!({}), "Timestamp must be given for ShardIteratorType AT_TIMESTAMP"),
        (
            "AFTER_SEQUENCE_NUMBER",
            json!({}),
            "SequenceNumber must be given for ShardIteratorType AFTER_SEQUENCE_NUMBER",
        ),
        ("LATEST", given, "SequenceNumber must not be given for ShardIteratorType LATEST"),
        ("LATEST", json!({"Timestamp": 1}), "Timestamp must not be given for ShardIteratorType LATEST"),
        (
            "AT_SEQUENCE_NUMBER",
            json!({"SequenceNumber": "000000000000000000001"}),
            "Invalid SequenceNumber: 000000000000000000001",
        ),
    ] {
        assert_eq!(parse(kind, rest), Err(format!("ValidationException: {expected}")), "{kind}");
    }
}

#[test]
fn what_is_no_stream_or_shard_is_refused() {
    let parse = |arn: &str, shard: &str| {
        let body = json!({"StreamArn": arn, "ExclusiveStartShardId": shard}).to_string();
        shown(DescribeStream::parse(body.as_bytes()).map(|_| ()))
    };
    assert_eq!(parse(ARN, &SHARD.to_string()), Ok(()));
    let other = "arn:aws:dynamodb:us-east-1:000000000000:table/music/stream/yesterday";
    assert_eq!(parse(other, &SHARD.to_string()), Err("ValidationException: Invalid StreamArn".to_owned()));
    let shard = "shardId-00000001541626099285-F35F62EF";
    assert_eq!(parse(ARN, shard), Err(format!("ValidationException: Invalid ShardId: {shard}")));
    let too_many = json!({"StreamArn": ARN, "Limit": 101}).to_string();
    let refused = shown(DescribeStream::parse(too_many.as_bytes()).map(|_| ())).expect_err("too many");
    assert!(refused.ends_with(
        "Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100"
    ));
    let half = json!({"StreamArn": ARN, "ShardFilter": {"Type": "CHILD_SHARDS"}}).to_string();
    assert!(DescribeStream::parse(half.as_bytes()).is_err());
}

#[test]
fn shards_are_shown_in_the_order_of_their_making_page_by_page() {
    let child = ShardId { created_ms: SHARD.created_ms + 1, tail: 7 };
    let closed = Some(Closed { ending: SequenceNumber(4), at_ms: NOW_MS });
    let parent = Shard { id: SHARD, parent: None, starting: SequenceNumber(1), closed };
    let child = Shard { id: child, parent: Some(SHARD), starting: SequenceNumber(5), closed: None };
    let describe = |rest: Json, shards: Vec<Shard>| {
        let mut request = json!({"StreamArn": ARN});
        request.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        let input = DescribeStream::parse(request.to_string().as_bytes()).expect("it is sound");
        let command = input.command(&stream());
        (command, body(|out| input.render((&table(), &stream()), &owner(), shards, out)))
    };
    let both = vec![child.clone(), parent.clone()];
    let (command, shown) = describe(json!({}), both.clone());
    assert_eq!(command, Command::ShowShards { stream: stream().label, after: None, shards_max: 101 });
    let shown_parent = json!({
        "ShardId": "shardId-00000001541626099285-00000007",
        "SequenceNumberRange": {
            "StartingSequenceNumber": "100000000000000000001", "EndingSequenceNumber": "100000000000000000004",
        },
    });
    let shown_child = json!({
        "ShardId": "shardId-00000001541626099286-00000007",
        "ParentShardId": "shardId-00000001541626099285-00000007",
        "SequenceNumberRange": {"StartingSequenceNumber": "100000000000000000005"},
    });
    assert_eq!(
        shown,
        json!({"StreamDescription": {
            "StreamArn": ARN,
            "StreamLabel": "2015-05-11T21:21:33.291",
            "StreamStatus": "ENABLED",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            "CreationRequestDateTime": 1_431_379_293.291,
            "TableName": "music",
            "KeySchema": [
                {"AttributeName": "artist", "KeyType": "HASH"}, {"AttributeName": "track", "KeyType": "RANGE"},
            ],
            "Shards": [shown_parent, shown_child],
        }})
    );
    let (_, first) = describe(json!({"Limit": 1}), both.clone());
    assert_eq!(first["StreamDescription"]["Shards"], json!([shown_parent]));
    assert_eq!(first["StreamDescription"]["LastEvaluatedShardId"], json!(SHARD.to_string()));
    let filter = json!({"ShardFilter": {"Type": "CHILD_SHARDS", "ShardId": SHARD.to_string()}});
    let (command, children) = describe(filter, both);
    assert_eq!(command, Command::ShowShards { stream: stream().label, after: Some(SHARD), shards_max: 101 });
    assert_eq!(children["StreamDescription"]["Shards"], json!([shown_child]));
    assert_eq!(children["StreamDescription"].get("LastEvaluatedShardId"), None);
}

#[test]
fn records_look_as_at_aws() {
    let item = |title: &str| -> Bytes {
        let text = |text: &str| Value::String(text.to_owned());
        item_encoding(&Item::from([("artist".into(), text("a")), ("title".into(), text(title))])).into()
    };
    let keys: Bytes = item_encoding(&Item::from([("artist".into(), Value::String("a".into()))])).into();
    let record = StreamRecord {
        sequence: SequenceNumber(5),
        kind: ChangeKind::Modify,
        by: ChangedBy::Client,
        created_ms: 1_500_000_000_999,
        keys,
        old_image: Some(item("x")),
        new_image: Some(item("y")),
        size_bytes: 33,
    };
    let render_of = |record: StreamRecord, next| {
        let read = ShardRecords { records: vec![record], next };
        body(|out| {
            let (own, key) = (owner(), key(b"ca"));
            GetRecords::render(&iterator(), &stream(), &read, (&own, &key, NOW_MS), out).expect("it is rendered");
        })
    };
    let render = |next| render_of(record.clone(), next);
    let expired = render_of(StreamRecord { by: ChangedBy::TimeToLive, ..record.clone() }, None);
    let identity = json!({"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"});
    assert_eq!(expired["Records"][0]["userIdentity"], identity);
    let shown = render(Some(SequenceNumber(6)));
    let record = &shown["Records"][0];
    assert_eq!(record["eventID"].as_str().map(str::len), Some(32));
    let mut rest = record.clone();
    rest.as_object_mut().expect("an object").remove("eventID");
    assert_eq!(
        rest,
        json!({
            "eventName": "MODIFY",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_500_000_000,
                "Keys": {"artist": {"S": "a"}},
                "NewImage": {"artist": {"S": "a"}, "title": {"S": "y"}},
                "OldImage": {"artist": {"S": "a"}, "title": {"S": "x"}},
                "SequenceNumber": "100000000000000000005",
                "SizeBytes": 33,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        })
    );
    let next = shown["NextShardIterator"].as_str().expect("the shard goes on");
    let next = ShardIterator::open(next, &key(b"ca"), NOW_MS).expect("it is ours");
    assert_eq!(next, ShardIterator { from: SequenceNumber(6), ..iterator() });
    assert_eq!(render(None).get("NextShardIterator"), None);
}

#[test]
fn waits_are_bounded() {
    assert_eq!(GetRecords::read_wait("20000"), Ok(20_000));
    for refused in ["20001", "-1", "soon", ""] {
        assert!(GetRecords::read_wait(refused).is_err(), "{refused}");
    }
}

#[test]
fn what_is_gone_was_trimmed() {
    assert_eq!(GetRecords::refusal(Refusal::NoSuchShard), ApiError::TrimmedDataAccess);
    assert!(matches!(ApiError::from(Refusal::NoSuchShard), ApiError::ResourceNotFound(_)));
    assert!(matches!(ApiError::from(Refusal::StreamFull), ApiError::Throttled(text) if text.contains("quota")));
}
