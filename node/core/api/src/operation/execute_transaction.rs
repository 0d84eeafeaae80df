//! ExecuteTransaction: up to 100 PartiQL statements on one item each, all reads or all writes and checks, all or none.

use super::execute_statement::STATEMENT;
use super::model::{self, TableReference};
use super::statement::{Bound, PARAMETERS, Reading, Selecting};
use super::transact_get_items::render_reads_consumed;
use super::transact_write_items::{ITEMS_MAX, Outcome, REPEATED_ITEM};
use super::{ReadConsistency, Tables};
use crate::capacity::CapacityDetail;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use crate::render::{self, List, Object};
use stator_item::row::{decode_item, item_encoding};
use stator_partiql::Statement;
use stator_partition::Refusal;
use stator_partition::reply::Got;
use stator_partition::transaction::{CancellationReason, PlacedGet, PlacedWrite, RequestToken};
use std::collections::BTreeSet;

static STATEMENT_OF_MANY: Structure =
    Structure { name: "ParameterizedStatement", members: &[STATEMENT, PARAMETERS, model::RETURN_VALUES_ON_FAILURE] };

static INPUT: Structure = Structure {
    name: "ExecuteTransactionInput",
    members: &[
        Member::required(
            "TransactStatements",
            &Shape::List { of: &Shape::Structure(&STATEMENT_OF_MANY), min: 1, max: ITEMS_MAX },
        ),
        model::CLIENT_REQUEST_TOKEN,
        model::RETURN_CONSUMED_CAPACITY,
    ],
};

/// A checked ExecuteTransaction.
#[derive(Clone, PartialEq, Debug)]
pub struct ExecuteTransaction {
    statements: Vec<Bound>,
    token: Option<String>,
    capacity: CapacityDetail,
}

/// What the statements ask for, in their order.
#[derive(Clone, PartialEq, Debug)]
pub enum Transaction {
    Reads(Reads),
    Writes(Vec<PlacedWrite>, Option<RequestToken>),
}

/// SELECTs of one item each.
#[derive(Clone, PartialEq, Debug)]
pub struct Reads {
    gets: Vec<PlacedGet>,
    selecting: Vec<Selecting>,
}

impl Reads {
    /// Of whole items: a statement's other conditions may speak of any attribute.
    pub fn gets(&self) -> Vec<PlacedGet> {
        self.gets.clone()
    }
}

impl ExecuteTransaction {
    pub fn parse(body: &[u8]) -> Result<ExecuteTransaction, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let statements = members.list("TransactStatements").unwrap_or_default().iter().filter_map(Members::of);
        let statements = statements.map(Bound::read_of_transaction).collect::<Result<Vec<_>, _>>()?;
        let reads = statements.iter().filter(|bound| matches!(bound.statement, Statement::Select(_))).count();
        if reads > 0 && reads < statements.len() {
            return Err(ApiError::validation(
                "ExecuteTransaction API does not support both read and write operations in the same request.",
            ));
        }
        let token = members.text("ClientRequestToken").map(str::to_owned);
        Ok(ExecuteTransaction { statements, token, capacity: CapacityDetail::read(members) })
    }

    /// The tables as the statements name them: ARNs have to be checked against the cluster's
    /// [`Owner`](crate::arn::Owner).
    pub fn references(&self) -> impl Iterator<Item = &TableReference> {
        self.statements.iter().map(|bound| &bound.table)
    }

    pub fn transaction(&self, tables: &Tables) -> Result<Transaction, ApiError> {
        let (mut seen, mut writes) = (BTreeSet::new(), Vec::new());
        let mut reads = Reads { gets: Vec::new(), selecting: Vec::new() };
        for bound in &self.statements {
            let table = tables.get(&bound.table.name).ok_or_else(ApiError::no_such_table)?;
            let key = match bound.transaction_write(table)? {
                Some(write) => {
                    let key = write.write.key().clone();
                    writes.push(write);
                    key
                }
                None => {
                    let reading = Reading { consistency: ReadConsistency::Strong, ..Reading::default() };
                    let get = bound.transaction_get(table)?;
                    reads.selecting.push(bound.select(table, reading)?.ok_or_else(ApiError::internal)?);
                    let key = get.get.key.clone();
                    reads.gets.push(get);
                    key
                }
            };
            if !seen.insert((table.id, key)) {
                return Err(ApiError::validation(REPEATED_ITEM));
            }
        }
        if writes.is_empty() {
            return Ok(Transaction::Reads(reads));
        }
        let names = self.references().map(|table| table.name.as_str());
        let request = self.token.as_ref().map(|token| RequestToken::of(token, names.zip(&writes)));
        Ok(Transaction::Writes(writes, request))
    }

    /// The reads that a repeat of the request consumes, if it is to be told.
    pub fn reads_of_repeat(&self, writes: &[PlacedWrite]) -> Vec<PlacedGet> {
        if self.capacity == CapacityDetail::None {
            return Vec::new();
        }
        writes.iter().map(PlacedWrite::read).collect()
    }

    /// The refusal in the words of statements: an INSERT fails because its key is there.
    pub fn refusal(&self, refusal: Refusal) -> ApiError {
        let Refusal::Cancelled(mut reasons) = refusal else { return refusal.into() };
        for (bound, reason) in self.statements.iter().zip(&mut reasons) {
            if let (Statement::Insert(_), Some(CancellationReason::ConditionFailed { old_item })) =
                (&bound.statement, &reason)
            {
                *reason = Some(CancellationReason::Duplicate { old_item: old_item.clone() });
            }
        }
        ApiError::TransactionCanceled(reasons)
    }

    /// The response's body after writes.
    pub fn render_written(&self, tables: &Tables, outcome: &Outcome, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        let mut list = List::begin(object.member("Responses"));
        for _ in &self.statements {
            list.element().extend_from_slice(b"{}");
        }
        list.end();
        if self.capacity != CapacityDetail::None {
            let references: Vec<_> = self.references().collect();
            outcome.render_consumed(&references, tables, self.capacity, object.member("ConsumedCapacity"));
        }
        object.end();
    }

    /// The response's body after reads, from the items in the order of the statements.
    pub fn render_read(&self, tables: &Tables, reads: &Reads, got: &[Got], out: &mut Vec<u8>) -> Result<(), ApiError> {
        let mut object = Object::begin(out);
        let mut list = List::begin(object.member("Responses"));
        for (selecting, got) in reads.selecting.iter().zip(got) {
            let mut response = Object::begin(list.element());
            if let Some(item) = selected(selecting, got)? {
                render::item(&item, response.member("Item"))?;
            }
            response.end();
        }
        list.end();
        if self.capacity != CapacityDetail::None {
            let references: Vec<_> = self.references().collect();
            render_reads_consumed(&references, got, tables, self.capacity, object.member("ConsumedCapacity"));
        }
        object.end();
        Ok(())
    }
}

/// What the statement shows of the item, if it satisfies what the statement asks for beside its key.
fn selected(selecting: &Selecting, got: &Got) -> Result<Option<Vec<u8>>, ApiError> {
    let Some(encoded) = &got.item else { return Ok(None) };
    let item = decode_item(encoded).map_err(|_| ApiError::internal())?;
    if selecting.plan.filter.as_ref().is_some_and(|filter| !filter.evaluate(&item)) {
        return Ok(None);
    }
    let shown = if selecting.plan.columns.is_some() { selecting.plan.shape(&item) } else { item };
    Ok(Some(item_encoding(&shown)))
}
