//! The Lambda API: requests whose paths begin with the date of a version.

use crate::{
    admission::{Counted, shed},
    body::{self, BodyError},
    gateway::{Gateway, HangUp},
    reply::{self, ReplyBody},
    request_id::RequestId,
};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request};
use hyper::body::Incoming;
use stator_invocation::{Answer, Asked, Functions};
use stator_item::Uuid;
use stator_lambda::{HttpRequest, LambdaError, Routed, Wire, lineage::TRACE_HEADER, query, request::Header, route};
use std::{panic::AssertUnwindSafe, time::Duration};

/// Longest wait for a body that may have 70 MB.
const BODY_WAIT_MAX: Duration = Duration::from_secs(120);
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// For throttled clients.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

/// Headers as the API reads them.
#[derive(Debug)]
struct Headers<'a>(&'a HeaderMap);

impl Header for Headers<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }
}

impl Gateway {
    /// Answers a request of the Lambda API.
    pub(crate) async fn lambda(&self, head: &request::Parts, body: Incoming) -> Result<Response<ReplyBody>, HangUp> {
        // As the Lambda API's ids are, not as DynamoDB's.
        let id = Uuid(self.environment.random.next_u128()).to_string();
        let began = self.environment.clock.elapsed();
        let answering = AssertUnwindSafe(self.lambda_answer(head, body, &id)).catch_unwind();
        let outcome = match answering.await {
            Ok(Err(Unanswered::HangUp)) => return Err(HangUp),
            Ok(Err(Unanswered::Refused(error))) => Err(error),
            Ok(Ok(answer)) => Ok(answer),
            Err(_) => {
                self.metrics.panics.inc();
                tracing::error!(request = id, "a request met a mistake in the program and was answered with 500");
                Err(LambdaError::internal())
            }
        };
        let mut response = match outcome {
            Ok(answer) => answered(answer),
            Err(error) => self.lambda_refusal(error),
        };
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        self.cors.mark(&head.headers, response.headers_mut());
        let took_us = self.environment.clock.elapsed().saturating_sub(began).as_micros() as u64;
        let status = response.status().as_u16();
        tracing::debug!(request = id, path = head.uri.path(), status, took_us, "request");
        Ok(response)
    }

    async fn lambda_answer(&self, head: &request::Parts, body: Incoming, id: &str) -> Result<Answer, Unanswered> {
        let functions = self.functions.as_ref().ok_or(LambdaError::UnknownOperation)?;
        let routed = route(head.method.as_str(), head.uri.path());
        let bytes_max = routed.as_ref().map_or(body::BODY_BYTES_MAX, |routed| routed.operation.body_bytes_max());
        let receiving = body::receive(body, bytes_max, &self.bodies);
        let wait_max = self.settings.body_wait_max.max(BODY_WAIT_MAX);
        let received = self.environment.timeout(wait_max, receiving).await.ok_or(Unanswered::HangUp)?;
        let received = match (received, &routed) {
            (Ok(received), _) => received,
            (Err(BodyError::Broken), _) => return Err(Unanswered::HangUp),
            (Err(BodyError::NoMemory), _) => return Err(LambdaError::Shared(shed(&self.metrics)).into()),
            (Err(BodyError::TooLarge | BodyError::Encoding), Some(routed)) => {
                return Err(LambdaError::EntityTooLarge { bytes_max, operation: routed.operation.name() }.into());
            }
            (Err(BodyError::TooLarge | BodyError::Encoding), None) => return Err(LambdaError::UnknownOperation.into()),
        };
        self.metrics.received_bytes.inc_by(received.bytes.len() as u64);
        let _admitted = Counted::one(&self.requests, &self.metrics.requests_in_flight)
            .ok_or_else(|| LambdaError::Shared(shed(&self.metrics)))?;
        let now_ms = self.environment.clock.wall_ms();
        self.authenticator.check(head, &received.bytes, now_ms).map_err(LambdaError::Shared)?;
        let routed = routed.ok_or(LambdaError::UnknownOperation)?;
        Ok(ask(functions, head, &routed, &received.bytes, id).await?)
    }

    fn lambda_refusal(&self, error: LambdaError) -> Response<ReplyBody> {
        let owner = self
            .owner()
            .unwrap_or_else(|_| stator_api::arn::Owner { region: String::new(), account_id: String::new() });
        let wire = Wire::of(error, &owner);
        let status = StatusCode::from_u16(wire.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = reply::plain(status, wire.body().into());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        if let Ok(type_name) = HeaderValue::from_str(&wire.type_name) {
            headers.insert(ERROR_TYPE, type_name);
        }
        match wire.status {
            429 => drop(headers.insert(header::RETRY_AFTER, RETRY_AFTER)),
            // What is left of the body is not read.
            413 => drop(headers.insert(header::CONNECTION, HeaderValue::from_static("close"))),
            _ => {}
        }
        response
    }

    /// Serves a function's zip to whoever bears a token for it.
    pub(crate) async fn code(&self, token: &str, id: &RequestId) -> Response<ReplyBody> {
        let Some(functions) = &self.functions else { return reply::text(StatusCode::NOT_FOUND, "", id) };
        let Some(_admitted) = Counted::one(&self.requests, &self.metrics.requests_in_flight) else {
            return reply::text(StatusCode::SERVICE_UNAVAILABLE, "try again\n", id);
        };
        match functions.fetch_code(token).await {
            Ok(Some(zip)) => {
                let mut response = reply::plain(StatusCode::OK, zip);
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
                response
            }
            Ok(None) => reply::text(StatusCode::FORBIDDEN, "The token is unknown or has expired.\n", id),
            Err(_) => reply::text(StatusCode::SERVICE_UNAVAILABLE, "try again\n", id),
        }
    }
}

/// Why a request has no answer.
enum Unanswered {
    HangUp,
    Refused(LambdaError),
}

impl From<LambdaError> for Unanswered {
    fn from(error: LambdaError) -> Unanswered {
        Unanswered::Refused(error)
    }
}

async fn ask(
    functions: &Functions,
    head: &request::Parts,
    routed: &Routed,
    body: &Bytes,
    id: &str,
) -> Result<Answer, LambdaError> {
    let headers = Headers(&head.headers);
    let parameters = query(head.uri.query().unwrap_or_default());
    let request = HttpRequest::new(routed, &parameters, &headers, body);
    let host = headers.text("host").or(head.uri.authority().map(|authority| authority.as_str()));
    let asked = Asked { request_id: id, host: host.unwrap_or_default(), trace_id: headers.text(TRACE_HEADER) };
    functions.answer(routed.operation, &request, asked).await
}

fn answered(answer: Answer) -> Response<ReplyBody> {
    let Answer { status, headers, body } = answer;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = reply::plain(status, body);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use stator_api::ApiError;

    #[test]
    fn refusals_of_authentication_are_told_as_lambda_does() {
        let wire = Wire::of(
            LambdaError::Shared(ApiError::MissingAuthenticationToken),
            &stator_api::arn::Owner { region: String::new(), account_id: String::new() },
        );
        assert_eq!((wire.status, wire.type_name.as_str()), (403, "MissingAuthenticationTokenException"));
    }
}
