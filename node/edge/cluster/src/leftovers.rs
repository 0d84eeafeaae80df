//! What partitions that are gone have left on this node, while it was down or as it died: found and removed once, after a start.
//!
//! Guarantees: nothing is removed that the catalog, as its leader has it now, still gives this node.

use crate::{door::Deadline, host::Host};
use bytes::Bytes;
use stator_catalog::Catalog;
use stator_consensus::ConsensusError;
use stator_environment::{Direction, DiskError, Family, KeyRange, Rows};
use stator_item::{PartitionId, ReplicaId};
use std::{collections::BTreeSet, ops::ControlFlow, time::Duration};

const CATALOG_MAX: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs once: waits for the catalog of now, then removes what it does not know.
pub(crate) async fn remove_leftovers(host: std::sync::Arc<Host>) {
    loop {
        let environment = &host.parts.environment;
        let deadline = Deadline(environment.clock.elapsed() + CATALOG_MAX);
        if host.client.refresh(deadline).await.is_ok() {
            match remove_all(&host).await {
                Ok(()) => return,
                Err(ConsensusError::Disk(error)) => {
                    let reason = format!("what deleted tables have left cannot be removed: {error}");
                    host.parts.failure.send_replace(Some(reason));
                    return;
                }
                Err(error) => tracing::warn!(%error, "what deleted tables have left could not be removed yet"),
            }
        }
        environment.sleep(RETRY_AFTER).await;
    }
}

/// What is stored is listed before the catalog is looked at: a partition that begins meanwhile is known by then.
async fn remove_all(host: &Host) -> Result<(), ConsensusError> {
    let (partitions, replicas) = (stored_partitions(&*host.parts.rows)?, host.log.replicas());
    let catalog = host.client.copy.catalog();
    for partition in partitions.into_iter().filter(|partition| catalog.partition(*partition).is_none()) {
        if host.replica(partition).is_none()
            && let Some(description) = stator_replica::stored_description(&*host.parts.rows, partition)?
        {
            tracing::info!(%partition, "removing what a partition that is gone has left");
            stator_replica::remove(&*host.parts.rows, &description)?;
        }
    }
    let known = known_replicas(&catalog, host);
    for replica in replicas.into_iter().filter(|replica| !known.contains(replica)) {
        tracing::info!(%replica, "removing the log of a replica that is gone");
        host.parts.groups.remove(replica).await?;
    }
    Ok(())
}

/// Replicas that may have a log here: this node's, by the catalog, and all that run.
fn known_replicas(catalog: &Catalog, host: &Host) -> BTreeSet<ReplicaId> {
    let members = catalog.partitions().flat_map(|partition| partition.members.iter());
    let planned = catalog.plans().flat_map(|(_, plan)| plan.members.iter());
    let running = host.parts.groups.groups().into_iter().map(|group| group.replica());
    members.chain(planned).map(|member| member.replica).chain(running).collect()
}

/// The partitions that have state rows here, the catalog's apart.
fn stored_partitions(rows: &dyn Rows) -> Result<Vec<PartitionId>, DiskError> {
    let view = rows.view()?;
    let mut found = Vec::new();
    let mut next = PartitionId::CATALOG.0 + 1;
    loop {
        let range = KeyRange { start: Bytes::copy_from_slice(&next.to_be_bytes()), end: None };
        let mut first = None;
        view.scan(Family::State, &range, Direction::Forward, &mut |key, _| {
            first = key.first_chunk::<8>().map(|id| u64::from_be_bytes(*id));
            ControlFlow::Break(())
        })?;
        let Some(id) = first else { return Ok(found) };
        found.push(PartitionId(id));
        let Some(after) = id.checked_add(1) else { return Ok(found) };
        next = after;
    }
}
