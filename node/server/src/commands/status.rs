//! `stator status`: the cluster at a glance, or as JSON.

use super::connection::{connect, told};
use crate::{
    error::ServerError,
    settings::{Target, size::Size},
    show,
};
use serde_json::{Value, json};
use stator_proto::admin::{Partition, Replica, StatusReply, StatusRequest, replica::Role};

pub async fn run(target: Target, is_json: bool) -> Result<(), ServerError> {
    let request = StatusRequest { without_partitions: false };
    let status = connect(&target).await?.status(request).await.map_err(told)?.into_inner();
    if is_json {
        show::line(&as_json(&status).to_string());
    } else {
        print(&status);
    }
    Ok(())
}

fn print(status: &StatusReply) {
    show::line(&format!(
        "cluster {} in {}, account {}; asked node {}, version {}, up {} s",
        status.cluster_id, status.region, status.account_id, status.node_id, status.version, status.uptime_seconds
    ));
    show::line(&match status.catalog_leader {
        0 => "the catalog has no leader now".to_owned(),
        leader => format!("node {leader} leads the catalog, which is on nodes {}", nodes(&status.catalog_replicas)),
    });
    if let Some(storage) = &status.storage {
        show::line(&format!(
            "this node: log {}, rows {}, free on disk {}; cache {}, of which {} wait to be written, memory at most {}",
            Size(storage.log_bytes),
            Size(storage.rows_bytes),
            Size(storage.free_bytes),
            Size(storage.cache_bytes),
            Size(storage.write_buffers_bytes),
            Size(storage.memory_max_bytes)
        ));
    }
    for warning in &status.warnings {
        show::line(&format!("WARNING: {warning}"));
    }
    show::line("");
    show::nodes(&status.nodes);
    show::line("");
    let tables = status.tables.iter().map(|table| {
        let lag = |lag_ms: Option<u64>| lag_ms.map_or_else(|| "-".to_owned(), |lag_ms| format!("{lag_ms} ms"));
        let counts = [table.partitions.to_string(), table.items.to_string(), Size(table.bytes).to_string()];
        let lags = [table.index_lag_ms, table.trigger_lag_ms, table.expiry_lag_ms].map(lag);
        [table.name.clone(), table.status.clone()].into_iter().chain(counts).chain(lags).collect()
    });
    let heads = ["TABLE", "STATUS", "PARTITIONS", "ITEMS", "SIZE", "INDEX LAG", "TRIGGER LAG", "EXPIRY LAG"];
    show::table(&heads, tables.collect());
    show::line("");
    let heads = ["PARTITION", "TABLE", "EPOCH", "LEADER", "REPLICAS ON NODES", "LAG", "ITEMS", "SIZE"];
    show::table(&heads, status.partitions.iter().map(partition).collect());
}

fn nodes(replicas: &[Replica]) -> String {
    let nodes = replicas.iter().map(|replica| match replica.role() {
        Role::Learner => format!("{} (learns)", replica.node),
        _ => replica.node.to_string(),
    });
    nodes.collect::<Vec<_>>().join(", ")
}

fn partition(partition: &Partition) -> Vec<String> {
    let lag = partition.replicas.iter().filter_map(|replica| replica.lag).max();
    vec![
        partition.id.to_string(),
        partition.table.clone(),
        partition.epoch.to_string(),
        if partition.leader == 0 { "none".to_owned() } else { partition.leader.to_string() },
        nodes(&partition.replicas),
        lag.map_or_else(|| "unknown".to_owned(), |lag| lag.to_string()),
        partition.items.to_string(),
        Size(partition.bytes).to_string(),
    ]
}

fn as_json(status: &StatusReply) -> Value {
    let nodes = status.nodes.iter().map(|node| {
        json!({
            "id": node.id, "peer_address": node.address, "client_address": node.client_address, "zone": node.zone,
            "version": node.version, "alive": node.alive, "replicas": node.replicas, "leaders": node.leaders,
            "starts": node.start_counter, "heard_ms_ago": node.heard_ms_ago,
        })
    });
    let tables = status.tables.iter().map(|table| {
        json!({
            "id": table.id, "name": table.name, "status": table.status, "partitions": table.partitions,
            "items": table.items, "bytes": table.bytes, "index_lag_ms": table.index_lag_ms,
            "trigger_lag_ms": table.trigger_lag_ms, "expiry_lag_ms": table.expiry_lag_ms,
        })
    });
    let partitions = status.partitions.iter().map(|partition| {
        json!({
            "id": partition.id, "table": partition.table, "epoch": partition.epoch, "leader": some(partition.leader),
            // As texts: not every reader of JSON has whole numbers of 64 bits.
            "first_token": format!("{:016x}", partition.first_token),
            "last_token": format!("{:016x}", partition.last_token),
            "items": partition.items, "bytes": partition.bytes, "asleep": partition.asleep,
            "replicas": replicas_as_json(&partition.replicas),
        })
    });
    let storage = status.storage.unwrap_or_default();
    json!({
        "cluster_id": status.cluster_id, "region": status.region, "account_id": status.account_id,
        "node_id": status.node_id, "version": status.version, "uptime_seconds": status.uptime_seconds,
        "catalog_leader": some(status.catalog_leader), "catalog_applied_index": status.catalog_applied_index,
        "catalog_replicas": replicas_as_json(&status.catalog_replicas),
        "nodes": nodes.collect::<Vec<_>>(), "tables": tables.collect::<Vec<_>>(),
        "partitions": partitions.collect::<Vec<_>>(), "warnings": status.warnings,
        "storage": {
            "log_bytes": storage.log_bytes, "rows_bytes": storage.rows_bytes, "free_bytes": storage.free_bytes,
            "cache_bytes": storage.cache_bytes, "write_buffers_bytes": storage.write_buffers_bytes,
            "memory_max_bytes": storage.memory_max_bytes,
        },
    })
}

fn replicas_as_json(replicas: &[Replica]) -> Value {
    let replicas = replicas.iter().map(|replica| {
        json!({
            "id": replica.id, "node": replica.node, "role": replica.role().as_str_name().to_lowercase(),
            "applied_index": replica.applied_index, "last_log_index": replica.last_log_index, "lag": replica.lag,
        })
    });
    replicas.collect()
}

/// 0 stands for "none" between nodes.
fn some(id: u64) -> Option<u64> {
    (id != 0).then_some(id)
}
