//! TransactWriteItems: up to 100 writes and checks of items in any tables, all or none.

use super::attributes;
use super::expressions::{self, Grammar, Substitutes};
use super::model::{self, TableReference};
use super::transact_get_items::render_reads_consumed;
use super::update_item::refuse_key_changes;
use super::{Tables, check_serving};
use crate::capacity::{CapacityDetail, Consumed, Side};
use crate::collection_metrics;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use crate::render::Object;
use stator_catalog::TableDescription;
use stator_expression::{Condition, Kind, Update};
use stator_item::row::item_encoding;
use stator_item::{Item, Key};
use stator_partition::command::{Delete, Put, UpdateItem, WriteOptions};
use stator_partition::reply::{Got, Written};
use stator_partition::transaction::{Check, Place, PlacedGet, PlacedWrite, RequestToken, TransactionWrite};
use std::collections::{BTreeMap, BTreeSet};

/// Items of one transaction.
pub(super) const ITEMS_MAX: usize = 100;
/// What is said of an item that is in a transaction twice.
pub(super) const REPEATED_ITEM: &str = "Transaction request cannot include multiple operations on one item";

static CONDITION_CHECK: Structure = Structure {
    name: "ConditionCheck",
    members: &[
        model::KEY,
        model::TABLE_NAME,
        Member::required("ConditionExpression", &Shape::TEXT),
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        model::RETURN_VALUES_ON_FAILURE,
    ],
};
static PUT: Structure = Structure {
    name: "Put",
    members: &[
        Member::required("Item", &Shape::ITEM),
        model::TABLE_NAME,
        model::CONDITION_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        model::RETURN_VALUES_ON_FAILURE,
    ],
};
static DELETE: Structure = Structure {
    name: "Delete",
    members: &[
        model::KEY,
        model::TABLE_NAME,
        model::CONDITION_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        model::RETURN_VALUES_ON_FAILURE,
    ],
};
static UPDATE: Structure = Structure {
    name: "Update",
    members: &[
        model::KEY,
        Member::required("UpdateExpression", &Shape::TEXT),
        model::TABLE_NAME,
        model::CONDITION_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        model::EXPRESSION_ATTRIBUTE_VALUES,
        model::RETURN_VALUES_ON_FAILURE,
    ],
};
static TRANSACT_WRITE_ITEM: Structure = Structure {
    name: "TransactWriteItem",
    members: &[
        Member::optional("ConditionCheck", &Shape::Structure(&CONDITION_CHECK)),
        Member::optional("Put", &Shape::Structure(&PUT)),
        Member::optional("Delete", &Shape::Structure(&DELETE)),
        Member::optional("Update", &Shape::Structure(&UPDATE)),
    ],
};

static INPUT: Structure = Structure {
    name: "TransactWriteItemsInput",
    members: &[
        Member::required(
            "TransactItems",
            &Shape::List { of: &Shape::Structure(&TRANSACT_WRITE_ITEM), min: 1, max: ITEMS_MAX },
        ),
        model::RETURN_CONSUMED_CAPACITY,
        model::RETURN_ITEM_COLLECTION_METRICS,
        model::CLIENT_REQUEST_TOKEN,
    ],
};

/// Expressions here have no predecessors.
const CONDITION_GRAMMAR: Grammar =
    Grammar { expressions: &["ConditionExpression"], legacy: &[], valueless: Some("ConditionExpression is null") };
const UPDATE_GRAMMAR: Grammar = Grammar {
    expressions: &["UpdateExpression", "ConditionExpression"],
    legacy: &[],
    valueless: Some("UpdateExpression and ConditionExpression are null"),
};

/// What is done with one item.
#[derive(Clone, PartialEq, Debug)]
enum Action {
    Check,
    Put,
    Delete,
    Update(Update),
}

/// One item of the request.
#[derive(Clone, PartialEq, Debug)]
struct ItemWrite {
    table: TableReference,
    action: Action,
    /// The item of a put, else the key.
    item: Item,
    condition: Option<Condition>,
    old_item_on_failure: bool,
}

/// A checked TransactWriteItems.
#[derive(Clone, PartialEq, Debug)]
pub struct TransactWriteItems {
    writes: Vec<ItemWrite>,
    token: Option<String>,
    capacity: CapacityDetail,
    collection_size: bool,
}

/// What a transaction of writes is answered with.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// For each write, in order.
    Written(Vec<Written>),
    /// The request was carried out before. The items as they are now, if capacity is asked for: reading them is what it consumed.
    Repeated(Vec<Got>),
}

impl Outcome {
    /// `ConsumedCapacity`. `references` are the tables of the writes, in order.
    pub(super) fn render_consumed(
        &self,
        references: &[&TableReference],
        tables: &Tables,
        detail: CapacityDetail,
        out: &mut Vec<u8>,
    ) {
        match self {
            Outcome::Written(written) => {
                let mut consumed: BTreeMap<&TableReference, Consumed> = BTreeMap::new();
                for (reference, written) in references.iter().zip(written) {
                    consumed.entry(reference).or_default().add_write(written);
                }
                let consumed: Vec<_> = consumed.into_iter().collect();
                Side::Write.render(&consumed, tables, detail, out);
            }
            Outcome::Repeated(got) => render_reads_consumed(references, got, tables, detail, out),
        }
    }
}

impl TransactWriteItems {
    pub fn parse(body: &[u8]) -> Result<TransactWriteItems, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let items = members.list("TransactItems").unwrap_or_default();
        let writes = items.iter().filter_map(Members::of).map(ItemWrite::read).collect::<Result<Vec<_>, _>>()?;
        Ok(TransactWriteItems {
            writes,
            token: members.text("ClientRequestToken").map(str::to_owned),
            capacity: CapacityDetail::read(members),
            collection_size: members.text("ReturnItemCollectionMetrics") == Some("SIZE"),
        })
    }

    /// The tables as the request names them: ARNs have to be checked against the cluster's [`Owner`](crate::arn::Owner).
    pub fn references(&self) -> impl Iterator<Item = &TableReference> {
        self.writes.iter().map(|write| &write.table)
    }

    /// The writes in order, and the request's token.
    pub fn writes(&self, tables: &Tables) -> Result<(Vec<PlacedWrite>, Option<RequestToken>), ApiError> {
        let mut seen = BTreeSet::new();
        let mut writes = Vec::with_capacity(self.writes.len());
        for write in &self.writes {
            let table = tables.get(&write.table.name).ok_or_else(ApiError::no_such_table)?;
            check_serving(table)?;
            let key = write.key(table)?;
            if !seen.insert((table.id, key.clone())) {
                return Err(ApiError::validation(REPEATED_ITEM));
            }
            let place = Place { table: table.id, token: key.token() };
            writes.push(PlacedWrite { place, write: write.write(key, table, self.collection_size)? });
        }
        let names = self.references().map(|table| table.name.as_str());
        let request = self.token.as_ref().map(|token| RequestToken::of(token, names.zip(&writes)));
        Ok((writes, request))
    }

    /// The reads that a repeat of the request consumes, if it is to be told.
    pub fn reads_of_repeat(&self, writes: &[PlacedWrite]) -> Vec<PlacedGet> {
        if self.capacity == CapacityDetail::None {
            return Vec::new();
        }
        writes.iter().map(PlacedWrite::read).collect()
    }

    /// The response's body.
    pub fn render(&self, tables: &Tables, outcome: &Outcome, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let mut object = Object::begin(out);
        if self.capacity != CapacityDetail::None {
            let references: Vec<_> = self.references().collect();
            outcome.render_consumed(&references, tables, self.capacity, object.member("ConsumedCapacity"));
        }
        if let Outcome::Written(written) = outcome
            && written.iter().any(|written| written.collection_bytes.is_some())
        {
            self.render_collections(tables, written, object.member("ItemCollectionMetrics"));
        }
        object.end();
        Ok(())
    }

    /// Each item collection that was written, once, with its size as told last.
    fn render_collections(&self, tables: &Tables, written: &[Written], out: &mut Vec<u8>) {
        let mut metrics = Object::begin(out);
        let references: BTreeSet<&TableReference> = self.references().collect();
        for reference in references {
            let Some(table) = tables.get(&reference.name) else { continue };
            let of_table = self.writes.iter().zip(written).filter(|(write, _)| write.table == *reference);
            let sized = of_table.filter_map(|(write, written)| Some((&write.item, written.collection_bytes?)));
            let collections = collection_metrics::last_of_each(sized, table);
            if !collections.is_empty() {
                collection_metrics::write_list(&collections, table, metrics.member(&reference.given));
            }
        }
        metrics.end();
    }
}

impl ItemWrite {
    fn read(members: Members<'_>) -> Result<ItemWrite, ApiError> {
        let actions = ["ConditionCheck", "Put", "Delete", "Update"];
        let mut present = actions.iter().filter_map(|name| Some((*name, members.structure(name)?)));
        let Some((name, members)) = present.next() else {
            return Err(ApiError::validation(
                "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
            ));
        };
        if present.next().is_some() {
            return Err(ApiError::validation("TransactItems can only contain one of Check, Put, Update or Delete"));
        }
        let table = TableReference::read(members)?;
        let grammar = if name == "Update" { &UPDATE_GRAMMAR } else { &CONDITION_GRAMMAR };
        let substitutes = Substitutes::read(members, grammar)?;
        let attributes = if name == "Put" { "Item" } else { "Key" };
        let item = members.map(attributes).map(attributes::item).transpose()?.unwrap_or_default();
        if name == "Put" {
            attributes::check_item_size(&item)?;
        }
        let placeholders = substitutes.placeholders();
        let action = match name {
            "ConditionCheck" => Action::Check,
            "Put" => Action::Put,
            "Delete" => Action::Delete,
            _ => Action::Update(expressions::update_expression(members, &placeholders)?),
        };
        let condition = expressions::condition(members, Kind::Condition, &placeholders)?;
        placeholders.unused()?;
        let old_item_on_failure = members.text("ReturnValuesOnConditionCheckFailure") == Some("ALL_OLD");
        Ok(ItemWrite { table, action, item, condition, old_item_on_failure })
    }

    fn key(&self, table: &TableDescription) -> Result<Key, ApiError> {
        match &self.action {
            Action::Put => attributes::key_of_item(&self.item, table),
            Action::Check | Action::Delete | Action::Update(_) => attributes::key_of_key(&self.item, &table.key),
        }
    }

    fn write(&self, key: Key, table: &TableDescription, collection_size: bool) -> Result<TransactionWrite, ApiError> {
        let options = WriteOptions {
            condition: self.condition.clone(),
            old_item_on_failure: self.old_item_on_failure,
            collection_size: collection_size && !table.local_indexes.is_empty() && self.action != Action::Check,
            ..WriteOptions::default()
        };
        Ok(match &self.action {
            Action::Check => TransactionWrite::Check(Check { key, options }),
            Action::Put => TransactionWrite::Put(Put { key, item: item_encoding(&self.item).into(), options }),
            Action::Delete => TransactionWrite::Delete(Delete { key, options }),
            Action::Update(update) => {
                refuse_key_changes(update, &table.key)?;
                TransactionWrite::Update(UpdateItem { key, update: Some(update.clone()), options })
            }
        })
    }
}
