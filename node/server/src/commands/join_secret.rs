//! `stator join-secret`: what a node on another machine needs to join.

use super::connection::{connect, told};
use crate::{error::ServerError, settings::Target, show};
use stator_proto::admin::JoinSecretRequest;

pub async fn run(target: Target) -> Result<(), ServerError> {
    let reply = connect(&target).await?.join_secret(JoinSecretRequest {}).await.map_err(told)?.into_inner();
    // Alone on the standard output: it can be sent straight into a file.
    show::line(&reply.secret);
    Ok(())
}
