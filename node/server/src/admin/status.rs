//! The cluster's state, gathered from the catalog and from what each node that lives says of itself.

use super::Administration;
use futures::future::join_all;
use stator_catalog::{Catalog, PartitionDescription, Role, TableDescription};
use stator_cluster::{ReplicaReport, Report};
use stator_item::{NodeId, PartitionId, TableId};
use stator_proto::admin::{Node, Partition, Replica, StatusReply, StatusRequest, Storage, Table, replica};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What one moment showed.
struct Seen {
    alive: BTreeSet<NodeId>,
    heard_ago: BTreeMap<NodeId, Duration>,
    reports: BTreeMap<NodeId, Report>,
    /// By partition: each replica's node and report.
    replicas: BTreeMap<PartitionId, Vec<(NodeId, ReplicaReport)>>,
}

impl Administration {
    pub(super) async fn report(&self, request: StatusRequest) -> StatusReply {
        let catalog = self.node.catalog();
        let seen = self.look(&catalog).await;
        let cluster = catalog.identity();
        let own = seen.reports.get(&self.node.id());
        let catalog_group = seen.reports_of(PartitionId::CATALOG).find(|(_, report)| report.leads);
        let partitions: Vec<Partition> = catalog
            .partitions()
            .filter(|partition| partition.id != PartitionId::CATALOG)
            .map(|partition| seen.partition(&catalog, partition))
            .collect();
        StatusReply {
            cluster_id: cluster.map(|cluster| crate::identity::cluster_name(cluster.cluster_id)).unwrap_or_default(),
            region: cluster.map(|cluster| cluster.region.clone()).unwrap_or_default(),
            account_id: cluster.map(|cluster| cluster.account_id.clone()).unwrap_or_default(),
            node_id: self.node.id().0,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            catalog_leader: catalog_group.map_or(0, |(node, _)| node.0),
            catalog_applied_index: catalog_group.map_or(0, |(_, report)| report.applied_index),
            catalog_replicas: catalog
                .partition(PartitionId::CATALOG)
                .map_or_else(Vec::new, |group| seen.replicas(group)),
            uptime_seconds: self.environment.clock.elapsed().saturating_sub(self.started).as_secs(),
            nodes: catalog.joined_nodes().map(|node| seen.node(node)).collect(),
            tables: catalog.tables().map(|description| seen.table(&catalog, description, &partitions)).collect(),
            warnings: seen.warnings(&catalog, &partitions),
            storage: Some(self.storage(own)),
            partitions: if request.without_partitions { Vec::new() } else { partitions },
        }
    }

    async fn look(&self, catalog: &Catalog) -> Seen {
        let alive = self.node.alive();
        let asked = catalog.joined_nodes().filter(|node| alive.contains(&node.id)).map(|node| async {
            let id = node.id;
            self.node.report_of(id).await.map(|report| (id, report))
        });
        let reports: BTreeMap<NodeId, Report> = join_all(asked).await.into_iter().flatten().collect();
        let mut replicas: BTreeMap<PartitionId, Vec<(NodeId, ReplicaReport)>> = BTreeMap::new();
        for (node, report) in &reports {
            for replica in &report.replicas {
                replicas.entry(replica.partition).or_default().push((*node, replica.clone()));
            }
        }
        Seen { alive, heard_ago: self.node.heard_ago(), reports, replicas }
    }

    fn storage(&self, own: Option<&Report>) -> Storage {
        // Figures for people: what cannot be read is shown as nothing.
        let free_bytes = rustix::fs::statvfs(&self.data).map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let memory = self.rows.memory();
        Storage {
            log_bytes: own.map_or(0, |report| report.log_bytes),
            rows_bytes: own.map_or(0, |report| report.rows_bytes),
            free_bytes,
            memory_max_bytes: self.memory_bytes,
            cache_bytes: memory.cache_bytes,
            write_buffers_bytes: memory.write_buffer_bytes,
        }
    }
}

impl Seen {
    fn reports_of(&self, partition: PartitionId) -> impl Iterator<Item = &(NodeId, ReplicaReport)> {
        self.replicas.get(&partition).into_iter().flatten()
    }

    fn node(&self, node: &stator_catalog::NodeDescription) -> Node {
        let report = self.reports.get(&node.id);
        let replicas = report.map(|report| report.replicas.as_slice()).unwrap_or_default();
        Node {
            id: node.id.0,
            address: node.start.peer_address.clone(),
            client_address: node.start.client_address.clone(),
            zone: node.start.zone.clone(),
            version: node.start.version.clone(),
            alive: self.alive.contains(&node.id) && report.is_some(),
            heard_ms_ago: self.heard_ago.get(&node.id).map_or(0, |ago| ago.as_millis() as u64),
            replicas: replicas.len() as u64,
            leaders: replicas.iter().filter(|replica| replica.leads).count() as u64,
            start_counter: node.start.start_counter,
        }
    }

    fn partition(&self, catalog: &Catalog, partition: &PartitionDescription) -> Partition {
        let reports: Vec<_> = self.reports_of(partition.id).collect();
        let leader = leader(&reports);
        let most = leader.or(reports.first().copied());
        Partition {
            id: partition.id.0,
            table_id: partition.table.0,
            table: rows_name(catalog, partition.table),
            first_token: partition.tokens.first.0,
            last_token: partition.tokens.last.0,
            epoch: partition.epoch,
            leader: leader.map_or(0, |(node, _)| node.0),
            items: most.map_or(0, |(_, report)| report.items),
            bytes: most.map_or(0, |(_, report)| report.bytes),
            asleep: most.is_some_and(|(_, report)| report.asleep),
            replicas: self.replicas(partition),
        }
    }

    fn table(&self, catalog: &Catalog, description: &TableDescription, partitions: &[Partition]) -> Table {
        let sources = catalog.routing().partitions(description.id);
        let mut told = table(description, partitions);
        for partition in sources {
            let reports: Vec<_> = self.reports_of(partition.id).collect();
            let Some((_, report)) = leader(&reports) else { continue };
            // Nothing is less than any lag.
            told.index_lag_ms = told.index_lag_ms.max(report.index_lag_ms);
            told.trigger_lag_ms = told.trigger_lag_ms.max(report.trigger_lag_ms);
            told.expiry_lag_ms = told.expiry_lag_ms.max(report.expiry_lag_ms);
        }
        told
    }

    fn replicas(&self, partition: &PartitionDescription) -> Vec<Replica> {
        let reports: Vec<_> = self.reports_of(partition.id).collect();
        let leader = leader(&reports);
        let replicas = partition.members.iter().map(|member| {
            let report = reports.iter().find(|(_, report)| report.replica == member.replica).map(|(_, report)| report);
            let is_leader = leader.is_some_and(|(_, leader)| leader.replica == member.replica);
            let role = match member.role {
                _ if is_leader => replica::Role::Leader,
                Role::Voter => replica::Role::Voter,
                Role::Learner => replica::Role::Learner,
            };
            Replica {
                id: member.replica.0,
                node: member.node.0,
                role: role.into(),
                applied_index: report.map(|report| report.applied_index),
                last_log_index: report.map(|report| report.last_index),
                lag: report
                    .zip(leader)
                    .map(|(report, (_, leader))| leader.last_index.saturating_sub(report.applied_index)),
            }
        });
        replicas.collect()
    }

    fn warnings(&self, catalog: &Catalog, partitions: &[Partition]) -> Vec<String> {
        let dead = catalog.joined_nodes().filter(|node| !self.alive.contains(&node.id)).map(|node| {
            format!("node {0} does not answer: start it again, or give it up with `stator nodes remove {0}`", node.id)
        });
        let leaderless = partitions.iter().filter(|partition| partition.leader == 0).count();
        let leaderless = (leaderless > 0).then(|| {
            format!("{leaderless} partitions have no leader now: more than half of their replicas must be up")
        });
        dead.chain(leaderless).collect()
    }
}

/// `TABLE`, or `TABLE/INDEX` of what lies under a global index's id.
fn rows_name(catalog: &Catalog, rows: TableId) -> String {
    let Some(table) = catalog.table_of_rows(rows) else { return String::new() };
    match table.global_index_by_id(rows) {
        Some(index) => format!("{}/{}", table.name, index.name),
        None => table.name.clone(),
    }
}

/// Two may claim it for a moment; the higher term is right.
fn leader<'a>(reports: &[&'a (NodeId, ReplicaReport)]) -> Option<&'a (NodeId, ReplicaReport)> {
    reports.iter().copied().filter(|(_, report)| report.leads).max_by_key(|(_, report)| report.term)
}

fn table(table: &TableDescription, partitions: &[Partition]) -> Table {
    let own = || partitions.iter().filter(|partition| partition.table_id == table.id.0);
    Table {
        id: table.id.0,
        name: table.name.clone(),
        status: table.status.name().to_owned(),
        partitions: own().count() as u64,
        items: own().map(|partition| partition.items).sum(),
        bytes: own().map(|partition| partition.bytes).sum(),
        index_lag_ms: None,
        trigger_lag_ms: None,
        expiry_lag_ms: None,
    }
}
