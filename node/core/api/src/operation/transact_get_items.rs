//! TransactGetItems: up to 100 items of any tables, as they stood at one moment.

use super::attributes;
use super::expressions::{self, Substitutes};
use super::get_item::PROJECTION_GRAMMAR;
use super::model::{self, TableReference};
use super::transact_write_items::{ITEMS_MAX, REPEATED_ITEM};
use super::{Tables, check_serving};
use crate::capacity::{CapacityDetail, Consumed, Side, Units};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use crate::render::{self, List, Object};
use stator_expression::Projection;
use stator_item::Item;
use stator_partition::command::Get;
use stator_partition::reply::Got;
use stator_partition::transaction::{Place, PlacedGet};
use std::collections::{BTreeMap, BTreeSet};

static GET: Structure = Structure {
    name: "Get",
    members: &[model::KEY, model::TABLE_NAME, model::PROJECTION_EXPRESSION, model::EXPRESSION_ATTRIBUTE_NAMES],
};
static TRANSACT_GET_ITEM: Structure =
    Structure { name: "TransactGetItem", members: &[Member::required("Get", &Shape::Structure(&GET))] };

static INPUT: Structure = Structure {
    name: "TransactGetItemsInput",
    members: &[
        Member::required(
            "TransactItems",
            &Shape::List { of: &Shape::Structure(&TRANSACT_GET_ITEM), min: 1, max: ITEMS_MAX },
        ),
        model::RETURN_CONSUMED_CAPACITY,
    ],
};

/// One item of the request.
#[derive(Clone, PartialEq, Debug)]
struct ItemGet {
    table: TableReference,
    key: Item,
    projection: Option<Projection>,
}

/// A checked TransactGetItems.
#[derive(Clone, PartialEq, Debug)]
pub struct TransactGetItems {
    gets: Vec<ItemGet>,
    capacity: CapacityDetail,
}

impl TransactGetItems {
    pub fn parse(body: &[u8]) -> Result<TransactGetItems, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let items = members.list("TransactItems").unwrap_or_default();
        let gets = items.iter().filter_map(Members::of).filter_map(|item| item.structure("Get"));
        let gets = gets.map(ItemGet::read).collect::<Result<Vec<_>, _>>()?;
        Ok(TransactGetItems { gets, capacity: CapacityDetail::read(members) })
    }

    /// The tables as the request names them: ARNs have to be checked against the cluster's [`Owner`](crate::arn::Owner).
    pub fn references(&self) -> impl Iterator<Item = &TableReference> {
        self.gets.iter().map(|get| &get.table)
    }

    /// The reads in order.
    pub fn gets(&self, tables: &Tables) -> Result<Vec<PlacedGet>, ApiError> {
        let mut seen = BTreeSet::new();
        let mut gets = Vec::with_capacity(self.gets.len());
        for get in &self.gets {
            let table = tables.get(&get.table.name).ok_or_else(ApiError::no_such_table)?;
            check_serving(table)?;
            let key = attributes::key_of_key(&get.key, &table.key)?;
            if !seen.insert((table.id, key.clone())) {
                return Err(ApiError::validation(REPEATED_ITEM));
            }
            let place = Place { table: table.id, token: key.token() };
            gets.push(PlacedGet { place, get: Get { key, projection: get.projection.clone() } });
        }
        Ok(gets)
    }

    /// The response's body, from the items in the order of the reads.
    pub fn render(&self, tables: &Tables, got: &[Got], out: &mut Vec<u8>) -> Result<(), ApiError> {
        let mut object = Object::begin(out);
        if self.capacity != CapacityDetail::None {
            let references: Vec<_> = self.references().collect();
            render_reads_consumed(&references, got, tables, self.capacity, object.member("ConsumedCapacity"));
        }
        let mut list = List::begin(object.member("Responses"));
        for got in got {
            let mut response = Object::begin(list.element());
            if let Some(item) = &got.item {
                render::item(item, response.member("Item"))?;
            }
            response.end();
        }
        list.end();
        object.end();
        Ok(())
    }
}

/// `ConsumedCapacity` of reads. `references` are their tables, in order.
pub(super) fn render_reads_consumed(
    references: &[&TableReference],
    got: &[Got],
    tables: &Tables,
    detail: CapacityDetail,
    out: &mut Vec<u8>,
) {
    let mut consumed: BTreeMap<&TableReference, Consumed> = BTreeMap::new();
    for (reference, got) in references.iter().zip(got) {
        consumed.entry(reference).or_default().table += Units::of_transaction_read(got.read_bytes);
    }
    let consumed: Vec<_> = consumed.into_iter().collect();
    Side::Read.render(&consumed, tables, detail, out);
}

impl ItemGet {
    fn read(members: Members<'_>) -> Result<ItemGet, ApiError> {
        let table = TableReference::read(members)?;
        let substitutes = Substitutes::read(members, &PROJECTION_GRAMMAR)?;
        let key = members.map("Key").map(attributes::item).transpose()?.unwrap_or_default();
        let placeholders = substitutes.placeholders();
        let projection = expressions::projection(members, &placeholders)?;
        placeholders.unused()?;
        Ok(ItemGet { table, key, projection })
    }
}
