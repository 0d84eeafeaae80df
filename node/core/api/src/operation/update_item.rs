//! UpdateItem.

use super::attributes;
use super::expressions::{self, Grammar, Substitutes};
use super::legacy;
use super::model::{self, TableReference};
use super::write::WriteMembers;
use super::{OneItem, ReadConsistency, Routed, check_serving};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Shape, Structure};
use stator_catalog::{KeySchema, TableDescription};
use stator_expression::{Update, UpdateError};
use stator_item::Item;
use stator_partition::Command;
use stator_partition::command::UpdateItem as UpdateCommand;
use stator_partition::{Refusal, Reply};

static INPUT: Structure = Structure {
    name: "UpdateItemInput",
    members: &[
        model::TABLE_NAME,
        model::KEY,
        model::RETURN_VALUES,
        model::RETURN_CONSUMED_CAPACITY,
        model::RETURN_ITEM_COLLECTION_METRICS,
        Member::optional("UpdateExpression", &Shape::TEXT),
        model::CONDITION_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        model::RETURN_VALUES_ON_FAILURE,
        legacy::ATTRIBUTE_UPDATES,
        legacy::EXPECTED,
        legacy::CONDITIONAL_OPERATOR,
    ],
};

const GRAMMAR: Grammar = Grammar {
    expressions: &["UpdateExpression", "ConditionExpression"],
    legacy: &["AttributeUpdates", "Expected", "ConditionalOperator"],
    valueless: Some("UpdateExpression and ConditionExpression are null"),
};

/// A checked UpdateItem.
#[derive(Clone, PartialEq, Debug)]
pub struct UpdateItem {
    key: Item,
    update: Option<Update>,
    /// The update is `AttributeUpdates`, which have words of their own for operands of the wrong type.
    legacy_update: bool,
    write: WriteMembers,
}

impl OneItem for UpdateItem {
    fn parse(body: &[u8]) -> Result<UpdateItem, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let table = TableReference::read(members)?;
        let substitutes = Substitutes::read(members, &GRAMMAR)?;
        let key = members.map("Key").map(attributes::item).transpose()?.unwrap_or_default();
        let placeholders = substitutes.placeholders();
        let update = expressions::update(members, &placeholders)?;
        let write = WriteMembers::read(members, table, &placeholders)?;
        placeholders.unused()?;
        Ok(UpdateItem { key, update, legacy_update: members.has("AttributeUpdates"), write })
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
        self.update.as_ref().map_or(Ok(()), |update| refuse_key_changes(update, &table.key))?;
        let command = UpdateCommand { key, update: self.update.clone(), options: self.write.options(table) };
        Ok(Routed { token: command.key.token(), command: Command::Update(command) })
    }

    fn render(
        &self,
        table: &TableDescription,
        outcome: Result<Reply, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let outcome = outcome.map_err(|refusal| match refusal {
            Refusal::Invalid(text) if self.legacy_update && text == UpdateError::OperandType.to_string() => {
                Refusal::Invalid("Type mismatch for attribute to update".to_owned())
            }
            refusal => refusal,
        });
        self.write.render(table, &self.key, outcome, out)
    }
}

pub(super) fn refuse_key_changes(update: &Update, schema: &KeySchema) -> Result<(), ApiError> {
    let touched = update.touched_names();
    let key_names = std::iter::once(&schema.hash).chain(&schema.range).map(|attribute| attribute.name.as_str());
    match key_names.into_iter().find(|name| touched.contains(name)) {
        Some(name) => Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of the key"
        ))),
        None => Ok(()),
    }
}
