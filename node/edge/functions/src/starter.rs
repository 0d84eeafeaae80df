//! From a deployment to processes: code, interpreter, credentials, sandbox, Runtime API.

use crate::{
    RunnerSettings, SandboxMode,
    code::{CodeCache, Held},
    deployment::{Credentials, Deployment, Endpoint, LogSink, RunError, SessionCredentials},
    exchange::{Exchange, Exit, Started},
    instance::{Instance, Memory},
    interpreter::{Family, Interpreter, Interpreters},
    log::InstanceLog,
    pool::Lease,
    runtime_api,
    sandbox::{
        cgroup::{Cgroups, Share},
        launch::{self, Launched},
        plan::{Bind, ENDPOINT_PORT, Layers, Limits, Plan, RUNTIME_API_PORT, Told},
    },
    variables::{Places, variables},
};
use stator_environment::Environment;
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::OnceCell, sync::oneshot, task::JoinSet};

/// Processes and threads of a function, and its open files (Lambda: both 1,024).
const PROCESSES: u64 = 1024;
const FILES: u64 = 1024;
/// Where a function sees its code, and what runs it.
const TASK_ROOT: &str = "/var/task";
const RUNTIME_ROOT: &str = "/var/runtime";
/// Connections of one function to Stator at a time.
const ENDPOINT_CONNECTIONS_MAX: usize = 256;

const PYTHON_BOOTSTRAP: (&str, &str) = ("stator_python.py", include_str!("bootstrap/stator_python.py"));
const NODE_BOOTSTRAP: (&str, &str) = ("stator_node.cjs", include_str!("bootstrap/stator_node.cjs"));

/// What this machine gives, found out once.
struct Machine {
    layers: Layers,
    cgroups: Cgroups,
}

/// All that it takes to start an instance.
pub(crate) struct Starter {
    settings: RunnerSettings,
    environment: Environment,
    code: Arc<CodeCache>,
    credentials: Arc<dyn Credentials>,
    logs: Arc<dyn LogSink>,
    endpoint: Arc<dyn Endpoint>,
    interpreters: Interpreters,
    machine: OnceCell<Machine>,
}

/// Processes on their way to ask for an event.
pub(crate) struct Birth {
    pub instance: Instance,
    pub started: oneshot::Receiver<Started>,
}

/// Where the function's program finds things: as it sees them, which differs with the layers of the sandbox.
struct Layout {
    task: PathBuf,
    runtime: PathBuf,
    scratch: PathBuf,
    binds: Vec<Bind>,
    ports: [u16; 2],
    /// Without a network namespace, the server's own.
    listeners: Option<[TcpListener; 2]>,
}

impl Starter {
    pub fn new(
        settings: RunnerSettings,
        environment: Environment,
        code: Arc<CodeCache>,
        credentials: Arc<dyn Credentials>,
        logs: Arc<dyn LogSink>,
        endpoint: Arc<dyn Endpoint>,
    ) -> io::Result<Starter> {
        let folder = |name: &str| fs::DirBuilder::new().recursive(true).mode(0o755).create(settings.folder.join(name));
        folder("root")?;
        folder("runtime")?;
        for (name, text) in [PYTHON_BOOTSTRAP, NODE_BOOTSTRAP] {
            fs::write(settings.folder.join("runtime").join(name), text)?;
        }
        Ok(Starter {
            settings,
            environment,
            code,
            credentials,
            logs,
            endpoint,
            interpreters: Interpreters::default(),
            machine: OnceCell::new(),
        })
    }

    /// Starts the processes of an instance.
    pub async fn start(&self, deployment: &Arc<Deployment>, lease: Arc<Lease>) -> Result<Birth, RunError> {
        let unavailable = |reason: &str| RunError::RuntimeUnavailable {
            runtime: deployment.runtime.clone(),
            reason: reason.to_owned(),
        };
        let family = Family::of(&deployment.runtime).ok_or_else(|| unavailable("it is not known"))?;
        let machine = self.machine().await?;
        let interpreter = match &family {
            Family::Python(version) => Some(self.interpreters.python(&self.settings, version).await?),
            Family::Node => Some(self.interpreters.node(&self.settings).await?),
            Family::Provided => None,
        };
        let held = self.code.hold(deployment.code_sha256).await?;
        let credentials = self.credentials.issue(&deployment.arn).await?;
        let id = format!("{:032x}", self.environment.random.next_u128());
        let stream = format!("{}[{}]{id}", self.day(), deployment.version);
        let start = |error: io::Error| RunError::Start(error.to_string());
        let layout = self.layout(deployment, machine, &held, interpreter.as_deref(), &id).await.map_err(start)?;
        let plan = self.plan(deployment, machine, &layout, &family, interpreter.as_deref(), &credentials, &stream);
        let share =
            Share { memory_mb: deployment.memory_mb, scratch_mb: deployment.ephemeral_mb, processes: PROCESSES };
        let group = machine.cgroups.make(&id, share).map_err(start)?;
        let launched = launch::launch(&self.settings.helper, &plan, group.as_ref()).await;
        let mut launched = match launched {
            Ok(launched) => launched,
            Err(error) => {
                if let Some(group) = group {
                    tokio::spawn(remove_group(group));
                }
                return Err(RunError::Start(error.to_string()));
            }
        };
        let listeners = match layout.listeners {
            Some(listeners) => listeners,
            None => take_listeners(&mut launched).map_err(start)?,
        };
        let pipe = launched.log.take().ok_or_else(|| RunError::Start("the log has no pipe".to_owned()))?;
        let log = InstanceLog::new(
            pipe,
            self.logs.clone(),
            self.environment.clock.clone(),
            deployment.log_group.clone(),
            stream,
        )
        .map_err(start)?;
        let scratch = (!machine.layers.namespaces).then_some(layout.scratch);
        Ok(self.keep(
            deployment,
            lease,
            credentials.expires_at_ms,
            Arc::new(log),
            launched,
            group,
            listeners,
            held,
            scratch,
        ))
    }

    /// What this machine gives; asked for at the first start, as a node without functions need not know.
    async fn machine(&self) -> Result<&Machine, RunError> {
        let machine = self.machine.get_or_try_init(|| async {
            let (layers, reasons) = launch::probe(&self.settings.helper, &self.probe_plan())
                .await
                .map_err(|error| RunError::Start(format!("the sandbox cannot be tried: {error}")))?;
            let cgroups = Cgroups::find(self.settings.cgroup.as_deref());
            let mut missing = layers.missing();
            if cgroups == Cgroups::None {
                missing.push("cgroups");
            }
            if !missing.is_empty() {
                let reasons = reasons.join("; ");
                tracing::warn!(
                    missing = missing.join(", "),
                    reasons,
                    "functions run without some layers of their sandbox"
                );
            }
            if !layers.namespaces && !layers.landlock {
                tracing::warn!("functions can read whatever the server's user can read");
            }
            Ok::<_, RunError>(Machine { layers, cgroups })
        });
        let machine = machine.await?;
        let mut missing = machine.layers.missing();
        if machine.cgroups == Cgroups::None {
            missing.push("cgroups");
        }
        if self.settings.sandbox == SandboxMode::Required && !missing.is_empty() {
            return Err(RunError::Sandbox(format!("missing on this machine: {}", missing.join(", "))));
        }
        Ok(machine)
    }

    /// The end of the runner: no instance is left.
    pub fn close(&self) {
        if let Some(machine) = self.machine.get() {
            machine.cgroups.remove();
        }
    }

    fn probe_plan(&self) -> Plan {
        Plan {
            probe: true,
            layers: Layers::ALL,
            program: PathBuf::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            root: self.settings.folder.join("root"),
            binds: Vec::new(),
            hidden: vec![self.settings.data.clone()],
            scratch: self.settings.folder.join("root"),
            scratch_bytes: 1 << 20,
            open_network: false,
            ports: Vec::new(),
            user: self.user(),
            limits: Limits { processes: PROCESSES, files: FILES, data_bytes: None },
        }
    }

    fn user(&self) -> Option<u32> {
        rustix::process::geteuid().is_root().then_some(self.settings.user)
    }

    /// The first part of a log stream's name, as Lambda has it.
    fn day(&self) -> String {
        crate::report::timestamp(self.environment.clock.wall_ms()).get(..10).unwrap_or_default().replace('-', "/") + "/"
    }

    async fn layout(
        &self,
        deployment: &Deployment,
        machine: &Machine,
        held: &Held,
        interpreter: Option<&Interpreter>,
        id: &str,
    ) -> io::Result<Layout> {
        let runtime = self.settings.folder.join("runtime");
        let folders = interpreter.map_or(&[][..], |found| &found.folders);
        let mut binds: Vec<Bind> =
            folders.iter().map(|path| Bind { source: path.clone(), target: path.clone() }).collect();
        let listeners = if machine.layers.namespaces && !deployment.open_network {
            None
        } else {
            let listen = || TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            Some([listen().await?, listen().await?])
        };
        let ports = match &listeners {
            None => [RUNTIME_API_PORT, ENDPOINT_PORT],
            Some([api, endpoint]) => [api.local_addr()?.port(), endpoint.local_addr()?.port()],
        };
        if machine.layers.namespaces {
            let (task, inner_runtime) = (PathBuf::from(TASK_ROOT), PathBuf::from(RUNTIME_ROOT));
            binds.push(Bind { source: absolute(&held.path())?, target: task.clone() });
            binds.push(Bind { source: absolute(&runtime)?, target: inner_runtime.clone() });
            return Ok(Layout {
                task,
                runtime: inner_runtime,
                scratch: PathBuf::from("/tmp"),
                binds,
                ports,
                listeners,
            });
        }
        let (task, runtime) = (absolute(&held.path())?, absolute(&runtime)?);
        let scratch = self.settings.folder.join(format!("scratch-{id}"));
        fs::DirBuilder::new().mode(0o700).create(&scratch)?;
        let scratch = absolute(&scratch)?;
        binds.extend([&task, &runtime].map(|path| Bind { source: path.clone(), target: path.clone() }));
        Ok(Layout { task, runtime, scratch, binds, ports, listeners })
    }

    #[allow(clippy::too_many_arguments)]
    fn plan(
        &self,
        deployment: &Deployment,
        machine: &Machine,
        layout: &Layout,
        family: &Family,
        interpreter: Option<&Interpreter>,
        credentials: &SessionCredentials,
        stream: &str,
    ) -> Plan {
        let places = Places {
            task: &layout.task,
            runtime: &layout.runtime,
            scratch: &layout.scratch,
            runtime_api: format!("127.0.0.1:{}", layout.ports[0]),
            endpoint: format!("127.0.0.1:{}", layout.ports[1]),
        };
        let (program, arguments) = command(deployment, layout, family, interpreter);
        // Node reserves far more than it uses, and is given a bound of its own.
        let limit_data = machine.cgroups == Cgroups::None && *family != Family::Node;
        Plan {
            probe: false,
            layers: machine.layers,
            program,
            arguments,
            environment: variables(deployment, &places, credentials, interpreter, &self.settings.region, stream),
            directory: layout.task.clone(),
            binds: layout.binds.clone(),
            scratch: layout.scratch.clone(),
            scratch_bytes: u64::from(deployment.ephemeral_mb) << 20,
            open_network: deployment.open_network,
            ports: layout.ports.to_vec(),
            limits: Limits {
                processes: PROCESSES,
                files: FILES,
                data_bytes: limit_data.then(|| u64::from(deployment.memory_mb) << 20),
            },
            ..self.probe_plan()
        }
    }

    /// Makes the instance, and the task that sees to its end.
    #[allow(clippy::too_many_arguments)]
    fn keep(
        &self,
        deployment: &Arc<Deployment>,
        lease: Arc<Lease>,
        credentials_end_ms: u64,
        log: Arc<InstanceLog>,
        launched: Launched,
        group: Option<crate::sandbox::cgroup::Group>,
        [api, endpoint]: [TcpListener; 2],
        held: Held,
        scratch: Option<PathBuf>,
    ) -> Birth {
        let (exchange, started) = Exchange::new();
        let exchange = Arc::new(exchange);
        let memory = Arc::new(Memory::new(group, launched.helper_id()));
        let instance = Instance {
            deployment: deployment.clone(),
            exchange: exchange.clone(),
            log: log.clone(),
            memory: memory.clone(),
            credentials_end_ms,
            environment: self.environment.clone(),
            _end: lease.end().clone().drop_guard(),
            lease: lease.clone(),
        };
        let mut servers = JoinSet::new();
        servers.spawn(runtime_api::serve(api, exchange.clone()));
        servers.spawn(serve_endpoint(endpoint, self.endpoint.clone()));
        let follow = log.clone();
        servers.spawn(async move { follow.follow().await });
        let keeper = Keeper { exchange, log, memory, lease, held, scratch };
        self.environment.tasks.spawn("function instance", Box::pin(keeper.keep(launched, servers)));
        Birth { instance, started }
    }
}

/// What has to be put in order when the processes of an instance end.
struct Keeper {
    exchange: Arc<Exchange>,
    log: Arc<InstanceLog>,
    memory: Arc<Memory>,
    lease: Arc<Lease>,
    held: Held,
    scratch: Option<PathBuf>,
}

impl Keeper {
    async fn keep(self, mut launched: Launched, servers: JoinSet<()>) {
        let exit = tokio::select! {
            told = launched.ended() => match told {
                Some(Told::Exited { code }) => Exit::Code(code),
                Some(Told::Killed { signal }) => Exit::Signal(signal),
                Some(Told::NotStarted { reason }) => Exit::NotStarted(reason),
                Some(Told::Failed { step, reason }) => Exit::NotStarted(format!("{step}: {reason}")),
                Some(Told::Ready) | None => Exit::Signal(libc::SIGKILL),
            },
            () = self.lease.end().cancelled() => Exit::Signal(libc::SIGKILL),
        };
        self.log.drain();
        self.exchange.end(exit);
        launched.end().await;
        drop(servers);
        if let Some(group) = &self.memory.group {
            remove_group_when_empty(group).await;
        }
        if let Some(scratch) = self.scratch
            && let Err(error) = tokio::fs::remove_dir_all(&scratch).await
        {
            tracing::warn!(%error, "the folder of a function cannot be removed");
        }
        // Last, in this order: the code may go, and another instance may come.
        drop(self.held);
        drop(self.lease);
    }
}

/// The program and its arguments.
fn command(
    deployment: &Deployment,
    layout: &Layout,
    family: &Family,
    interpreter: Option<&Interpreter>,
) -> (PathBuf, Vec<String>) {
    let Some(interpreter) = interpreter else { return (layout.task.join("bootstrap"), Vec::new()) };
    let bootstrap = |name: &str| layout.runtime.join(name).to_string_lossy().into_owned();
    let handler = deployment.handler.clone();
    let arguments = match family {
        Family::Python(_) if interpreter.aws_client => {
            vec!["-s".to_owned(), "-m".to_owned(), "awslambdaric".to_owned(), handler]
        }
        Family::Node => {
            let heap_mb = u64::from(deployment.memory_mb) * 9 / 10;
            vec![format!("--max-old-space-size={heap_mb}"), bootstrap(NODE_BOOTSTRAP.0), handler]
        }
        _ => vec!["-s".to_owned(), bootstrap(PYTHON_BOOTSTRAP.0), handler],
    };
    (interpreter.program.clone(), arguments)
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize()
}

/// The sockets that the helper made in the network namespace.
fn take_listeners(launched: &mut Launched) -> io::Result<[TcpListener; 2]> {
    let listeners = std::mem::take(&mut launched.listeners)
        .into_iter()
        .map(TcpListener::from_std)
        .collect::<io::Result<Vec<_>>>()?;
    listeners.try_into().map_err(|_| io::Error::other("the helper made no sockets"))
}

/// Serves the connections of one function to Stator, until it is stopped.
async fn serve_endpoint(listener: TcpListener, endpoint: Arc<dyn Endpoint>) {
    let free = Arc::new(tokio::sync::Semaphore::new(ENDPOINT_CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = free.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((connection, _)) => {
                let served = endpoint.serve(connection);
                connections.spawn(async move {
                    served.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "no connection of a function to Stator was accepted");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn remove_group(group: crate::sandbox::cgroup::Group) {
    remove_group_when_empty(&group).await;
}

/// Processes that were killed leave their group a moment later.
async fn remove_group_when_empty(group: &crate::sandbox::cgroup::Group) {
    const TRIES: u32 = 200;
    for _ in 0..TRIES {
        if group.remove() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tracing::warn!("the control group of a function cannot be removed");
}
