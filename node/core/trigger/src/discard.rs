//! Records that the function never took, and what the mapping's destination is told of them (Lambda Developer Guide, "Retaining
//! discarded batches"). Unlike AWS's queues, Stator's destinations get the records themselves: when somebody looks, the stream
//! may have them no more.

use crate::event::{Source, TakenRecord, shown_milliseconds, shown_seconds};
use bytes::Bytes;
use serde_json::{Value as Json, json};
use stator_catalog::MappingId;
use stator_changelog::ShardId;
use stator_item::{Item, Value};

/// Largest payload that is put into an item, which may have 400 KB (DynamoDB quotas).
const ITEM_PAYLOAD_BYTES_MAX: usize = 390 * 1024;

/// Why the records were given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Condition {
    RetryAttemptsExhausted,
    RecordAgeExceeded,
    RecursiveInvocation,
}

impl Condition {
    /// As destinations are told.
    pub fn name(self) -> &'static str {
        match self {
            Condition::RetryAttemptsExhausted => "RetryAttemptsExhausted",
            Condition::RecordAgeExceeded => "RecordAgeExceeded",
            Condition::RecursiveInvocation => "RecursiveInvocation",
        }
    }
}

/// A batch that was given up. It has records.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Discard {
    pub shard: ShardId,
    pub records: Vec<TakenRecord>,
    pub condition: Condition,
    /// Calls that were made with them.
    pub attempts: u32,
    /// The last call failed as a whole, and did not only name records.
    pub is_function_error: bool,
}

/// Who tells of it, and when.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    pub source: &'a Source,
    pub mapping: MappingId,
    /// The function's ARN.
    pub function: &'a str,
    pub request_id: &'a str,
    /// Milliseconds since 1970.
    pub now_ms: u64,
}

impl Discard {
    /// The most calls in a row that led to one of the records.
    pub fn hops(&self) -> u8 {
        self.records.iter().map(|record| record.hops).max().unwrap_or(0)
    }

    /// What a function that is the destination is called with.
    pub fn event(&self, of: Telling<'_>) -> Bytes {
        let mut report = self.report(of).to_string();
        // Records are JSON already.
        report.truncate(report.len() - 1);
        report.push_str(r#","payload":"#);
        let mut out = report.into_bytes();
        out.extend_from_slice(&crate::event::event(&self.records, None));
        out.push(b'}');
        out.into()
    }

    fn report(&self, of: Telling<'_>) -> Json {
        let (first, last) = (self.records.first(), self.records.last());
        let arrival = |record: Option<&TakenRecord>| record.map(|record| shown_seconds(record.created_ms));
        let sequence = |record: Option<&TakenRecord>| record.map(|record| record.sequence.to_string());
        json!({
            "requestContext": {
                "requestId": of.request_id,
                "functionArn": of.function,
                "condition": self.condition.name(),
                "approximateInvokeCount": self.attempts,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": self.is_function_error.then_some("Unhandled"),
            },
            "version": "1.0",
            "timestamp": shown_milliseconds(of.now_ms),
            "DDBStreamBatchInfo": {
                "shardId": self.shard.to_string(),
                "startSequenceNumber": sequence(first),
                "endSequenceNumber": sequence(last),
                "approximateArrivalOfFirstRecord": arrival(first),
                "approximateArrivalOfLastRecord": arrival(last),
                "batchSize": self.records.len(),
                "streamArn": of.source.arn(),
            },
        })
    }

    /// What a table that is the destination gets: an item for each record, all keys included. `hash` is the name of its hash key. A
    /// record that is told twice is the same item.
    pub fn items(&self, hash: &str, of: Telling<'_>) -> Vec<Item> {
        self.records.iter().map(|record| self.item(record, hash, of)).collect()
    }

    fn item(&self, record: &TakenRecord, hash: &str, of: Telling<'_>) -> Item {
        let text = |text: &str| Value::String(text.to_owned());
        let id = format!("{}/{}/{}", of.mapping, self.shard, record.sequence);
        let attempts: Value = Value::Number(u64::from(self.attempts).into());
        let mut item = Item::from([
            ("condition".to_owned(), text(self.condition.name())),
            ("functionArn".to_owned(), text(of.function)),
            ("streamArn".to_owned(), text(of.source.arn())),
            ("shardId".to_owned(), text(&self.shard.to_string())),
            ("sequenceNumber".to_owned(), text(&record.sequence.to_string())),
            ("approximateArrival".to_owned(), text(&shown_seconds(record.created_ms))),
            ("approximateInvokeCount".to_owned(), attempts),
            ("timestamp".to_owned(), text(&shown_milliseconds(of.now_ms))),
        ]);
        let (payload, is_whole) = payload(record);
        item.insert("payload".to_owned(), Value::String(payload));
        if !is_whole {
            item.insert("imagesLeftOut".to_owned(), Value::Bool(true));
        }
        // Last: the destination's key may have any name.
        item.insert(hash.to_owned(), Value::String(id));
        item
    }
}

/// The record, without its images if they do not fit an item. Whether it is whole.
fn payload(record: &TakenRecord) -> (String, bool) {
    let whole = String::from_utf8_lossy(&record.json);
    if whole.len() <= ITEM_PAYLOAD_BYTES_MAX {
        return (whole.into_owned(), true);
    }
    let mut shown: Json = serde_json::from_str(&whole).unwrap_or_default();
    if let Some(change) = shown.get_mut("dynamodb").and_then(Json::as_object_mut) {
        change.remove("OldImage");
        change.remove("NewImage");
    }
    (shown.to_string(), false)
}
