//! The functions of this node: what runs them, over this node's way in for commands and requests.

use crate::error::ServerError;
use prometheus_client::registry::Registry;
use stator_cluster::Node;
use stator_environment::{Environment, Task};
use stator_functions::{Forward, Runner, RunnerSettings};
use stator_invocation::{FunctionCredentials, Functions, FunctionsParts, Logs, Settings, StoredCode};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

/// Functions that are served and run, until they are closed.
pub struct NodeFunctions {
    pub functions: Arc<Functions>,
    pub logs: Arc<Logs>,
    runner: Arc<Runner>,
    tasks: Vec<Task>,
    log_tasks: Vec<Task>,
}

/// Makes them; nothing runs before the first event.
pub fn open(
    settings: Settings,
    data: &Path,
    plain_address: SocketAddr,
    node: &Arc<Node>,
    (environment, registry): (&Environment, &mut Registry),
) -> Result<NodeFunctions, ServerError> {
    let mut runner_settings = RunnerSettings::new(data.to_path_buf());
    if let Some(identity) = node.catalog().identity() {
        runner_settings.region = identity.region.clone();
    }
    let code = StoredCode::new(node.door(), node.clone(), environment.clone());
    let logs = Logs::new(node.door(), node.clone(), environment.clone(), settings.clone(), registry);
    let credentials = FunctionCredentials::new(node.clone(), environment.clone());
    let runner = Runner::new(
        runner_settings,
        environment.clone(),
        registry,
        Arc::new(code),
        Arc::new(credentials),
        logs.clone(),
        Arc::new(Forward(on_this_machine(plain_address))),
    );
    let runner = Arc::new(runner.map_err(ServerError::io("make the folder of functions"))?);
    let parts = FunctionsParts {
        environment: environment.clone(),
        door: node.door(),
        tables: node.clone(),
        runner: runner.clone(),
        settings,
    };
    let functions = Functions::new(parts, registry);
    let tasks = functions.begin();
    let log_tasks = logs.begin();
    node.run_triggers(functions.clone());
    Ok(NodeFunctions { functions, logs, runner, tasks, log_tasks })
}

impl NodeFunctions {
    /// Ends what runs. Events that were accepted are worked on again later, here or elsewhere.
    pub async fn close(self) {
        for task in &self.tasks {
            task.stop();
        }
        self.runner.close().await;
        // Their last lines.
        self.logs.flush().await;
        for task in &self.log_tasks {
            task.stop();
        }
    }
}

/// An address that a listener is bound to, as this machine itself reaches it.
fn on_this_machine(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
