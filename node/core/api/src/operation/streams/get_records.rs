//! GetRecords.

use super::{IteratorKey, ShardIterator, view_name};
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Names, Shape, Structure};
use crate::render::{self, List, Object};
use sha2::{Digest, Sha256};
use stator_catalog::{StreamDescription, StreamLabel, StreamView};
use stator_changelog::{ChangeKind, ChangedBy, ShardId};
use stator_item::TableId;
use stator_partition::{Command, ReadShard, Refusal, ShardRecords, StreamRecord, stream::RECORDS_MAX};

/// A header of our own: so many milliseconds GetRecords may wait for a first record.
pub const WAIT_HEADER: &str = "x-stator-wait-ms";
/// The longest wait that it may ask for.
pub const WAIT_MS_MAX: u64 = 20_000;

static INPUT: Structure = Structure {
    name: "GetRecordsInput",
    members: &[
        Member::required("ShardIterator", &Shape::String(Names::Length(1, 2048))),
        Member::optional("Limit", &Shape::Integer { min: Some(1), max: Some(RECORDS_MAX as i64) }),
    ],
};

/// A GetRecords; its iterator is not opened yet.
#[derive(Clone, PartialEq, Debug)]
pub struct GetRecords {
    iterator: String,
    limit: u64,
}

impl GetRecords {
    pub fn parse(body: &[u8]) -> Result<GetRecords, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        Ok(GetRecords {
            iterator: members.text("ShardIterator").unwrap_or_default().to_owned(),
            limit: members.unsigned("Limit").unwrap_or(RECORDS_MAX),
        })
    }

    /// The wait that a header asks for.
    pub fn read_wait(header: &str) -> Result<u64, ApiError> {
        let wait_ms = header.trim().parse().ok().filter(|wait_ms| *wait_ms <= WAIT_MS_MAX);
        wait_ms.ok_or_else(|| ApiError::validation(format!("{WAIT_HEADER} must be a number from 0 to {WAIT_MS_MAX}")))
    }

    /// The place from which it reads.
    pub fn open(&self, key: &IteratorKey, now_ms: u64) -> Result<ShardIterator, ApiError> {
        ShardIterator::open(&self.iterator, key, now_ms)
    }

    /// What the shard's partition is asked.
    pub fn command(&self, iterator: &ShardIterator, wait_ms: u64) -> Command {
        let ShardIterator { stream, shard, from, .. } = *iterator;
        Command::ReadShard(Box::new(ReadShard { stream, shard, from, records_max: self.limit, wait_ms }))
    }

    /// Why a partition refuses: a shard that an iterator of ours names was there.
    pub fn refusal(refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::NoSuchShard => ApiError::TrimmedDataAccess,
            other => other.into(),
        }
    }

    pub fn render(
        iterator: &ShardIterator,
        stream: &StreamDescription,
        read: &ShardRecords,
        (owner, key, now_ms): (&Owner, &IteratorKey, u64),
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("Records"));
        for record in &read.records {
            let of = RecordSource {
                owner,
                table: iterator.table,
                stream: iterator.stream,
                shard: iterator.shard,
                view: stream.view,
                arn: None,
            };
            write_record(record, &of, list.element())?;
        }
        list.end();
        if let Some(from) = read.next {
            let next = ShardIterator { from, given_ms: now_ms, ..*iterator };
            render::string(&next.seal(key), body.member("NextShardIterator"));
        }
        body.end();
        Ok(())
    }
}

/// Where a record comes from.
#[derive(Clone, Copy, Debug)]
pub struct RecordSource<'a> {
    pub owner: &'a Owner,
    pub table: TableId,
    pub stream: StreamLabel,
    pub shard: ShardId,
    pub view: StreamView,
    /// `eventSourceARN`, which functions are told.
    pub arn: Option<&'a str>,
}

/// A record as JSON: GetRecords shows it so, and functions are called with it.
pub fn write_record(record: &StreamRecord, of: &RecordSource<'_>, out: &mut Vec<u8>) -> Result<(), ApiError> {
    let owner = of.owner;
    let mut shown = Object::begin(out);
    render::string(&event_id(record, of), shown.member("eventID"));
    let name = match record.kind {
        ChangeKind::Insert => "INSERT",
        ChangeKind::Modify => "MODIFY",
        ChangeKind::Remove => "REMOVE",
    };
    render::string(name, shown.member("eventName"));
    render::string("1.1", shown.member("eventVersion"));
    render::string("aws:dynamodb", shown.member("eventSource"));
    render::string(&owner.region, shown.member("awsRegion"));
    let mut change = Object::begin(shown.member("dynamodb"));
    // Whole seconds, as AWS shows them.
    render::integer(record.created_ms / 1_000, change.member("ApproximateCreationDateTime"));
    render::item(&record.keys, change.member("Keys"))?;
    for (name, image) in [("NewImage", &record.new_image), ("OldImage", &record.old_image)] {
        if let Some(image) = image {
            render::item(image, change.member(name))?;
        }
    }
    render::string(&record.sequence.to_string(), change.member("SequenceNumber"));
    render::integer(record.size_bytes, change.member("SizeBytes"));
    render::string(view_name(of.view), change.member("StreamViewType"));
    change.end();
    if record.by == ChangedBy::TimeToLive {
        // The two differ in the case of their letters.
        let (principal, kind) = if of.arn.is_some() { ("principalId", "type") } else { ("PrincipalId", "Type") };
        let mut identity = Object::begin(shown.member("userIdentity"));
        render::string("dynamodb.amazonaws.com", identity.member(principal));
        render::string("Service", identity.member(kind));
        identity.end();
    }
    if let Some(arn) = of.arn {
        render::string(arn, shown.member("eventSourceARN"));
    }
    shown.end();
    Ok(())
}

/// The same whenever and wherever the record is read, and no other record's.
fn event_id(record: &StreamRecord, of: &RecordSource<'_>) -> String {
    let mut hash = Sha256::new();
    for number in [of.table.0, of.stream.0, u64::from(of.shard.tail), record.sequence.0] {
        hash.update(number.to_be_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
