//! The operations, a file each family: input from a request, the change that it asks for, and the reply's body.

mod aliases;
mod code;
mod concurrency;
mod configuration;
mod destination;
mod events;
mod functions;
mod invoke;
mod mappings;
mod permissions;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
mod versions;

pub use aliases::{AliasReference, CreateAlias, ListAliases, UpdateAlias, alias_json};
pub use code::{CodeKey, UpdateFunctionCode};
pub use concurrency::{PutFunctionConcurrency, concurrency_json};
pub use configuration::{UpdateFunctionConfiguration, VersionView};
pub use destination::Destination;
pub use events::{ConfigureEvents, EventsReference, ListFunctionEventInvokeConfigs, event_invoke_json};
pub use functions::{CreateFunction, FunctionRequest, ListFunctions, get_function_json};
pub use invoke::{EVENT_PAYLOAD_BYTES_MAX, InvocationType, Invoke, PAYLOAD_BYTES_MAX};
pub use mappings::{
    CreateEventSourceMapping, ListEventSourceMappings, MappingReference, UpdateEventSourceMapping, mapping_json,
    mapping_reply,
};
pub use permissions::{AddPermission, RemovePermission, policy_json};
pub use settings::{
    PutFunctionRecursionConfig, PutRuntimeManagementConfig, account_settings_json, recursion_json,
    runtime_management_json,
};
pub use tags::{ChangeTags, ListTags};
pub use versions::{ListVersionsByFunction, PublishVersion};

use crate::{
    error_table::LambdaError,
    names::FunctionReference,
    patterns,
    request::{HttpRequest, InQuery, QueryType},
};
use serde_json::{Value, json};
use stator_api::reader::{Member, Members, Shape};
use stator_item::Uuid;

/// A reply with JSON, or with nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Reply {
        Reply { status, body: body.to_string().into_bytes() }
    }

    /// 204.
    pub fn nothing() -> Reply {
        Reply { status: 204, body: Vec::new() }
    }
}

const FUNCTION: Member = Member::required("FunctionName", &patterns::FUNCTION);
const QUALIFIER: Member = Member::optional("Qualifier", &patterns::QUALIFIER);
const REVISION: Member = Member::optional("RevisionId", &Shape::TEXT);
const MARKER: Member = Member::optional("Marker", &Shape::TEXT);
static PAGE_ITEMS: Shape = Shape::Integer { min: Some(1), max: Some(10_000) };
const MAX_ITEMS: Member = Member::optional("MaxItems", &PAGE_ITEMS);
const IN_QUERY_QUALIFIER: InQuery = &[("Qualifier", QueryType::Text)];
const IN_QUERY_PAGE: InQuery = &[("Marker", QueryType::Text), ("MaxItems", QueryType::Number)];
/// Most entries of a list at once, whatever was asked for (Lambda: 50).
const PAGE_ITEMS_MAX: usize = 50;

/// The function that a request is on.
fn function(members: Members<'_>) -> Result<FunctionReference, LambdaError> {
    FunctionReference::with(members.text("FunctionName").unwrap_or_default(), members.text("Qualifier"))
}

/// A `RevisionId` as it is stored; one that was never given out matches none.
fn revision(members: Members<'_>) -> Option<u128> {
    let text = members.text("RevisionId").filter(|text| !text.is_empty())?;
    Some(u128::from_str_radix(&text.replace('-', ""), 16).unwrap_or_default())
}

/// A `RevisionId` as it is shown: a UUID.
fn revision_text(revision: u128) -> String {
    Uuid(revision).to_string()
}

/// A version as an alias names it; `None` is `$LATEST`.
fn version(text: &str) -> Result<Option<u64>, LambdaError> {
    if text == stator_catalog::LATEST {
        return Ok(None);
    }
    // Beyond all numbers there is no version either.
    Ok(Some(text.parse().unwrap_or(u64::MAX)))
}

/// `$LATEST` or a number.
fn version_text(version: Option<u64>) -> String {
    version.map_or_else(|| stator_catalog::LATEST.to_owned(), |number| number.to_string())
}

/// Which part of a list is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Paging {
    marker: Option<String>,
    items_max: usize,
}

impl Paging {
    fn read(members: Members<'_>) -> Paging {
        let asked = members.unsigned("MaxItems").and_then(|items| usize::try_from(items).ok());
        Paging {
            marker: members.text("Marker").filter(|marker| !marker.is_empty()).map(str::to_owned),
            items_max: asked.unwrap_or(PAGE_ITEMS_MAX).min(PAGE_ITEMS_MAX),
        }
    }

    /// The page of what is there in the order of its names, as members of a reply. A marker is the last name that was shown.
    fn page(&self, member: &str, all: impl Iterator<Item = (String, Value)>) -> Value {
        let mut page: Vec<Value> = Vec::new();
        let mut last = None;
        let mut more = false;
        for (name, value) in all.filter(|(name, _)| self.marker.as_ref().is_none_or(|marker| name > marker)) {
            if page.len() == self.items_max {
                more = true;
                break;
            }
            page.push(value);
            last = Some(name);
        }
        let mut body = json!({ member: page });
        if let (true, Some(last), Some(members)) = (more, last, body.as_object_mut()) {
            members.insert("NextMarker".to_owned(), last.into());
        }
        body
    }
}

/// A number as text that sorts as numbers do.
fn sortable(number: u64) -> String {
    format!("{number:020}")
}

/// Reads a request whose body says nothing.
fn read_function(
    request: &HttpRequest<'_>,
    in_query: InQuery,
    input: &'static stator_api::reader::Structure,
) -> Result<FunctionReference, LambdaError> {
    function(request.read_head(in_query, input)?.members())
}
