//! TagResource, UntagResource and ListTags.

use crate::{error_table::LambdaError, names::FunctionReference, patterns, request::HttpRequest};
use serde_json::{Value, json};
use stator_api::reader::{Member, Members, Names, Shape, Structure};
use stator_catalog::{Function, FunctionChange, FunctionChangeKind};
use std::collections::BTreeMap;

pub(super) static TAGS: Shape = Shape::map(&patterns::TAG_NAME, &patterns::TAG_VALUE);
static RESOURCE: Shape = Shape::String(Names::Length(1, 10_000));
static TAG: Structure = Structure {
    name: "TagResourceRequest",
    members: &[Member::required("Resource", &RESOURCE), Member::required("Tags", &TAGS)],
};
static LIST: Structure = Structure { name: "ListTagsRequest", members: &[Member::required("Resource", &RESOURCE)] };

/// TagResource and UntagResource.
#[derive(Clone, PartialEq, Debug)]
pub struct ChangeTags {
    pub function: FunctionReference,
    set: BTreeMap<String, String>,
    remove: Vec<String>,
}

impl ChangeTags {
    pub fn parse_tag(request: &HttpRequest<'_>) -> Result<ChangeTags, LambdaError> {
        let read = request.read(&[], &TAG)?;
        let members = read.members();
        Ok(ChangeTags { function: resource(members)?, set: self::read(members), remove: Vec::new() })
    }

    pub fn parse_untag(request: &HttpRequest<'_>) -> Result<ChangeTags, LambdaError> {
        let read = request.read_head(&[], &LIST)?;
        let names = request.query.iter().filter(|(name, _)| name == "tagKeys");
        let remove = names.map(|(_, tag)| tag.clone()).collect();
        Ok(ChangeTags { function: resource(read.members())?, set: BTreeMap::new(), remove })
    }

    pub fn change(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::ChangeTags { set: self.set.clone(), remove: self.remove.clone() };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: None }
    }
}

/// ListTags.
#[derive(Clone, PartialEq, Debug)]
pub struct ListTags {
    pub function: FunctionReference,
}

impl ListTags {
    pub fn parse(request: &HttpRequest<'_>) -> Result<ListTags, LambdaError> {
        let read = request.read_head(&[], &LIST)?;
        Ok(ListTags { function: resource(read.members())? })
    }

    pub fn json(function: &Function) -> Value {
        json!({ "Tags": function.tags })
    }
}

/// Tags of a request.
pub(super) fn read(members: Members<'_>) -> BTreeMap<String, String> {
    let Some(tags) = members.map("Tags") else { return BTreeMap::new() };
    tags.iter().filter_map(|(name, value)| Some((name.to_owned(), value.as_str()?.to_owned()))).collect()
}

fn resource(members: Members<'_>) -> Result<FunctionReference, LambdaError> {
    let arn = members.text("Resource").unwrap_or_default();
    let function = if arn.starts_with("arn:") { FunctionReference::parse(arn) } else { None };
    let function = function.ok_or_else(|| LambdaError::invalid(format!("Invalid Lambda function ARN: {arn}")))?;
    if function.qualifier.is_some() {
        return Err(LambdaError::invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    Ok(function)
}
