//! The keys of a table that are asked for most, gathered from every node that lives.

use super::Administration;
use futures::future::join_all;
use stator_catalog::{KeyAttribute, KeySchema};
use stator_item::{Key, KeyPart, json::write_value_json};
use stator_partition::insights::{self, List};
use stator_proto::admin::{Contributor, InsightsReply, InsightsRequest, contributor};
use tonic::Status;

impl Administration {
    pub(super) async fn insights_of(&self, request: InsightsRequest) -> Result<InsightsReply, Status> {
        let catalog = self.node.newest_catalog(self.node.deadline(super::CHANGE_MAX)).await;
        let table = catalog
            .table(&request.table)
            .ok_or_else(|| Status::not_found(format!("there is no table {}", request.table)))?;
        if catalog.insights(table.id).and_then(|insights| insights.mode).is_none() {
            return Err(Status::failed_precondition(format!(
                "table {} does not have Contributor Insights enabled: call UpdateContributorInsights first",
                table.name
            )));
        }
        let asked =
            catalog.joined_nodes().map(|node| async { (node.id, self.node.insights_of(node.id, table.id).await) });
        let (mut told, mut silent_nodes) = (Vec::new(), Vec::new());
        for (node, answer) in join_all(asked).await {
            match answer {
                Some(contributors) => told.extend(contributors),
                None => silent_nodes.push(node.0),
            }
        }
        let top = insights::top(told, usize::try_from(request.most).unwrap_or(usize::MAX));
        let contributors = top.iter().map(|found| Contributor {
            list: list(found.list).into(),
            key: shown(&found.key, &table.key),
            requests: found.counted.requests,
            too_many_by: found.counted.too_many_by,
        });
        Ok(InsightsReply { contributors: contributors.collect(), silent_nodes })
    }
}

fn list(list: List) -> contributor::List {
    match list {
        List::AccessedPartitionKeys => contributor::List::AccessedPartitionKeys,
        List::AccessedItems => contributor::List::AccessedItems,
        List::ThrottledPartitionKeys => contributor::List::ThrottledPartitionKeys,
        List::ThrottledItems => contributor::List::ThrottledItems,
    }
}

/// A key as DynamoDB JSON.
fn shown(key: &Key, schema: &KeySchema) -> String {
    let attributes = [Some((&schema.hash, &key.hash)), schema.range.as_ref().zip(key.range.as_ref())];
    let shown: Vec<String> = attributes.into_iter().flatten().map(attribute).collect();
    format!("{{{}}}", shown.join(","))
}

fn attribute((attribute, part): (&KeyAttribute, &KeyPart)) -> String {
    let mut value = Vec::new();
    write_value_json(&part.to_value(), &mut value);
    format!("{}:{}", serde_json::Value::from(attribute.name.as_str()), String::from_utf8_lossy(&value))
}
