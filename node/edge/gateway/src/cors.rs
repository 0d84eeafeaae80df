//! CORS: which web pages may read replies. Off unless origins are set.

use http::{HeaderMap, HeaderValue, Method, header};

/// Longest time for which a browser may remember the answer to a preflight: two days, as DynamoDB says.
const MAX_AGE: HeaderValue = HeaderValue::from_static("172800");
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-amzn-requestid,x-amz-crc32,content-encoding,content-length,date");
const METHODS: HeaderValue = HeaderValue::from_static("POST");
const ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// The origins that may.
pub(crate) struct Cors {
    origins: Vec<String>,
}

impl Cors {
    pub fn new(origins: Vec<String>) -> Cors {
        Cors { origins }
    }

    /// The request's origin, if it may.
    fn allowed<'a>(&self, request: &'a HeaderMap) -> Option<&'a HeaderValue> {
        if self.origins.is_empty() {
            return None;
        }
        let origin = request.get(header::ORIGIN)?;
        let listed = |allowed: &String| allowed == "*" || allowed.as_bytes() == origin.as_bytes();
        self.origins.iter().any(listed).then_some(origin)
    }

    /// Whether this is a preflight that is answered.
    pub fn is_preflight(&self, method: &Method, request: &HeaderMap) -> bool {
        method == Method::OPTIONS
            && request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && self.allowed(request).is_some()
    }

    /// Adds what lets the page read the reply.
    pub fn mark(&self, request: &HeaderMap, reply: &mut HeaderMap) {
        if let Some(origin) = self.allowed(request) {
            reply.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            reply.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            reply.insert(header::VARY, ORIGIN);
        }
    }

    /// Adds what lets the browser send the request that it asks for.
    pub fn mark_preflight(&self, request: &HeaderMap, reply: &mut HeaderMap) {
        self.mark(request, reply);
        reply.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        reply.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Some(headers) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            reply.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
        }
    }
}
