//! One connection to a peer, one request at a time; bodies are counted and thrown away.

mod grpc;
mod http1;

use crate::{Address, Error};
use bytes::Bytes;
use grpc::Grpc;
use http::Request;
use http_body_util::Full;
use http1::Http1;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

/// A peer that has not answered by then counts as gone.
const REPLY_MAX: Duration = Duration::from_secs(10);
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How much of a refusal is kept to be shown.
const REFUSAL_BYTES_MAX: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    Http1,
    Grpc,
}

/// A request in its protocol.
#[derive(Debug)]
pub enum Outgoing<'a> {
    /// Head and body, as they go over the wire.
    Http1(&'a [u8]),
    Grpc(Box<Request<Full<Bytes>>>),
}

pub struct Connection {
    pub address: Address,
    line: Line,
}

enum Line {
    Http1(Http1),
    Grpc(Grpc),
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
        let line = match protocol {
            Protocol::Http1 => Line::Http1(Http1::new(stream)),
            Protocol::Grpc => Line::Grpc(Grpc::open(stream).await.map_err(|error| unreachable(error.to_string()))?),
        };
        Ok(Connection { line, address })
    }

    /// Sends the request and reads the reply to its end; of a good reply's body, the first `keep_bytes_max` are kept. After
    /// an error the connection is of no use any more.
    pub async fn exchange(&mut self, request: Outgoing<'_>, keep_bytes_max: usize) -> Result<Reply, Error> {
        let unreachable = |reason: String| Error::unreachable(&self.address, reason);
        let exchange = async {
            match (&mut self.line, request) {
                (Line::Http1(line), Outgoing::Http1(bytes)) => {
                    line.exchange(bytes, keep_bytes_max).await.map_err(|error| error.to_string())
                }
                (Line::Grpc(line), Outgoing::Grpc(request)) => {
                    line.exchange(*request, keep_bytes_max).await.map_err(|error| error.to_string())
                }
                _ => panic!("a peer's requests and connections are of one language"),
            }
        };
        match timeout(REPLY_MAX, exchange).await {
            Ok(result) => result.map_err(unreachable),
            Err(_) => Err(unreachable(format!("no reply within {} s", REPLY_MAX.as_secs()))),
        }
    }

    /// Whether the peer will take another request.
    pub fn lasts(&self) -> bool {
        match &self.line {
            Line::Http1(line) => line.lasts,
            Line::Grpc(_) => true,
        }
    }
}
