//! TagResource, UntagResource and ListTagsOfResource, for tables.

use super::table_members;
use crate::arn;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Names, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{Change, TableDescription};
use std::collections::BTreeMap;

const RESOURCE_ARN: Member = Member::required("ResourceArn", &Shape::String(Names::Length(1, 1_283)));

static TAG_INPUT: Structure =
    Structure { name: "TagResourceInput", members: &[RESOURCE_ARN, Member::required("Tags", &table_members::TAGS)] };

static UNTAG_INPUT: Structure = Structure {
    name: "UntagResourceInput",
    members: &[RESOURCE_ARN, Member::required("TagKeys", &Shape::list(&Shape::String(Names::Length(1, 128))))],
};

static LIST_INPUT: Structure = Structure {
    name: "ListTagsOfResourceInput",
    members: &[RESOURCE_ARN, Member::optional("NextToken", &Shape::TEXT)],
};

/// A checked TagResource or UntagResource. The reply has no body beyond the empty one.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeTags {
    /// As given: to be checked against the cluster's [`Owner`](crate::arn::Owner).
    pub resource_arn: String,
    table: String,
    set: BTreeMap<String, String>,
    remove: Vec<String>,
}

impl ChangeTags {
    pub fn parse_tag(body: &[u8]) -> Result<ChangeTags, ApiError> {
        let request = reader::read(body, &TAG_INPUT)?;
        let members = request.members();
        let resource_arn = members.text("ResourceArn").unwrap_or_default();
        let table = arn::resource_table_name(resource_arn)?.to_owned();
        let set = table_members::tags(members)?;
        if set.is_empty() {
            return table_members::invalid("At least one tag must be provided");
        }
        Ok(ChangeTags { resource_arn: resource_arn.to_owned(), table, set, remove: Vec::new() })
    }

    pub fn parse_untag(body: &[u8]) -> Result<ChangeTags, ApiError> {
        let request = reader::read(body, &UNTAG_INPUT)?;
        let members = request.members();
        let resource_arn = members.text("ResourceArn").unwrap_or_default();
        let table = arn::resource_table_name(resource_arn)?.to_owned();
        let keys = members.list("TagKeys").unwrap_or_default();
        let remove: Vec<String> = keys.iter().filter_map(|key| key.as_str()).map(str::to_owned).collect();
        if remove.is_empty() {
            return table_members::invalid("At least one tag key must be provided");
        }
        Ok(ChangeTags { resource_arn: resource_arn.to_owned(), table, set: BTreeMap::new(), remove })
    }

    /// What the catalog is told.
    pub fn change(self) -> Change {
        Change::ChangeTags { table: self.table, set: self.set, remove: self.remove }
    }
}

/// A checked ListTagsOfResource. All tags of a table fit one page, so no `NextToken` is ever handed out.
#[derive(Clone, PartialEq, Debug)]
pub struct ListTags {
    pub resource_arn: String,
    pub table: String,
}

impl ListTags {
    pub fn parse(body: &[u8]) -> Result<ListTags, ApiError> {
        let request = reader::read(body, &LIST_INPUT)?;
        let members = request.members();
        let resource_arn = members.text("ResourceArn").unwrap_or_default();
        let table = arn::resource_table_name(resource_arn)?.to_owned();
        if members.has("NextToken") {
            return table_members::invalid("NextToken was not handed out by this operation");
        }
        Ok(ListTags { resource_arn: resource_arn.to_owned(), table })
    }

    pub fn render(&self, table: &TableDescription, out: &mut Vec<u8>) {
        let mut body = Object::begin(out);
        let mut list = List::begin(body.member("Tags"));
        for (key, value) in &table.tags {
            let mut tag = Object::begin(list.element());
            render::string(key, tag.member("Key"));
            render::string(value, tag.member("Value"));
            tag.end();
        }
        list.end();
        body.end();
    }
}
