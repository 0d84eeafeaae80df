//! Lets nodes join: the catalog decides, the cluster's authority signs.

use crate::{credentials::authority, identity::cluster_name, membership::FORMAT_NEWEST};
use sha2::{Digest, Sha256};
use stator_catalog::{Change, JoinTokenHash, NodeStart, Outcome};
use stator_cluster::{ChangeError, Node};
use stator_environment::BoxFuture;
use stator_item::NodeId;
use stator_transport::{Admission, JoinReply, JoinRequest, JoinedNode, Refusal, Trust};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

const ADMIT_MAX: Duration = Duration::from_secs(8);

/// Answers once the node has started; it listens sooner, as other nodes have to reach it to let it start.
#[derive(Default)]
pub struct Doorkeeper {
    node: OnceLock<Arc<Node>>,
}

impl Doorkeeper {
    /// The node has started.
    pub fn begin(&self, node: Arc<Node>) {
        // Called once; a second node in one process would be our mistake and changes nothing.
        let _ = self.node.set(node);
    }
}

impl Admission for Doorkeeper {
    fn admit(&self, request: JoinRequest, trust: Trust) -> BoxFuture<'static, Result<JoinReply, Refusal>> {
        let node = self.node.get().cloned();
        Box::pin(async move {
            let node = node.ok_or_else(|| Refusal::Later("the node is still starting".to_owned()))?;
            admit(&node, request, trust).await
        })
    }
}

async fn admit(node: &Node, request: JoinRequest, trust: Trust) -> Result<JoinReply, Refusal> {
    let directory = <[u8; 16]>::try_from(&request.attempt_id[..])
        .map_err(|_| Refusal::Impossible("the attempt's id must have 16 bytes".to_owned()))?;
    let token = match trust {
        Trust::Loopback => None,
        Trust::Token => Some(hash(&request.token)),
    };
    let start = NodeStart {
        directory: u128::from_be_bytes(directory),
        // Its first start counts from one.
        start_counter: 0,
        peer_address: request.advertised_address,
        client_address: request.client_address,
        zone: request.zone,
        version: request.version,
        format: FORMAT_NEWEST,
    };
    let change = Change::AddNode { node: start, token };
    let outcome = node.change(change, node.deadline(ADMIT_MAX)).await.map_err(refusal)?;
    let Outcome::Node(id) = outcome else {
        return Err(Refusal::Later(format!("the catalog answered {outcome:?}")));
    };
    reply(node, id, &request.public_key)
}

fn reply(node: &Node, id: NodeId, public_key: &[u8]) -> Result<JoinReply, Refusal> {
    let catalog = node.catalog();
    let cluster = catalog.identity().ok_or_else(|| Refusal::Later("the cluster is not made yet".to_owned()))?;
    let signed = authority(cluster).and_then(|authority| {
        let certificate = authority.sign(id, public_key)?;
        Ok((authority.certificate_pem().to_owned(), certificate))
    });
    let (ca_pem, certificate_pem) = signed.map_err(|error| Refusal::Impossible(error.to_string()))?;
    let others = catalog.joined_nodes().filter(|other| other.id != id);
    let nodes = others.map(|other| JoinedNode {
        id: other.id.0,
        address: other.start.peer_address.clone(),
        zone: other.start.zone.clone(),
    });
    Ok(JoinReply {
        cluster_id: cluster_name(cluster.cluster_id),
        node_id: id.0,
        ca_pem,
        certificate_pem,
        region: cluster.region.clone(),
        account_id: cluster.account_id.clone(),
        nodes: nodes.collect(),
    })
}

/// How the catalog knows a join token.
pub fn hash(token: &str) -> JoinTokenHash {
    JoinTokenHash(Sha256::digest(token.as_bytes()).into())
}

fn refusal(error: ChangeError) -> Refusal {
    match error {
        ChangeError::Refused(stator_catalog::CatalogRefusal::BadJoinToken) => Refusal::WrongToken,
        ChangeError::Refused(reason) => Refusal::Impossible(reason.to_string()),
        ChangeError::DeadlinePassed => Refusal::Later("the catalog did not answer in time".to_owned()),
    }
}
