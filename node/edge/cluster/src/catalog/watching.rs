//! A node without a replica of the catalog asks others for theirs, and takes its seat when the catalog gives it one.

use super::{
    client::{CatalogClient, Seat},
    machine::{CatalogMachine, Place},
    messages::{Answer, Message, decode, encode},
};
use crate::{door::Deadline, error::ClusterError};
use stator_catalog::{Catalog, Change, FIRST_NODE, FIRST_REPLICA, Role};
use stator_consensus::{ConsensusError, Groups};
use stator_environment::{RaftLog, ReplicaLogState, Rows, Service};
use stator_item::{NodeId, PartitionId, ReplicaId};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// One question; the other side waits half as long for something new.
const ASK_MAX: Duration = Duration::from_secs(4);
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(2);
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// For so long a seat may leave this node with a copy older than another node's.
const FED_WITHIN: Duration = Duration::from_secs(2);

pub(crate) struct Watching {
    pub client: Arc<CatalogClient>,
    pub groups: Arc<Groups>,
    pub rows: Arc<dyn Rows>,
    pub log: Arc<dyn RaftLog>,
    /// Told why the node must stop, when its disk cannot be trusted any more.
    pub failure: Arc<watch::Sender<Option<String>>>,
}

impl Watching {
    /// Opens what this node has of the catalog: its own replica if it ever had one, or the first one of a new cluster.
    pub async fn begin(&self) -> Result<(), ClusterError> {
        let machine = CatalogMachine::open(self.rows.clone(), self.client.copy.clone())?;
        let catalog = self.client.copy.catalog();
        let is_founder = self.client.node == FIRST_NODE && catalog.identity().is_none();
        let place = match CatalogMachine::place(&*self.rows)? {
            None if is_founder => Some(Place { replica: FIRST_REPLICA, since: 1 }),
            None => own_place(&catalog, self.client.node),
            place => place,
        };
        match place {
            Some(place) if self.has_lost_log(&machine, place.replica) => {
                match has_other_voter(&catalog, self.client.node) {
                    true => Ok(()),
                    false => Err(ClusterError::LogGone),
                }
            }
            Some(place) => self.take_seat(machine, place).await,
            None => Ok(()),
        }
    }

    /// A replica with state and no log at all may have forgotten a vote: it must not come back under its id.
    fn has_lost_log(&self, machine: &CatalogMachine, replica: ReplicaId) -> bool {
        machine.has_applied() && self.log.state(replica) == ReplicaLogState::default()
    }

    /// Tells the catalog that this replica of it is gone, so that another comes in its place.
    async fn give_up(&self, replica: ReplicaId) -> Result<(), ClusterError> {
        if !self.client.copy.catalog().is_lost(replica) {
            tracing::error!(%replica, "the log of the catalog is gone here; its replica gives up its place");
            let deadline = Deadline(self.client.environment.clock.elapsed() + ASK_MAX);
            self.client.change(Change::ReplicaLost { replica }, deadline).await?;
        }
        Ok(())
    }

    async fn take_seat(&self, machine: Arc<CatalogMachine>, place: Place) -> Result<(), ClusterError> {
        CatalogMachine::remember_place(&*self.rows, place)?;
        let group = self.groups.open(PartitionId::CATALOG, place.replica, machine.clone()).await?;
        *self.client.seat.write() = Some(Seat { group, machine, since: place.since });
        Ok(())
    }

    /// Runs for as long as the node does.
    pub async fn run(self) {
        let mut changes = self.client.copy.subscribe();
        loop {
            match self.keep_seat().await {
                Ok(()) => {}
                Err(ClusterError::Disk(error) | ClusterError::Consensus(ConsensusError::Disk(error))) => {
                    let reason = format!("the catalog's replica cannot be opened or closed here: {error}");
                    self.failure.send_replace(Some(reason));
                    return;
                }
                Err(error) => tracing::error!(%error, "the catalog's replica cannot be opened or closed here"),
            }
            if self.is_behind() {
                if !self.ask().await {
                    self.client.environment.sleep(RETRY_AFTER).await;
                }
                continue;
            }
            let heard = self.client.copy.heard();
            match self.client.environment.timeout(FED_WITHIN, changes.changed()).await {
                Some(Ok(())) => {}
                Some(Err(_)) => return,
                // Whoever was taken out of the group is not told so by the group.
                None if self.client.copy.revision() < heard => _ = self.ask().await,
                None => {}
            }
        }
    }

    /// The seat follows what the catalog says.
    async fn keep_seat(&self) -> Result<(), ClusterError> {
        let catalog = self.client.copy.catalog();
        let wanted = own_place(&catalog, self.client.node);
        match (self.client.seat(), wanted) {
            (None, Some(place)) => {
                let own = CatalogMachine::place(&*self.rows)?;
                if let Some(given_up) = own.filter(|own| own.replica != place.replica) {
                    self.leave(given_up.replica).await?;
                }
                let machine = CatalogMachine::open(self.rows.clone(), self.client.copy.clone())?;
                match self.has_lost_log(&machine, place.replica) {
                    true => self.give_up(place.replica).await,
                    false => self.take_seat(machine, place).await,
                }
            }
            (Some(seat), wanted)
                if catalog.revision() >= seat.since
                    && wanted.map(|place| place.replica) != Some(seat.group.replica()) =>
            {
                *self.client.seat.write() = None;
                seat.group.close().await;
                self.leave(seat.group.replica()).await
            }
            _ => Ok(()),
        }
    }

    /// Removes what this node has of a replica of the catalog that does not run.
    async fn leave(&self, replica: ReplicaId) -> Result<(), ClusterError> {
        CatalogMachine::forget(&*self.rows)?;
        self.groups.remove(replica).await?;
        Ok(())
    }

    /// Whether the group does not (or not yet) bring the catalog here. Of a seat that is only planned it brings nothing.
    fn is_behind(&self) -> bool {
        let known = self.client.copy.revision();
        self.client.seat().is_none_or(|seat| seat.machine.revision() < known.max(seat.since))
    }

    async fn ask(&self) -> bool {
        let client = &self.client;
        let message = encode(&Message::Watch { newer_than: client.copy.revision() });
        let catalog = client.copy.catalog();
        let members = catalog.partition(PartitionId::CATALOG).map(|group| group.members.clone()).unwrap_or_default();
        let nodes: Vec<NodeId> =
            members.iter().map(|member| member.node).chain(client.contacts.iter().copied()).collect();
        for node in nodes.into_iter().filter(|node| *node != client.node) {
            let reply = client.network.call(node, Service::Catalog, message.clone(), ASK_MAX).await;
            match reply.ok().and_then(|bytes| decode::<Answer>(&bytes)) {
                Some(Answer::Catalog(Some(bytes))) => match Catalog::decode(&bytes) {
                    Ok(catalog) => {
                        client.copy.publish(&catalog);
                        return true;
                    }
                    Err(error) => tracing::error!(%error, %node, "a catalog cannot be read"),
                },
                Some(Answer::Catalog(None)) => return true,
                _ => {}
            }
        }
        false
    }
}

fn has_other_voter(catalog: &Catalog, node: NodeId) -> bool {
    let members = catalog.partition(PartitionId::CATALOG).map(|group| group.members.as_slice()).unwrap_or_default();
    members.iter().any(|member| member.role == Role::Voter && member.node != node)
}

/// This node's place in the catalog's group.
fn own_place(catalog: &Catalog, node: NodeId) -> Option<Place> {
    let own = catalog.member_on(PartitionId::CATALOG, node)?;
    Some(Place { replica: own.replica, since: catalog.revision() })
}
