//! Makes the bench's tables before, and removes them after.

use super::{
    cell::Table,
    connection::{Outgoing, Reply},
    etcd::EtcdRequests,
    peer::{Language, Peer},
    request::INDEX_KEYS,
    signed::SignedRequests,
    worker::now_ms,
};
use crate::{Address, Error};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A table that is not made or gone by then never will be.
const CHANGE_MAX: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const DESCRIPTION_BYTES_MAX: usize = 256 * 1024;

/// Makes the table anew, and waits until it is active.
pub async fn create(peer: &Peer, table: Table) -> Result<(), Error> {
    if peer.language == Language::Etcd {
        return clear_etcd(peer).await;
    }
    delete(peer, table).await?;
    let name = peer.tables.of(table);
    let keys: &[(&str, &str)] = match table {
        Table::Items | Table::Second | Table::Third | Table::Indexed => &[("pk", "HASH")],
        Table::Collections => &[("pk", "HASH"), ("sk", "RANGE")],
    };
    let index_keys: &[&str] = if table == Table::Indexed { &INDEX_KEYS } else { &[] };
    let schema: Vec<Value> = keys.iter().map(|(key, kind)| json!({ "AttributeName": key, "KeyType": kind })).collect();
    let definitions: Vec<Value> = keys
        .iter()
        .map(|(key, _)| key)
        .chain(index_keys)
        .map(|key| json!({ "AttributeName": key, "AttributeType": "S" }))
        .collect();
    let mut body = json!({
        "TableName": name,
        "KeySchema": schema,
        "AttributeDefinitions": definitions,
        "BillingMode": "PAY_PER_REQUEST",
    });
    if !index_keys.is_empty() {
        body["GlobalSecondaryIndexes"] = index_keys.iter().map(|key| index(key)).collect();
    }
    ask(peer, "DynamoDB_20120810.CreateTable", body).await?.expected("CreateTable")?;
    wait(peer, name, Some("ACTIVE")).await
}

/// A global index by this attribute, with all others.
fn index(key: &str) -> Value {
    json!({
        "IndexName": format!("by-{key}"),
        "KeySchema": [{ "AttributeName": key, "KeyType": "HASH" }],
        "Projection": { "ProjectionType": "ALL" },
    })
}

/// Removes the table if it is there, and waits until it is gone.
pub async fn delete(peer: &Peer, table: Table) -> Result<(), Error> {
    if peer.language == Language::Etcd {
        return clear_etcd(peer).await;
    }
    let name = peer.tables.of(table);
    let answer = ask(peer, "DynamoDB_20120810.DeleteTable", json!({ "TableName": name })).await?;
    if answer.says_not_found() {
        return Ok(());
    }
    answer.expected("DeleteTable")?;
    wait(peer, name, None).await
}

/// Until the table has that status; `None`: until there is no such table.
async fn wait(peer: &Peer, name: &str, status: Option<&str>) -> Result<(), Error> {
    let deadline = Instant::now() + CHANGE_MAX;
    loop {
        let answer = ask(peer, "DynamoDB_20120810.DescribeTable", json!({ "TableName": name })).await?;
        let found = match answer.says_not_found() {
            true => None,
            false => {
                let description: Value = serde_json::from_slice(&answer.expected("DescribeTable")?).unwrap_or_default();
                let status = description.pointer("/Table/TableStatus").and_then(Value::as_str);
                Some(status.unwrap_or_default().to_owned())
            }
        };
        if found.as_deref() == status {
            return Ok(());
        }
        if Instant::now() > deadline {
            let (is, should) = (found.as_deref().unwrap_or("gone"), status.unwrap_or("gone"));
            let seconds = CHANGE_MAX.as_secs();
            return Err(Error::Arguments(format!("{name} at {} is {is}, not {should}, after {seconds} s", peer.name)));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

struct Answer {
    address: Address,
    reply: Reply,
}

impl Answer {
    fn says_not_found(&self) -> bool {
        matches!(&self.reply, Reply::Refused { body, .. } if body.contains("ResourceNotFoundException"))
    }

    fn expected(self, request: &'static str) -> Result<Vec<u8>, Error> {
        match self.reply {
            Reply::Good { kept, .. } => Ok(kept),
            Reply::Refused { status, body } => Err(Error::Refused { address: self.address, request, status, body }),
        }
    }
}

async fn ask(peer: &Peer, target: &'static str, body: Value) -> Result<Answer, Error> {
    let mut connection = peer.connect().await?;
    let address = connection.address.clone();
    let mut signed = SignedRequests::new(peer.identity.signer());
    let request = signed.write(target, &body.to_string(), &address, now_ms());
    let reply = connection.exchange(Outgoing::Http1(request), DESCRIPTION_BYTES_MAX).await?;
    Ok(Answer { address, reply })
}

async fn clear_etcd(peer: &Peer) -> Result<(), Error> {
    let mut connection = peer.connect().await?;
    let address = connection.address.clone();
    let reply = connection.exchange(EtcdRequests::clear(&address)?.request, 0).await?;
    Answer { address, reply }.expected("DeleteRange").map(drop)
}
