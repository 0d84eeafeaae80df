//! Answers other nodes' questions (`Service::Catalog`), and tells what runs here.

use crate::{
    catalog::{Answer, CatalogClient, Message, ReplicaReport, Report, WAIT_MAX, decode, encode},
    host::Host,
    members::{change_members, hand_over},
};
use bytes::Bytes;
use stator_consensus::{Digest, Group, StateMachine, Wakefulness};
use stator_environment::{BoxFuture, DiskError, Family, Handler, KeyRange};
use stator_item::{IndexNumber, NodeId, PartitionId, ReplicaId};
use stator_replica::Wanting;
use std::{sync::Arc, time::Duration};

/// How long a question to the catalog's leader may take here; the asking node gives up sooner.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(crate) struct CatalogHandler {
    pub client: Arc<CatalogClient>,
    pub host: Arc<Host>,
}

impl Handler for CatalogHandler {
    fn handle(&self, _from: NodeId, body: Bytes) -> BoxFuture<'static, Result<Bytes, String>> {
        let (client, host) = (self.client.clone(), self.host.clone());
        Box::pin(async move {
            let message = decode::<Message>(&body).ok_or("a message about the catalog is unreadable")?;
            Ok(encode(&answer(&client, &host, message).await))
        })
    }
}

async fn answer(client: &CatalogClient, host: &Host, message: Message) -> Answer {
    match message {
        Message::Change(_) | Message::Revision => client.answer_as_leader(&message, ANSWER_MAX).await,
        Message::Watch { newer_than } => {
            client.copy.reaches(newer_than.saturating_add(1), WAIT_MAX).await;
            let catalog = client.copy.catalog();
            Answer::Catalog((catalog.revision() > newer_than).then(|| catalog.encode()))
        }
        Message::Heartbeat => {
            let wall_ms = host.parts.environment.clock.wall_ms();
            Answer::Alive { revision: client.copy.revision(), wall_ms }
        }
        Message::Report => Answer::Report(report(client, host)),
        Message::Insights { table } => Answer::Insights(host.insights(table)),
        Message::Leading => Answer::Leading(leading(client, host)),
        Message::Lend { rows, pool, wanted } => {
            let catalog = client.copy.catalog();
            let now = host.parts.environment.clock.elapsed();
            let lend = |table| host.parts.meters.lend(table, Wanting { rows, pool, wanted }, now);
            Answer::Lent(catalog.table_of_rows(rows).map(|table| lend(table)).unwrap_or_default())
        }
        Message::Consumed => Answer::Consumed(host.parts.meters.consumed()),
        Message::ChangeMembers { partition, members } => match group(client, host, partition) {
            Some(group) => change_members(&group, &members, host.settings.move_max).await,
            None => Answer::NotLeader { leader: None },
        },
        Message::HandOver { partition, to } => match group(client, host, partition) {
            Some(group) => hand_over(&group, to, ANSWER_MAX).await,
            None => Answer::NotLeader { leader: None },
        },
    }
}

fn group(client: &CatalogClient, host: &Host, partition: PartitionId) -> Option<Group> {
    if partition == PartitionId::CATALOG {
        return client.seat().map(|seat| seat.group);
    }
    host.replica(partition).map(|hosted| hosted.replica.group().clone())
}

/// What runs on this node.
pub(crate) fn report(client: &CatalogClient, host: &Host) -> Report {
    let now_ms = host.parts.environment.clock.wall_ms();
    let hosted = host.replicas.read();
    let tables = hosted.iter().filter_map(|(partition, hosted)| {
        let counts = hosted.replica.counts();
        let items = counts.iter().find(|count| count.index == IndexNumber::ITEMS).copied().unwrap_or_default();
        let report = one(*partition, hosted.replica.group(), (items.items, items.bytes))?;
        let expiry_lag_ms = |oldest_s: Option<u64>| {
            oldest_s.map_or(0, |oldest_s| now_ms.saturating_sub(oldest_s.saturating_mul(1_000)))
        };
        let expires = report.leads && hosted.replica.has_expiries();
        Some(ReplicaReport {
            index_lag_ms: hosted.lags.lock().worst(now_ms).map(|lag| lag.ms),
            trigger_lag_ms: hosted.waiting.records_ms(now_ms),
            expiry_lag_ms: expires.then(|| expiry_lag_ms(hosted.waiting.expired().map(|expired| expired.oldest_s))),
            ..report
        })
    });
    let catalog = client.seat().and_then(|seat| one(PartitionId::CATALOG, &seat.group, (0, 0)));
    let everything = KeyRange { start: Bytes::new(), end: None };
    Report {
        replicas: catalog.into_iter().chain(tables).collect(),
        log_bytes: host.log.size(),
        rows_bytes: [Family::Items, Family::Changes, Family::State]
            .iter()
            .map(|family| host.parts.rows.size(*family, &everything))
            .sum(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Asked twice a second, of thousands of replicas: without a look at any disk.
fn leading(client: &CatalogClient, host: &Host) -> Vec<PartitionId> {
    let hosted = host.replicas.read();
    let led = hosted.iter().filter(|(_, hosted)| hosted.replica.leadership().leads).map(|(partition, _)| *partition);
    led.chain(client.leads().then_some(PartitionId::CATALOG)).collect()
}

fn one(partition: PartitionId, group: &Group, (items, bytes): (u64, u64)) -> Option<ReplicaReport> {
    let status = group.status().ok()?;
    Some(ReplicaReport {
        partition,
        replica: group.replica(),
        leads: status.leadership.leads,
        term: status.leadership.term,
        asleep: status.wakefulness != Wakefulness::Awake,
        last_index: status.last.unwrap_or(0),
        applied_index: status.applied.map_or(0, |applied| applied.index),
        items,
        bytes,
        index_lag_ms: None,
        trigger_lag_ms: None,
        expiry_lag_ms: None,
    })
}

/// What the replicas on this node hold now. Reads all of them, and blocks on the disk.
pub(crate) fn digests(client: &CatalogClient, host: &Host) -> Result<Vec<ReplicaDigest>, DiskError> {
    let hosted: Vec<_> = host.replicas.read().iter().map(|(id, hosted)| (*id, hosted.clone())).collect();
    let seat = client.seat();
    let catalog = seat.iter().map(|seat| {
        let digest = Digest::of(&*seat.machine.snapshot()?)?;
        Ok(ReplicaDigest { partition: PartitionId::CATALOG, replica: seat.group.replica(), digest })
    });
    let tables = hosted.iter().map(|(partition, hosted)| {
        Ok(ReplicaDigest { partition: *partition, replica: hosted.id, digest: hosted.replica.digest()? })
    });
    catalog.chain(tables).collect()
}

/// A replica's state, to be compared with that of its fellows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplicaDigest {
    pub partition: PartitionId,
    pub replica: ReplicaId,
    pub digest: Digest,
}
