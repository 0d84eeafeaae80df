//! PutFunctionConcurrency; GetFunctionConcurrency and DeleteFunctionConcurrency name a function and nothing else.

use super::{FUNCTION, function};
use crate::{error_table::LambdaError, names::FunctionReference, request::HttpRequest};
use serde_json::{Value, json};
use stator_api::reader::{Member, Shape, Structure};
use stator_catalog::{Function, FunctionChange, FunctionChangeKind};

static RESERVED: Shape = Shape::Integer { min: Some(0), max: None };
static INPUT: Structure = Structure {
    name: "PutFunctionConcurrencyRequest",
    members: &[FUNCTION, Member::required("ReservedConcurrentExecutions", &RESERVED)],
};

/// PutFunctionConcurrency.
#[derive(Clone, PartialEq, Debug)]
pub struct PutFunctionConcurrency {
    pub function: FunctionReference,
    reserved: u32,
}

impl PutFunctionConcurrency {
    pub fn parse(request: &HttpRequest<'_>) -> Result<PutFunctionConcurrency, LambdaError> {
        let read = request.read(&[], &INPUT)?;
        let members = read.members();
        let reserved = members.unsigned("ReservedConcurrentExecutions").unwrap_or_default();
        Ok(PutFunctionConcurrency {
            function: function(members)?.unqualified()?,
            reserved: u32::try_from(reserved).unwrap_or(u32::MAX),
        })
    }

    pub fn change(&self, revision: u128) -> FunctionChange {
        PutFunctionConcurrency::reserve(&self.function, Some(self.reserved), revision)
    }

    /// `None`: nothing is reserved any more.
    pub fn reserve(function: &FunctionReference, reserved: Option<u32>, revision: u128) -> FunctionChange {
        let what = FunctionChangeKind::ReserveConcurrency(reserved);
        FunctionChange { function: function.name.clone(), what, revision, if_revision: None }
    }
}

/// `Concurrency`.
pub fn concurrency_json(function: &Function) -> Value {
    match function.reserved_concurrency {
        Some(reserved) => json!({ "ReservedConcurrentExecutions": reserved }),
        None => json!({}),
    }
}
