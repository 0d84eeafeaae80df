//! The HTTP edge over this node, and its end.

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use stator_cluster::Node;
use stator_environment::Environment;
use stator_gateway::{Gateway, GatewayParts, Settings, Tls};
use std::sync::Arc;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Serves until it is closed.
pub struct Edge {
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

/// Begins to serve clients.
pub fn serve(
    settings: Settings,
    (listener, tls): (TcpListener, Option<Tls>),
    node: &Arc<Node>,
    environment: Environment,
    registry: Registry,
) -> Edge {
    let asked = node.clone();
    let gateway = Gateway::new(GatewayParts {
        environment,
        door: node.door(),
        tables: node.clone(),
        ready: Arc::new(move || {
            if asked.is_ready() { Ok(()) } else { Err("the node does not follow the catalog yet".to_owned()) }
        }),
        registry: Arc::new(Mutex::new(registry)),
        settings,
    });
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(listener, tls, shutdown.clone()));
    Edge { shutdown, serving }
}

impl Edge {
    /// Takes no more requests, and waits for those under way.
    pub async fn close(self) {
        self.shutdown.cancel();
        if self.serving.await.is_err() {
            tracing::error!("the HTTP edge panicked");
        }
    }
}
