//! Lambda's Runtime API, one server for each instance.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use crate::exchange::{Answer, Event, Exchange, Refusal};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, sync::Arc};
use tokio::net::{TcpListener, TcpStream};

/// Largest answer (Lambda: 6 MB and some).
pub(crate) const RESPONSE_MAX: usize = 6_291_556;
/// Largest error object; Lambda cuts them, too.
const ERROR_MAX: usize = 1 << 20;
/// What is read of a body that is too large, so that its sender comes to read the refusal.
const DISCARDED_MAX: usize = 64 << 20;
/// Head of a request. Runtimes put whole stack traces into headers (64 KB).
const HEAD_MAX: usize = 96 * 1024;
/// Connections of one instance at a time; a runtime needs one.
const CONNECTIONS_MAX: usize = 32;

const PREFIX: &str = "/2018-06-01/runtime/";

/// Serves one instance until it is stopped.
pub(crate) async fn serve(listener: TcpListener, exchange: Arc<Exchange>) {
    let free = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    // Ends its connections when it is dropped, and this task with it.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = free.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let exchange = exchange.clone();
                connections.spawn(async move {
                    connection(stream, exchange).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "no connection of a function was accepted");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, exchange: Arc<Exchange>) {
    // A small reply must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let exchange = exchange.clone();
        async move { Ok::<_, Infallible>(answer(request, &exchange).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to a Runtime API has ended");
    }
}

async fn answer(request: Request<Incoming>, exchange: &Exchange) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let steps: Vec<&str> = path.split('/').collect();
    match (&parts.method, steps.as_slice()) {
        (&Method::GET, ["invocation", "next"]) => match exchange.next().await {
            Some(event) => event_reply(event),
            None => refused(StatusCode::GONE, "Runtime.Ended", "The instance is being ended"),
        },
        (&Method::POST, ["invocation", request_id, "response"]) => respond(exchange, request_id, body).await,
        (&Method::POST, ["invocation", request_id, "error"]) => {
            if let Err(refusal) = exchange.expects(request_id) {
                return refusal_reply(refusal);
            }
            let Some(error) = read(body, ERROR_MAX).await else { return too_large() };
            accepted(exchange.answer(request_id, Answer::Error(error_object(error, &parts.headers))))
        }
        (&Method::POST, ["init", "error"]) => {
            let Some(error) = read(body, ERROR_MAX).await else { return too_large() };
            accepted(exchange.init_error(error_object(error, &parts.headers)))
        }
        _ => refused(StatusCode::NOT_FOUND, "Runtime.UnknownPath", "The Runtime API has no such path"),
    }
}

/// The answer of a handler.
async fn respond(exchange: &Exchange, request_id: &str, body: Incoming) -> Response<Full<Bytes>> {
    if let Err(refusal) = exchange.expects(request_id) {
        return refusal_reply(refusal);
    }
    match read(body, RESPONSE_MAX).await {
        Some(payload) => accepted(exchange.answer(request_id, Answer::Response(payload))),
        None => match exchange.answer(request_id, Answer::TooLarge) {
            Ok(()) => too_large(),
            Err(refusal) => refusal_reply(refusal),
        },
    }
}

/// Reads a body; `None` if it has more than `most` bytes, or the connection broke.
async fn read(mut body: Incoming, most: usize) -> Option<Bytes> {
    let mut taken = BytesMut::new();
    let mut seen = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= most {
            taken.extend_from_slice(&data);
        } else if seen > DISCARDED_MAX {
            return None;
        }
    }
    (seen <= most).then(|| taken.freeze())
}

/// The error object as it was posted; one is made of the header where there is none.
fn error_object(posted: Bytes, headers: &HeaderMap) -> Bytes {
    if serde_json::from_slice::<serde::de::IgnoredAny>(&posted).is_ok() {
        return posted;
    }
    let kind = headers.get("lambda-runtime-function-error-type").and_then(|value| value.to_str().ok());
    let object = serde_json::json!({
        "errorType": kind.unwrap_or("Runtime.Unknown"),
        "errorMessage": String::from_utf8_lossy(&posted),
    });
    Bytes::from(object.to_string())
}

fn event_reply(event: Event) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(event.payload));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("lambda-runtime-deadline-ms", HeaderValue::from(event.deadline_ms));
    let texts = [
        ("lambda-runtime-aws-request-id", Some(event.request_id)),
        ("lambda-runtime-invoked-function-arn", Some(event.function_arn)),
        ("lambda-runtime-trace-id", Some(event.trace_id)),
        ("lambda-runtime-client-context", event.client_context),
    ];
    for (name, text) in texts {
        // What no header can carry (a line break) is left out; the API lets none of it come this far.
        if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

fn accepted(answered: Result<(), Refusal>) -> Response<Full<Bytes>> {
    match answered {
        Ok(()) => json(StatusCode::ACCEPTED, Bytes::from_static(b"{\"status\":\"OK\"}\n")),
        Err(refusal) => refusal_reply(refusal),
    }
}

fn refusal_reply(refusal: Refusal) -> Response<Full<Bytes>> {
    match refusal {
        Refusal::UnknownRequest => refused(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
        Refusal::InvalidState => {
            refused(StatusCode::FORBIDDEN, "InvalidStateTransition", "The request was answered before")
        }
    }
}

fn too_large() -> Response<Full<Bytes>> {
    refused(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        &format!("Exceeded maximum allowed payload size ({RESPONSE_MAX} bytes)."),
    )
}

fn refused(status: StatusCode, kind: &str, message: &str) -> Response<Full<Bytes>> {
    json(status, Bytes::from(serde_json::json!({"errorType": kind, "errorMessage": message}).to_string()))
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response
}
