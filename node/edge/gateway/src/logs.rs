//! The Logs API: requests whose target says so.

use crate::{
    admission::{Counted, shed},
    body::{self, BODY_BYTES_MAX, BodyError},
    gateway::{Gateway, HangUp, speaks_the_protocol},
    reply::{self, JsonVersion, ReplyBody, ReplyEncoding},
    request_id::RequestId,
};
use futures::FutureExt;
use http::{HeaderValue, Response, header, request};
use hyper::body::Incoming;
use stator_logs::{LogsError, Operation, Wire};
use std::panic::AssertUnwindSafe;

impl Gateway {
    /// Answers a request of the Logs API.
    pub(crate) async fn logs(
        &self,
        head: &request::Parts,
        body: Incoming,
        id: &RequestId,
    ) -> Result<Response<ReplyBody>, HangUp> {
        let began = self.environment.clock.elapsed();
        let receiving = body::receive(body, BODY_BYTES_MAX, &self.bodies);
        let received = self.environment.timeout(self.settings.body_wait_max, receiving).await.ok_or(HangUp)?;
        let is_whole = received.is_ok();
        let outcome = match received {
            Err(BodyError::Broken) => return Err(HangUp),
            Err(error) => Err(self.body_refusal(error).into()),
            Ok(_) if !speaks_the_protocol(head) => return Ok(self.refuse_protocol(head, id)),
            Ok(received) => {
                let answering = AssertUnwindSafe(self.logs_answer(head, received)).catch_unwind();
                answering.await.unwrap_or_else(|_| {
                    self.metrics.panics.inc();
                    tracing::error!(
                        request = id.as_str(),
                        "a request met a mistake in the program and was answered with 500"
                    );
                    Err(LogsError::internal())
                })
            }
        };
        let (status, body) = match outcome {
            Ok(body) => (200, body),
            Err(error) => {
                let wire = Wire::from(error);
                (wire.status, wire.body())
            }
        };
        let encoding = ReplyEncoding::choose(&head.headers, body.len(), self.settings.gzip_reply_bytes_min);
        let mut response = reply::api(status, body, id, (encoding, JsonVersion::V1_1));
        self.metrics.sent_bytes.inc_by(hyper::body::Body::size_hint(response.body()).lower());
        self.cors.mark(&head.headers, response.headers_mut());
        // What is left of a body that was not read whole is not read any more.
        if !is_whole && head.version < http::Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let took_us = self.environment.clock.elapsed().saturating_sub(began).as_micros() as u64;
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        tracing::debug!(request = id.as_str(), target, status, took_us, "request");
        Ok(response)
    }

    async fn logs_answer(&self, head: &request::Parts, received: body::Received) -> Result<Vec<u8>, LogsError> {
        self.metrics.received_bytes.inc_by(received.bytes.len() as u64);
        let _admitted =
            Counted::one(&self.requests, &self.metrics.requests_in_flight).ok_or_else(|| shed(&self.metrics))?;
        self.authenticator.check(head, &received.bytes, self.environment.clock.wall_ms())?;
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = Operation::from_target(target.unwrap_or_default())?;
        let logs = self.logs.as_ref().ok_or(LogsError::UnknownOperation)?;
        let received = received.decode(&head.headers).map_err(|error| self.body_refusal(error))?;
        logs.answer(operation, &received.bytes).await
    }
}
