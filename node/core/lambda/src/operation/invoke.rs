//! Invoke: all but the payload stands in headers.

use super::{FUNCTION, IN_QUERY_QUALIFIER, QUALIFIER, function};
use crate::{error_table::LambdaError, names::FunctionReference, request::HttpRequest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use stator_api::reader::{Member, Names, Request, Shape, Structure};
use stator_item::json::Json;
use std::borrow::Cow;

/// Most bytes of a payload, in both directions (6 MB).
pub const PAYLOAD_BYTES_MAX: usize = 6 << 20;
/// The same of an event (1 MB).
pub const EVENT_PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Most characters of a client context as it is sent.
const CONTEXT_CHARACTERS_MAX: usize = 3_583;

static INPUT: Structure = Structure {
    name: "InvocationRequest",
    members: &[
        FUNCTION,
        QUALIFIER,
        Member::optional("InvocationType", &Shape::String(Names::Enum(&["Event", "RequestResponse", "DryRun"]))),
        Member::optional("LogType", &Shape::String(Names::Enum(&["None", "Tail"]))),
        Member::optional("ClientContext", &Shape::String(Names::Length(0, CONTEXT_CHARACTERS_MAX))),
        Member::not_yet("DurableExecutionName"),
        Member::not_yet("TenantId"),
    ],
};
/// Header, and member of the model.
const IN_HEADERS: [(&str, &str); 5] = [
    ("x-amz-invocation-type", "InvocationType"),
    ("x-amz-log-type", "LogType"),
    ("x-amz-client-context", "ClientContext"),
    ("x-amz-durable-execution-name", "DurableExecutionName"),
    ("x-amz-tenant-id", "TenantId"),
];

/// How a function is invoked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InvocationType {
    /// The reply is the function's.
    RequestResponse,
    /// The event is accepted, and the function gets it later.
    Event,
    /// Only looked at.
    DryRun,
}

/// Invoke and InvokeAsync. The payload is the request's body.
#[derive(Clone, PartialEq, Debug)]
pub struct Invoke {
    pub function: FunctionReference,
    pub invocation_type: InvocationType,
    /// The end of the log is wanted.
    pub with_log: bool,
    /// JSON, as the runtime hands it to the function.
    pub client_context: Option<String>,
}

impl Invoke {
    pub fn parse(request: &HttpRequest<'_>) -> Result<Invoke, LambdaError> {
        let read = read(request)?;
        let members = read.members();
        let invocation_type = match members.text("InvocationType") {
            Some("Event") => InvocationType::Event,
            Some("DryRun") => InvocationType::DryRun,
            _ => InvocationType::RequestResponse,
        };
        check_payload(request.body, invocation_type)?;
        let client_context = members.text("ClientContext").filter(|context| !context.is_empty()).map(read_context);
        Ok(Invoke {
            function: function(members)?,
            invocation_type,
            with_log: members.text("LogType") == Some("Tail"),
            client_context: client_context.transpose()?,
        })
    }

    /// InvokeAsync: an event.
    pub fn parse_async(request: &HttpRequest<'_>) -> Result<Invoke, LambdaError> {
        let read = read(request)?;
        check_payload(request.body, InvocationType::Event)?;
        let function = function(read.members())?;
        Ok(Invoke { function, invocation_type: InvocationType::Event, with_log: false, client_context: None })
    }
}

fn read<'a>(request: &HttpRequest<'a>) -> Result<Request<'a>, LambdaError> {
    let mut located: Vec<(&'a str, Json<'a>)> = Vec::new();
    for (name, value) in request.path {
        located.push((name, Json::String(Cow::Borrowed(value))));
    }
    for (name, _) in IN_QUERY_QUALIFIER {
        located.extend(request.query(name).map(|value| (*name, Json::String(Cow::Borrowed(value)))));
    }
    for (header, member) in IN_HEADERS {
        located.extend(request.header.text(header).map(|value| (member, Json::String(Cow::Borrowed(value)))));
    }
    Ok(stator_api::reader::read_located(located, &[], &INPUT)?)
}

fn check_payload(payload: &[u8], invocation_type: InvocationType) -> Result<(), LambdaError> {
    let bytes_max = match invocation_type {
        InvocationType::Event => EVENT_PAYLOAD_BYTES_MAX,
        InvocationType::RequestResponse | InvocationType::DryRun => PAYLOAD_BYTES_MAX,
    };
    if payload.len() > bytes_max {
        return Err(LambdaError::PayloadTooLarge { bytes: payload.len(), bytes_max });
    }
    // An absent payload is `{}` to the function.
    if !payload.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_err() {
        return Err(LambdaError::InvalidRequestContent(
            "Could not parse request body into json: Could not parse payload into json".to_owned(),
        ));
    }
    Ok(())
}

fn read_context(context: &str) -> Result<String, LambdaError> {
    let decoded = STANDARD.decode(context).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let is_json = |text: &String| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    decoded.filter(is_json).ok_or_else(|| {
        LambdaError::InvalidRequestContent("Client context must be a valid Base64-encoded JSON object.".to_owned())
    })
}
