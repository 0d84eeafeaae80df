//! What a request says about its own signature, in either form: an `Authorization` header, or query parameters.

use super::{ALGORITHM, SignedRequest, canonical, date};
use crate::error_table::ApiError;
use std::borrow::Cow;

/// Most headers that a signature may cover; each is looked for among all of the request's.
const SIGNED_HEADERS_MAX: usize = 128;
/// Most seconds that a presigned request is valid.
const EXPIRES_S_MAX: u64 = 604_800;

/// Where the signature stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Header,
    /// Presigned, and for how long.
    Query {
        expires_s: Option<u64>,
    },
}

/// Complete, well-formed, and not yet believed.
#[derive(Debug)]
pub struct Claims<'a> {
    pub form: Form,
    /// `access key/date/region/service/terminator`: five parts.
    pub credential: Cow<'a, str>,
    pub signed_headers: Vec<&'a str>,
    pub signature: Cow<'a, str>,
    /// As it stands in the string to sign: `20150830T123600Z`.
    pub date_text: Cow<'a, str>,
    pub date_ms: u64,
    pub session_token: Option<Cow<'a, str>>,
}

impl<'a> Claims<'a> {
    /// Reads the request's claims, and refuses in DynamoDB's words what is missing or malformed.
    pub fn read(request: &SignedRequest<'a>) -> Result<Claims<'a>, ApiError> {
        let authorization = request.header("authorization").filter(|value| !value.is_empty());
        let presigned = !request.query.is_empty() && has_parameter(request.query, "X-Amz-Algorithm");
        match authorization {
            Some(_) if presigned => Err(ApiError::InvalidSignature(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.".into(),
            )),
            Some(value) => from_header(request, value),
            None if presigned => from_query(request),
            None => Err(ApiError::MissingAuthenticationToken),
        }
    }

    pub fn scope(&self) -> Scope<'_> {
        let mut parts = self.credential.rsplitn(5, '/');
        let mut next = || parts.next().unwrap_or_default();
        let (terminator, service, region, date, access_key) = (next(), next(), next(), next(), next());
        let text = self.credential.get(access_key.len() + 1..).unwrap_or_default();
        Scope { access_key, text, date, region, service, terminator }
    }
}

/// What a credential is made of.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'c> {
    pub access_key: &'c str,
    /// All behind the access key: `date/region/service/terminator`.
    pub text: &'c str,
    pub date: &'c str,
    pub region: &'c str,
    pub service: &'c str,
    pub terminator: &'c str,
}

fn has_parameter(query: &str, name: &str) -> bool {
    canonical::parameters(query).any(|(other, _)| other == name.as_bytes())
}

fn incomplete<T>(text: impl Into<String>) -> Result<T, ApiError> {
    Err(ApiError::IncompleteSignature(text.into()))
}

fn from_header<'a>(request: &SignedRequest<'a>, value: &'a [u8]) -> Result<Claims<'a>, ApiError> {
    let Ok(text) = std::str::from_utf8(value) else {
        return incomplete("Authorization header is not a valid string.");
    };
    let text = text.trim();
    let (algorithm, rest) = text.split_once(' ').unwrap_or((text, ""));
    if !algorithm.starts_with("AWS4-") {
        return Err(ApiError::MissingAuthenticationToken);
    }
    if algorithm != ALGORITHM {
        return incomplete(format!("Unsupported AWS 'algorithm': '{algorithm}'."));
    }
    let (mut credential, mut signature, mut signed_headers) = (None, None, None);
    for pair in rest.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return incomplete(format!(
                "'{pair}' not a valid key=value pair (missing equal-sign) in Authorization header: '{text}'."
            ));
        };
        match name.trim() {
            "Credential" => credential = Some(value.trim()),
            "Signature" => signature = Some(value.trim()),
            "SignedHeaders" => signed_headers = Some(value.trim()),
            _ => {}
        }
    }
    let date = request_date(request)?;
    let (Some(credential), Some(signature), Some(signed_headers), Some((date_text, date_ms))) =
        (credential, signature, signed_headers, date.clone())
    else {
        let lacking = [("Credential", credential), ("Signature", signature), ("SignedHeaders", signed_headers)];
        let mut message = String::new();
        for (name, _) in lacking.iter().filter(|(_, value)| value.is_none()) {
            message.push_str(&format!("Authorization header requires '{name}' parameter. "));
        }
        if date.is_none() {
            message.push_str("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
        }
        return incomplete(format!("{message}Authorization={text}"));
    };
    let session_token = match request.header("x-amz-security-token").map(std::str::from_utf8) {
        None => None,
        Some(Ok(token)) => Some(Cow::Borrowed(token.trim())),
        Some(Err(_)) => return Err(ApiError::UnrecognizedClient),
    };
    Ok(Claims {
        form: Form::Header,
        credential: checked_credential(Cow::Borrowed(credential))?,
        signed_headers: split_signed_headers(signed_headers)?,
        signature: Cow::Borrowed(signature),
        date_text,
        date_ms,
        session_token,
    })
}

/// The time of signing: `X-Amz-Date`, else `Date`; `None` if neither is there.
fn request_date<'a>(request: &SignedRequest<'a>) -> Result<Option<(Cow<'a, str>, u64)>, ApiError> {
    let Some(value) = request.header("x-amz-date").or_else(|| request.header("date")) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    if let Some(ms) = date::read_basic(text) {
        return Ok(Some((Cow::Borrowed(text), ms)));
    }
    if request.header("x-amz-date").is_none()
        && let Some(ms) = date::read_http(text)
    {
        return Ok(Some((Cow::Owned(date::basic(ms)), ms)));
    }
    incomplete(date_text_error(text))
}

fn date_text_error(text: &str) -> String {
    format!("Date must be in ISO-8601 'basic format'. Got '{text}'. See http://en.wikipedia.org/wiki/ISO_8601")
}

fn from_query<'a>(request: &SignedRequest<'a>) -> Result<Claims<'a>, ApiError> {
    let find = |wanted: &str| -> Option<Cow<'a, str>> {
        let (_, value) = canonical::parameters(request.query).find(|(name, _)| name == wanted.as_bytes())?;
        String::from_utf8(value).ok().filter(|value| !value.is_empty()).map(Cow::Owned)
    };
    let algorithm = find("X-Amz-Algorithm");
    if let Some(other) = algorithm.as_deref().filter(|name| *name != ALGORITHM) {
        return incomplete(format!("Unsupported AWS 'algorithm': '{other}'."));
    }
    let (credential, signature) = (find("X-Amz-Credential"), find("X-Amz-Signature"));
    let (signed_headers, date) = (raw_signed_headers(request.query), find("X-Amz-Date"));
    let lacking = [
        ("X-Amz-Algorithm", algorithm.is_none()),
        ("X-Amz-Credential", credential.is_none()),
        ("X-Amz-Signature", signature.is_none()),
        ("X-Amz-SignedHeaders", signed_headers.is_none()),
        ("X-Amz-Date", date.is_none()),
    ];
    let (Some(credential), Some(signature), Some(signed_headers), Some(date_text)) =
        (credential, signature, signed_headers, date)
    else {
        let mut message = String::new();
        for (name, _) in lacking.iter().filter(|(_, lacking)| *lacking) {
            message.push_str(&format!("AWS query-string parameters must include '{name}'. "));
        }
        return incomplete(format!("{message}Re-examine the query-string parameters."));
    };
    let Some(date_ms) = date::read_basic(&date_text) else {
        return incomplete(date_text_error(&date_text));
    };
    let expires_s = match find("X-Amz-Expires") {
        None => None,
        Some(text) => Some(checked_expires(&text)?),
    };
    Ok(Claims {
        form: Form::Query { expires_s },
        credential: checked_credential(credential)?,
        signed_headers,
        signature,
        date_text,
        date_ms,
        session_token: find("X-Amz-Security-Token"),
    })
}

fn checked_expires(text: &str) -> Result<u64, ApiError> {
    match text.parse::<u64>() {
        Ok(seconds) if seconds <= EXPIRES_S_MAX => Ok(seconds),
        Ok(_) => incomplete(format!(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             {EXPIRES_S_MAX} seconds"
        )),
        Err(_) => incomplete("X-Amz-Expires should be a number"),
    }
}

/// The names, borrowed from the query itself: header names need no escapes, only the `;` between them may be one.
fn raw_signed_headers(query: &str) -> Option<Vec<&str>> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("X-Amz-SignedHeaders="))?;
    let mut names: Vec<&str> = Vec::new();
    for part in value.split(';') {
        names.extend(part.split("%3B").flat_map(|part| part.split("%3b")));
    }
    names.retain(|name| !name.is_empty());
    (!names.is_empty() && names.len() <= SIGNED_HEADERS_MAX).then_some(names)
}

fn split_signed_headers(text: &str) -> Result<Vec<&str>, ApiError> {
    let mut names = Vec::with_capacity(16);
    names.extend(text.split(';').filter(|name| !name.is_empty()).take(SIGNED_HEADERS_MAX + 1));
    if names.len() > SIGNED_HEADERS_MAX {
        return incomplete(format!("'SignedHeaders' may name at most {SIGNED_HEADERS_MAX} headers."));
    }
    Ok(names)
}

fn checked_credential(credential: Cow<'_, str>) -> Result<Cow<'_, str>, ApiError> {
    if credential.bytes().filter(|byte| *byte == b'/').count() < 4 || credential.starts_with('/') {
        return incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
             '{credential}'"
        ));
    }
    Ok(credential)
}
