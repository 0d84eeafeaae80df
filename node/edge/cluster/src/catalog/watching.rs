//! A node without a replica of the catalog asks others for theirs, and takes its seat when the catalog gives it one.

use super::{
    client::{CatalogClient, Seat},
    machine::{CatalogMachine, Place},
    messages::{Answer, Message, decode, encode},
};
use crate::error::ClusterError;
use stator_catalog::{Catalog, FIRST_NODE, FIRST_REPLICA};
use stator_consensus::Groups;
use stator_environment::{Rows, Service};
use stator_item::{NodeId, PartitionId};
use std::{sync::Arc, time::Duration};

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
        if let Some(place) = place {
            self.take_seat(machine, place).await?;
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
            if let Err(error) = self.keep_seat().await {
                tracing::error!(%error, "the catalog's replica cannot be opened or closed here");
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
                let machine = CatalogMachine::open(self.rows.clone(), self.client.copy.clone())?;
                self.take_seat(machine, place).await
            }
            (Some(seat), wanted)
                if catalog.revision() >= seat.since
                    && wanted.map(|place| place.replica) != Some(seat.group.replica()) =>
            {
                *self.client.seat.write() = None;
                seat.group.close().await;
                CatalogMachine::forget(&*self.rows)?;
                self.groups.remove(seat.group.replica()).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether the group does not (or not yet) bring the catalog here.
    fn is_behind(&self) -> bool {
        self.client.seat().is_none_or(|seat| seat.machine.revision() < self.client.copy.revision())
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

/// This node's place in the catalog's group, as its members or the plan for them say.
fn own_place(catalog: &Catalog, node: NodeId) -> Option<Place> {
    let planned = catalog.plan(PartitionId::CATALOG).map(|plan| plan.members.as_slice()).unwrap_or_default();
    let members = catalog.partition(PartitionId::CATALOG).map(|group| group.members.as_slice()).unwrap_or_default();
    let own = members.iter().chain(planned).find(|member| member.node == node)?;
    Some(Place { replica: own.replica, since: catalog.revision() })
}
