//! One request: from its head and body to the response.

use crate::{
    admission::{Budget, Counted, shed},
    authentication::Authenticator,
    body::{self, BODY_BYTES_MAX, BodyError, Received},
    control,
    cors::Cors,
    dispatch::Turn,
    metrics::Metrics,
    reply::{self, Connection, JsonVersion, ReplyBody, ReplyEncoding},
    request_id::{RequestId, RequestIds},
    settings::Settings,
};
use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request};
use hyper::body::Incoming;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use stator_api::{
    ApiError, Operation, Wire,
    operation::{logs_operation, targets_logs, targets_scaling},
    sigv4::is_lambda_path,
};
use stator_catalog::TableDescription;
use stator_changelog::ChangedBy;
use stator_cluster::{Coordinator, Deadline, Door, Tables};
use stator_environment::Environment;
use stator_invocation::{CODE_PATH, Functions, Logs};
use stator_lambda::lineage::{self, TRACE_HEADER};
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

/// Says whether the node serves, or why not.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What a gateway stands on.
pub struct GatewayParts {
    pub environment: Environment,
    pub door: Arc<dyn Door>,
    pub tables: Arc<dyn Tables>,
    /// Asked by `/readyz`.
    pub ready: Ready,
    /// Shown by `/metrics`; the gateway adds its own to it.
    pub registry: Arc<Mutex<Registry>>,
    pub settings: Settings,
    /// `None`: there are no functions here, and the Lambda API knows no operation.
    pub functions: Option<Arc<Functions>>,
    /// `None`: the Logs API knows no operation.
    pub logs: Option<Arc<Logs>>,
}

/// The HTTP edge of one node.
pub struct Gateway {
    pub(crate) environment: Environment,
    pub(crate) door: Arc<dyn Door>,
    coordinator: Coordinator,
    pub(crate) tables: Arc<dyn Tables>,
    pub(crate) ready: Ready,
    pub(crate) registry: Arc<Mutex<Registry>>,
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) functions: Option<Arc<Functions>>,
    pub(crate) logs: Option<Arc<Logs>>,
    pub(crate) authenticator: Authenticator,
    pub(crate) cors: Cors,
    ids: RequestIds,
    pub(crate) connections: Arc<Budget>,
    pub(crate) requests: Arc<Budget>,
    pub(crate) bodies: Arc<Budget>,
    pub(crate) waiters: Arc<Budget>,
}

/// The request gets no response: its connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the request did not arrive whole")]
pub(crate) struct HangUp;

/// What a request came to.
struct Answer {
    status: u16,
    body: Vec<u8>,
    connection: Connection,
}

impl Gateway {
    /// Made once a node; then [`serve`](Gateway::serve) as many listeners as there are.
    pub fn new(parts: GatewayParts) -> Arc<Gateway> {
        let GatewayParts { environment, door, tables, ready, registry, settings, functions, logs } = parts;
        let metrics = Metrics::new(&mut registry.lock());
        Arc::new(Gateway {
            functions,
            logs,
            authenticator: Authenticator::new(settings.authentication, tables.clone(), environment.clock.clone()),
            cors: Cors::new(settings.cors_origins.clone()),
            ids: RequestIds::new(&*environment.random),
            connections: Budget::new(settings.connections_max),
            requests: Budget::new(settings.requests_max),
            bodies: Budget::new(settings.bodies_bytes_max),
            waiters: Budget::new(settings.waiters_max),
            coordinator: Coordinator::new(door.clone(), tables.clone(), environment.clone()),
            environment,
            door,
            tables,
            ready,
            registry,
            settings,
            metrics,
        })
    }

    /// Answers one request, whatever it is.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Result<Response<ReplyBody>, HangUp> {
        let id = self.ids.next();
        let (head, body) = request.into_parts();
        if head.method == Method::POST && head.uri.path() == "/" {
            let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
            if target.and_then(logs_operation).is_some() {
                return self.logs(&head, body, &id).await;
            }
            return self.api(&head, body, &id).await;
        }
        if is_lambda_path(head.uri.path()) {
            return self.lambda(&head, body).await;
        }
        if self.cors.is_preflight(&head.method, &head.headers) {
            let mut response = reply::text(StatusCode::OK, "", &id);
            self.cors.mark_preflight(&head.headers, response.headers_mut());
            return Ok(response);
        }
        if head.method == Method::GET
            && let Some(token) = head.uri.path().strip_prefix(CODE_PATH)
        {
            return Ok(self.code(token, &id).await);
        }
        Ok(self.beside(&head, &id).unwrap_or_else(|| self.refuse_protocol(&head, &id)))
    }

    pub(crate) fn refuse_protocol(&self, head: &request::Parts, id: &RequestId) -> Response<ReplyBody> {
        self.metrics.answered(None, Some(Wire::from(ApiError::UnknownOperation).short_name()), Duration::ZERO);
        let mut response = reply::not_the_protocol(id);
        self.cors.mark(&head.headers, response.headers_mut());
        response
    }

    /// Answers a request that did not come over HTTP as if it had, with status and body: the simulation's way in.
    pub async fn ask(&self, operation: Operation, body: Bytes) -> (u16, Vec<u8>) {
        let head = Request::new(()).into_parts().0;
        let received = Received::whole(body, &self.bodies);
        let answer = self.answer(&head, Ok(operation), received, &self.ids.next()).await;
        (answer.status, answer.body)
    }

    async fn api(&self, head: &request::Parts, body: Incoming, id: &RequestId) -> Result<Response<ReplyBody>, HangUp> {
        let operation = named_operation(head);
        let receiving = body::receive(body, BODY_BYTES_MAX, &self.bodies);
        let received = self.environment.timeout(self.settings.body_wait_max, receiving).await.ok_or(HangUp)?;
        let answer = match received {
            Err(BodyError::Broken) => return Err(HangUp),
            // What is left of the body is not read, so the connection cannot go on.
            Err(error) => {
                Answer { connection: Connection::Close, ..self.refusal(operation.ok(), self.body_refusal(error)) }
            }
            Ok(_) if !speaks_the_protocol(head) => return Ok(self.refuse_protocol(head, id)),
            Ok(received) => self.answer(head, operation, received, id).await,
        };
        Ok(self.respond(head, answer, id))
    }

    /// Works on a request that arrived whole.
    async fn answer(
        &self,
        head: &request::Parts,
        operation: Result<Operation, ApiError>,
        received: Received,
        id: &RequestId,
    ) -> Answer {
        let began = self.environment.clock.elapsed();
        self.metrics.received_bytes.inc_by(received.bytes.len() as u64);
        let mut trace = None;
        let name = operation.as_ref().ok().copied();
        let working = AssertUnwindSafe(self.work(head, operation, received, &mut trace)).catch_unwind();
        let outcome = working.await.unwrap_or_else(|_| {
            self.metrics.panics.inc();
            tracing::error!(request = id.as_str(), "a request met a mistake in the program and was answered with 500");
            Err(ApiError::internal())
        });
        let took = self.environment.clock.elapsed().saturating_sub(began);
        let answer = match outcome {
            Ok(body) => {
                self.metrics.answered(name, None, took);
                Answer { status: 200, body, connection: Connection::Keep }
            }
            Err(error) => self.refusal_after(name, error, took),
        };
        note(id, name, trace.as_deref(), answer.status, took);
        answer
    }

    async fn work(
        &self,
        head: &request::Parts,
        operation: Result<Operation, ApiError>,
        received: Received,
        table: &mut Option<Arc<TableDescription>>,
    ) -> Result<Vec<u8>, ApiError> {
        let operation = operation?;
        let _admitted =
            Counted::one(&self.requests, &self.metrics.requests_in_flight).ok_or_else(|| shed(&self.metrics))?;
        self.authenticator.check(head, &received.bytes, self.environment.clock.wall_ms())?;
        let received = received.decode(&head.headers).map_err(|error| self.body_refusal(error))?;
        let mut turn = Turn {
            door: &*self.door,
            coordinator: &self.coordinator,
            tables: &*self.tables,
            body: &received.bytes,
            deadline: self.deadline(self.settings.request_time_max),
            by: writer(&head.headers),
            table: None,
            out: Vec::with_capacity(256),
        };
        let outcome = match turn.items(operation).await {
            Some(outcome) => outcome,
            None => self.control(operation, head, &mut turn).await,
        };
        *table = turn.table.take();
        outcome.map(|()| turn.out)
    }

    /// So long from now.
    pub(crate) fn deadline(&self, time: Duration) -> Deadline {
        Deadline(self.environment.clock.elapsed() + time)
    }

    pub(crate) fn body_refusal(&self, error: BodyError) -> ApiError {
        match error {
            BodyError::TooLarge => ApiError::RequestTooLarge,
            BodyError::NoMemory => shed(&self.metrics),
            BodyError::Broken | BodyError::Encoding => ApiError::Serialization(None),
        }
    }

    /// A refusal before any work was done.
    fn refusal(&self, operation: Option<Operation>, error: ApiError) -> Answer {
        self.refusal_after(operation, error, Duration::ZERO)
    }

    fn refusal_after(&self, operation: Option<Operation>, error: ApiError, took: Duration) -> Answer {
        let wire = Wire::from(error);
        self.metrics.answered(operation, Some(wire.short_name()), took);
        let owner = wire.throttled.as_ref().and_then(|_| control::owner(&*self.tables).ok());
        let mut body = Vec::with_capacity(256);
        wire.write_json(owner.as_ref(), &mut body);
        Answer { status: wire.status, body, connection: Connection::Keep }
    }

    fn respond(&self, head: &request::Parts, answer: Answer, id: &RequestId) -> Response<ReplyBody> {
        let Answer { status, body, connection } = answer;
        let encoding = ReplyEncoding::choose(&head.headers, body.len(), self.settings.gzip_reply_bytes_min);
        let mut response = reply::api(status, body, id, (encoding, spoken(head)));
        self.metrics.sent_bytes.inc_by(hyper::body::Body::size_hint(response.body()).lower());
        self.cors.mark(&head.headers, response.headers_mut());
        if connection == Connection::Close && head.version < http::Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// AWS tells the protocol by the content type.
pub(crate) fn speaks_the_protocol(head: &request::Parts) -> bool {
    let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let known: [&[u8]; 3] = [b"application/x-amz-json-1.0", b"application/x-amz-json-1.1", b"application/json"];
    known.iter().any(|known| essence.eq_ignore_ascii_case(known))
}

/// The version of JSON that the service speaks that a request names.
fn spoken(head: &request::Parts) -> JsonVersion {
    match head.headers.get("x-amz-target") {
        Some(target) if targets_scaling(target.as_bytes()) || targets_logs(target.as_bytes()) => JsonVersion::V1_1,
        _ => JsonVersion::V1_0,
    }
}

/// Who asks: a client, or a function, whose SDK passes its trace on.
fn writer(headers: &HeaderMap) -> ChangedBy {
    let trace = headers.get(TRACE_HEADER).and_then(|trace| trace.to_str().ok());
    ChangedBy::at(trace.map_or(0, lineage::hops))
}

/// The operation that the request names.
fn named_operation(head: &request::Parts) -> Result<Operation, ApiError> {
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    Operation::from_target(target.unwrap_or_default())
}

/// The request's line in the log. No item, no key, no secret.
fn note(id: &RequestId, operation: Option<Operation>, table: Option<&TableDescription>, status: u16, took: Duration) {
    let operation = operation.map_or("Unknown", Operation::name);
    let table = table.map(|table| table.name.as_str());
    let took_us = took.as_micros() as u64;
    if status >= 500 {
        tracing::warn!(request = id.as_str(), operation, table, status, took_us, "request failed");
    } else {
        tracing::debug!(request = id.as_str(), operation, table, status, took_us, "request");
    }
}
