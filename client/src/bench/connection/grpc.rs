//! gRPC over HTTP/2 without TLS: hyper's own client, no pool.

use super::{REFUSAL_BYTES_MAX, Reply};
use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, task::AbortHandle};

pub struct Grpc {
    sender: http2::SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Grpc {
    pub async fn open(stream: TcpStream) -> Result<Grpc, hyper::Error> {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let driver = tokio::spawn(async { drop(connection.await) }).abort_handle();
        Ok(Grpc { sender, driver })
    }

    pub async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        keep_bytes_max: usize,
    ) -> Result<Reply, hyper::Error> {
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let keep_bytes_max = if head.status == StatusCode::OK { keep_bytes_max } else { REFUSAL_BYTES_MAX };
        let Read { body_bytes, kept, trailers } = read(body, keep_bytes_max).await?;
        if head.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&kept).into_owned();
            return Ok(Reply::Refused { status: head.status.as_u16(), body });
        }
        // The trailers say how it went, or the headers if there is no body.
        match refusal(trailers.as_ref().unwrap_or(&head.headers)) {
            Some((status, body)) => Ok(Reply::Refused { status, body }),
            None => Ok(Reply::Good { body_bytes, kept }),
        }
    }
}

impl Drop for Grpc {
    fn drop(&mut self) {
        self.driver.abort();
    }
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

fn refusal(headers: &HeaderMap) -> Option<(u16, String)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        Some("0") => None,
        status => {
            let status = status.and_then(|status| status.parse().ok()).unwrap_or(u16::MAX);
            Some((status, text("grpc-message").unwrap_or("no grpc-status came").to_owned()))
        }
    }
}
