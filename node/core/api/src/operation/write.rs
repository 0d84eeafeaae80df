//! What PutItem, UpdateItem and DeleteItem have in common: condition, what to return, and the reply.

use super::expressions::{self, Grammar};
use super::legacy;
use super::model::TableReference;
use super::unexpected_reply;
use crate::capacity::{CapacityDetail, Consumed};
use crate::collection_metrics;
use crate::error_table::ApiError;
use crate::reader::Members;
use crate::render::{self, Object};
use stator_catalog::TableDescription;
use stator_expression::{Condition, Kind, Placeholders};
use stator_item::Item;
use stator_partition::command::{Returns, WriteOptions};
use stator_partition::{Refusal, Reply};

/// Of operations whose only expression is a condition.
pub(super) const CONDITION_GRAMMAR: Grammar = Grammar {
    expressions: &["ConditionExpression"],
    legacy: &["Expected", "ConditionalOperator"],
    valueless: Some("ConditionExpression is null"),
};

/// Members of every single write, checked.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct WriteMembers {
    pub table: TableReference,
    condition: Option<Condition>,
    returns: Returns,
    old_item_on_failure: bool,
    collection_size: bool,
    capacity: CapacityDetail,
}

impl WriteMembers {
    pub(super) fn read(
        members: Members<'_>,
        table: TableReference,
        placeholders: &Placeholders<'_>,
    ) -> Result<WriteMembers, ApiError> {
        Ok(WriteMembers {
            table,
            condition: match expressions::condition(members, Kind::Condition, placeholders)? {
                None => legacy::expected(members)?,
                condition => condition,
            },
            returns: returns(members),
            old_item_on_failure: members.text("ReturnValuesOnConditionCheckFailure") == Some("ALL_OLD"),
            collection_size: members.text("ReturnItemCollectionMetrics") == Some("SIZE"),
            capacity: CapacityDetail::read(members),
        })
    }

    pub(super) fn options(&self, table: &TableDescription) -> WriteOptions {
        WriteOptions {
            condition: self.condition.clone(),
            returns: self.returns,
            old_item_on_failure: self.old_item_on_failure,
            collection_size: self.collection_size && !table.local_indexes.is_empty(),
            ..WriteOptions::default()
        }
    }

    /// The reply. The item, or just its key, shows the collection that was written.
    pub(super) fn render(
        &self,
        table: &TableDescription,
        item: &Item,
        outcome: Result<Reply, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let Reply::Written(written) = outcome? else { return Err(unexpected_reply()) };
        let mut object = Object::begin(out);
        if let Some(attributes) = &written.attributes {
            render::item(attributes, object.member("Attributes"))?;
        }
        if self.capacity != CapacityDetail::None {
            let mut consumed = Consumed::default();
            consumed.add_write(&written);
            consumed.write_json(&self.table.given, table, self.capacity, object.member("ConsumedCapacity"));
        }
        if let Some(collection_bytes) = written.collection_bytes {
            collection_metrics::write_json(item, &table.key, collection_bytes, object.member("ItemCollectionMetrics"));
        }
        object.end();
        Ok(())
    }
}

fn returns(members: Members<'_>) -> Returns {
    match members.text("ReturnValues") {
        Some("ALL_OLD") => Returns::AllOld,
        Some("UPDATED_OLD") => Returns::UpdatedOld,
        Some("ALL_NEW") => Returns::AllNew,
        Some("UPDATED_NEW") => Returns::UpdatedNew,
        _ => Returns::None,
    }
}

/// PutItem and DeleteItem know no new values: they return the old item or nothing.
pub(super) fn refuse_new_values(members: Members<'_>) -> Result<(), ApiError> {
    match returns(members) {
        Returns::None | Returns::AllOld => Ok(()),
        _ => Err(ApiError::validation("ReturnValues can only be ALL_OLD or NONE")),
    }
}
