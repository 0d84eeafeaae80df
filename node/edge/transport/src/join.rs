//! Joining: how a node without a certificate gets one.

use crate::{
    dial::{Demand, dial},
    error::TransportError,
    hello::Caller,
    lane::CONNECT_MAX,
    secret::{Fingerprint, JoinSecret},
    security::{certificate, stranger},
};
use rustls_pki_types::ServerName;
use stator_environment::{BoxFuture, Environment};
use stator_proto::join::{JoinReply, JoinRequest, join_client::JoinClient, join_server};
use std::{sync::Arc, time::Duration};
use tonic::{Code, Request, Response, Status};

/// A request and its reply are small, except for the list of nodes.
const REQUEST_BYTES_MAX: usize = 16 << 10;
const REPLY_BYTES_MAX: usize = 1 << 20;

/// What a joining node has to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Nothing: it is on the machine of this node, which listens there only.
    Loopback,
    /// A token that the cluster gave out, in the request.
    Token,
}

/// Why a node may not join.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The token is not right.
    WrongToken,
    /// The cluster cannot take this node; a sentence says why.
    Impossible(String),
    /// Not now, or not by this node.
    Later(String),
}

/// Decides who joins, and makes it a node.
pub trait Admission: Send + Sync + 'static {
    /// Checks the token if `trust` demands one, gives the node its id, and signs its certificate.
    fn admit(&self, request: JoinRequest, trust: Trust) -> BoxFuture<'static, Result<JoinReply, Refusal>>;
}

/// Asks the node at HOST:PORT to be let into its cluster, for at most `deadline`. Sets the request's token from the secret.
///
/// With a secret the connection is TLS, and the node must have a certificate of the secret's authority; without one both
/// must be on loopback.
pub async fn join(
    environment: &Environment,
    address: &str,
    secret: Option<&JoinSecret>,
    mut request: JoinRequest,
    deadline: Duration,
) -> Result<JoinReply, TransportError> {
    let demand = match secret {
        Some(secret) => {
            request.token = secret.token.clone();
            as_stranger(secret.fingerprint)?
        }
        None => Demand::Loopback,
    };
    if secret.is_none() && beyond_loopback(address).await {
        return Err(TransportError::SecretNeeded(address.to_owned()));
    }
    let unreachable = |reason: String| TransportError::JoinUnreachable { address: address.to_owned(), reason };
    let attempt = async {
        let dialled = environment.timeout(CONNECT_MAX, dial(demand, address)).await;
        let channel = dialled
            .ok_or_else(|| unreachable("no connection in time".to_owned()))?
            .map_err(|error| failed(address, &error))?;
        let mut client = JoinClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX);
        client.join(request).await.map(Response::into_inner).map_err(|status| refused(address, &status))
    };
    let outcome =
        environment.timeout(deadline, attempt).await.ok_or_else(|| unreachable("no answer in time".to_owned()))?;
    let reply = match outcome {
        // It may have broken off because it expects TLS: then no other try will do better.
        Err(TransportError::JoinUnreachable { .. }) if secret.is_none() && speaks_tls(environment, address).await => {
            return Err(TransportError::SecretNeeded(address.to_owned()));
        }
        outcome => outcome?,
    };
    if let Some(secret) = secret
        && Fingerprint::of(&certificate(&reply.ca_pem)?) != secret.fingerprint
    {
        let reason = "the node gave out the certificate of another authority".to_owned();
        return Err(TransportError::SecretWrong { address: address.to_owned(), reason });
    }
    Ok(reply)
}

/// Unknown names are left to the attempt itself.
async fn beyond_loopback(address: &str) -> bool {
    match tokio::net::lookup_host(address).await {
        Ok(mut found) => found.any(|found| !found.ip().is_loopback()),
        Err(_) => false,
    }
}

/// TLS without a certificate of our own, with whoever has one of that authority.
fn as_stranger(fingerprint: Fingerprint) -> Result<Demand, TransportError> {
    let any_name = ServerName::try_from("node.stator").expect("a constant that is a name");
    Ok(Demand::Tls(stranger(fingerprint)?, any_name))
}

/// Whether the node answers a TLS handshake as such, whatever its certificate.
async fn speaks_tls(environment: &Environment, address: &str) -> bool {
    let Ok(demand) = as_stranger(Fingerprint::of(&[])) else { return false };
    match environment.timeout(CONNECT_MAX, dial(demand, address)).await {
        Some(Err(error)) => tls_error(&error).is_some_and(|error| !matches!(error, rustls::Error::InvalidMessage(_))),
        Some(Ok(_)) => true,
        None => false,
    }
}

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn failed(address: &str, error: &std::io::Error) -> TransportError {
    let address = address.to_owned();
    match tls_error(error) {
        Some(rustls::Error::General(reason)) => TransportError::JoinUnreachable { address, reason: reason.clone() },
        Some(rustls::Error::InvalidMessage(_)) => {
            let reason = "the node speaks without TLS: it is on loopback, where no join secret is needed".to_owned();
            TransportError::JoinRefused { address, reason }
        }
        _ => TransportError::JoinUnreachable { address, reason: error.to_string() },
    }
}

/// Whether somebody answered who knows nothing of joining, such as the port for clients.
fn is_no_join(status: &Status) -> bool {
    status.code() == Code::Unimplemented || status.message().contains("invalid compression flag")
}

fn refused(address: &str, status: &Status) -> TransportError {
    let (address, reason) = (address.to_owned(), status.message().to_owned());
    match status.code() {
        Code::PermissionDenied => TransportError::SecretWrong { address, reason },
        Code::FailedPrecondition => TransportError::JoinRefused { address, reason },
        // The second is how another server's page reads as a message.
        Code::Unimplemented | Code::Internal if is_no_join(status) => {
            let reason = "nodes do not join there: give the address that the node shows for other nodes".to_owned();
            TransportError::JoinRefused { address, reason }
        }
        _ => TransportError::JoinUnreachable { address, reason },
    }
}

/// The gRPC service.
pub(crate) struct Joiner {
    admission: Arc<dyn Admission>,
}

/// The service as it is added to the server.
pub(crate) fn service(admission: Arc<dyn Admission>) -> join_server::JoinServer<Joiner> {
    join_server::JoinServer::new(Joiner { admission }).max_decoding_message_size(REQUEST_BYTES_MAX)
}

#[tonic::async_trait]
impl join_server::Join for Joiner {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let trust = match request.extensions().get::<Caller>() {
            Some(Caller::Known) => Trust::Loopback,
            Some(Caller::Stranger | Caller::Proven(_)) | None => Trust::Token,
        };
        let outcome = self.admission.admit(request.into_inner(), trust).await;
        outcome.map(Response::new).map_err(|refusal| match refusal {
            Refusal::WrongToken => Status::permission_denied("the join secret is not (or no longer) valid"),
            Refusal::Impossible(reason) => Status::failed_precondition(reason),
            Refusal::Later(reason) => Status::unavailable(reason),
        })
    }
}
