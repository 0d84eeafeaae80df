//! What ends a node: a signal, or the word that it must not go on.

use crate::error::ServerError;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

/// SIGTERM and SIGINT of this process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals no longer end the process by themselves.
    pub fn listen() -> Result<Signals, ServerError> {
        let listen = |kind| signal(kind).map_err(ServerError::io("listen to signals"));
        Ok(Signals { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// A second signal ends the process at once, whatever is still to be done.
    pub fn exit_at_next(mut self) {
        tokio::spawn(async move {
            self.next().await;
            std::process::exit(1);
        });
    }
}

/// Waits until something that cannot be mended is told.
pub async fn failed(failure: &mut watch::Receiver<Option<String>>) -> String {
    match failure.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        // Nobody is left who could tell; the node is closing.
        Err(_) => std::future::pending().await,
    }
}
