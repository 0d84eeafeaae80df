//! PutItem.

use super::attributes;
use super::expressions::Substitutes;
use super::legacy;
use super::model::{self, TableReference};
use super::write::{self, WriteMembers};
use super::{OneItem, ReadConsistency, Routed, check_serving};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Shape, Structure};
use stator_catalog::TableDescription;
use stator_item::Item;
use stator_item::row::item_encoding;
use stator_partition::Command;
use stator_partition::command::Put;
use stator_partition::{Refusal, Reply};

static INPUT: Structure = Structure {
    name: "PutItemInput",
    members: &[
        model::TABLE_NAME,
        Member::required("Item", &Shape::ITEM),
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

/// A checked PutItem.
#[derive(Clone, PartialEq, Debug)]
pub struct PutItem {
    item: Item,
    write: WriteMembers,
}

impl OneItem for PutItem {
    fn parse(body: &[u8]) -> Result<PutItem, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let table = TableReference::read(members)?;
        let substitutes = Substitutes::read(members, &write::CONDITION_GRAMMAR)?;
        let item = members.map("Item").map(attributes::item).transpose()?.unwrap_or_default();
        write::refuse_new_values(members)?;
        attributes::check_item_size(&item)?;
        let placeholders = substitutes.placeholders();
        let write = WriteMembers::read(members, table, &placeholders)?;
        placeholders.unused()?;
        Ok(PutItem { item, write })
    }

    fn table(&self) -> &TableReference {
        &self.write.table
    }

    fn consistency(&self) -> ReadConsistency {
        ReadConsistency::Strong
    }

    fn command(&self, table: &TableDescription) -> Result<Routed, ApiError> {
        check_serving(table)?;
        let key = attributes::key_of_item(&self.item, table)?;
        let (item, options) = (item_encoding(&self.item).into(), self.write.options(table));
        Ok(Routed { token: key.token(), command: Command::Put(Put { key, item, options }) })
    }

    fn render(
        &self,
        table: &TableDescription,
        outcome: Result<Reply, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        self.write.render(table, &self.item, outcome, out)
    }
}
