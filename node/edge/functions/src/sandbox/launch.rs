//! The server's side: starts the helper, tells it its plan, and hears how the function ended.

use super::{
    cgroup::Group,
    control,
    plan::{ARGUMENT, Layers, Plan, Told},
};
use rustix::fd::OwnedFd;
use std::{io, net::TcpListener, path::Path, process::Stdio, time::Duration};
use tokio::{io::Interest, net::UnixDatagram};

/// How long the helper may take to build a sandbox. It takes milliseconds; the rest is for machines that are busy.
const READY_MAX: Duration = Duration::from_secs(10);

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("the helper cannot be run: {0}")]
    Helper(#[from] io::Error),
    #[error("{step}: {reason}")]
    Step { step: String, reason: String },
    #[error("the helper ended before the sandbox stood")]
    Ended,
    #[error("the sandbox did not stand in time")]
    TimedOut,
}

/// A function's processes, seen from outside. Dropping it ends them.
pub(crate) struct Launched {
    helper: tokio::process::Child,
    /// A socket of whole messages, and that is how the runtime knows it.
    control: UnixDatagram,
    namespaces: bool,
    /// The pipe of standard output and error.
    pub log: Option<OwnedFd>,
    /// Sockets of the network namespace, if there is one: Runtime API, endpoint.
    pub listeners: Vec<TcpListener>,
}

/// Starts the helper and waits until the sandbox stands.
pub(crate) async fn launch(helper: &Path, plan: &Plan, group: Option<&Group>) -> Result<Launched, LaunchError> {
    let (ours, theirs) = control::pair().map_err(io::Error::from)?;
    let (log, output) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(io::Error::from)?;
    let mut command = tokio::process::Command::new(helper);
    command.arg(ARGUMENT).env_clear().current_dir("/").kill_on_drop(true);
    command.stdin(Stdio::from(theirs)).stdout(Stdio::from(output.try_clone()?)).stderr(Stdio::from(output));
    let child = command.spawn()?;
    // The command holds the helper's ends of both, which would keep them open for ever.
    drop(command);
    if let (Some(group), Some(pid)) = (group, child.id()) {
        group.add(pid)?;
    }
    let message = serde_json::to_vec(plan).map_err(io::Error::other)?;
    control::send(&ours, &message, &[]).map_err(io::Error::from)?;
    let mut launched = Launched {
        helper: child,
        control: UnixDatagram::from_std(ours.into())?,
        namespaces: plan.layers.namespaces,
        log: Some(log),
        listeners: Vec::new(),
    };
    match tokio::time::timeout(READY_MAX, launched.hear()).await {
        Err(_) => Err(LaunchError::TimedOut),
        Ok(Some((Told::Ready, descriptors))) => {
            launched.listeners = descriptors.into_iter().map(TcpListener::from).collect();
            Ok(launched)
        }
        Ok(Some((Told::Failed { step, reason }, _))) => Err(LaunchError::Step { step, reason }),
        Ok(_) => Err(LaunchError::Ended),
    }
}

impl Launched {
    /// The helper's process id, as long as it has not ended.
    pub fn helper_id(&self) -> Option<u32> {
        self.helper.id()
    }

    /// What the helper says next; `None` if it is gone.
    async fn hear(&mut self) -> Option<(Told, Vec<OwnedFd>)> {
        let received =
            self.control.async_io(Interest::READABLE, || control::receive(&self.control).map_err(io::Error::from));
        match received.await {
            Ok(Some((message, descriptors))) => match serde_json::from_slice(&message) {
                Ok(told) => Some((told, descriptors)),
                Err(error) => {
                    tracing::warn!(%error, "the sandbox's helper said something that is not understood");
                    None
                }
            },
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "the sandbox's helper cannot be heard");
                None
            }
        }
    }

    /// Waits for the function's end. `None`: the helper is gone without a word, as when it was killed with all the rest.
    pub async fn ended(&mut self) -> Option<Told> {
        self.hear().await.map(|(told, _)| told)
    }

    /// Ends all processes of the function, and waits until the helper is gone.
    pub async fn end(self) {
        let Launched { mut helper, control, namespaces, .. } = self;
        // First the life line: a helper that was just born looks at it.
        drop(control);
        if !namespaces {
            // Without a process namespace the helper has to kill what the function left; that is given time.
            if tokio::time::timeout(Duration::from_secs(5), helper.wait()).await.is_ok() {
                return;
            }
        }
        if let Err(error) = helper.kill().await {
            tracing::warn!(%error, "the sandbox's helper cannot be ended");
        }
    }
}

/// Finds out which layers this machine gives, beginning with all of them.
pub(crate) async fn probe(helper: &Path, plan: &Plan) -> Result<(Layers, Vec<String>), LaunchError> {
    let mut layers = Layers::ALL;
    let mut reasons = Vec::new();
    loop {
        let attempt = Plan { probe: true, layers, ..plan.clone() };
        let (step, reason) = match launch(helper, &attempt, None).await {
            Ok(launched) => {
                launched.end().await;
                return Ok((layers, reasons));
            }
            Err(LaunchError::Step { step, reason }) => (step, reason),
            Err(other) => return Err(other),
        };
        reasons.push(format!("{step}: {reason}"));
        match step.as_str() {
            "landlock" if layers.landlock => layers.landlock = false,
            "seccomp" if layers.seccomp => layers.seccomp = false,
            // Everything else that can fail belongs to the namespaces and what is built in them.
            _ if layers.namespaces => layers.namespaces = false,
            _ => return Err(LaunchError::Step { step, reason }),
        }
    }
}
