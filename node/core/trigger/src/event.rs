//! What a function is called with.

use bytes::Bytes;
use stator_api::{
    ApiError,
    arn::Owner,
    date_time,
    operation::streams::{RecordSource, label_text, write_record},
};
use stator_catalog::{StreamLabel, StreamView};
use stator_changelog::{SequenceNumber, ShardId};
use stator_item::{TableId, json::write_string};
use stator_partition::StreamRecord;
use xxhash_rust::xxh3::xxh3_64;

/// Largest event (Lambda quotas: 6 MB each for a synchronous request and its answer), less what stands around its records.
pub const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024 - 8 * 1024;

/// Whose records these are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    pub owner: Owner,
    pub table: TableId,
    pub stream: StreamLabel,
    pub view: StreamView,
    arn: String,
}

/// A record as it is kept until it is dealt with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TakenRecord {
    pub sequence: SequenceNumber,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Of its item: items of one hash are brought in order.
    pub key_hash: u64,
    /// Calls of functions in a row that led to it.
    pub hops: u8,
    pub json: Bytes,
}

impl Source {
    /// The stream of a table of that name.
    pub fn new(owner: Owner, (table, table_name): (TableId, &str), stream: StreamLabel, view: StreamView) -> Source {
        let arn = owner.stream_arn(table_name, &label_text(stream));
        Source { owner, table, stream, view, arn }
    }

    /// The stream's ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Takes a record over.
    ///
    /// # Errors
    /// The record's images cannot be read.
    pub fn take(&self, record: &StreamRecord, shard: ShardId) -> Result<TakenRecord, ApiError> {
        let of = RecordSource {
            owner: &self.owner,
            table: self.table,
            stream: self.stream,
            shard,
            view: self.view,
            arn: Some(&self.arn),
        };
        let mut json = Vec::with_capacity(512);
        write_record(record, &of, &mut json)?;
        // The key's encoding is the same in all records of an item.
        let key_hash = xxh3_64(&record.keys);
        let (sequence, created_ms, hops) = (record.sequence, record.created_ms, record.by.hops());
        Ok(TakenRecord { sequence, created_ms, key_hash, hops, json: json.into() })
    }
}

/// The tumbling window that a call belongs to.
#[derive(Clone, Copy, Debug)]
pub struct WindowOfCall<'a> {
    /// Milliseconds since 1970.
    pub start_ms: u64,
    pub end_ms: u64,
    /// JSON.
    pub state: &'a [u8],
    pub shard: ShardId,
    pub source_arn: &'a str,
    pub is_final: bool,
    pub is_terminated_early: bool,
}

/// The event: `{"Records": [...]}`, and what a tumbling window adds (Lambda Developer Guide, "Tumbling windows").
pub fn event<'r>(records: impl IntoIterator<Item = &'r TakenRecord>, window: Option<WindowOfCall<'_>>) -> Bytes {
    let mut out = br#"{"Records":["#.to_vec();
    for (place, record) in records.into_iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&record.json);
    }
    out.push(b']');
    if let Some(window) = window {
        write_window(&window, &mut out);
    }
    out.push(b'}');
    out.into()
}

fn write_window(window: &WindowOfCall<'_>, out: &mut Vec<u8>) {
    let (start, end) = (shown_seconds(window.start_ms), shown_seconds(window.end_ms));
    out.extend_from_slice(format!(r#","window":{{"start":"{start}","end":"{end}"}},"state":"#).as_bytes());
    out.extend_from_slice(window.state);
    out.extend_from_slice(format!(r#","shardId":"{}","eventSourceARN":"#, window.shard).as_bytes());
    write_string(window.source_arn, out);
    let (is_final, is_early) = (window.is_final, window.is_terminated_early);
    out.extend_from_slice(
        format!(r#","isFinalInvokeForWindow":{is_final},"isWindowTerminatedEarly":{is_early}"#).as_bytes(),
    );
}

/// `2015-05-11T21:21:33Z`
pub fn shown_seconds(ms: u64) -> String {
    format!("{}Z", date_time::seconds(ms))
}

/// `2015-05-11T21:21:33.291Z`
pub fn shown_milliseconds(ms: u64) -> String {
    format!("{}Z", date_time::milliseconds(ms))
}
