//! ListTagsForResource, TagResource and UntagResource of scalable targets.

use super::naming;
use crate::arn::Owner;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Names, Shape, Structure};
use crate::render::{self, Object};
use stator_catalog::{Catalog, Change, ScalingChange};
use stator_item::json::Entries;
use std::collections::BTreeMap;

const TAG_KEY: Shape = Shape::String(Names::Length(1, 128));
pub(super) const TAGS: Shape = Shape::map(&TAG_KEY, &Shape::String(Names::Length(0, 256)));
const RESOURCE_ARN: Member = Member::required("ResourceARN", &Shape::String(Names::Length(1, 1_011)));

static TAG_INPUT: Structure =
    Structure { name: "TagResourceRequest", members: &[RESOURCE_ARN, Member::required("Tags", &TAGS)] };

static UNTAG_INPUT: Structure = Structure {
    name: "UntagResourceRequest",
    members: &[RESOURCE_ARN, Member::required("TagKeys", &Shape::List { of: &TAG_KEY, min: 0, max: 200 })],
};

static LIST_INPUT: Structure = Structure { name: "ListTagsForResourceRequest", members: &[RESOURCE_ARN] };

pub(super) fn tags(members: Members<'_>) -> BTreeMap<String, String> {
    let tags = members.map("Tags").into_iter().flat_map(Entries::iter);
    tags.map(|(name, value)| (name.to_owned(), value.as_str().unwrap_or_default().to_owned())).collect()
}

/// A checked TagResource or UntagResource.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeScalingTags {
    resource_arn: String,
    set: BTreeMap<String, String>,
    remove: Vec<String>,
}

impl ChangeScalingTags {
    pub fn parse_tag(body: &[u8]) -> Result<ChangeScalingTags, ApiError> {
        let request = reader::read(body, &TAG_INPUT)?;
        let members = request.members();
        Ok(ChangeScalingTags { resource_arn: arn(members), set: tags(members), remove: Vec::new() })
    }

    pub fn parse_untag(body: &[u8]) -> Result<ChangeScalingTags, ApiError> {
        let request = reader::read(body, &UNTAG_INPUT)?;
        let members = request.members();
        let keys = members.list("TagKeys").unwrap_or_default();
        let remove = keys.iter().filter_map(|key| key.as_str()).map(str::to_owned).collect();
        Ok(ChangeScalingTags { resource_arn: arn(members), set: BTreeMap::new(), remove })
    }

    /// What the catalog is told.
    pub fn change(self, owner: &Owner) -> Result<Change, ApiError> {
        let target = naming::target_number(&self.resource_arn, owner);
        let target = target.ok_or_else(|| not_found(&self.resource_arn))?;
        Ok(Change::Scaling(ScalingChange::ChangeTags { target, set: self.set, remove: self.remove }))
    }
}

/// A checked ListTagsForResource.
#[derive(Clone, PartialEq, Debug)]
pub struct ListScalingTags {
    resource_arn: String,
}

impl ListScalingTags {
    pub fn parse(body: &[u8]) -> Result<ListScalingTags, ApiError> {
        let request = reader::read(body, &LIST_INPUT)?;
        Ok(ListScalingTags { resource_arn: arn(request.members()) })
    }

    pub fn render(&self, catalog: &Catalog, owner: &Owner, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let number = naming::target_number(&self.resource_arn, owner);
        let target = catalog.scalable_targets().find(|(_, target)| Some(target.number) == number);
        let (_, target) = target.ok_or_else(|| not_found(&self.resource_arn))?;
        let mut body = Object::begin(out);
        let mut tags = Object::begin(body.member("Tags"));
        for (name, value) in &target.tags {
            render::string(value, tags.member(name));
        }
        tags.end();
        body.end();
        Ok(())
    }
}

fn arn(members: Members<'_>) -> String {
    members.text("ResourceARN").unwrap_or_default().to_owned()
}

fn not_found(arn: &str) -> ApiError {
    ApiError::ResourceNotFound(format!("The specified resource {arn} doesn't exist."))
}
