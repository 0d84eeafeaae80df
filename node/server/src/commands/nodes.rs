//! `stator nodes`: who belongs to the cluster.

use super::connection::{connect, told};
use crate::{
    error::ServerError,
    settings::{NodesCommand, Target},
    show,
};
use stator_proto::admin::{ListNodesRequest, RemoveNodeRequest};

pub async fn run(command: NodesCommand, target: Target) -> Result<(), ServerError> {
    let mut admin = connect(&target).await?;
    match command {
        NodesCommand::List => {
            let nodes = admin.list_nodes(ListNodesRequest {}).await.map_err(told)?.into_inner().nodes;
            show::nodes(&nodes);
        }
        NodesCommand::Remove { id } => {
            let reply = admin.remove_node(RemoveNodeRequest { id }).await.map_err(told)?.into_inner();
            show::line(&format!(
                "node {id} is removed; its {} replicas go to other nodes as soon as there are some",
                reply.replicas_lost
            ));
        }
    }
    Ok(())
}
