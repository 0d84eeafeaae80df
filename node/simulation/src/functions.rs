//! Functions of a simulated cluster: they note what they are called with, and fail, hang and are slow as the dice say.

use crate::{cluster::Cluster, world::World};
use bytes::Bytes;
use serde_json::Value;
use stator_catalog::{CatalogRefusal, Change, MappingChange, MappingId, MappingSettings, StartingPosition};
use stator_cluster::{Deadline, Invoke, InvokeError, Invoked, Node};
use stator_environment::BoxFuture;
use stator_item::NodeId;
use stator_workloads::{Answer, Failure, MappingShape, Operation, Outcome, client::Delivery};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

const PREFIX: &str = "arn:aws:lambda:us-east-1:000000000000:function:";
/// A function that hangs is ended after so long.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(3);
/// How long making or changing a mapping may take.
const MAP_MAX: Duration = Duration::from_secs(4);

/// What functions have noted, by their ARNs.
pub type Notes = BTreeMap<String, Vec<Delivery>>;

/// How one call goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Succeeds,
    /// After so many records.
    Fails,
    /// It names the record that it did not come to.
    Reports,
    Hangs,
    /// It did everything, and its answer is lost.
    Unheard,
    Throttled,
    Unavailable,
}

/// The functions as one node calls them. They run elsewhere: a node's death does not end what it began to note.
pub struct Functions {
    world: Arc<World>,
}

impl Functions {
    pub fn new(world: Arc<World>) -> Functions {
        Functions { world }
    }

    fn fate(&self) -> Fate {
        self.world.throw(|dice| match dice.below(100) {
            0..=69 => Fate::Succeeds,
            70..=77 => Fate::Fails,
            78..=85 => Fate::Reports,
            86..=87 => Fate::Hangs,
            88..=91 => Fate::Unheard,
            92..=95 => Fate::Throttled,
            _ => Fate::Unavailable,
        })
    }

    async fn call(&self, function: &str, payload: &Bytes) -> Result<Invoked, InvokeError> {
        let fate = self.fate();
        match fate {
            Fate::Throttled => return Err(InvokeError::Throttled),
            Fate::Unavailable => return Err(InvokeError::Unavailable("the dice say so".to_owned())),
            _ => {}
        }
        let pause = |most: Duration| self.world.throw(|dice| dice.between(Duration::ZERO, most));
        tokio::time::sleep(pause(Duration::from_millis(30))).await;
        let event: Value = serde_json::from_slice(payload).unwrap_or_default();
        let records = event["Records"].as_array().cloned().unwrap_or_default();
        let handled = match fate {
            Fate::Succeeds | Fate::Unheard => records.len(),
            _ => self.world.throw(|dice| dice.below(records.len() as u64 + 1)) as usize,
        };
        for record in &records[..handled] {
            tokio::time::sleep(pause(Duration::from_millis(2))).await;
            self.world.note_delivery(function, delivery(record));
        }
        let failed = || Ok(Invoked::Failed { error: Bytes::from_static(br#"{"errorMessage":"x"}"#) });
        match fate {
            Fate::Unheard => Err(InvokeError::Unavailable("the answer is lost".to_owned())),
            Fate::Fails => failed(),
            Fate::Hangs => {
                tokio::time::sleep(FUNCTION_TIMEOUT).await;
                failed()
            }
            Fate::Reports if handled < records.len() => {
                let identifier = &records[handled]["dynamodb"]["SequenceNumber"];
                let report = format!(r#"{{"batchItemFailures":[{{"itemIdentifier":{identifier}}}]}}"#);
                Ok(Invoked::Answered(report.into()))
            }
            _ => Ok(Invoked::Answered(Bytes::from_static(b"{}"))),
        }
    }
}

fn delivery(record: &Value) -> Delivery {
    let image = &record["dynamodb"]["NewImage"];
    let v = image["v"]["N"].as_str().and_then(|v| v.parse().ok()).unwrap_or_default();
    Delivery { pk: image["pk"]["S"].as_str().unwrap_or_default().to_owned(), v }
}

impl Invoke for Functions {
    fn invoke<'a>(
        &'a self,
        function: &'a str,
        payload: Bytes,
        _: u8,
        _: Deadline,
    ) -> BoxFuture<'a, Result<Invoked, InvokeError>> {
        Box::pin(async move {
            self.world.note(|| format!("{function} is called with {} bytes", payload.len()));
            let outcome = self.call(function, &payload).await;
            self.world.note(|| format!("{function}: {outcome:?}"));
            outcome
        })
    }
}

/// Carries out what a workload asks of mappings and functions; `None`: it asks something else.
pub async fn carry_out(cluster: &Cluster, through: NodeId, operation: &Operation) -> Option<Outcome> {
    match operation {
        Operation::Map { table, mapping } => {
            let Some(node) = cluster.node(through) else {
                return Some(Err(Failure::Definite("connection refused".to_owned())));
            };
            Some(map(&cluster.world, &node, table, mapping).await)
        }
        Operation::Deliveries { table } => {
            Some(Ok(Answer::Deliveries(cluster.world.deliveries(&format!("{PREFIX}{table}")))))
        }
        _ => None,
    }
}

/// Makes the table's mapping, or changes the one that is there.
async fn map(world: &World, node: &Node, table: &str, shape: &MappingShape) -> Outcome {
    let deadline = node.deadline(MAP_MAX);
    let catalog = node.newest_catalog(deadline).await;
    let Some(table) = catalog.table(table) else { return Ok(Answer::NoSuchTable) };
    let Some(stream) = table.stream() else { return Ok(Answer::Stream(None)) };
    let function = format!("{PREFIX}{}", table.name);
    let settings = MappingSettings {
        batch_size: shape.batch_size,
        parallelization: shape.parallelization,
        bisects: shape.bisects,
        // The function knows no other way: were it off, what it reports would be taken for success.
        reports_failures: true,
        ..MappingSettings::new(function)
    };
    let (table, stream, enabled) = (table.id, stream.label, shape.enabled);
    let known = catalog.mappings().find(|mapping| mapping.table == table).map(|mapping| mapping.id);
    let change = match known {
        Some(id) => MappingChange::Update { id, settings, enabled: Some(enabled) },
        None => MappingChange::Create {
            id: MappingId::of_random(u128::from(world.throw(crate::world::Dice::throw))),
            table,
            stream,
            starting: StartingPosition::TrimHorizon,
            settings,
            enabled,
            tags: BTreeMap::new(),
        },
    };
    match node.change(Change::Mapping(Box::new(change)), deadline).await {
        Ok(_) => Ok(Answer::Mapped),
        Err(stator_cluster::ChangeError::Refused(
            CatalogRefusal::MappingBusy(_) | CatalogRefusal::MappingExists(_) | CatalogRefusal::NoSuchStream,
        )) => Ok(Answer::MappingInUse),
        Err(error) => Err(Failure::Unknown(error.to_string())),
    }
}
