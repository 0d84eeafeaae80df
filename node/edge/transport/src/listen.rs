//! Connections from other nodes: accepted, proven where it is due, handed to the gRPC server.
//!
//! Guarantees: a connection that does not finish its TLS handshake, or never proves to be a node, ends by itself; and only
//! a bounded number of such strangers is let in.

use crate::{hello::Caller, network::Local, security::Wire};
use futures::{Stream, stream};
use rustls::ServerConfig;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

/// Connections that have not proven to be a node's. On loopback none proves anything.
const STRANGERS_MAX: usize = 512;
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Long enough to join.
const STRANGER_LIFE: Duration = Duration::from_secs(60);
/// After an error of the socket, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An accepted connection.
pub(crate) struct Connection {
    io: Io,
    caller: Caller,
    /// When a stranger has to leave.
    leave: Option<Pin<Box<tokio::time::Sleep>>>,
    /// A stranger's place.
    _place: Option<OwnedSemaphorePermit>,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Accepts until the node stops; the connections come out of the stream.
pub(crate) fn accept(local: &Arc<Local>, listener: TcpListener) -> impl Stream<Item = io::Result<Connection>> + use<> {
    let (sender, receiver) = mpsc::channel(64);
    local.environment.tasks.spawn("accept", Box::pin(accept_all(local.clone(), listener, sender)));
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|next| (Ok(next), receiver)) })
}

async fn accept_all(local: Arc<Local>, listener: TcpListener, ready: mpsc::Sender<Connection>) {
    let places = Arc::new(Semaphore::new(STRANGERS_MAX));
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            listener.accept().await.map(|accepted| (accepted, place))
        };
        let accepted = tokio::select! {
            biased;
            () = local.stop.cancelled() => return,
            accepted = next => accepted,
        };
        let ((stream, from), place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("accept a connection of a node: {error}");
                local.environment.sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if stream.set_nodelay(true).is_err() {
            continue; // it has ended already
        }
        match &local.wire {
            Wire::Plain if from.ip().is_loopback() => {
                let connection =
                    Connection { io: Io::Plain(stream), caller: Caller::Known, leave: None, _place: Some(place) };
                let _ = ready.send(connection).await;
            }
            Wire::Plain => tracing::warn!(%from, "refused a connection from beyond loopback"),
            Wire::Tls { server, .. } => {
                let prove = prove(local.clone(), server.clone(), stream, place, ready.clone());
                local.environment.tasks.spawn("handshake", Box::pin(prove));
            }
        }
    }
}

/// The TLS handshake of one connection.
async fn prove(
    local: Arc<Local>,
    config: Arc<ServerConfig>,
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    ready: mpsc::Sender<Connection>,
) {
    let handshake = TlsAcceptor::from(config).accept(stream);
    let Some(Ok(stream)) = local.environment.timeout(HANDSHAKE_MAX, handshake).await else { return };
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let caller = certificate.map_or(Caller::Stranger, |found| Caller::Proven(found.clone().into_owned()));
    let io = Io::Tls(Box::new(stream));
    let connection = match caller {
        Caller::Proven(_) => Connection { io, caller, leave: None, _place: None },
        Caller::Stranger | Caller::Known => {
            let leave = tokio::time::sleep(local.environment.clock.real_duration(STRANGER_LIFE));
            Connection { io, caller, leave: Some(Box::pin(leave)), _place: Some(place) }
        }
    };
    // Nobody takes it any more if the node is stopping.
    let _ = ready.send(connection).await;
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(leave) = &mut self.leave
            && leave.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(context),
            Io::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Io::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.io {
            Io::Plain(stream) => stream.is_write_vectored(),
            Io::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
