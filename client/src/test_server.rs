//! A server within the test: answers what the test says, counts, and can die.

use crate::Address;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{net::TcpListener, task::JoinSet};

/// What the server says to a request.
pub type Answer = Arc<dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync>;

/// Dies when it is dropped, with all its connections.
pub struct TestServer {
    pub address: Address,
    requests: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl TestServer {
    /// On a free port.
    pub async fn start(answer: Answer) -> TestServer {
        TestServer::start_at("127.0.0.1:0", answer).await
    }

    pub async fn start_at(address: &str, answer: Answer) -> TestServer {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = Address::parse(&listener.local_addr().expect("it is bound").to_string()).expect("an address");
        let requests = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, requests.clone(), answer));
        TestServer { address, requests, _tasks: tasks }
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
}

/// HTTP/1.1 and, as gRPC needs it, HTTP/2.
async fn serve(listener: TcpListener, requests: Arc<AtomicU64>, answer: Answer) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (requests, answer) = (requests.clone(), answer.clone());
        connections.spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (requests, answer) = (requests.clone(), answer.clone());
                async move {
                    requests.fetch_add(1, Ordering::SeqCst);
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    Ok::<_, hyper::Error>(answer(&Request::from_parts(head, body)).map(Full::new))
                }
            });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}
