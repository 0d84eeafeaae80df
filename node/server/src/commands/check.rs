//! `stator check`: a stopped node's data, read to the last row and held against what must be true of it. With `--digests` a
//! running node's replicas are read instead, to be compared with those of other nodes.

use super::connection::{connect, told};
use crate::{
    error::ServerError,
    settings::{Target, size::Size},
    show,
};
use clap::Args;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use stator_catalog::Catalog;
use stator_consensus::{Digest, LogPosition, check_log};
use stator_environment::{DiskError, RaftLog, Rows};
use stator_item::{PartitionId, ReplicaId};
use stator_partition::{check::Compared, codec};
use stator_proto::admin::DigestsRequest;
use stator_replica::{Stored, StoredIndex, check_stored, check_stored_indexes, stored_partitions};
use stator_storage::{DataDirectory, FileLog, LogMetrics, RocksRows, Settings};
use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// The data directory of a node
    #[arg(env = "STATOR_DATA", value_name = "DIR")]
    data: PathBuf,
    /// Ask the node that runs there for the digests of its replicas; those of one partition are equal at the same index
    #[arg(long)]
    digests: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

/// What was found out about a node.
#[derive(Default)]
struct Found {
    partitions: Vec<Value>,
    findings: Vec<String>,
    notes: Vec<String>,
}

/// Success: nothing is wrong. Exit code 3: something is, and it was told.
pub fn run(arguments: &CheckArgs) -> Result<ExitCode, ServerError> {
    if arguments.digests {
        return super::ask(digests(arguments)).map(|()| ExitCode::SUCCESS);
    }
    if !arguments.data.join("rows").exists() {
        return Err(ServerError::Usage(format!("{} is no data directory of a node", arguments.data.display())));
    }
    let mut found = Found::default();
    // What cannot be read is the most important finding of all.
    if let Err(error) = look(arguments, &mut found)? {
        found.findings.push(error.to_string());
    }
    if arguments.json {
        let (partitions, findings) = (&found.partitions, &found.findings);
        show::line(&json!({ "partitions": partitions, "findings": findings, "notes": found.notes }).to_string());
    } else {
        print(&found);
    }
    Ok(if found.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// Opens as a start does, so a torn tail of the log is cut off as it would be then.
fn look(arguments: &CheckArgs, found: &mut Found) -> Result<Result<(), DiskError>, ServerError> {
    let directory = DataDirectory::open(&arguments.data)?;
    let settings = Settings::default();
    let log = match FileLog::open(&directory.log_path(), &settings, LogMetrics::register(&mut Registry::default())) {
        Ok(log) => log,
        Err(error) => return Ok(Err(error)),
    };
    let rows: Arc<dyn Rows> = match RocksRows::open(&directory.rows_path(), &settings) {
        Ok(rows) => Arc::new(rows),
        Err(error) => return Ok(Err(error)),
    };
    Ok(look_at(&rows, &log, found))
}

fn look_at(rows: &Arc<dyn Rows>, log: &FileLog, found: &mut Found) -> Result<(), DiskError> {
    let mut applied: BTreeMap<PartitionId, LogPosition> = BTreeMap::new();
    let catalog = stator_cluster::stored_catalog(&**rows)?;
    if let Some((catalog, digest)) = &catalog {
        applied.extend(digest.position.map(|position| (PartitionId::CATALOG, position)));
        found.partitions.push(described(PartitionId::CATALOG, Some("the catalog"), digest));
        found.notes.push(format!("catalog: {} tables", catalog.tables().count()));
    }
    for partition in stored_partitions(&**rows)? {
        match check_stored(rows, partition)? {
            Stored::Nothing => found.notes.push(format!("partition {partition}: rows of its own, and no state")),
            Stored::Installing => {
                found.notes.push(format!("partition {partition}: a snapshot was not installed to its end"))
            }
            Stored::Whole { table, digest, checked } => {
                applied.extend(digest.position.map(|position| (partition, position)));
                let mut value = described(partition, table.as_deref(), &digest);
                value["items"] = checked.items.into();
                value["index_entries"] = checked.index_entries.into();
                value["expiries"] = checked.expiries.into();
                value["changes"] = checked.changes.into();
                found.partitions.push(value);
                let told = checked.findings.len() as u64;
                found
                    .findings
                    .extend(checked.findings.iter().map(|finding| format!("partition {partition}: {finding}")));
                if checked.findings_count > told {
                    found.findings.push(format!("partition {partition}: and {} more", checked.findings_count - told));
                }
            }
        }
    }
    look_at_indexes(rows, found)?;
    for replica in log.replicas() {
        let partition = catalog.as_ref().and_then(|(catalog, _)| partition_of(catalog, replica));
        let is_catalog = partition == Some(PartitionId::CATALOG);
        let payload = |proposed: &bytes::Bytes| match (partition, is_catalog) {
            (None, _) => None,
            (Some(_), true) => stator_catalog::decode_change(proposed).err().map(|error| error.to_string()),
            (Some(_), false) => codec::decode_entry(proposed).err().map(|error| error.to_string()),
        };
        let applied = partition.and_then(|partition| applied.get(&partition).copied());
        let checked = check_log(log, replica, applied, &payload)?;
        found.findings.extend(checked.findings.iter().map(|finding| format!("log of replica {replica}: {finding}")));
    }
    Ok(())
}

/// Every global index against its table, as far as both lie here.
fn look_at_indexes(rows: &Arc<dyn Rows>, found: &mut Found) -> Result<(), DiskError> {
    for StoredIndex { table, index, compared } in check_stored_indexes(rows)? {
        let Compared { checked, left_out } = compared;
        let mut note = format!(
            "index {index} of table {table}: {} items and {} entries compared",
            checked.items, checked.index_entries
        );
        if left_out > 0 {
            note += &format!("; {left_out} pairs of partitions not, as one is behind the other");
        }
        found.notes.push(note);
        found.findings.extend(checked.findings.iter().map(|finding| format!("table {table}: {finding}")));
        let told = checked.findings.len() as u64;
        if checked.findings_count > told {
            found.findings.push(format!("table {table}: and {} more", checked.findings_count - told));
        }
    }
    Ok(())
}

/// By this node's copy of the catalog, which may be old: a replica that it does not know is checked by itself.
fn partition_of(catalog: &Catalog, replica: ReplicaId) -> Option<PartitionId> {
    let mut partitions = catalog.partitions();
    let found = partitions.find(|partition| partition.members.iter().any(|member| member.replica == replica));
    found.map(|partition| partition.id)
}

fn described(partition: PartitionId, table: Option<&str>, digest: &Digest) -> Value {
    json!({
        "partition": partition.0, "table": table, "applied_index": digest.position.map(|position| position.index),
        "bytes": digest.bytes, "hash": format!("{:032x}", digest.hash),
    })
}

fn print(found: &Found) {
    let heads = ["PARTITION", "TABLE", "APPLIED", "ITEMS", "INDEX ENTRIES", "EXPIRIES", "CHANGES", "SIZE", "HASH"];
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let rows = found.partitions.iter().map(|partition| {
        let columns = ["partition", "table", "applied_index", "items", "index_entries", "expiries", "changes"];
        let mut row: Vec<String> = columns.iter().map(|column| text(&partition[*column])).collect();
        row.push(Size(partition["bytes"].as_u64().unwrap_or(0)).to_string());
        row.push(text(&partition["hash"]));
        row
    });
    show::table(&heads, rows.collect());
    found.notes.iter().for_each(|note| show::line(note));
    found.findings.iter().for_each(|finding| show::line(&format!("WRONG: {finding}")));
    if found.findings.is_empty() {
        show::line("nothing is wrong");
    }
}

async fn digests(arguments: &CheckArgs) -> Result<(), ServerError> {
    let target = Target { data: arguments.data.clone() };
    let replicas = connect(&target).await?.digests(DigestsRequest {}).await.map_err(told)?.into_inner().replicas;
    if arguments.json {
        let replicas: Vec<Value> = replicas
            .iter()
            .map(|replica| {
                json!({
                    "partition": replica.partition, "replica": replica.replica,
                    "applied_index": replica.applied_index, "bytes": replica.bytes, "hash": replica.hash,
                })
            })
            .collect();
        show::line(&json!({ "replicas": replicas }).to_string());
        return Ok(());
    }
    let rows = replicas.iter().map(|replica| {
        let numbers = [replica.partition, replica.replica, replica.applied_index].map(|number| number.to_string());
        numbers.into_iter().chain([Size(replica.bytes).to_string(), replica.hash.clone()]).collect()
    });
    show::table(&["PARTITION", "REPLICA", "APPLIED", "SIZE", "HASH"], rows.collect());
    Ok(())
}
