//! One connection to a peer, one request at a time: hyper's own client, no pool, bodies counted and thrown away.

use crate::{Address, Error};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::{net::TcpStream, task::AbortHandle, time::timeout};

/// A peer that has not answered by then counts as gone.
const REPLY_MAX: Duration = Duration::from_secs(10);
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How much of a refusal is kept to be shown.
const REFUSAL_BYTES_MAX: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Http1,
    /// gRPC over HTTP/2 without TLS.
    Grpc,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Grpc(http2::SendRequest<Full<Bytes>>),
}

pub struct Connection {
    pub address: Address,
    sender: Sender,
    driver: AbortHandle,
}

/// What came back.
#[derive(Debug)]
pub enum Reply {
    Good { body_bytes: usize, kept: Vec<u8> },
    Refused { status: u16, body: String },
}

impl Connection {
    pub async fn open(address: Address, protocol: Protocol) -> Result<Connection, Error> {
        let unreachable = |reason: String| Error::unreachable(&address, reason);
        let stream = timeout(CONNECT_MAX, TcpStream::connect(address.as_str()))
            .await
            .map_err(|_| unreachable("no connection in time".into()))?
            .map_err(|error| unreachable(error.to_string()))?;
        stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
        let io = TokioIo::new(stream);
        let (sender, driver) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) =
                    http1::handshake(io).await.map_err(|error| unreachable(error.to_string()))?;
                (Sender::Http1(sender), tokio::spawn(async { drop(connection.await) }))
            }
            Protocol::Grpc => {
                let (sender, connection) =
                    http2::handshake(TokioExecutor::new(), io).await.map_err(|error| unreachable(error.to_string()))?;
                (Sender::Grpc(sender), tokio::spawn(async { drop(connection.await) }))
            }
        };
        Ok(Connection { sender, driver: driver.abort_handle(), address })
    }

    /// Sends the request and reads the reply to its end; of a good reply's body, the first `keep_bytes_max` are kept. After
    /// an error the connection is of no use any more.
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>, keep_bytes_max: usize) -> Result<Reply, Error> {
        match timeout(REPLY_MAX, exchange(&mut self.sender, request, keep_bytes_max)).await {
            Ok(result) => result.map_err(|error| Error::unreachable(&self.address, error)),
            Err(_) => Err(Error::unreachable(&self.address, format!("no reply within {} s", REPLY_MAX.as_secs()))),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn exchange(
    sender: &mut Sender,
    request: Request<Full<Bytes>>,
    keep_bytes_max: usize,
) -> Result<Reply, hyper::Error> {
    let response = match sender {
        Sender::Http1(sender) => {
            sender.ready().await?;
            sender.send_request(request).await?
        }
        Sender::Grpc(sender) => {
            sender.ready().await?;
            sender.send_request(request).await?
        }
    };
    let (head, body) = response.into_parts();
    let grpc = matches!(sender, Sender::Grpc(_));
    let keep_bytes_max = if head.status == StatusCode::OK { keep_bytes_max } else { REFUSAL_BYTES_MAX };
    let Read { body_bytes, kept, trailers } = read(body, keep_bytes_max).await?;
    if head.status != StatusCode::OK {
        let body = String::from_utf8_lossy(&kept).into_owned();
        return Ok(Reply::Refused { status: head.status.as_u16(), body });
    }
    // gRPC says in the trailers how it went, or in the headers if there is no body.
    if grpc && let Some((status, body)) = grpc_refusal(trailers.as_ref().unwrap_or(&head.headers)) {
        return Ok(Reply::Refused { status, body });
    }
    Ok(Reply::Good { body_bytes, kept })
}

struct Read {
    body_bytes: usize,
    kept: Vec<u8>,
    trailers: Option<HeaderMap>,
}

async fn read(mut body: Incoming, keep_bytes_max: usize) -> Result<Read, hyper::Error> {
    let mut read = Read { body_bytes: 0, kept: Vec::new(), trailers: None };
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                read.body_bytes += data.remaining();
                let kept = data.len().min(keep_bytes_max.saturating_sub(read.kept.len()));
                read.kept.extend(data.iter().take(kept));
            }
            Err(frame) => read.trailers = frame.into_trailers().ok(),
        }
    }
    Ok(read)
}

fn grpc_refusal(headers: &HeaderMap) -> Option<(u16, String)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        Some("0") => None,
        status => {
            let status = status.and_then(|status| status.parse().ok()).unwrap_or(u16::MAX);
            Some((status, text("grpc-message").unwrap_or("no grpc-status came").to_owned()))
        }
    }
}
