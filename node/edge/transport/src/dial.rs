//! Connections to other nodes: TCP, TLS where it is due, HTTP/2.

use crate::lane::{HTTP_FRAME_BYTES, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, WINDOW_BYTES};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tonic::transport::{Channel, Endpoint};

/// What to demand of the other side.
pub(crate) enum Demand {
    /// That it is on this machine.
    Loopback,
    /// That it bears this name.
    Tls(Arc<ClientConfig>, ServerName<'static>),
}

/// A connection to HOST:PORT that ends for good when it ends: it is never opened again by itself.
pub(crate) async fn dial(demand: Demand, address: &str) -> io::Result<Channel> {
    match demand {
        Demand::Loopback => channel(connect(address, |found| found.ip().is_loopback()).await?).await,
        Demand::Tls(config, name) => {
            let stream = connect(address, |_| true).await?;
            channel(tokio_rustls::TlsConnector::from(config).connect(name, stream).await?).await
        }
    }
}

async fn connect(address: &str, allowed: impl Fn(&SocketAddr) -> bool) -> io::Result<TcpStream> {
    let mut failure = None;
    for found in lookup_host(address).await? {
        if !allowed(&found) {
            failure = Some(io::Error::other(format!("{found} is beyond loopback, which needs certificates")));
            continue;
        }
        match TcpStream::connect(found).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::other("the name has no address")))
}

async fn channel(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> io::Result<Channel> {
    let mut stream = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let stream = stream.take();
        async move { stream.ok_or_else(|| io::Error::other("the connection has ended")) }
    });
    // The name is of no consequence: the connection stands already.
    Endpoint::from_static("http://node.stator")
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(HTTP_FRAME_BYTES)
        .connect_with_connector(connector)
        .await
        .map_err(io::Error::other)
}
