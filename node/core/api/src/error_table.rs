//! What is refused, and how it is told on the wire: the one place where an error gets its status, type and words.

use crate::{arn::Owner, scaling};
use bytes::Bytes;
use stator_catalog::{CatalogRefusal, ScalingResource, TableStatus};
use stator_expression::ExpressionError;
use stator_partition::{
    Refusal, Throttled,
    throttle::Limit,
    transaction::{CancellationReason, Cancelled},
};

/// Why a request is not answered with a result. Variants are DynamoDB's exceptions.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum ApiError {
    /// The body is no JSON, or a member has the wrong type. No text: it could not even be parsed.
    #[error("the request could not be read: {0:?}")]
    Serialization(Option<String>),
    #[error("{0}")]
    Validation(String),
    #[error("no such operation")]
    UnknownOperation,
    /// The item as it stands, in the item encoding, where it was asked for.
    #[error("the conditional request failed")]
    ConditionFailed { item: Option<Bytes> },
    /// An INSERT of a key that is there. The item as it stands, where it was asked for.
    #[error("the key exists")]
    DuplicateItem { item: Option<Bytes> },
    #[error("the item collection is full")]
    CollectionFull,
    /// Why each item of a transaction, in order, did not let it happen.
    #[error("the transaction is cancelled")]
    TransactionCanceled(Cancelled),
    /// A single write met a transaction that is under way.
    #[error("a transaction is under way on the item")]
    TransactionConflict,
    /// The request of this token is not done yet.
    #[error("the request is under way")]
    TransactionInProgress,
    /// The request token came with another request before.
    #[error("the request token was used for another request")]
    IdempotentParameterMismatch,
    #[error("{0}")]
    ResourceNotFound(String),
    /// What operations on backups say where others say that a resource was not found.
    #[error("{0}")]
    TableNotFound(String),
    #[error("{0}")]
    ResourceInUse(String),
    #[error("{0}")]
    LimitExceeded(String),
    /// Application Auto Scaling has no such target or policy.
    #[error("{0}")]
    ObjectNotFound(String),
    #[error("{0}")]
    TooManyTags(String),
    #[error("the token was not handed out")]
    InvalidNextToken,
    /// No credentials came with the request.
    #[error("no authentication token")]
    MissingAuthenticationToken,
    /// Parts of the authentication are missing or malformed.
    #[error("{0}")]
    IncompleteSignature(String),
    /// The access key or the session token is not known.
    #[error("unknown access key")]
    UnrecognizedClient,
    /// The signature is wrong, or too old.
    #[error("{0}")]
    InvalidSignature(String),
    #[error("{0}")]
    AccessDenied(String),
    /// More is asked for than can be taken on now; nothing was done.
    #[error("{0}")]
    Throttled(String),
    /// More is asked of a table or index than its capacity; nothing was done.
    #[error("the capacity is exceeded")]
    ThroughputExceeded(Box<Throttled>),
    /// Nothing was done, or it is not known whether something was.
    #[error("{0}")]
    Internal(String),
    /// Cannot be answered now; nothing was done.
    #[error("{0}")]
    Unavailable(String),
    /// A shard iterator that was given out too long ago.
    #[error("the shard iterator is too old")]
    ExpiredIterator(String),
    /// Records that are kept no longer.
    #[error("the records are kept no longer")]
    TrimmedDataAccess,
    /// The body is longer than any request may be.
    #[error("the request is too large")]
    RequestTooLarge,
}

impl ApiError {
    pub fn validation(text: impl Into<String>) -> ApiError {
        ApiError::Validation(text.into())
    }

    pub(crate) fn serialization(text: impl Into<String>) -> ApiError {
        ApiError::Serialization(Some(text.into()))
    }

    /// "Requested resource not found", as item operations say it.
    pub fn no_such_table() -> ApiError {
        ApiError::ResourceNotFound("Requested resource not found".into())
    }

    /// As operations on tables say it.
    pub fn table_not_found(name: &str) -> ApiError {
        ApiError::ResourceNotFound(format!("Requested resource not found: Table: {name} not found"))
    }

    /// A capacity that is not registered with Application Auto Scaling.
    pub(crate) fn no_such_target(resource: &ScalingResource) -> ApiError {
        ApiError::ObjectNotFound(format!("No scalable target registered for {}", scaling::described(resource)))
    }

    /// A mistake of ours, or an unknown outcome; SDKs send the request again.
    pub fn internal() -> ApiError {
        ApiError::Internal(INTERNAL.into())
    }

    /// Nothing was done; SDKs send the request again.
    pub fn unavailable() -> ApiError {
        ApiError::Unavailable(UNAVAILABLE.into())
    }

    /// Whether a batch leaves the command unprocessed, for the client to send again, rather than failing.
    pub fn is_unprocessed(&self) -> bool {
        matches!(
            self,
            ApiError::Throttled(_)
                | ApiError::ThroughputExceeded(_)
                | ApiError::Unavailable(_)
                | ApiError::Internal(_)
                | ApiError::TransactionConflict
        )
    }
}

impl From<ExpressionError> for ApiError {
    fn from(error: ExpressionError) -> ApiError {
        ApiError::Validation(error.to_string())
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        match refusal {
            Refusal::ConditionFailed { old_item } => ApiError::ConditionFailed { item: old_item },
            Refusal::Invalid(text) => ApiError::Validation(text),
            Refusal::CollectionFull => ApiError::CollectionFull,
            Refusal::NoSuchTable => ApiError::no_such_table(),
            Refusal::TransactionConflict => ApiError::TransactionConflict,
            Refusal::Cancelled(reasons) => ApiError::TransactionCanceled(reasons),
            Refusal::TokenMismatch => ApiError::IdempotentParameterMismatch,
            Refusal::TransactionInProgress => ApiError::TransactionInProgress,
            Refusal::TransactionTooLarge => ApiError::validation(TRANSACTION_TOO_LARGE),
            // The coordinator's own affair.
            Refusal::TooLargeForOne => ApiError::Internal(INTERNAL.into()),
            Refusal::Throttled(throttled) => ApiError::ThroughputExceeded(throttled),
            Refusal::Overloaded => ApiError::Throttled(
                "The request was throttled as the partition has too much work waiting. Retry it after a while.".into(),
            ),
            Refusal::ChangeLogFull => ApiError::Throttled(INDEX_PROVISIONED.into()),
            Refusal::StreamFull => ApiError::Throttled(
                "The records of the table's stream have reached their quota of disk space. Writes are taken again as records \
                 become older than 24 hours, or when the stream is disabled and its 24 hours are over"
                    .into(),
            ),
            Refusal::NoSuchShard => ApiError::ResourceNotFound(
                "Requested resource not found: Shard does not exist".into(),
            ),
            Refusal::Trimmed => ApiError::TrimmedDataAccess,
            Refusal::StaleEpoch { .. } | Refusal::NotLeader { .. } | Refusal::Unavailable(_) => {
                ApiError::Unavailable(UNAVAILABLE.into())
            }
            Refusal::TooOld | Refusal::DeadlinePassed => ApiError::Internal(INTERNAL.into()),
        }
    }
}

impl From<CatalogRefusal> for ApiError {
    fn from(refusal: CatalogRefusal) -> ApiError {
        match refusal {
            CatalogRefusal::TableExists(name) => ApiError::ResourceInUse(format!("Table already exists: {name}")),
            CatalogRefusal::NoSuchTable(name) => ApiError::table_not_found(&name),
            CatalogRefusal::TableBusy { name, status } => {
                let doing = match status {
                    TableStatus::Creating => "created",
                    TableStatus::Active | TableStatus::Updating => "updated",
                    TableStatus::Deleting => "deleted",
                };
                ApiError::ResourceInUse(format!(
                    "Attempt to change a resource which is still in use: Table is being {doing}: {name}"
                ))
            }
            CatalogRefusal::NoSuchIndex(_) => ApiError::ResourceNotFound("Requested resource not found".to_owned()),
            CatalogRefusal::DeletionProtected(_) => ApiError::validation(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection \
                 first.",
            ),
            CatalogRefusal::LimitExceeded(text) => ApiError::LimitExceeded(text),
            CatalogRefusal::NothingToScale(resource) => {
                let what = if resource.index.is_some() { "index" } else { "table" };
                ApiError::Validation(format!("DynamoDB {what} does not exist: {}", scaling::resource_id(&resource)))
            }
            CatalogRefusal::NoSuchTarget(resource) => ApiError::no_such_target(&resource),
            CatalogRefusal::NoSuchTargetNumber(_) => {
                ApiError::ResourceNotFound("The specified resource doesn't exist.".to_owned())
            }
            CatalogRefusal::NoSuchPolicy { resource, name } => ApiError::ObjectNotFound(format!(
                "No scaling policy found for {}, policy name: {name}",
                scaling::described(&resource)
            )),
            CatalogRefusal::TooManyTags { max } => {
                ApiError::TooManyTags(format!("A resource can have at most {max} tags"))
            }
            CatalogRefusal::Invalid(text) => ApiError::Validation(text),
            // Nothing that a client of the API asks for can be refused so.
            CatalogRefusal::Function(_)
            | CatalogRefusal::AlreadyInitialised
            | CatalogRefusal::NotInitialised
            | CatalogRefusal::BadJoinToken
            | CatalogRefusal::NoSuchNode(_)
            | CatalogRefusal::DirectorySetBack { .. }
            | CatalogRefusal::OtherDirectory(_)
            | CatalogRefusal::LastNode(_)
            | CatalogRefusal::OnlyVoter { .. }
            | CatalogRefusal::NodesMax { .. }
            | CatalogRefusal::NoSuchPartition(_)
            | CatalogRefusal::StaleEpoch { .. }
            | CatalogRefusal::PlanExists(_)
            | CatalogRefusal::BadPlan(_)
            | CatalogRefusal::KeyExists(_)
            | CatalogRefusal::NoSuchKey(_)
            | CatalogRefusal::KeysMax { .. }
            // Told in Lambda's words, where they are told.
            | CatalogRefusal::NoSuchMapping(_)
            | CatalogRefusal::MappingExists(_)
            | CatalogRefusal::MappingBusy(_)
            | CatalogRefusal::NoSuchStream => ApiError::Internal(INTERNAL.into()),
        }
    }
}

/// What somebody gets who does not speak the protocol at all (another method, path or content type): status and body, which
/// is no JSON.
pub const NOT_THE_PROTOCOL: (u16, &str) = (404, "<UnknownOperationException/>\n");

macro_rules! dynamodb {
    ($name:literal) => {
        concat!("com.amazonaws.dynamodb.v20120810#", $name)
    };
}

const THROTTLING: &str = "com.amazon.coral.availability#ThrottlingException";
const INTERNAL: &str = "Internal server error";
const CONDITION_FAILED: &str = "The conditional request failed";
const DUPLICATE: &str = "Duplicate primary key exists in table";
const COLLECTION_FULL: &str = "Collection size exceeded.";
const CONFLICT: &str = "Transaction is ongoing for the item";
const THROTTLED: &str = "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling \
                         your table or index so please try again shortly. If exceptions persist, check if you have a hot key.";
const PROVISIONED: &str = "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
                           provisioning level with the UpdateTable API.";
const INDEX_PROVISIONED: &str = "The level of configured provisioned throughput for one or more global secondary indexes of \
                                 the table was exceeded. Consider increasing your provisioning level for the \
                                 under-provisioned global secondary indexes with the UpdateTable API";
const ON_DEMAND_MAXIMUM: &str = "Throughput exceeds the maximum OnDemandThroughput configured on table or index";
const TRANSACTION_TOO_LARGE: &str = "The aggregate size of the items in the transaction exceeded the limit of 4 MB";
const TRIMMED: &str = "The operation attempted to read past the oldest stream record in a shard.";
const UNAVAILABLE: &str = "The service is currently unavailable or busy.";

/// How the member with the text is spelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spelling {
    /// `message`
    Lower,
    /// `Message`
    Upper,
}

/// An error as it goes over the wire.
#[derive(Clone, PartialEq, Debug)]
pub struct Wire {
    pub status: u16,
    /// `__type`, with its namespace.
    pub type_name: &'static str,
    pub message: Option<String>,
    pub spelling: Spelling,
    /// `Item` of a failed condition, in the item encoding.
    pub item: Option<Bytes>,
    /// `CancellationReasons` of a transaction.
    pub reasons: Option<Cancelled>,
    /// `ThrottlingReasons`.
    pub throttled: Option<Box<Throttled>>,
}

impl Wire {
    fn new(status: u16, type_name: &'static str, message: impl Into<String>) -> Wire {
        Wire {
            status,
            type_name,
            message: Some(message.into()),
            spelling: Spelling::Lower,
            item: None,
            reasons: None,
            throttled: None,
        }
    }

    /// One of Application Auto Scaling's own.
    fn scaling(type_name: &'static str, message: impl Into<String>) -> Wire {
        Wire { spelling: Spelling::Upper, ..Wire::new(400, type_name, message) }
    }

    /// The exception's name without its namespace, for metrics.
    pub fn short_name(&self) -> &'static str {
        self.type_name.rsplit('#').next().unwrap_or(self.type_name)
    }

    /// The response's body. ARNs in it bear the owner's name; before there is one, they are left out.
    pub fn write_json(&self, owner: Option<&Owner>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"__type\":\"");
        out.extend_from_slice(self.type_name.as_bytes());
        out.push(b'"');
        if let Some(message) = &self.message {
            let name: &[u8] = match self.spelling {
                Spelling::Lower => b",\"message\":",
                Spelling::Upper => b",\"Message\":",
            };
            out.extend_from_slice(name);
            crate::render::string(message, out);
        }
        if let Some(item) = &self.item {
            write_item(item, out);
        }
        if let (Some(throttled), Some(owner)) = (&self.throttled, owner) {
            write_throttling(throttled, owner, out);
        }
        if let Some(reasons) = &self.reasons {
            out.extend_from_slice(b",\"CancellationReasons\":[");
            for (place, reason) in reasons.iter().enumerate() {
                out.extend_from_slice(if place > 0 { b",{\"Code\":\"" } else { b"{\"Code\":\"" });
                out.extend_from_slice(reason_code(reason.as_ref()).as_bytes());
                out.push(b'"');
                if let Some(message) = reason.as_ref().map(reason_message) {
                    out.extend_from_slice(b",\"Message\":");
                    crate::render::string(message, out);
                }
                if let Some(
                    CancellationReason::ConditionFailed { old_item: Some(item) }
                    | CancellationReason::Duplicate { old_item: Some(item) },
                ) = reason
                {
                    write_item(item, out);
                }
                out.push(b'}');
            }
            out.push(b']');
        }
        out.push(b'}');
    }
}

/// The two exceptions spell the member differently.
fn write_throttling(throttled: &Throttled, owner: &Owner, out: &mut Vec<u8>) {
    out.extend_from_slice(match throttled.is_on_demand {
        true => b",\"throttlingReasons\":[{\"reason\":\"",
        false => b",\"ThrottlingReasons\":[{\"reason\":\"",
    });
    out.extend_from_slice(throttled.reason().as_bytes());
    out.extend_from_slice(b"\",\"resource\":");
    let arn = match &throttled.index {
        Some(index) => owner.index_arn(&throttled.table, index),
        None => owner.table_arn(&throttled.table),
    };
    crate::render::string(&arn, out);
    out.extend_from_slice(b"}]");
}

/// An item that cannot be shown is left out: the error stands all the same.
fn write_item(item: &Bytes, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b",\"Item\":");
    if crate::render::item(item, out).is_err() {
        out.truncate(start);
    }
}

/// `Code` of a cancellation reason.
fn reason_code(reason: Option<&CancellationReason>) -> &'static str {
    match reason {
        None => "None",
        Some(CancellationReason::ConditionFailed { .. }) => "ConditionalCheckFailed",
        Some(CancellationReason::Duplicate { .. }) => "DuplicateItem",
        Some(CancellationReason::Conflict) => "TransactionConflict",
        Some(CancellationReason::CollectionFull) => "ItemCollectionSizeLimitExceeded",
        Some(CancellationReason::Invalid(_)) => "ValidationError",
        Some(CancellationReason::Throttled) => "ThrottlingError",
        Some(CancellationReason::ProvisionedThroughputExceeded) => "ProvisionedThroughputExceeded",
    }
}

fn reason_message(reason: &CancellationReason) -> &str {
    match reason {
        CancellationReason::ConditionFailed { .. } => CONDITION_FAILED,
        CancellationReason::Duplicate { .. } => DUPLICATE,
        CancellationReason::Conflict => CONFLICT,
        CancellationReason::CollectionFull => COLLECTION_FULL,
        CancellationReason::Invalid(text) => text,
        CancellationReason::Throttled => THROTTLED,
        CancellationReason::ProvisionedThroughputExceeded => PROVISIONED,
    }
}

impl From<ApiError> for Wire {
    fn from(error: ApiError) -> Wire {
        match error {
            ApiError::Serialization(message) => Wire {
                status: 400,
                type_name: "com.amazon.coral.service#SerializationException",
                message,
                spelling: Spelling::Upper,
                item: None,
                reasons: None,
                throttled: None,
            },
            ApiError::Validation(text) => Wire::new(400, "com.amazon.coral.validate#ValidationException", text),
            ApiError::UnknownOperation => {
                Wire { message: None, ..Wire::new(400, "com.amazon.coral.service#UnknownOperationException", "") }
            }
            ApiError::ConditionFailed { item } => {
                Wire { item, ..Wire::new(400, dynamodb!("ConditionalCheckFailedException"), CONDITION_FAILED) }
            }
            ApiError::DuplicateItem { item } => {
                Wire { item, ..Wire::new(400, dynamodb!("DuplicateItemException"), DUPLICATE) }
            }
            ApiError::CollectionFull => {
                Wire::new(400, dynamodb!("ItemCollectionSizeLimitExceededException"), COLLECTION_FULL)
            }
            ApiError::TransactionCanceled(reasons) => {
                let codes: Vec<&str> = reasons.iter().map(|reason| reason_code(reason.as_ref())).collect();
                let text = format!(
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
                    codes.join(", ")
                );
                Wire {
                    spelling: Spelling::Upper,
                    reasons: Some(reasons),
                    ..Wire::new(400, dynamodb!("TransactionCanceledException"), text)
                }
            }
            ApiError::TransactionConflict => Wire::new(400, dynamodb!("TransactionConflictException"), CONFLICT),
            ApiError::TransactionInProgress => Wire {
                spelling: Spelling::Upper,
                ..Wire::new(
                    400,
                    dynamodb!("TransactionInProgressException"),
                    "Transaction from previous request is still in progress",
                )
            },
            ApiError::IdempotentParameterMismatch => Wire {
                spelling: Spelling::Upper,
                ..Wire::new(
                    400,
                    dynamodb!("IdempotentParameterMismatchException"),
                    "Different payload was used with the same idempotency token",
                )
            },
            ApiError::ResourceNotFound(text) => Wire::new(400, dynamodb!("ResourceNotFoundException"), text),
            ApiError::TableNotFound(text) => Wire::new(400, dynamodb!("TableNotFoundException"), text),
            ApiError::ResourceInUse(text) => Wire::new(400, dynamodb!("ResourceInUseException"), text),
            ApiError::LimitExceeded(text) => Wire::new(400, dynamodb!("LimitExceededException"), text),
            ApiError::ObjectNotFound(text) => Wire::scaling("ObjectNotFoundException", text),
            ApiError::TooManyTags(text) => Wire::scaling("TooManyTagsException", text),
            ApiError::InvalidNextToken => Wire::scaling("InvalidNextTokenException", "The next token is not valid"),
            ApiError::MissingAuthenticationToken => Wire::new(
                400,
                "com.amazon.coral.service#MissingAuthenticationTokenException",
                "Request is missing Authentication Token",
            ),
            ApiError::IncompleteSignature(text) => {
                Wire::new(400, "com.amazon.coral.service#IncompleteSignatureException", text)
            }
            ApiError::UnrecognizedClient => Wire::new(
                400,
                "com.amazon.coral.service#UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ),
            ApiError::InvalidSignature(text) => {
                Wire::new(400, "com.amazon.coral.service#InvalidSignatureException", text)
            }
            ApiError::AccessDenied(text) => Wire {
                spelling: Spelling::Upper,
                ..Wire::new(400, "com.amazon.coral.service#AccessDeniedException", text)
            },
            ApiError::Throttled(text) => Wire::new(400, THROTTLING, text),
            ApiError::ThroughputExceeded(throttled) => {
                let (type_name, text) = match (throttled.is_on_demand, throttled.limit, &throttled.index) {
                    (false, _, None) => (dynamodb!("ProvisionedThroughputExceededException"), PROVISIONED),
                    (false, _, Some(_)) => (dynamodb!("ProvisionedThroughputExceededException"), INDEX_PROVISIONED),
                    (true, Limit::OnDemandMaximum, _) => (THROTTLING, ON_DEMAND_MAXIMUM),
                    (true, Limit::Provisioned | Limit::Partition, _) => (THROTTLING, THROTTLED),
                };
                Wire { throttled: Some(throttled), ..Wire::new(400, type_name, text) }
            }
            ApiError::Internal(text) => Wire::new(500, dynamodb!("InternalServerError"), text),
            ApiError::Unavailable(text) => {
                Wire::new(503, "com.amazon.coral.availability#ServiceUnavailableException", text)
            }
            ApiError::ExpiredIterator(text) => Wire::new(400, dynamodb!("ExpiredIteratorException"), text),
            ApiError::TrimmedDataAccess => Wire::new(400, dynamodb!("TrimmedDataAccessException"), TRIMMED),
            ApiError::RequestTooLarge => {
                Wire { message: None, ..Wire::new(413, "com.amazon.coral.service#RequestEntityTooLargeException", "") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Namespace, status, and how the text is spelled: a client looks at each of them.
    #[test]
    fn every_error_has_its_place_on_the_wire() {
        let text = || "why".to_owned();
        let dynamodb =
            |name: &str, text: &str| format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{name}",{text}}}"#);
        let service = |name: &str, text: &str| format!(r#"{{"__type":"com.amazon.coral.service#{name}"{text}}}"#);
        for (error, status, expected) in [
            (ApiError::Serialization(None), 400, service("SerializationException", "")),
            (
                ApiError::Serialization(Some("say \"a\"".into())),
                400,
                service("SerializationException", r#","Message":"say \"a\"""#),
            ),
            (ApiError::UnknownOperation, 400, service("UnknownOperationException", "")),
            (ApiError::ResourceNotFound(text()), 400, dynamodb("ResourceNotFoundException", r#""message":"why""#)),
            (ApiError::TableNotFound(text()), 400, dynamodb("TableNotFoundException", r#""message":"why""#)),
            (ApiError::ResourceInUse(text()), 400, dynamodb("ResourceInUseException", r#""message":"why""#)),
            (ApiError::LimitExceeded(text()), 400, dynamodb("LimitExceededException", r#""message":"why""#)),
            (
                ApiError::MissingAuthenticationToken,
                400,
                service(
                    "MissingAuthenticationTokenException",
                    r#","message":"Request is missing Authentication Token""#,
                ),
            ),
            (
                ApiError::IncompleteSignature(text()),
                400,
                service("IncompleteSignatureException", r#","message":"why""#),
            ),
            (
                ApiError::UnrecognizedClient,
                400,
                service(
                    "UnrecognizedClientException",
                    r#","message":"The security token included in the request is invalid.""#,
                ),
            ),
            (ApiError::InvalidSignature(text()), 400, service("InvalidSignatureException", r#","message":"why""#)),
            (ApiError::AccessDenied(text()), 400, service("AccessDeniedException", r#","Message":"why""#)),
            (
                ApiError::Throttled(text()),
                400,
                r#"{"__type":"com.amazon.coral.availability#ThrottlingException","message":"why"}"#.into(),
            ),
            (
                ApiError::Unavailable(text()),
                503,
                r#"{"__type":"com.amazon.coral.availability#ServiceUnavailableException","message":"why"}"#.into(),
            ),
            (ApiError::ExpiredIterator(text()), 400, dynamodb("ExpiredIteratorException", r#""message":"why""#)),
            (
                ApiError::TrimmedDataAccess,
                400,
                dynamodb("TrimmedDataAccessException", &format!(r#""message":"{TRIMMED}""#)),
            ),
            (ApiError::RequestTooLarge, 413, service("RequestEntityTooLargeException", "")),
        ] {
            let wire = Wire::from(error);
            let mut out = Vec::new();
            wire.write_json(None, &mut out);
            assert_eq!((wire.status, String::from_utf8_lossy(&out).into_owned()), (status, expected));
        }
    }
}
