//! The Streams API (`DynamoDBStreams_20120810`): ListStreams, DescribeStream, GetShardIterator, GetRecords.

mod describe_stream;
mod get_records;
mod get_shard_iterator;
mod iterator;
mod list_streams;
#[cfg(test)]
mod tests;

pub use describe_stream::DescribeStream;
pub use get_records::{GetRecords, RecordSource, WAIT_HEADER, WAIT_MS_MAX, write_record};
pub use get_shard_iterator::GetShardIterator;
pub use iterator::{ITERATOR_AGE_MS_MAX, IteratorKey, ShardIterator};
pub use list_streams::ListStreams;

use crate::arn::Owner;
use crate::date_time;
use crate::error_table::ApiError;
use crate::reader::{Member, Members, Names, Shape};
use stator_catalog::{Catalog, StreamDescription, StreamLabel, StreamView, TableDescription};
use stator_changelog::ShardId;
use stator_item::PartitionId;
use std::sync::Arc;
use time::{Date, Month, PrimitiveDateTime, Time};

static STREAM_ARN: Shape = Shape::String(Names::Length(37, 1024));
static SHARD_ID: Shape = Shape::String(Names::Length(28, 65));
const STREAM: Member = Member::required("StreamArn", &STREAM_ARN);

/// A stream as a request names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamReference {
    arn: String,
    table: String,
    label: StreamLabel,
}

impl StreamReference {
    fn read(members: Members<'_>) -> Result<StreamReference, ApiError> {
        let arn = members.text("StreamArn").unwrap_or_default();
        StreamReference::parse(arn).ok_or_else(|| ApiError::validation("Invalid StreamArn"))
    }

    /// What the ARN of a stream names; `None`: it is none.
    pub fn parse(arn: &str) -> Option<StreamReference> {
        let (table_arn, label) = arn.rsplit_once("/stream/")?;
        let table = crate::arn::resource_table_name(table_arn).ok()?.to_owned();
        Some(StreamReference { arn: arn.to_owned(), table, label: read_label(label)? })
    }

    /// The stream, which may be another owner's, of no table, or over.
    pub fn find<'c>(
        &self,
        catalog: &'c Catalog,
        owner: &Owner,
        now_ms: u64,
    ) -> Result<(&'c Arc<TableDescription>, &'c StreamDescription), ApiError> {
        let is_own = self.arn == owner.stream_arn(&self.table, &label_text(self.label));
        let found = catalog.stream(&self.table, self.label, now_ms).filter(|_| is_own);
        found.ok_or_else(|| {
            ApiError::ResourceNotFound(format!("Requested resource not found: Stream: {} not found", self.arn))
        })
    }
}

/// The partition in which a shard lies, if there is such a shard.
pub fn shard_partition(shard: ShardId) -> PartitionId {
    PartitionId(u64::from(shard.tail))
}

fn read_shard_id(members: Members<'_>, name: &str) -> Result<Option<ShardId>, ApiError> {
    let Some(text) = members.text(name) else { return Ok(None) };
    let id = text.parse().map_err(|_| ApiError::validation(format!("Invalid ShardId: {text}")))?;
    Ok(Some(id))
}

pub(super) fn view_name(view: StreamView) -> &'static str {
    match view {
        StreamView::KeysOnly => "KEYS_ONLY",
        StreamView::NewImage => "NEW_IMAGE",
        StreamView::OldImage => "OLD_IMAGE",
        StreamView::NewAndOldImages => "NEW_AND_OLD_IMAGES",
    }
}

/// A stream's label as the API shows it: `2015-05-11T21:21:33.291`.
pub fn label_text(label: StreamLabel) -> String {
    date_time::milliseconds(label.0)
}

/// Only the form that is shown.
fn read_label(text: &str) -> Option<StreamLabel> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
    let small = |from: usize| number(from, from + 2).and_then(|value| u8::try_from(value).ok());
    let month = Month::try_from(small(5)?).ok()?;
    let date = Date::from_calendar_date(i32::from(number(0, 4)?), month, small(8)?).ok()?;
    let time = Time::from_hms_milli(small(11)?, small(14)?, small(17)?, number(20, 23)?).ok()?;
    let ms = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp_nanos() / 1_000_000;
    let label = StreamLabel(u64::try_from(ms).ok()?);
    (label_text(label) == text).then_some(label)
}
