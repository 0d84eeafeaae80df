//! How a node comes to its cluster: it makes one, joins one, or is in one already. And how it keeps what it knows of it.

use crate::{
    assembly::{Blueprint, Joining},
    credentials::CredentialFiles,
    error::ServerError,
    identity::{Identity, IdentityFile, Membership, State, cluster_name},
    settings::Place,
};
use stator_catalog::{ClusterIdentity, FIRST_NODE, NodeStart, NodeState};
use stator_cluster::{Deadline, Node};
use stator_environment::{Environment, Network};
use stator_storage::DataDirectory;
use stator_transport::{JoinReply, JoinRequest, NodeKey, Security, TonicNetwork, TransportError, join};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Newest format of stored and sent data that this program reads.
pub const FORMAT_NEWEST: u32 = 1;

const REGION_DEFAULT: &str = "us-east-1";
const ACCOUNT_DEFAULT: &str = "000000000000";
/// For so long a node tries to join through one that does not answer: it may be starting, too.
const JOIN_MAX: Duration = Duration::from_secs(60);
const JOIN_ATTEMPT_MAX: Duration = Duration::from_secs(10);
const JOIN_PAUSE: Duration = Duration::from_millis(500);

/// `host:port` of this node, for others.
pub struct Addresses {
    pub peer: String,
    pub client: String,
}

/// A node that knows its cluster, and whose start is counted on disk.
pub struct Standing {
    file: IdentityFile,
    credentials: CredentialFiles,
    identity: Identity,
    pub member: Membership,
}

impl Standing {
    /// Finds out, or makes, what this node is.
    pub async fn reach(
        blueprint: &Blueprint,
        directory: &DataDirectory,
        addresses: &Addresses,
        environment: &Environment,
    ) -> Result<Standing, ServerError> {
        let file = IdentityFile::of(directory.path());
        let credentials = CredentialFiles::of(directory.path());
        let mut identity = match file.load()? {
            Some(identity) => identity,
            None if directory.rows_path().join("CURRENT").exists() => return Err(file.missing().into()),
            None => {
                let identity = Identity { directory: environment.random.next_u128(), starts: 0, member: None };
                file.save(&identity)?;
                identity
            }
        };
        let joining = blueprint.peers.as_ref().and_then(|peers| peers.join.as_ref());
        let member = match (identity.member.take(), joining) {
            (Some(member), _) => member,
            (None, None) => found(&blueprint.place, &credentials, environment)?,
            (None, Some(joining)) => {
                let request = JoinRequest {
                    advertised_address: addresses.peer.clone(),
                    client_address: addresses.client.clone(),
                    zone: blueprint.zone.clone(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    attempt_id: identity.directory.to_be_bytes().to_vec().into(),
                    ..JoinRequest::default()
                };
                join_through(joining, request, &credentials, environment).await?
            }
        };
        check_place(&member, &blueprint.place)?;
        if blueprint.peers.is_none() && !(member.node() == FIRST_NODE && member.contacts.is_empty()) {
            return Err(ServerError::Usage(format!(
                "{} holds a node of a cluster of several nodes: start it with `stator start`",
                directory.path().display()
            )));
        }
        identity.starts += 1;
        identity.member = Some(member.clone());
        file.save(&identity)?;
        Ok(Standing { file, credentials, identity, member })
    }

    pub fn transport_identity(&self) -> stator_transport::Identity {
        stator_transport::Identity {
            cluster: self.member.cluster_name(),
            node: self.member.node(),
            start: self.identity.starts,
        }
    }

    /// On loopback nodes prove nothing to each other, unless a secret was asked for once.
    pub fn security(&self, is_beyond_loopback: bool) -> Result<Security, ServerError> {
        if is_beyond_loopback || self.member.joined_with_secret {
            self.credentials.security()
        } else {
            Ok(Security::Loopback)
        }
    }

    /// What makes the cluster, as long as it may not be made.
    pub fn founder(&self) -> Result<Option<ClusterIdentity>, ServerError> {
        if self.member.state == State::Joined {
            return Ok(None);
        }
        Ok(Some(ClusterIdentity {
            cluster_id: self.member.cluster,
            region: self.member.region.clone(),
            account_id: self.member.account_id.clone(),
            authority: self.credentials.authority()?,
        }))
    }

    /// What the node says of itself at this start.
    pub fn node_start(&self, addresses: Addresses, zone: String) -> NodeStart {
        NodeStart {
            directory: self.identity.directory,
            start_counter: self.identity.starts,
            peer_address: addresses.peer,
            client_address: addresses.client,
            zone,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            format: FORMAT_NEWEST,
        }
    }

    /// The cluster knows the node.
    pub fn joined(&mut self) -> Result<(), ServerError> {
        if self.member.state == State::Founding {
            self.member.state = State::Joined;
            self.keep()?;
        }
        self.credentials.hand_over()
    }

    fn keep(&mut self) -> Result<(), ServerError> {
        self.identity.member = Some(self.member.clone());
        Ok(self.file.save(&self.identity)?)
    }

    /// Runs for as long as the node does: keeps addresses for the next start, and shuts out who was removed.
    pub async fn follow(
        mut self,
        node: Arc<Node>,
        network: Arc<TonicNetwork>,
        failure: Arc<watch::Sender<Option<String>>>,
    ) {
        loop {
            let catalog = node.catalog();
            let mut contacts = BTreeMap::new();
            for other in catalog.nodes() {
                match other.state {
                    NodeState::Removed if other.id == node.id() => {
                        failure.send_replace(Some("this node was removed from the cluster; to come back it has to join with an empty directory".to_owned()));
                    }
                    NodeState::Removed => network.forget(other.id),
                    NodeState::Joined if other.id == node.id() => {}
                    NodeState::Joined => {
                        network.require_start(other.id, other.start.start_counter);
                        contacts.insert(other.id.to_string(), other.start.peer_address.clone());
                    }
                }
            }
            if contacts != self.member.contacts {
                self.member.contacts = contacts;
                if let Err(error) = self.keep() {
                    tracing::error!("{}", error.explain());
                }
            }
            let seen = catalog.revision();
            node.catalog_becomes(|catalog| catalog.revision() > seen, Deadline(Duration::MAX)).await;
        }
    }
}

fn found(place: &Place, credentials: &CredentialFiles, environment: &Environment) -> Result<Membership, ServerError> {
    let cluster = environment.random.next_u128();
    credentials.found(&cluster_name(cluster))?;
    Ok(Membership {
        cluster,
        node: FIRST_NODE.0,
        region: place.region.clone().unwrap_or_else(|| REGION_DEFAULT.to_owned()),
        account_id: place.account_id.clone().unwrap_or_else(|| ACCOUNT_DEFAULT.to_owned()),
        state: State::Founding,
        joined_with_secret: false,
        contacts: BTreeMap::new(),
    })
}

async fn join_through(
    joining: &Joining,
    mut request: JoinRequest,
    credentials: &CredentialFiles,
    environment: &Environment,
) -> Result<Membership, ServerError> {
    let key = NodeKey::generate()?;
    request.public_key = key.public_key.clone().into();
    let until = environment.clock.elapsed() + JOIN_MAX;
    let reply = loop {
        let attempt = join(environment, &joining.address, joining.secret.as_ref(), request.clone(), JOIN_ATTEMPT_MAX);
        match attempt.await {
            Ok(reply) => break reply,
            Err(error @ TransportError::JoinUnreachable { .. }) if environment.clock.elapsed() < until => {
                let hint = if joining.secret.is_none() { " (beyond loopback it wants --join-secret-file)" } else { "" };
                tracing::warn!("{error}{hint}; trying again");
                environment.sleep(JOIN_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    credentials.save(&reply.ca_pem, &reply.certificate_pem, &key.key_pem)?;
    membership(reply, joining)
}

fn membership(reply: JoinReply, joining: &Joining) -> Result<Membership, ServerError> {
    let cluster = u128::from_str_radix(&reply.cluster_id, 16)
        .map_err(|_| ServerError::Administration("the cluster's id is not hexadecimal".to_owned()))?;
    tracing::info!(node = reply.node_id, cluster = reply.cluster_id, "joined");
    Ok(Membership {
        cluster,
        node: reply.node_id,
        region: reply.region,
        account_id: reply.account_id,
        state: State::Joined,
        joined_with_secret: joining.secret.is_some(),
        contacts: reply.nodes.into_iter().map(|node| (node.id.to_string(), node.address)).collect(),
    })
}

fn check_place(member: &Membership, place: &Place) -> Result<(), ServerError> {
    let check = |flag: &str, asked: &Option<String>, fixed: &str| match asked {
        Some(asked) if asked != fixed => Err(ServerError::Usage(format!(
            "{flag} {asked}: the cluster's first start fixed it as {fixed}; leave the setting out, or begin a new cluster in \
             another data directory"
        ))),
        _ => Ok(()),
    };
    check("--region", &place.region, &member.region)?;
    check("--account-id", &place.account_id, &member.account_id)
}

/// Tells the network where the nodes known from before are.
pub fn introduce(network: &TonicNetwork, member: &Membership) {
    for (node, address) in member.contacts() {
        network.introduce(node, address);
    }
}
