//! What the Lambda API refuses, and how it is told on the wire: the one place where such an error gets its status, type and
//! words.

use serde_json::json;
use stator_api::{ApiError, arn::Owner};
use stator_catalog::{CatalogRefusal, FunctionRefusal};
use stator_partition::Refusal;

/// `ThrottleReason`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ThrottleReason {
    /// All functions together.
    Region,
    /// Those that are reserved for this function.
    Reserved,
    /// Requests of all callers together.
    Caller,
}

impl ThrottleReason {
    fn name(self) -> &'static str {
        match self {
            ThrottleReason::Region => "ConcurrentInvocationLimitExceeded",
            ThrottleReason::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            ThrottleReason::Caller => "CallerRateLimitExceeded",
        }
    }
}

/// Why a request is not answered with a result. Variants are Lambda's exceptions.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum LambdaError {
    /// Said in words that all services share: types, constraints, signatures.
    #[error(transparent)]
    Shared(#[from] ApiError),
    /// What the catalog refused.
    #[error(transparent)]
    Refused(#[from] FunctionRefusal),
    #[error("{0}")]
    InvalidParameterValue(String),
    /// The payload of an invocation is no JSON.
    #[error("{0}")]
    InvalidRequestContent(String),
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    ResourceConflict(String),
    #[error("{0}")]
    ResourceInUse(String),
    /// Path and method of nothing.
    #[error("no such operation")]
    UnknownOperation,
    /// An operation of Lambda's that is not served.
    #[error("operation {0} is not served")]
    NotServed(&'static str),
    /// The whole request is too large; most bytes.
    #[error("the request has more than {bytes_max} bytes")]
    EntityTooLarge { bytes_max: usize, operation: &'static str },
    /// The payload of an invocation is too large.
    #[error("the payload has {bytes} bytes")]
    PayloadTooLarge { bytes: usize, bytes_max: usize },
    #[error("too many requests")]
    TooManyRequests(ThrottleReason),
    /// The function takes part in a loop that was stopped.
    #[error("{0}")]
    RecursiveInvocation(String),
    /// The runtime is none that can be run here.
    #[error("{0}")]
    InvalidRuntime(String),
    /// The code of a version is not what it should be.
    #[error("{0}")]
    InvalidZipFile(String),
    /// Nothing was done, or it is not known whether something was.
    #[error("{0}")]
    Service(String),
}

impl LambdaError {
    pub fn invalid(text: impl Into<String>) -> LambdaError {
        LambdaError::InvalidParameterValue(text.into())
    }

    /// A mistake of ours, or an unknown outcome; SDKs send the request again.
    pub fn internal() -> LambdaError {
        LambdaError::Service("An error occurred and the request cannot be processed.".to_owned())
    }

    /// An event source mapping is not there.
    pub fn no_such_mapping() -> LambdaError {
        LambdaError::ResourceNotFound("The resource you requested does not exist.".to_owned())
    }

    /// A function, or a version or alias of it, is not there.
    pub fn no_such_function(name: &str, qualifier: Option<&str>) -> LambdaError {
        let qualifier = qualifier.map(str::to_owned);
        LambdaError::Refused(FunctionRefusal::NoSuchFunction { name: name.to_owned(), qualifier })
    }
}

impl From<CatalogRefusal> for LambdaError {
    fn from(refusal: CatalogRefusal) -> LambdaError {
        match refusal {
            CatalogRefusal::Function(refusal) => LambdaError::Refused(refusal),
            CatalogRefusal::NoSuchMapping(_) => LambdaError::no_such_mapping(),
            CatalogRefusal::MappingBusy(_) => {
                LambdaError::ResourceInUse("Cannot update the event source mapping because it is in use.".to_owned())
            }
            // With other words where both are known.
            CatalogRefusal::MappingExists(id) => LambdaError::ResourceConflict(format!(
                "The event source arn and function provided mapping already exists. Please update or delete the existing \
                 mapping with UUID {id}"
            )),
            other => LambdaError::Shared(other.into()),
        }
    }
}

impl From<Refusal> for LambdaError {
    fn from(refusal: Refusal) -> LambdaError {
        LambdaError::Shared(refusal.into())
    }
}

/// An error as it goes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wire {
    pub status: u16,
    /// `x-amzn-ErrorType`.
    pub type_name: String,
    pub message: String,
    pub reason: Option<&'static str>,
}

impl Wire {
    fn new(status: u16, type_name: &str, message: impl Into<String>) -> Wire {
        Wire { status, type_name: type_name.to_owned(), message: message.into(), reason: None }
    }

    /// The error in the words for the owner of a cluster's ARNs.
    pub fn of(error: LambdaError, owner: &Owner) -> Wire {
        match error {
            LambdaError::Shared(error) => shared(error),
            LambdaError::Refused(refusal) => refused(refusal, owner),
            LambdaError::InvalidParameterValue(text) => Wire::new(400, "InvalidParameterValueException", text),
            LambdaError::InvalidRequestContent(text) => Wire::new(400, "InvalidRequestContentException", text),
            LambdaError::ResourceNotFound(text) => Wire::new(404, "ResourceNotFoundException", text),
            LambdaError::ResourceConflict(text) => Wire::new(409, "ResourceConflictException", text),
            LambdaError::ResourceInUse(text) => Wire::new(400, "ResourceInUseException", text),
            LambdaError::UnknownOperation => {
                Wire::new(403, "AccessDeniedException", "Unable to determine service/operation name to be authorized")
            }
            LambdaError::NotServed(operation) => {
                Wire::new(404, "UnknownOperationException", format!("The operation {operation} is not supported yet"))
            }
            LambdaError::EntityTooLarge { bytes_max, operation } => Wire::new(
                413,
                "RequestEntityTooLargeException",
                format!("Request must be smaller than {bytes_max} bytes for the {operation} operation"),
            ),
            LambdaError::PayloadTooLarge { bytes, bytes_max } => Wire::new(
                413,
                "RequestTooLargeException",
                format!("{bytes} byte payload is too large for the Invoke operation (limit {bytes_max} bytes)"),
            ),
            LambdaError::TooManyRequests(reason) => {
                Wire { reason: Some(reason.name()), ..Wire::new(429, "TooManyRequestsException", "Rate Exceeded.") }
            }
            LambdaError::RecursiveInvocation(text) => Wire::new(400, "RecursiveInvocationException", text),
            LambdaError::InvalidRuntime(text) => Wire::new(502, "InvalidRuntimeException", text),
            LambdaError::InvalidZipFile(text) => Wire::new(502, "InvalidZipFileException", text),
            LambdaError::Service(text) => Wire::new(500, "ServiceException", text),
        }
    }

    /// Whose mistake it is.
    pub fn blame(&self) -> &'static str {
        if self.status < 500 { "User" } else { "Service" }
    }

    /// The body. The model spells the message in two ways, so both are there.
    pub fn body(&self) -> Vec<u8> {
        let mut body = json!({ "Type": self.blame(), "message": self.message, "Message": self.message });
        if let (Some(reason), Some(members)) = (self.reason, body.as_object_mut()) {
            members.insert("Reason".to_owned(), reason.into());
        }
        body.to_string().into_bytes()
    }
}

fn refused(refusal: FunctionRefusal, owner: &Owner) -> Wire {
    let text = refusal.to_string();
    match refusal {
        FunctionRefusal::NoSuchFunction { name, qualifier } => Wire::new(
            404,
            "ResourceNotFoundException",
            format!("Function not found: {}", owner.function_arn(&name, qualifier.as_deref())),
        ),
        FunctionRefusal::FunctionExists(name) => {
            Wire::new(409, "ResourceConflictException", format!("Function already exist: {name}"))
        }
        FunctionRefusal::NoSuchAlias { function, alias } => Wire::new(
            404,
            "ResourceNotFoundException",
            format!("Cannot find alias arn: {}", owner.function_arn(&function, Some(&alias))),
        ),
        FunctionRefusal::AliasExists { function, alias } => Wire::new(
            409,
            "ResourceConflictException",
            format!("Alias already exists: {}", owner.function_arn(&function, Some(&alias))),
        ),
        FunctionRefusal::NotFound(text) => Wire::new(404, "ResourceNotFoundException", text),
        FunctionRefusal::NoEventInvoke { function, qualifier } => Wire::new(
            404,
            "ResourceNotFoundException",
            format!(
                "The function {} doesn't have an EventInvokeConfig",
                owner.function_arn(&function, Some(&qualifier))
            ),
        ),
        FunctionRefusal::Conflict(text) => Wire::new(409, "ResourceConflictException", text),
        FunctionRefusal::Invalid(text) => Wire::new(400, "InvalidParameterValueException", text),
        FunctionRefusal::OtherRevision => Wire::new(
            412,
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to \
             retrieve the latest Revision Id",
        ),
        FunctionRefusal::CodeStorageFull { .. } => {
            Wire::new(400, "CodeStorageExceededException", "Code storage limit exceeded.")
        }
        FunctionRefusal::ConfigurationsFull { .. } => Wire::new(400, "CodeStorageExceededException", text),
        FunctionRefusal::PolicyFull { .. } => {
            Wire::new(400, "PolicyLengthExceededException", "The final policy size is bigger than the limit.")
        }
        // Uploading it again helps.
        FunctionRefusal::UploadTooOld => Wire::new(500, "ServiceException", text),
    }
}

/// What DynamoDB's edge says as well, with Lambda's status.
fn shared(error: ApiError) -> Wire {
    let is_authentication = matches!(
        error,
        ApiError::MissingAuthenticationToken
            | ApiError::IncompleteSignature(_)
            | ApiError::UnrecognizedClient
            | ApiError::InvalidSignature(_)
            | ApiError::AccessDenied(_)
    );
    match error {
        ApiError::Throttled(_) | ApiError::ThroughputExceeded(_) => {
            return Wire::of(
                LambdaError::TooManyRequests(ThrottleReason::Caller),
                &Owner { region: String::new(), account_id: String::new() },
            );
        }
        ApiError::Internal(text) | ApiError::Unavailable(text) => return Wire::new(500, "ServiceException", text),
        ApiError::Serialization(None) => {
            return Wire::new(400, "InvalidRequestContentException", "Could not parse request body into json");
        }
        _ => {}
    }
    let wire = stator_api::Wire::from(error);
    let status = if is_authentication { 403 } else { wire.status };
    Wire::new(status, wire.short_name(), wire.message.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_status_type_and_both_spellings_of_their_message() {
        let owner = Owner { region: "us-east-1".into(), account_id: "000000000000".into() };
        for (error, status, type_name, message) in [
            (
                LambdaError::no_such_function("f", None),
                404,
                "ResourceNotFoundException",
                "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f",
            ),
            (
                LambdaError::no_such_function("f", Some("7")),
                404,
                "ResourceNotFoundException",
                "Function not found: arn:aws:lambda:us-east-1:000000000000:function:f:7",
            ),
            (
                ApiError::UnrecognizedClient.into(),
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            (ApiError::validation("why").into(), 400, "ValidationException", "why"),
            (
                LambdaError::EntityTooLarge { bytes_max: 69_905_067, operation: "CreateFunction" },
                413,
                "RequestEntityTooLargeException",
                "Request must be smaller than 69905067 bytes for the CreateFunction operation",
            ),
        ] {
            let wire = Wire::of(error, &owner);
            assert_eq!((wire.status, wire.type_name.as_str(), wire.message.as_str()), (status, type_name, message));
            let body: serde_json::Value = serde_json::from_slice(&wire.body()).expect("JSON");
            assert_eq!(body, json!({"Type": "User", "message": message, "Message": message}));
        }
        let throttled = Wire::of(LambdaError::TooManyRequests(ThrottleReason::Reserved), &owner);
        let body: serde_json::Value = serde_json::from_slice(&throttled.body()).expect("JSON");
        assert_eq!(body["Reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
        assert_eq!(throttled.status, 429);
    }
}
