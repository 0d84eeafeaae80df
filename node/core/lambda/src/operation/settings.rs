//! Settings of functions and of the account that are constant here, and loops.

use super::{FUNCTION, IN_QUERY_QUALIFIER, QUALIFIER, function};
use crate::{error_table::LambdaError, names::FunctionReference, request::HttpRequest};
use serde_json::{Value, json};
use stator_api::{
    arn::Owner,
    reader::{Member, Names, Shape, Structure},
};
use stator_catalog::{CODE_STORAGE_BYTES_MAX, CONCURRENCY_MAX, Catalog, Function, FunctionChange, FunctionChangeKind};

static RECURSION: Structure = Structure {
    name: "PutFunctionRecursionConfigRequest",
    members: &[FUNCTION, Member::required("RecursiveLoop", &Shape::String(Names::Enum(&["Allow", "Terminate"])))],
};

/// PutFunctionRecursionConfig.
#[derive(Clone, PartialEq, Debug)]
pub struct PutFunctionRecursionConfig {
    pub function: FunctionReference,
    may_recur: bool,
}

impl PutFunctionRecursionConfig {
    pub fn parse(request: &HttpRequest<'_>) -> Result<PutFunctionRecursionConfig, LambdaError> {
        let read = request.read(&[], &RECURSION)?;
        let members = read.members();
        let may_recur = members.text("RecursiveLoop") == Some("Allow");
        Ok(PutFunctionRecursionConfig { function: function(members)?.unqualified()?, may_recur })
    }

    pub fn change(&self, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::SetRecursion { may_recur: self.may_recur };
        FunctionChange { function: self.function.name.clone(), what, revision, if_revision: None }
    }
}

pub fn recursion_json(function: &Function) -> Value {
    json!({ "RecursiveLoop": if function.may_recur { "Allow" } else { "Terminate" } })
}

static RUNTIME_MANAGEMENT: Structure = Structure {
    name: "PutRuntimeManagementConfigRequest",
    members: &[
        FUNCTION,
        QUALIFIER,
        Member::required("UpdateRuntimeOn", &Shape::String(Names::Enum(&["Auto", "Manual", "FunctionUpdate"]))),
        Member::optional("RuntimeVersionArn", &Shape::TEXT),
    ],
};

/// PutRuntimeManagementConfig. Runtimes are those of the nodes, so there is only one setting.
#[derive(Clone, PartialEq, Debug)]
pub struct PutRuntimeManagementConfig {
    pub function: FunctionReference,
}

impl PutRuntimeManagementConfig {
    pub fn parse(request: &HttpRequest<'_>) -> Result<PutRuntimeManagementConfig, LambdaError> {
        let read = request.read(IN_QUERY_QUALIFIER, &RUNTIME_MANAGEMENT)?;
        let members = read.members();
        match members.text("UpdateRuntimeOn") {
            Some("Auto") | None => Ok(PutRuntimeManagementConfig { function: function(members)? }),
            Some(other) => Err(LambdaError::invalid(format!(
                "The parameter UpdateRuntimeOn with the value {other} is not supported yet"
            ))),
        }
    }
}

pub fn runtime_management_json(function: &Function, qualifier: Option<&str>, owner: &Owner) -> Value {
    json!({ "UpdateRuntimeOn": "Auto", "FunctionArn": owner.function_arn(&function.name, qualifier) })
}

/// GetAccountSettings' reply.
pub fn account_settings_json(catalog: &Catalog, code_bytes_max: Option<u64>) -> Value {
    let code_bytes: u64 = catalog.functions().map(|function| function.code_bytes()).sum();
    let reserved: u32 = catalog.functions().filter_map(|function| function.reserved_concurrency).sum();
    json!({
        "AccountLimit": {
            "TotalCodeSize": code_bytes_max.unwrap_or(CODE_STORAGE_BYTES_MAX),
            "CodeSizeUnzipped": 262_144_000,
            "CodeSizeZipped": 52_428_800,
            "ConcurrentExecutions": CONCURRENCY_MAX,
            "UnreservedConcurrentExecutions": CONCURRENCY_MAX.saturating_sub(reserved),
        },
        "AccountUsage": { "TotalCodeSize": code_bytes, "FunctionCount": catalog.functions().len() },
    })
}
