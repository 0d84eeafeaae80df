//! ListStreams.

use super::{STREAM_ARN, StreamReference, label_text};
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{Catalog, StreamLabel};

const LIMIT_MAX: usize = 100;

static INPUT: Structure = Structure {
    name: "ListStreamsInput",
    members: &[
        Member::optional("TableName", &Shape::NAME),
        Member::optional("Limit", &Shape::Integer { min: Some(1), max: Some(LIMIT_MAX as i64) }),
        Member::optional("ExclusiveStartStreamArn", &STREAM_ARN),
    ],
};

/// A checked ListStreams.
#[derive(Clone, PartialEq, Debug)]
pub struct ListStreams {
    table: Option<String>,
    limit: usize,
    after: Option<(String, StreamLabel)>,
}

impl ListStreams {
    pub fn parse(body: &[u8]) -> Result<ListStreams, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let after = match members.text("ExclusiveStartStreamArn") {
            None => None,
            Some(arn) => {
                let reference = StreamReference::parse(arn);
                let reference = reference.ok_or_else(|| ApiError::validation("Invalid ExclusiveStartStreamArn"))?;
                Some((reference.table, reference.label))
            }
        };
        Ok(ListStreams {
            table: members.text("TableName").map(str::to_owned),
            limit: members.unsigned("Limit").map_or(LIMIT_MAX, |limit| limit as usize),
            after,
        })
    }

    /// Streams by the names of their tables, then by their labels; those of deleted tables among them.
    pub fn render(&self, catalog: &Catalog, owner: &Owner, now_ms: u64, out: &mut Vec<u8>) {
        let is_asked_for = |name: &str| self.table.as_ref().is_none_or(|table| table == name);
        let after = self.after.as_ref().map(|(table, label)| (table.as_str(), *label));
        let mut streams: Vec<(&str, StreamLabel)> = catalog
            .streams(now_ms)
            .map(|(table, stream)| (table.name.as_str(), stream.label))
            .filter(|place| is_asked_for(place.0) && after.is_none_or(|after| *place > after))
            .collect();
        streams.sort_unstable();
        let more = streams.len() > self.limit;
        streams.truncate(self.limit);
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("Streams"));
        for (table, label) in &streams {
            let label = label_text(*label);
            let mut shown = Object::begin(list.element());
            render::string(&owner.stream_arn(table, &label), shown.member("StreamArn"));
            render::string(table, shown.member("TableName"));
            render::string(&label, shown.member("StreamLabel"));
            shown.end();
        }
        list.end();
        if let Some((table, label)) = streams.last().filter(|_| more) {
            render::string(&owner.stream_arn(table, &label_text(*label)), body.member("LastEvaluatedStreamArn"));
        }
        body.end();
    }
}
