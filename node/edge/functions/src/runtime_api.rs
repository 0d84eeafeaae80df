//! Lambda's Runtime API, one server for each instance.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use crate::exchange::{Answer, Event, Exchange, Refusal};
use base64::Engine;
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
            accepted(exchange.answer(request_id, Answer::Error(error_object(error.bytes, &parts.headers))))
        }
        (&Method::POST, ["init", "error"]) => {
            let Some(error) = read(body, ERROR_MAX).await else { return too_large() };
            accepted(exchange.init_error(error_object(error.bytes, &parts.headers)))
        }
        _ => refused(StatusCode::NOT_FOUND, "Runtime.UnknownPath", "The Runtime API has no such path"),
    }
}

/// The answer of a handler.
async fn respond(exchange: &Exchange, request_id: &str, body: Incoming) -> Response<Full<Bytes>> {
    if let Err(refusal) = exchange.expects(request_id) {
        return refusal_reply(refusal);
    }
    let Some(Posted { bytes, trailers }) = read(body, RESPONSE_MAX).await else {
        return match exchange.answer(request_id, Answer::TooLarge) {
            Ok(()) => too_large(),
            Err(refusal) => refusal_reply(refusal),
        };
    };
    // A runtime that streams its answer learns of an error when half of it is sent: then the error is in the trailers.
    let answer = match trailers.get("lambda-runtime-function-error-type") {
        None => Answer::Response(bytes),
        Some(_) => {
            let posted = trailers.get("lambda-runtime-function-error-body").map_or(&b""[..], |value| value.as_bytes());
            let posted = base64::engine::general_purpose::STANDARD.decode(posted).unwrap_or_default();
            Answer::Error(error_object(posted.into(), &trailers))
        }
    };
    accepted(exchange.answer(request_id, answer))
}

/// A whole body.
struct Posted {
    bytes: Bytes,
    trailers: HeaderMap,
}

/// Reads a body; `None` if it has more than `most` bytes, or the connection broke.
async fn read(mut body: Incoming, most: usize) -> Option<Posted> {
    let mut taken = BytesMut::new();
    let mut seen = 0usize;
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame.ok()?.into_data() {
            Ok(data) => {
                seen = seen.saturating_add(data.len());
                if seen <= most {
                    taken.extend_from_slice(&data);
                } else if seen > DISCARDED_MAX {
                    return None;
                }
            }
            Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    (seen <= most).then(|| Posted { bytes: taken.freeze(), trailers })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Started;
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::oneshot,
    };

    struct World {
        exchange: Arc<Exchange>,
        started: Option<oneshot::Receiver<Started>>,
        client: TcpStream,
    }

    impl World {
        async fn new() -> World {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (exchange, started) = Exchange::new();
            let exchange = Arc::new(exchange);
            tokio::spawn(serve(listener, exchange.clone()));
            World { exchange, started: Some(started), client: TcpStream::connect(address).await.unwrap() }
        }

        fn offer(&self, id: &str) -> oneshot::Receiver<Answer> {
            self.exchange.offer(Event {
                request_id: id.to_owned(),
                payload: Bytes::from_static(b"{}"),
                deadline_ms: 7,
                function_arn: "arn".to_owned(),
                trace_id: "line\nbreak".to_owned(),
                client_context: None,
            })
        }

        /// Status and whole head and body of the answer.
        async fn ask(&mut self, request: &[u8]) -> (u16, String) {
            self.client.write_all(request).await.unwrap();
            let mut answer = Vec::new();
            loop {
                let text = String::from_utf8_lossy(&answer).into_owned();
                let complete = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                    body.len() >= length.unwrap_or(0usize)
                });
                if complete {
                    return (text[9..12].parse().unwrap(), text);
                }
                let mut buffer = [0; 4096];
                let read = tokio::time::timeout(Duration::from_secs(60), self.client.read(&mut buffer))
                    .await
                    .unwrap()
                    .unwrap();
                assert!(read > 0, "closed after {text}");
                answer.extend_from_slice(&buffer[..read]);
            }
        }

        async fn post(&mut self, path: &str, headers: &str, body: &str) -> (u16, String) {
            let length = body.len();
            let request =
                format!("POST {PREFIX}{path} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}");
            self.ask(request.as_bytes()).await
        }

        async fn next(&mut self) -> (u16, String) {
            self.ask(format!("GET {PREFIX}invocation/next HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await
        }
    }

    #[tokio::test]
    async fn an_event_and_its_answer() {
        let mut world = World::new().await;
        let answered = world.offer("a");
        let (status, text) = world.next().await;
        assert_eq!(status, 200);
        assert!(
            text.contains("lambda-runtime-aws-request-id: a\r\n") && text.contains("lambda-runtime-deadline-ms: 7\r\n")
        );
        assert!(!text.contains("trace-id"), "no header can carry it: {text}");
        assert_eq!(world.started.take().unwrap().await, Ok(Started::Ready));
        assert_eq!(world.post("invocation/b/response", "", "1").await.0, 400);
        // As large as the stack traces that runtimes put into a header.
        let large = format!("lambda-runtime-function-xray-error-cause: {}\r\n", "x".repeat(64 * 1024));
        assert_eq!(world.post("invocation/a/response", &large, "1").await.0, 202);
        assert_eq!(answered.await, Ok(Answer::Response(Bytes::from_static(b"1"))));
        let (status, text) = world.post("invocation/a/response", "", "2").await;
        assert!(status == 403 && text.contains("InvalidStateTransition"), "{text}");
        assert_eq!(world.post("init/error", "", "{}").await.0, 403, "it has started");
        assert_eq!(world.post("restore/next", "", "").await.0, 404);
    }

    #[tokio::test]
    async fn errors_in_every_place() {
        let mut world = World::new().await;
        let init = r#"{"errorType":"Own","errorMessage":"words"}"#;
        assert_eq!(world.post("init/error", "", init).await.0, 202);
        assert_eq!(world.started.take().unwrap().await, Ok(Started::InitError(Bytes::from_static(init.as_bytes()))));
        let answered = world.offer("a");
        world.next().await;
        let kind = "lambda-runtime-function-error-type: Kind\r\n";
        assert_eq!(world.post("invocation/a/error", kind, "plain words").await.0, 202);
        let Ok(Answer::Error(error)) = answered.await else { panic!() };
        let error: serde_json::Value = serde_json::from_slice(&error).unwrap();
        assert_eq!(error, serde_json::json!({"errorType": "Kind", "errorMessage": "plain words"}));

        let answered = world.offer("b");
        world.next().await;
        let body = base64::engine::general_purpose::STANDARD.encode(init);
        let streamed = format!(
            "POST {PREFIX}invocation/b/response HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ntrailer: x\r\n\r\n\
             4\r\nhalf\r\n0\r\nLambda-Runtime-Function-Error-Type: Own\r\nLambda-Runtime-Function-Error-Body: {body}\r\n\r\n"
        );
        assert_eq!(world.ask(streamed.as_bytes()).await.0, 202);
        assert_eq!(answered.await, Ok(Answer::Error(Bytes::from_static(init.as_bytes()))));
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_and_told() {
        let mut world = World::new().await;
        let answered = world.offer("a");
        world.next().await;
        let (status, text) = world.post("invocation/a/response", "", &"x".repeat(RESPONSE_MAX + 1)).await;
        assert!(status == 413 && text.contains("RequestEntityTooLarge"), "{text}");
        assert_eq!(answered.await, Ok(Answer::TooLarge));
        let answered = world.offer("b");
        assert_eq!(world.next().await.0, 200, "the connection goes on");
        assert_eq!(world.post("invocation/b/response", "", &"x".repeat(RESPONSE_MAX)).await.0, 202);
        assert!(matches!(answered.await, Ok(Answer::Response(bytes)) if bytes.len() == RESPONSE_MAX));
    }
}
