//! DeleteItem.

use super::attributes;
use super::expressions::Substitutes;
use super::legacy;
use super::model::{self, TableReference};
use super::write::{self, WriteMembers};
use super::{OneItem, ReadConsistency, Routed, check_serving};
use crate::error_table::ApiError;
use crate::reader::{self, Structure};
use stator_catalog::TableDescription;
use stator_item::Item;
use stator_partition::Command;
use stator_partition::command::Delete;
use stator_partition::{Refusal, Reply};

static INPUT: Structure = Structure {
    name: "DeleteItemInput",
    members: &[
        model::TABLE_NAME,
        model::KEY,
        model::RETURN_VALUES,
        model::RETURN_CONSUMED_CAPACITY,
        model::RETURN_ITEM_COLLECTION_METRICS,
        model::CONDITION_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        model::RETURN_VALUES_ON_FAILURE,
        legacy::EXPECTED,
        legacy::CONDITIONAL_OPERATOR,
    ],
};

/// A checked DeleteItem.
#[derive(Clone, PartialEq, Debug)]
pub struct DeleteItem {
    key: Item,
    write: WriteMembers,
}

impl OneItem for DeleteItem {
    fn parse(body: &[u8]) -> Result<DeleteItem, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let table = TableReference::read(members)?;
        let substitutes = Substitutes::read(members, &write::CONDITION_GRAMMAR)?;
        let key = members.map("Key").map(attributes::item).transpose()?.unwrap_or_default();
        write::refuse_new_values(members)?;
        let placeholders = substitutes.placeholders();
        let write = WriteMembers::read(members, table, &placeholders)?;
        placeholders.unused()?;
        Ok(DeleteItem { key, write })
    }

    fn table(&self) -> &TableReference {
        &self.write.table
    }

    fn consistency(&self) -> ReadConsistency {
        ReadConsistency::Strong
    }

    fn command(&self, table: &TableDescription) -> Result<Routed, ApiError> {
        check_serving(table)?;
        let key = attributes::key_of_key(&self.key, &table.key)?;
        Ok(Routed { token: key.token(), command: Command::Delete(Delete { key, options: self.write.options(table) }) })
    }

    fn render(
        &self,
        table: &TableDescription,
        outcome: Result<Reply, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        self.write.render(table, &self.key, outcome, out)
    }
}
