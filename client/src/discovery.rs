//! Asks one node who else there is.

use crate::{Address, Error};
use bytes::Bytes;
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

/// The path that tells all nodes, on any node's DynamoDB port.
const PATH: &str = "/nodes";
/// A node that does not answer so small a question in this time counts as dead.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Most nodes that are looked at.
pub const NODES_MAX: usize = 256;

#[derive(Deserialize)]
struct Nodes {
    nodes: Vec<String>,
}

/// All nodes that the node at `address` names; `None`: it lives and names none (a server that does not know the question).
/// An error: it does not answer.
pub async fn ask(address: &Address) -> Result<Option<Vec<Address>>, Error> {
    match timeout(ANSWER_MAX, ask_at_leisure(address)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::unreachable(address, format!("no answer within {} s", ANSWER_MAX.as_secs()))),
    }
}

async fn ask_at_leisure(address: &Address) -> Result<Option<Vec<Address>>, Error> {
    let stream = TcpStream::connect(address.as_str()).await.map_err(|error| Error::unreachable(address, error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Error::unreachable(address, error))?;
    let exchange = async {
        let request = Request::get(PATH)
            .header(HOST, address.as_str())
            .body(Empty::<Bytes>::new())
            .map_err(|error| Error::unreachable(address, error))?;
        let response = sender.send_request(request).await.map_err(|error| Error::unreachable(address, error))?;
        if response.status() != StatusCode::OK {
            return Ok(None);
        }
        // A body that is too long or breaks off is an answer as well: somebody lives there.
        let body = Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await;
        Ok(body.ok().and_then(|body| read(&body.to_bytes())))
    };
    tokio::select! {
        biased;
        answer = exchange => answer,
        end = connection => Err(Error::unreachable(address, end.err().map_or("it hung up".into(), |e| e.to_string()))),
    }
}

/// The addresses in `{"nodes":["host:port",...]}`; `None` if it is something else or names nobody.
fn read(body: &[u8]) -> Option<Vec<Address>> {
    let nodes: Nodes = serde_json::from_slice(body).ok()?;
    let addresses: Vec<Address> =
        nodes.nodes.iter().take(NODES_MAX).filter_map(|text| Address::parse(text).ok()).collect();
    (!addresses.is_empty()).then_some(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        for (body, count) in [
            (r#"{"nodes":["127.0.0.1:8000","[::1]:8001"]}"#, Some(2)),
            (r#"{"nodes":["127.0.0.1:8000","no address"],"more":1}"#, Some(1)),
            (r#"{"nodes":[]}"#, None),
            (r#"{"nodes":"127.0.0.1:8000"}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(read(body.as_bytes()).map(|addresses| addresses.len()), count, "{body}");
        }
    }
}
