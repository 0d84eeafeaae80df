//! The way to a running node: the socket in its data directory.

use crate::{admin::SOCKET, error::ServerError, settings::Target};
use hyper_util::rt::TokioIo;
use stator_proto::admin::admin_client::AdminClient;
use std::{io, time::Duration};
use tokio::net::UnixStream;
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tower::service_fn;

/// Longer than the node itself tries.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const REPLY_BYTES_MAX: usize = 64 << 20;

/// Connects to the node of that data directory.
pub async fn connect(target: &Target) -> Result<AdminClient<Channel>, ServerError> {
    let path = target.data.join(SOCKET);
    // Tried by itself first, for its error says more than the channel's.
    UnixStream::connect(&path).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ServerError::Administration(format!(
            "no stator runs on the data directory {}: start it, or name another one with --data or STATOR_DATA",
            target.data.display()
        )),
        io::ErrorKind::PermissionDenied => ServerError::Administration(format!(
            "{} may be opened only by the user who runs that stator: call this as that user",
            path.display()
        )),
        _ => ServerError::io(format!("connect to {}", path.display()))(error),
    })?;
    let connector = service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // The name is required and never looked up.
    let endpoint = Endpoint::from_static("http://admin.stator").timeout(ANSWER_MAX);
    let channel = endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|error| ServerError::Administration(error.to_string()))?;
    Ok(AdminClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX))
}

/// The node's own words.
pub fn told(status: Status) -> ServerError {
    ServerError::Administration(status.message().to_owned())
}
