//! The HTTP edge over this node, and its end.

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use stator_cluster::Node;
use stator_environment::Environment;
use stator_gateway::{Gateway, GatewayParts, Settings, Tls};
use stator_invocation::{Functions, Logs};
use std::sync::Arc;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Serves until it is closed.
pub struct Edge {
    shutdown: CancellationToken,
    serving: Vec<JoinHandle<()>>,
}

/// Begins to serve clients. `plain`: without TLS, for functions on this machine.
pub fn serve(
    settings: Settings,
    (listener, tls): (TcpListener, Option<Tls>),
    plain: Option<TcpListener>,
    node: &Arc<Node>,
    (functions, logs): (&Arc<Functions>, &Arc<Logs>),
    (environment, registry): (Environment, Registry),
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
        functions: Some(functions.clone()),
        logs: Some(logs.clone()),
    });
    let shutdown = CancellationToken::new();
    let mut serving = vec![tokio::spawn(gateway.clone().serve(listener, tls, shutdown.clone()))];
    serving.extend(plain.map(|listener| tokio::spawn(gateway.serve(listener, None, shutdown.clone()))));
    Edge { shutdown, serving }
}

impl Edge {
    /// Takes no more requests, and waits for those under way.
    pub async fn close(self) {
        self.shutdown.cancel();
        for serving in self.serving {
            if serving.await.is_err() {
                tracing::error!("the HTTP edge panicked");
            }
        }
    }
}
