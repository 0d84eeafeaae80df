//! What the Logs API refuses, and how it is told on the wire: the one place where such an error gets its status, type and words.

use crate::pattern::PatternError;
use serde_json::json;
use stator_api::ApiError;
use stator_catalog::CatalogRefusal;
use stator_partition::Refusal;

/// Why a request is not answered with a result. Variants are exceptions of the Logs API.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum LogsError {
    /// Said in words that all services share: types, constraints, signatures.
    #[error(transparent)]
    Shared(#[from] ApiError),
    #[error("{0}")]
    InvalidParameter(String),
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    ResourceAlreadyExists(String),
    #[error("{0}")]
    LimitExceeded(String),
    #[error("no such operation")]
    UnknownOperation,
}

impl LogsError {
    pub fn invalid(text: impl Into<String>) -> LogsError {
        LogsError::InvalidParameter(text.into())
    }

    pub fn no_such_group() -> LogsError {
        LogsError::ResourceNotFound("The specified log group does not exist.".to_owned())
    }

    pub fn no_such_stream() -> LogsError {
        LogsError::ResourceNotFound("The specified log stream does not exist.".to_owned())
    }

    pub fn group_exists() -> LogsError {
        LogsError::ResourceAlreadyExists("The specified log group already exists".to_owned())
    }

    pub(crate) fn bad_token() -> LogsError {
        LogsError::invalid("The specified nextToken is invalid.")
    }

    /// A mistake of ours, or an unknown outcome; SDKs send the request again.
    pub fn internal() -> LogsError {
        LogsError::Shared(ApiError::internal())
    }
}

impl From<PatternError> for LogsError {
    fn from(error: PatternError) -> LogsError {
        LogsError::InvalidParameter(error.to_string())
    }
}

impl From<Refusal> for LogsError {
    fn from(refusal: Refusal) -> LogsError {
        LogsError::Shared(refusal.into())
    }
}

impl From<CatalogRefusal> for LogsError {
    fn from(refusal: CatalogRefusal) -> LogsError {
        LogsError::Shared(refusal.into())
    }
}

/// An error as it goes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wire {
    pub status: u16,
    /// `__type`.
    pub type_name: &'static str,
    pub message: String,
}

impl From<LogsError> for Wire {
    fn from(error: LogsError) -> Wire {
        let wire = |status, type_name, message: String| Wire { status, type_name, message };
        match error {
            LogsError::InvalidParameter(text) => wire(400, "InvalidParameterException", text),
            // Where others tell of constraints of the model as `ValidationException`.
            LogsError::Shared(ApiError::Validation(text)) => wire(400, "InvalidParameterException", text),
            LogsError::Shared(ApiError::Throttled(_) | ApiError::ThroughputExceeded(_)) => {
                wire(400, "ThrottlingException", "Rate exceeded".to_owned())
            }
            LogsError::Shared(ApiError::Internal(_) | ApiError::Unavailable(_)) => {
                wire(500, "ServiceUnavailableException", "The service cannot complete the request.".to_owned())
            }
            LogsError::Shared(error) => {
                let shared = stator_api::Wire::from(error);
                wire(shared.status, shared.short_name(), shared.message.clone().unwrap_or_default())
            }
            LogsError::ResourceNotFound(text) => wire(400, "ResourceNotFoundException", text),
            LogsError::ResourceAlreadyExists(text) => wire(400, "ResourceAlreadyExistsException", text),
            LogsError::LimitExceeded(text) => wire(400, "LimitExceededException", text),
            LogsError::UnknownOperation => wire(400, "UnknownOperationException", String::new()),
        }
    }
}

impl Wire {
    pub fn body(&self) -> Vec<u8> {
        let body = match self.message.as_str() {
            "" => json!({ "__type": self.type_name }),
            message => json!({ "__type": self.type_name, "message": message }),
        };
        body.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_status_and_type() {
        for (error, status, type_name) in [
            (LogsError::no_such_group(), 400, "ResourceNotFoundException"),
            (LogsError::group_exists(), 400, "ResourceAlreadyExistsException"),
            (LogsError::UnknownOperation, 400, "UnknownOperationException"),
            (ApiError::validation("why").into(), 400, "InvalidParameterException"),
            (ApiError::UnrecognizedClient.into(), 400, "UnrecognizedClientException"),
            (ApiError::Serialization(None).into(), 400, "SerializationException"),
            (Refusal::Overloaded.into(), 400, "ThrottlingException"),
            (Refusal::DeadlinePassed.into(), 500, "ServiceUnavailableException"),
        ] {
            let wire = Wire::from(error);
            assert_eq!((wire.status, wire.type_name), (status, type_name));
            let body: serde_json::Value = serde_json::from_slice(&wire.body()).expect("JSON");
            assert_eq!(body["__type"], type_name);
        }
    }
}
