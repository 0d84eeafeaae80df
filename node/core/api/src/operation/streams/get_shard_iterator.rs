//! GetShardIterator.

use super::{IteratorKey, SHARD_ID, STREAM, ShardIterator, StreamReference, read_shard_id};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Names, Shape, Structure};
use crate::render::{self, Object};
use stator_catalog::StreamDescription;
use stator_changelog::{SequenceNumber, ShardId};
use stator_item::TableId;
use stator_partition::{Command, RecordPlace};

static INPUT: Structure = Structure {
    name: "GetShardIteratorInput",
    members: &[
        STREAM,
        Member::required("ShardId", &SHARD_ID),
        Member::required(
            "ShardIteratorType",
            &Shape::String(Names::Enum(&[
                "TRIM_HORIZON",
                "LATEST",
                "AT_SEQUENCE_NUMBER",
                "AFTER_SEQUENCE_NUMBER",
                "AT_TIMESTAMP",
            ])),
        ),
        Member::optional("SequenceNumber", &Shape::String(Names::Length(21, 40))),
        Member::optional("Timestamp", &Shape::Timestamp),
    ],
};

/// A checked GetShardIterator.
#[derive(Clone, PartialEq, Debug)]
pub struct GetShardIterator {
    pub stream: StreamReference,
    pub shard: ShardId,
    place: RecordPlace,
}

impl GetShardIterator {
    pub fn parse(body: &[u8]) -> Result<GetShardIterator, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let shard = read_shard_id(members, "ShardId")?.ok_or_else(|| ApiError::validation("Invalid ShardId"))?;
        Ok(GetShardIterator { stream: StreamReference::read(members)?, shard, place: place(members)? })
    }

    /// What the shard's partition is asked. A time to come is refused.
    pub fn command(&self, stream: &StreamDescription, now_ms: u64) -> Result<Command, ApiError> {
        if let RecordPlace::Since { created_ms } = self.place
            && created_ms > now_ms
        {
            return Err(ApiError::validation("Invalid Timestamp: it must not be in the future"));
        }
        Ok(Command::FindRecord { stream: stream.label, shard: self.shard, place: self.place })
    }

    pub fn render(
        &self,
        (table, stream): (TableId, &StreamDescription),
        from: SequenceNumber,
        (key, now_ms): (&IteratorKey, u64),
        out: &mut Vec<u8>,
    ) {
        let iterator = ShardIterator { table, stream: stream.label, shard: self.shard, from, given_ms: now_ms };
        let mut body = Object::begin(out);
        render::string(&iterator.seal(key), body.member("ShardIterator"));
        body.end();
    }
}

fn place(members: Members<'_>) -> Result<RecordPlace, ApiError> {
    let kind = members.text("ShardIteratorType").unwrap_or_default();
    let refused =
        |name: &str| Err(ApiError::validation(format!("{name} must not be given for ShardIteratorType {kind}")));
    let by_sequence = matches!(kind, "AT_SEQUENCE_NUMBER" | "AFTER_SEQUENCE_NUMBER");
    if !by_sequence && members.has("SequenceNumber") {
        return refused("SequenceNumber");
    }
    if kind != "AT_TIMESTAMP" && members.has("Timestamp") {
        return refused("Timestamp");
    }
    let missing = |name: &str| ApiError::validation(format!("{name} must be given for ShardIteratorType {kind}"));
    let sequence = || -> Result<SequenceNumber, ApiError> {
        let text = members.text("SequenceNumber").ok_or_else(|| missing("SequenceNumber"))?;
        text.parse().map_err(|_| ApiError::validation(format!("Invalid SequenceNumber: {text}")))
    };
    Ok(match kind {
        "LATEST" => RecordPlace::End,
        "AT_SEQUENCE_NUMBER" => RecordPlace::At(sequence()?),
        "AFTER_SEQUENCE_NUMBER" => RecordPlace::After(sequence()?),
        "AT_TIMESTAMP" => {
            RecordPlace::Since { created_ms: members.milliseconds("Timestamp").ok_or_else(|| missing("Timestamp"))? }
        }
        _ => RecordPlace::First,
    })
}
