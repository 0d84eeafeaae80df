//! DescribeStream.

use super::{SHARD_ID, STREAM, StreamReference, label_text, read_shard_id, view_name};
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::operation::table_json::{key_schema, seconds};
use crate::reader::{self, Member, Names, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{StreamDescription, StreamStatus, TableDescription};
use stator_changelog::{Shard, ShardId};
use stator_partition::Command;

const LIMIT_MAX: u64 = 100;

static SHARD_FILTER: Structure = Structure {
    name: "ShardFilter",
    members: &[
        Member::optional("Type", &Shape::String(Names::Enum(&["CHILD_SHARDS"]))),
        Member::optional("ShardId", &SHARD_ID),
    ],
};

static INPUT: Structure = Structure {
    name: "DescribeStreamInput",
    members: &[
        STREAM,
        Member::optional("Limit", &Shape::Integer { min: Some(1), max: Some(LIMIT_MAX as i64) }),
        Member::optional("ExclusiveStartShardId", &SHARD_ID),
        Member::optional("ShardFilter", &Shape::Structure(&SHARD_FILTER)),
    ],
};

/// A checked DescribeStream.
#[derive(Clone, PartialEq, Debug)]
pub struct DescribeStream {
    pub stream: StreamReference,
    limit: u64,
    after: Option<ShardId>,
    /// Only the children of this shard.
    pub children_of: Option<ShardId>,
}

impl DescribeStream {
    pub fn parse(body: &[u8]) -> Result<DescribeStream, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let children_of = match members.structure("ShardFilter") {
            None => None,
            Some(filter) => match (filter.has("Type"), read_shard_id(filter, "ShardId")?) {
                (true, Some(shard)) => Some(shard),
                _ => return Err(ApiError::validation("ShardFilter needs Type and ShardId")),
            },
        };
        Ok(DescribeStream {
            stream: StreamReference::read(members)?,
            limit: members.unsigned("Limit").unwrap_or(LIMIT_MAX),
            after: read_shard_id(members, "ExclusiveStartShardId")?,
            children_of,
        })
    }

    /// What each partition is asked: as many shards as the reply may hold, and one more.
    pub fn command(&self, stream: &StreamDescription) -> Command {
        let after = self.after.max(self.children_of);
        Command::ShowShards { stream: stream.label, after, shards_max: self.limit + 1 }
    }

    /// `shards`: what the partitions have answered.
    pub fn render(
        &self,
        (table, stream): (&TableDescription, &StreamDescription),
        owner: &Owner,
        mut shards: Vec<Shard>,
        out: &mut Vec<u8>,
    ) {
        if let Some(parent) = self.children_of {
            shards.retain(|shard| shard.parent == Some(parent));
        }
        // A child's id comes after its parent's, so parents come first.
        shards.sort_unstable_by_key(|shard| shard.id);
        let more = shards.len() as u64 > self.limit;
        shards.truncate(self.limit as usize);
        let mut body = Object::begin(out);
        let mut shown = Object::begin(body.member("StreamDescription"));
        let label = label_text(stream.label);
        render::string(&owner.stream_arn(&table.name, &label), shown.member("StreamArn"));
        render::string(&label, shown.member("StreamLabel"));
        render::string(status_name(stream.status), shown.member("StreamStatus"));
        render::string(view_name(stream.view), shown.member("StreamViewType"));
        seconds(stream.label.0, shown.member("CreationRequestDateTime"));
        render::string(&table.name, shown.member("TableName"));
        key_schema(&table.key.hash, table.key.range.as_ref(), shown.member("KeySchema"));
        let mut list = List::begin(shown.member("Shards"));
        for shard in &shards {
            render_shard(shard, list.element());
        }
        list.end();
        if let Some(last) = shards.last().filter(|_| more) {
            render::string(&last.id.to_string(), shown.member("LastEvaluatedShardId"));
        }
        shown.end();
        body.end();
    }
}

fn render_shard(shard: &Shard, out: &mut Vec<u8>) {
    let mut shown = Object::begin(out);
    render::string(&shard.id.to_string(), shown.member("ShardId"));
    let mut range = Object::begin(shown.member("SequenceNumberRange"));
    render::string(&shard.starting.to_string(), range.member("StartingSequenceNumber"));
    if let Some(ending) = shard.shown_ending() {
        render::string(&ending.to_string(), range.member("EndingSequenceNumber"));
    }
    range.end();
    if let Some(parent) = shard.parent {
        render::string(&parent.to_string(), shown.member("ParentShardId"));
    }
    shown.end();
}

fn status_name(status: StreamStatus) -> &'static str {
    match status {
        StreamStatus::Enabling => "ENABLING",
        StreamStatus::Enabled => "ENABLED",
        StreamStatus::Disabling => "DISABLING",
        StreamStatus::Disabled { .. } => "DISABLED",
    }
}
