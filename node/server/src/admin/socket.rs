//! The Unix socket: served by the node, mode 0600 in a directory of mode 0700.

use super::Administration;
use crate::error::ServerError;
use futures::stream;
use stator_proto::admin::admin_server::AdminServer;
use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tokio::{net::UnixListener, sync::oneshot, task::JoinHandle};

/// Its name in the data directory.
pub const SOCKET: &str = "admin.sock";

/// Served until it is closed.
pub struct Socket {
    path: PathBuf,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Socket {
    /// The directory's lock is held: a socket that lies there is left over from a process that is gone.
    pub fn serve(data: &Path, administration: Administration) -> Result<Socket, ServerError> {
        let path = data.join(SOCKET);
        let failed = || ServerError::io(format!("listen for administration on {}", path.display()));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed()(error)),
            _ => {}
        }
        let listener = UnixListener::bind(&path).map_err(failed())?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed())?;
        let incoming = stream::unfold(listener, |listener| async {
            let accepted = listener.accept().await.map(|(stream, _)| stream);
            Some((accepted, listener))
        });
        let (stop, stopped) = oneshot::channel();
        let service = AdminServer::new(administration);
        let serving = tokio::spawn(async move {
            let stopped = async {
                // Dropped or sent: either way it is over.
                let _ = stopped.await;
            };
            let server = tonic::transport::Server::builder();
            if let Err(error) = server.serve_with_incoming_shutdown(service, incoming, stopped).await {
                tracing::error!(%error, "administration ended");
            }
        });
        Ok(Socket { path, stop, serving })
    }

    /// Answers what is under way, then goes.
    pub async fn close(self) {
        let _ = self.stop.send(());
        let _ = self.serving.await;
        // A left-over is removed by the next start.
        let _ = fs::remove_file(&self.path);
    }
}
