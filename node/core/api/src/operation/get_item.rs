//! GetItem.

use super::attributes;
use super::expressions::{self, Grammar, Substitutes};
use super::legacy;
use super::model::{self, TableReference};
use super::{OneItem, ReadConsistency, Routed, check_serving, unexpected_reply};
use crate::capacity::{CapacityDetail, Consumed, of_read};
use crate::error_table::ApiError;
use crate::reader::{self, Structure};
use crate::render::{self, Object};
use stator_catalog::TableDescription;
use stator_expression::Projection;
use stator_item::Item;
use stator_partition::Command;
use stator_partition::command::Get;
use stator_partition::{Refusal, Reply};

static INPUT: Structure = Structure {
    name: "GetItemInput",
    members: &[
        model::TABLE_NAME,
        model::KEY,
        model::CONSISTENT_READ,
        model::RETURN_CONSUMED_CAPACITY,
        model::PROJECTION_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        legacy::ATTRIBUTES_TO_GET,
    ],
};

/// Of operations that can only project.
pub(super) const PROJECTION_GRAMMAR: Grammar =
    Grammar { expressions: &["ProjectionExpression"], legacy: &["AttributesToGet"], valueless: None };

/// A checked GetItem.
#[derive(Clone, PartialEq, Debug)]
pub struct GetItem {
    table: TableReference,
    key: Item,
    projection: Option<Projection>,
    consistency: ReadConsistency,
    capacity: CapacityDetail,
}

impl OneItem for GetItem {
    fn parse(body: &[u8]) -> Result<GetItem, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let table = TableReference::read(members)?;
        let substitutes = Substitutes::read(members, &PROJECTION_GRAMMAR)?;
        let key = members.map("Key").map(attributes::item).transpose()?.unwrap_or_default();
        let placeholders = substitutes.placeholders();
        let projection = expressions::projection(members, &placeholders)?;
        placeholders.unused()?;
        let (consistency, capacity) = (ReadConsistency::read(members), CapacityDetail::read(members));
        Ok(GetItem { table, key, projection, consistency, capacity })
    }

    fn table(&self) -> &TableReference {
        &self.table
    }

    fn consistency(&self) -> ReadConsistency {
        self.consistency
    }

    fn command(&self, table: &TableDescription) -> Result<Routed, ApiError> {
        check_serving(table)?;
        let key = attributes::key_of_key(&self.key, &table.key)?;
        Ok(Routed { token: key.token(), command: Command::Get(Get { key, projection: self.projection.clone() }) })
    }

    fn render(
        &self,
        table: &TableDescription,
        outcome: Result<Reply, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let Reply::Got(got) = outcome? else { return Err(unexpected_reply()) };
        let mut object = Object::begin(out);
        if let Some(item) = &got.item {
            render::item(item, object.member("Item"))?;
        }
        if self.capacity != CapacityDetail::None {
            let table_units = of_read(got.read_bytes, self.consistency);
            let consumed = Consumed { table: table_units, ..Consumed::default() };
            consumed.write_json(&self.table.given, table, self.capacity, object.member("ConsumedCapacity"));
        }
        object.end();
        Ok(())
    }
}
