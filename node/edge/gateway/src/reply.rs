//! Replies: status and body become a response with the headers that DynamoDB's replies have.

use crate::request_id::RequestId;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use stator_api::error_table::NOT_THE_PROTOCOL;
use std::io::Write;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
const SERVER: HeaderValue = HeaderValue::from_static("Stator");
const AMZ_JSON_1_0: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const AMZ_JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");

/// The only kind of body that responses have.
pub(crate) type ReplyBody = Full<Bytes>;

/// What happens to the connection after a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Connection {
    Keep,
    /// The rest of the request was not read.
    Close,
}

/// The version of JSON that the service of a request speaks: all are read, one is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum JsonVersion {
    /// DynamoDB's.
    V1_0,
    /// That of Application Auto Scaling and of CloudWatch Logs.
    V1_1,
}

/// The response to a request of the API.
pub(crate) fn api(
    status: u16,
    body: Vec<u8>,
    id: &RequestId,
    (encoding, version): (ReplyEncoding, JsonVersion),
) -> Response<ReplyBody> {
    let (body, encoding) = match encoding {
        ReplyEncoding::Gzip => (gzip(&body), Some(GZIP)),
        ReplyEncoding::Plain => (body, None),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = checked(status, Bytes::from(body), id);
    let headers = response.headers_mut();
    let content_type = match version {
        JsonVersion::V1_0 => AMZ_JSON_1_0,
        JsonVersion::V1_1 => AMZ_JSON_1_1,
    };
    headers.insert(header::CONTENT_TYPE, content_type);
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, encoding);
    }
    response
}

/// The response to what is no request of the API, as DynamoDB gives it: with a checksum, and without a content type.
pub(crate) fn not_the_protocol(id: &RequestId) -> Response<ReplyBody> {
    let (status, body) = NOT_THE_PROTOCOL;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
    checked(status, Bytes::from_static(body.as_bytes()), id)
}

/// The response to anything else.
pub(crate) fn text(status: StatusCode, text: impl Into<Bytes>, id: &RequestId) -> Response<ReplyBody> {
    let mut response = checked(status, text.into(), id);
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, text);
    response
}

/// A response without a checksum, whose headers are the caller's to add.
pub(crate) fn plain(status: StatusCode, body: Bytes) -> Response<ReplyBody> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::SERVER, SERVER);
    response
}

/// A response with the headers that every one has.
fn checked(status: StatusCode, body: Bytes, id: &RequestId) -> Response<ReplyBody> {
    let crc32 = crc32fast::hash(&body);
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, SERVER);
    headers.insert(CRC32, HeaderValue::from(crc32));
    insert_id(headers, id);
    response
}

fn insert_id(headers: &mut HeaderMap, id: &RequestId) {
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
}

/// How a body is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReplyEncoding {
    Plain,
    Gzip,
}

impl ReplyEncoding {
    /// Gzip, if the client takes it and the body is worth it.
    pub fn choose(headers: &HeaderMap, body_bytes: usize, gzip_bytes_min: usize) -> ReplyEncoding {
        let taken = body_bytes >= gzip_bytes_min
            && headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(takes_gzip);
        if taken { ReplyEncoding::Gzip } else { ReplyEncoding::Plain }
    }
}

/// Whether an `Accept-Encoding` names gzip, and not with a quality of nought.
fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map(|quality| quality.trim().parse::<f32>());
        named && quality.is_none_or(|quality| quality.is_ok_and(|quality| quality > 0.0))
    })
}

fn gzip(body: &[u8]) -> Vec<u8> {
    // The fastest level: replies cross the network once.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).expect("memory takes whatever is written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_ask() {
        for (accepted, taken) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("br;q=1, gzip; q=1.0", true),
            ("identity", false),
            ("", false),
            ("gzip;q=0", false),
            ("gzip;q=x", false),
            ("gzipped", false),
        ] {
            assert_eq!(takes_gzip(accepted), taken, "{accepted}");
        }
    }
}
