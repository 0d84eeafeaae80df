//! Administration over the Unix socket in the data directory: whoever may open it administers the cluster.

mod insights;
mod logs;
mod socket;
mod status;

pub use socket::{SOCKET, Socket};

use crate::{access_key, access_key::KeyPair, admission, credentials::authority};
use stator_catalog::{AccessKey, CatalogRefusal, Change, Secret};
use stator_cluster::{ChangeError, Node};
use stator_environment::Environment;
use stator_invocation::Logs;
use stator_item::NodeId;
use stator_proto::admin::{
    CreateKeyReply, CreateKeyRequest, DeleteKeyReply, DeleteKeyRequest, Digest, DigestsReply, DigestsRequest,
    DisableKeyReply, DisableKeyRequest, DiscoverReply, DiscoverRequest, FindLogsReply, FindLogsRequest, InsightsReply,
    InsightsRequest, JoinSecretReply, JoinSecretRequest, Key, ListKeysReply, ListKeysRequest, ListNodesReply,
    ListNodesRequest, RemoveNodeReply, RemoveNodeRequest, StatusReply, StatusRequest, admin_server, key,
};
use stator_storage::RocksRows;
use stator_transport::JoinSecret;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tonic::{Request, Response, Status};

const CHANGE_MAX: Duration = Duration::from_secs(10);
/// A join secret is handed over by people or by a deployment; a day is enough for either.
const JOIN_SECRET_MS: u64 = 24 * 60 * 60 * 1_000;

/// Most characters of an access key's description.
const KEY_DESCRIPTION_MAX: usize = 256;

/// The service.
pub struct Administration {
    pub node: Arc<Node>,
    pub logs: Arc<Logs>,
    pub environment: Environment,
    pub data: PathBuf,
    pub rows: Arc<RocksRows>,
    pub memory_bytes: u64,
    pub is_tls: bool,
    /// On this node's elapsed clock.
    pub started: Duration,
}

impl Administration {
    async fn change(&self, change: Change) -> Result<(), Status> {
        self.node.change(change, self.node.deadline(CHANGE_MAX)).await.map(|_| ()).map_err(|error| refused(&error))
    }
}

#[tonic::async_trait]
impl admin_server::Admin for Administration {
    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusReply>, Status> {
        Ok(Response::new(self.report(request.into_inner()).await))
    }

    async fn insights(&self, request: Request<InsightsRequest>) -> Result<Response<InsightsReply>, Status> {
        self.insights_of(request.into_inner()).await.map(Response::new)
    }

    async fn find_logs(&self, request: Request<FindLogsRequest>) -> Result<Response<FindLogsReply>, Status> {
        self.logs_of(request.into_inner()).await.map(Response::new)
    }

    async fn list_keys(&self, _request: Request<ListKeysRequest>) -> Result<Response<ListKeysReply>, Status> {
        let keys = self.node.catalog().access_keys().map(shown).collect();
        Ok(Response::new(ListKeysReply { keys }))
    }

    async fn create_key(&self, request: Request<CreateKeyRequest>) -> Result<Response<CreateKeyReply>, Status> {
        let pair = KeyPair::generate(&*self.environment.random);
        let description = request.into_inner().description;
        if description.chars().count() > KEY_DESCRIPTION_MAX {
            return Err(Status::invalid_argument(format!(
                "a description has at most {KEY_DESCRIPTION_MAX} characters"
            )));
        }
        access_key::create(&self.node, &pair, description, false).await.map_err(|error| refused(&error))?;
        let key = self.node.catalog().access_key(&pair.id).map(shown);
        Ok(Response::new(CreateKeyReply { key, secret_access_key: pair.secret.0.to_string() }))
    }

    async fn disable_key(&self, request: Request<DisableKeyRequest>) -> Result<Response<DisableKeyReply>, Status> {
        self.change(Change::SetKey { id: request.into_inner().access_key_id, disabled: true }).await?;
        Ok(Response::new(DisableKeyReply {}))
    }

    async fn delete_key(&self, request: Request<DeleteKeyRequest>) -> Result<Response<DeleteKeyReply>, Status> {
        self.change(Change::DeleteKey { id: request.into_inner().access_key_id }).await?;
        Ok(Response::new(DeleteKeyReply {}))
    }

    async fn list_nodes(&self, _request: Request<ListNodesRequest>) -> Result<Response<ListNodesReply>, Status> {
        let nodes = self.report(StatusRequest { without_partitions: true }).await.nodes;
        Ok(Response::new(ListNodesReply { nodes }))
    }

    async fn remove_node(&self, request: Request<RemoveNodeRequest>) -> Result<Response<RemoveNodeReply>, Status> {
        let id = NodeId(request.into_inner().id);
        let catalog = self.node.catalog();
        let members = catalog.partitions().flat_map(|partition| &partition.members);
        let replicas_lost = members.filter(|member| member.node == id).count() as u64;
        self.change(Change::RemoveNode { id }).await?;
        Ok(Response::new(RemoveNodeReply { replicas_lost }))
    }

    async fn join_secret(&self, _request: Request<JoinSecretRequest>) -> Result<Response<JoinSecretReply>, Status> {
        let mut bytes = [0; 32];
        self.environment.random.fill(&mut bytes);
        let token = Secret(hex::encode(bytes));
        let expires_ms = Some(self.environment.clock.wall_ms() + JOIN_SECRET_MS);
        self.change(Change::AddJoinToken { token: admission::hash(&token.0), expires_ms }).await?;
        let catalog = self.node.catalog();
        let cluster = catalog.identity().ok_or_else(|| Status::unavailable("the cluster is not made yet"))?;
        let authority = authority(cluster).map_err(|error| Status::internal(error.to_string()))?;
        let secret = JoinSecret::new(token.0, authority.fingerprint()).reveal();
        Ok(Response::new(JoinSecretReply { secret }))
    }

    async fn digests(&self, _request: Request<DigestsRequest>) -> Result<Response<DigestsReply>, Status> {
        let node = self.node.clone();
        let digests = tokio::task::spawn_blocking(move || node.digests()).await;
        let digests = digests.map_err(|error| Status::internal(error.to_string()))?;
        let digests = digests.map_err(|error| Status::internal(error.to_string()))?;
        let replicas = digests.into_iter().map(|replica| Digest {
            partition: replica.partition.0,
            replica: replica.replica.0,
            applied_index: replica.digest.position.map_or(0, |position| position.index),
            bytes: replica.digest.bytes,
            hash: format!("{:032x}", replica.digest.hash),
        });
        Ok(Response::new(DigestsReply { replicas: replicas.collect() }))
    }

    async fn discover(&self, _request: Request<DiscoverRequest>) -> Result<Response<DiscoverReply>, Status> {
        let catalog = self.node.catalog();
        let alive = self.node.alive();
        let nodes = catalog.joined_nodes().filter(|node| alive.contains(&node.id));
        Ok(Response::new(DiscoverReply {
            addresses: nodes.map(|node| node.start.client_address.clone()).collect(),
            tls: self.is_tls,
            region: catalog.identity().map(|cluster| cluster.region.clone()).unwrap_or_default(),
        }))
    }
}

fn shown(access_key: &AccessKey) -> Key {
    let status = if access_key.disabled { key::Status::Disabled } else { key::Status::Active };
    Key {
        access_key_id: access_key.id.clone(),
        status: status.into(),
        created_ms: access_key.created_ms,
        description: access_key.description.clone(),
        root: access_key.is_root,
    }
}

fn refused(error: &ChangeError) -> Status {
    match error {
        ChangeError::Refused(reason @ (CatalogRefusal::NoSuchKey(_) | CatalogRefusal::NoSuchNode(_))) => {
            Status::not_found(reason.to_string())
        }
        ChangeError::Refused(reason) => Status::failed_precondition(reason.to_string()),
        ChangeError::DeadlinePassed => Status::unavailable(error.to_string()),
    }
}
