//! A client over bare hyper, so that tests see every byte.

use super::world::{Edge, soon};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value as Json;
use tokio::net::TcpStream;

/// A reply, whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, whose checksum and request id are right.
    pub fn json(&self) -> Json {
        assert_eq!(self.header("x-amz-crc32"), crc32fast::hash(&self.body).to_string());
        assert_eq!(self.header("x-amzn-requestid").len(), 52);
        assert_eq!(self.header("content-type"), "application/x-amz-json-1.0");
        assert!(!self.header("date").is_empty());
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    /// Status and the error's short name.
    pub fn error(&self) -> (u16, String) {
        let json = self.json();
        let name = json["__type"].as_str().and_then(|name| name.split('#').nth(1)).unwrap_or_default();
        (self.status.as_u16(), name.to_owned())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// One connection.
pub struct Client {
    sender: Sender,
    host: String,
}

impl Client {
    pub async fn connect(edge: &Edge) -> Client {
        let stream = TcpStream::connect(edge.address).await.expect("the listener accepts");
        Client::over(stream, edge.address.to_string()).await
    }

    pub async fn over<S>(stream: S, host: String) -> Client
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("it speaks HTTP/1.1");
        tokio::spawn(connection);
        Client { sender: Sender::Http1(sender), host }
    }

    pub async fn connect_http2(edge: &Edge) -> Client {
        let stream = TcpStream::connect(edge.address).await.expect("the listener accepts");
        Client::over_http2(stream, edge.address.to_string()).await
    }

    pub async fn over_http2<S>(stream: S, host: String) -> Client
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("it speaks HTTP/2");
        tokio::spawn(connection);
        Client { sender: Sender::Http2(sender), host }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// Waits until the server has closed the connection.
    pub async fn closed(&mut self) {
        while !self.is_closed() {
            let ready = match &mut self.sender {
                Sender::Http1(sender) => soon(sender.ready()).await,
                Sender::Http2(sender) => soon(sender.ready()).await,
            };
            if ready.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    pub async fn try_send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Reply, hyper::Error> {
        let response = match &mut self.sender {
            Sender::Http1(sender) => {
                let host = HeaderValue::from_str(&self.host).expect("an address is a header");
                request.headers_mut().entry("host").or_insert(host);
                soon(async {
                    sender.ready().await?;
                    sender.send_request(request).await
                })
                .await?
            }
            Sender::Http2(sender) => {
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                let uri = format!("http://{}{path}", self.host);
                *request.uri_mut() = uri.parse().expect("an address and a path are a URI");
                soon(sender.send_request(request)).await?
            }
        };
        let (head, body) = response.into_parts();
        let body = soon(body.collect()).await?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Reply {
        self.try_send(request).await.expect("there is a reply")
    }

    pub async fn call(&mut self, operation: &str, body: Json) -> Reply {
        self.send(request(operation, body.to_string())).await
    }

    /// The reply of a call that is no error.
    pub async fn ok(&mut self, operation: &str, body: Json) -> Json {
        let reply = self.call(operation, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{operation}: {}", reply.text());
        reply.json()
    }

    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(plain("GET", path)).await
    }

    /// A table `music` with the hash key `artist` and the range key `song`.
    pub async fn create_table(&mut self) -> Json {
        let attribute = |name: &str| serde_json::json!({"AttributeName": name, "AttributeType": "S"});
        let key = |name: &str, kind: &str| serde_json::json!({"AttributeName": name, "KeyType": kind});
        self.ok(
            "CreateTable",
            serde_json::json!({
                "TableName": "music",
                "AttributeDefinitions": [attribute("artist"), attribute("song")],
                "KeySchema": [key("artist", "HASH"), key("song", "RANGE")],
                "BillingMode": "PAY_PER_REQUEST",
            }),
        )
        .await
    }
}

/// A request of the API, not signed.
pub fn request(operation: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let mut request = plain("POST", "/");
    *request.body_mut() = Full::new(body.into());
    let target = format!("DynamoDB_20120810.{operation}");
    set(&mut request, "x-amz-target", &target);
    set(&mut request, "content-type", "application/x-amz-json-1.0");
    request
}

pub fn plain(method: &str, path: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(path).body(Full::default());
    request.expect("method and path are well-formed")
}

pub fn set(request: &mut Request<Full<Bytes>>, name: &str, value: &str) {
    let name: HeaderName = name.parse().expect("a header's name");
    request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a header's value"));
}
