//! Operations on streams as requests of the Streams API, and its replies as their answers: JSON, as no instrument's SDK has that API.

use crate::client::{Answer, Item, Operation, Record, Shard, Value};
use serde_json::{Value as Json, json};

/// `X-Amz-Target` and body of an operation on streams; `None`: it is another one.
pub fn request(operation: &Operation) -> Option<(&'static str, Json)> {
    Some(match operation {
        Operation::StreamOf { table } => ("DynamoDB_20120810.DescribeTable", json!({"TableName": table})),
        Operation::Shards { stream, after, .. } => {
            // Small pages, so that there are several.
            let body = json!({"StreamArn": stream, "ExclusiveStartShardId": after, "Limit": 5});
            ("DynamoDBStreams_20120810.DescribeStream", body)
        }
        Operation::ShardIterator { stream, shard, after, .. } => {
            let kind = if after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" };
            let body = json!({
                "StreamArn": stream, "ShardId": shard, "ShardIteratorType": kind, "SequenceNumber": after,
            });
            ("DynamoDBStreams_20120810.GetShardIterator", body)
        }
        Operation::Records { iterator, limit, .. } => {
            ("DynamoDBStreams_20120810.GetRecords", json!({"ShardIterator": iterator, "Limit": limit}))
        }
        _ => return None,
    })
}

/// What a reply to such a request says; `None`: no sound database says that.
pub fn answer(operation: &Operation, reply: &Json) -> Option<Answer> {
    Some(match operation {
        Operation::StreamOf { .. } => Answer::Stream(text(&reply["Table"]["LatestStreamArn"])),
        Operation::Shards { .. } => {
            let described = &reply["StreamDescription"];
            Answer::Shards {
                shards: described["Shards"].as_array()?.iter().map(read_shard).collect::<Option<_>>()?,
                next: text(&described["LastEvaluatedShardId"]),
            }
        }
        Operation::ShardIterator { .. } => Answer::Iterator(text(&reply["ShardIterator"])?),
        Operation::Records { .. } => Answer::Records {
            records: reply["Records"].as_array()?.iter().map(read_record).collect::<Option<_>>()?,
            next: text(&reply["NextShardIterator"]),
        },
        _ => return None,
    })
}

fn text(json: &Json) -> Option<String> {
    json.as_str().map(str::to_owned)
}

fn read_shard(json: &Json) -> Option<Shard> {
    let range = &json["SequenceNumberRange"];
    Some(Shard {
        id: text(&json["ShardId"])?,
        parent: text(&json["ParentShardId"]),
        starting: text(&range["StartingSequenceNumber"])?,
        ending: text(&range["EndingSequenceNumber"]),
    })
}

fn read_record(json: &Json) -> Option<Record> {
    let change = &json["dynamodb"];
    Some(Record {
        sequence: text(&change["SequenceNumber"])?,
        kind: text(&json["eventName"])?,
        keys: read_item(&change["Keys"])?,
        old: read_optional(&change["OldImage"])?,
        new: read_optional(&change["NewImage"])?,
    })
}

/// An item, if there is one. `None`: it is there and cannot be read.
pub fn read_optional(json: &Json) -> Option<Option<Item>> {
    if json.is_null() { Some(None) } else { read_item(json).map(Some) }
}

/// An item in DynamoDB's JSON; `None`: no workload writes such values.
pub fn read_item(json: &Json) -> Option<Item> {
    json.as_object()?.iter().map(|(name, value)| Some((name.clone(), read_value(value)?))).collect()
}

fn read_value(json: &Json) -> Option<Value> {
    let (kind, value) = json.as_object()?.iter().next()?;
    let number = |json: &Json| json.as_str()?.parse::<i64>().ok();
    Some(match kind.as_str() {
        "N" => Value::Number(number(value)?),
        "S" => Value::Text(value.as_str()?.to_owned()),
        "L" => Value::List(value.as_array()?.iter().map(|element| number(&element["N"])).collect::<Option<_>>()?),
        _ => return None,
    })
}
