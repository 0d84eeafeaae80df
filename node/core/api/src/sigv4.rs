//! AWS Signature Version 4 as arithmetic: who sent a request, and that nobody changed it on its way.
//!
//! Guarantees: [`verify`] accepts a request only if its method, path, query, signed headers and body are those that were
//! signed with the secret of the named key, within the time allowed. `host` and `x-amz-target` must be among the signed
//! headers; the body's own hash is always what is signed, `UNSIGNED-PAYLOAD` is not taken. Any region is taken, the service
//! is the one whose path or target the request has. An equal request may be served again within its time, as at AWS: SDKs send equal ones in one second.
//! No clock and no sockets; work is linear in the request's size.

mod canonical;
mod claims;
mod date;
mod signer;
mod signing_key;
#[cfg(test)]
mod tests;

pub use signer::{Signer, SignerHeaders};
pub use signing_key::{SigningKey, SigningKeyCache};

use crate::{
    error_table::ApiError,
    operation::{targets_logs, targets_scaling},
};
use claims::{Claims, Form, Scope};
use std::{fmt, sync::Arc};
use subtle::ConstantTimeEq;

/// The service in the scope of every signature.
const SERVICE: &str = "dynamodb";
/// The same where the target is one of Application Auto Scaling's.
const SCALING_SERVICE: &str = "application-autoscaling";
/// The same where the path is one of the Lambda API's.
const LAMBDA_SERVICE: &str = "lambda";
/// The service of requests to the Logs API.
const LOGS_SERVICE: &str = "logs";
/// The end of every scope.
const TERMINATOR: &str = "aws4_request";
/// The only algorithm there is.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a signature's time may lie from the server's.
pub const SKEW_MS: u64 = 15 * 60 * 1_000;

/// A request as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct SignedRequest<'a> {
    pub method: &'a str,
    /// As in the request line, escapes and all; at least `/`.
    pub path: &'a str,
    /// What stands behind `?`, as sent; empty if nothing.
    pub query: &'a str,
    /// Names in any case. `host` must be there: over HTTP/2, what `:authority` says.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The bytes as sent: compressed, if they were.
    pub body: &'a [u8],
}

impl<'a> SignedRequest<'a> {
    /// The first header of that name.
    fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// What belongs to an access key.
#[derive(Clone)]
pub struct Credential {
    pub secret: Arc<str>,
    /// Set for temporary credentials: requests must carry it.
    pub session_token: Option<Arc<str>>,
    pub disabled: bool,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("disabled", &self.disabled).finish_non_exhaustive()
    }
}

/// Where keys are looked up.
pub trait Keyring {
    /// The credential of an access key; `None`: there is no such key.
    fn credential(&self, access_key: &str) -> Option<Credential>;

    /// The signing key for `credential_scope` (`access key/date/region/service/aws4_request`). Deriving one costs more than
    /// verifying with it: implement this over a [`SigningKeyCache`].
    fn signing_key(&self, credential_scope: &str, secret: &Arc<str>) -> Option<SigningKey> {
        SigningKey::derive(credential_scope, secret)
    }
}

/// Who sent a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    pub access_key: String,
}

/// The server's time, and how far a signature's may lie from it.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Milliseconds since 1970.
    pub ms: u64,
    pub skew_ms: u64,
}

/// Says who sent the request, or why nobody can be believed to have.
pub fn verify(request: &SignedRequest<'_>, keyring: &dyn Keyring, now: Now) -> Result<Caller, ApiError> {
    let claims = Claims::read(request)?;
    let scope = claims.scope();
    check_scope(&scope, &claims.date_text, service_of(request))?;
    check_signed_headers(request, &claims)?;
    check_time(&claims, now)?;

    let credential = keyring.credential(scope.access_key).ok_or(ApiError::UnrecognizedClient)?;
    if credential.disabled || !same_token(credential.session_token.as_deref(), claims.session_token.as_deref()) {
        return Err(ApiError::UnrecognizedClient);
    }
    let key = keyring.signing_key(&claims.credential, &credential.secret).ok_or(ApiError::UnrecognizedClient)?;
    let text = canonical::string_to_sign(request, &claims.signed_headers, scope.text, &claims.date_text, claims.form);
    if !bool::from(key.sign(&text).as_bytes().ct_eq(claims.signature.as_bytes())) {
        return Err(ApiError::InvalidSignature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
                .into(),
        ));
    }
    Ok(Caller { access_key: scope.access_key.to_owned() })
}

fn same_token(expected: Option<&str>, sent: Option<&str>) -> bool {
    match (expected, sent) {
        (None, None) => true,
        (Some(expected), Some(sent)) => expected.as_bytes().ct_eq(sent.as_bytes()).into(),
        _ => false,
    }
}

/// The service that the request is for.
fn service_of(request: &SignedRequest<'_>) -> &'static str {
    if is_lambda_path(request.path) {
        LAMBDA_SERVICE
    } else if request.header("x-amz-target").is_some_and(targets_scaling) {
        SCALING_SERVICE
    } else if request.header("x-amz-target").is_some_and(targets_logs) {
        LOGS_SERVICE
    } else {
        SERVICE
    }
}

/// Whether a path is one of the Lambda API's, which all begin with the day of a version: `/2015-03-31/functions`.
pub fn is_lambda_path(path: &str) -> bool {
    let mut bytes = path.bytes();
    "/20dd-dd-dd/".bytes().all(|expected| {
        bytes.next().is_some_and(|byte| if expected == b'd' { byte.is_ascii_digit() } else { byte == expected })
    })
}

fn check_scope(scope: &Scope<'_>, date_text: &str, expected: &str) -> Result<(), ApiError> {
    let invalid = |text: String| Err(ApiError::InvalidSignature(text));
    let Scope { date, region, service, terminator, .. } = *scope;
    if region.is_empty() {
        return invalid(format!("Credential should be scoped to a valid region, not '{region}'. "));
    }
    if service != expected {
        return invalid(format!("Credential should be scoped to correct service: '{expected}'. "));
    }
    if terminator != TERMINATOR {
        return invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'. "
        ));
    }
    let day = date_text.get(..8).unwrap_or_default();
    if date != day {
        return invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != \
             '{day}', from '{date_text}'."
        ));
    }
    Ok(())
}

/// What gives a request its meaning must be signed, or a signature would serve for another request.
fn check_signed_headers(request: &SignedRequest<'_>, claims: &Claims<'_>) -> Result<(), ApiError> {
    let signed = |name: &str| claims.signed_headers.iter().any(|signed| signed.eq_ignore_ascii_case(name));
    if !signed("host") {
        return Err(ApiError::InvalidSignature(
            "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    if request.header("x-amz-target").is_some() && !signed("x-amz-target") {
        return Err(ApiError::InvalidSignature(
            "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization.".into(),
        ));
    }
    Ok(())
}

fn check_time(claims: &Claims<'_>, now: Now) -> Result<(), ApiError> {
    let valid_ms = match claims.form {
        Form::Query { expires_s: Some(expires_s) } => expires_s.saturating_mul(1_000),
        Form::Query { expires_s: None } | Form::Header => now.skew_ms,
    };
    let signed = &claims.date_text;
    let at = |ms: u64| date::basic(ms);
    if claims.date_ms.saturating_add(valid_ms) < now.ms {
        let (oldest, now_text, minutes) = (at(now.ms.saturating_sub(valid_ms)), at(now.ms), valid_ms / 60_000);
        return Err(ApiError::InvalidSignature(format!(
            "Signature expired: {signed} is now earlier than {oldest} ({now_text} - {minutes} min.)"
        )));
    }
    if claims.date_ms > now.ms.saturating_add(now.skew_ms) {
        let (latest, now_text, minutes) = (at(now.ms.saturating_add(now.skew_ms)), at(now.ms), now.skew_ms / 60_000);
        return Err(ApiError::InvalidSignature(format!(
            "Signature not yet current: {signed} is still later than {latest} ({now_text} + {minutes} min.)"
        )));
    }
    Ok(())
}
