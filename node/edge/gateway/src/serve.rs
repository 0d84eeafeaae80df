//! Listeners and connections: accept, TLS, which HTTP it is, and the end of all that.

use crate::{admission::Counted, gateway::Gateway, tls::Tls};
use hyper::{
    Request,
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::GracefulConnection,
};
use stator_environment::BoxFuture;
use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longest head of a request, and size of the pieces in which bodies are read.
const READ_BYTES_MAX: usize = 64 << 10;
/// Requests on one HTTP/2 connection at once.
const STREAMS_MAX: u32 = 250;
/// How often a silent HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_WAIT_MAX: Duration = Duration::from_secs(20);
/// Longest time for a TLS handshake.
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Pause after a listener's error, most likely too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Pause between two looks at a connection's first bytes, when fewer than three came.
const PEEK_PAUSE: Duration = Duration::from_millis(20);
/// What a connection begins with that speaks HTTP/2 without having been asked. No method of HTTP/1.1 begins so.
const HTTP2_BEGIN: &[u8] = b"PRI";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    Http1,
    Http2,
}

/// Requests of a connection.
#[derive(Default)]
struct Heard {
    begun: AtomicU64,
    ended: AtomicU64,
}

/// A request that is being answered.
struct UnderWay(Arc<Heard>);

impl UnderWay {
    fn begin(heard: &Arc<Heard>) -> UnderWay {
        heard.begun.fetch_add(1, Ordering::Relaxed);
        UnderWay(heard.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Gateway {
    /// Serves a listener until `shutdown`, then lets what is under way finish, within the time set.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, tls: Option<Tls>, shutdown: CancellationToken) {
        let tracker = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => self.begin(stream, tls.clone(), &shutdown, &tracker),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    self.environment.sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        tracker.close();
        // Every connection ends by itself within that time: the second is for ending it.
        let time_max = self.settings.shutdown_time_max + Duration::from_secs(1);
        if self.environment.timeout(time_max, tracker.wait()).await.is_none() {
            tracing::warn!(connections = tracker.len(), "connections are left open at the shutdown");
        }
    }

    fn begin(
        self: &Arc<Self>,
        stream: TcpStream,
        tls: Option<Tls>,
        shutdown: &CancellationToken,
        tracker: &TaskTracker,
    ) {
        let Some(slot) = Counted::one(&self.connections, &self.metrics.connections) else {
            self.metrics.refused_connections.inc();
            return;
        };
        self.metrics.accepted_connections.inc();
        // A token of its own: connections look at it all the time and shall not meet at one lock.
        let (gateway, shutdown) = (self.clone(), shutdown.child_token());
        let connection = async move {
            let _slot = slot;
            if let Err(reason) = gateway.connection(stream, tls, shutdown).await {
                tracing::debug!(reason, "a connection broke");
            }
        };
        self.environment.tasks.spawn("connection", Box::pin(tracker.track_future(connection)));
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        tls: Option<Tls>,
        shutdown: CancellationToken,
    ) -> Result<(), String> {
        // Replies are written whole: waiting for more would only delay them.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(Tls(acceptor)) = tls else {
            let protocol = tokio::select! {
                protocol = self.environment.timeout(self.settings.head_wait_max, first_protocol(&stream)) => protocol,
                () = shutdown.cancelled() => return Ok(()),
            };
            return match protocol {
                Some(Ok(Some(protocol))) => self.speak(protocol, stream, shutdown).await,
                Some(Ok(None)) => Ok(()),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("nothing was sent".into()),
            };
        };
        let handshake = Box::pin(self.environment.timeout(HANDSHAKE_WAIT_MAX, acceptor.accept(stream)));
        let stream = tokio::select! {
            stream = handshake => stream.ok_or("the TLS handshake took too long")?.map_err(|error| error.to_string())?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        self.speak(protocol, stream, shutdown).await
    }

    /// In a box: a connection that says nothing yet stays small.
    fn speak<S>(
        self: Arc<Self>,
        protocol: Protocol,
        stream: S,
        shutdown: CancellationToken,
    ) -> BoxFuture<'static, Result<(), String>>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let heard = Arc::new(Heard::default());
        let (gateway, counter) = (self.clone(), heard.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let under_way = UnderWay::begin(&counter);
            let gateway = gateway.clone();
            // In a box as well: it lives shorter than its connection.
            Box::pin(async move {
                let _under_way = under_way;
                gateway.handle(request).await
            })
        });
        let stream = TokioIo::new(stream);
        match protocol {
            Protocol::Http1 => {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(self.settings.head_wait_max)
                    .max_buf_size(READ_BYTES_MAX)
                    // A client that has nothing more to say still waits for its reply, which may be held back.
                    .half_close(true)
                    .serve_connection(stream, service);
                Box::pin(self.drive(connection, heard, shutdown))
            }
            Protocol::Http2 => {
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .keep_alive_interval(PING_INTERVAL)
                    .keep_alive_timeout(PING_WAIT_MAX)
                    .max_concurrent_streams(STREAMS_MAX)
                    .max_header_list_size(READ_BYTES_MAX as u32)
                    .serve_connection(stream, service);
                Box::pin(self.drive(connection, heard, shutdown))
            }
        }
    }

    /// Runs a connection until it ends, is idle for too long, or the shutdown; then requests under way may finish.
    async fn drive<C>(
        self: Arc<Self>,
        connection: C,
        heard: Arc<Heard>,
        shutdown: CancellationToken,
    ) -> Result<(), String>
    where
        C: GracefulConnection,
        C::Error: std::fmt::Display,
    {
        let mut connection = pin!(connection);
        let mut heard_before = 0;
        loop {
            // HTTP/1.1 has this time limit built in; with HTTP/2 a silent connection would stay for ever.
            let idle = self.environment.sleep(self.settings.head_wait_max);
            tokio::select! {
                ended = connection.as_mut() => return ended.map_err(|error| error.to_string()),
                () = shutdown.cancelled() => break,
                () = idle => {}
            }
            let heard_now = heard.begun.load(Ordering::Relaxed);
            // A function may work longer on a request than a connection may be idle.
            if heard_now == heard_before && heard.ended.load(Ordering::Relaxed) == heard_now {
                break;
            }
            heard_before = heard_now;
        }
        connection.as_mut().graceful_shutdown();
        let ended = self.environment.timeout(self.settings.shutdown_time_max, connection).await;
        ended.unwrap_or(Ok(())).map_err(|error| error.to_string())
    }
}

/// Which HTTP a client speaks, by its first bytes, which are left unread; `None`: it closed the connection.
async fn first_protocol(stream: &TcpStream) -> io::Result<Option<Protocol>> {
    let mut bytes = [0; HTTP2_BEGIN.len()];
    loop {
        let count = stream.peek(&mut bytes).await?;
        let begin = bytes.get(..count).unwrap_or_default();
        if count == 0 {
            return Ok(None);
        }
        if begin == HTTP2_BEGIN {
            return Ok(Some(Protocol::Http2));
        }
        if !HTTP2_BEGIN.starts_with(begin) {
            return Ok(Some(Protocol::Http1));
        }
        tokio::time::sleep(PEEK_PAUSE).await;
    }
}
