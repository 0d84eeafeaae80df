//! PublishVersion and ListVersionsByFunction.

use super::{
    FUNCTION, IN_QUERY_PAGE, MARKER, MAX_ITEMS, Paging, REVISION, VersionView, configuration::DESCRIPTION, function,
    functions::made_json, revision, sortable,
};
use crate::{error_table::LambdaError, names::FunctionReference, request::HttpRequest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use stator_api::{
    arn::Owner,
    reader::{Member, Shape, Structure},
};
use stator_catalog::{Function, FunctionChange, FunctionChangeKind, LATEST};

static PUBLISH: Structure = Structure {
    name: "PublishVersionRequest",
    members: &[
        FUNCTION,
        Member::optional("CodeSha256", &Shape::TEXT),
        Member::optional("Description", &DESCRIPTION),
        REVISION,
        Member::not_yet("PublishTo"),
    ],
};

/// PublishVersion.
#[derive(Clone, PartialEq, Debug)]
pub struct PublishVersion {
    pub function: FunctionReference,
    sha256: Option<[u8; 32]>,
    description: Option<String>,
    if_revision: Option<u128>,
}

impl PublishVersion {
    pub fn parse(request: &HttpRequest<'_>) -> Result<PublishVersion, LambdaError> {
        let read = request.read(&[], &PUBLISH)?;
        let members = read.members();
        // What is no hash is that of no code.
        let sha256 = members.text("CodeSha256").filter(|text| !text.is_empty()).map(|text| {
            let bytes = STANDARD.decode(text).ok();
            bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or_default()
        });
        Ok(PublishVersion {
            function: function(members)?.unqualified()?,
            sha256,
            description: members.text("Description").map(str::to_owned),
            if_revision: revision(members),
        })
    }

    /// `revision`: random.
    pub fn change(&self, code_bytes_max: Option<u64>, revision: u128) -> FunctionChange {
        let (sha256, description) = (self.sha256, self.description.clone());
        FunctionChange {
            function: self.function.name.clone(),
            what: FunctionChangeKind::PublishVersion { sha256, description, code_bytes_max },
            revision,
            if_revision: self.if_revision,
        }
    }

    pub fn json(&self, function: &Function, owner: &Owner) -> Value {
        made_json(function, true, owner)
    }
}

static LIST: Structure = Structure { name: "ListVersionsByFunctionRequest", members: &[FUNCTION, MARKER, MAX_ITEMS] };

/// ListVersionsByFunction.
#[derive(Clone, PartialEq, Debug)]
pub struct ListVersionsByFunction {
    pub function: FunctionReference,
    paging: Paging,
}

impl ListVersionsByFunction {
    pub fn parse(request: &HttpRequest<'_>) -> Result<ListVersionsByFunction, LambdaError> {
        let read = request.read_head(IN_QUERY_PAGE, &LIST)?;
        let members = read.members();
        Ok(ListVersionsByFunction { function: function(members)?, paging: Paging::read(members) })
    }

    pub fn json(&self, function: &Function, owner: &Owner) -> Value {
        let latest = VersionView { function, number: None, version: &function.latest, qualifier: Some(LATEST), owner };
        let versions = function.versions.iter().map(|(number, version)| {
            let text = number.to_string();
            let view = VersionView { function, number: Some(*number), version, qualifier: Some(&text), owner };
            (sortable(*number), view.json())
        });
        self.paging.page("Versions", std::iter::once((LATEST.to_owned(), latest.json())).chain(versions))
    }
}
