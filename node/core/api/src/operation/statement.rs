//! One PartiQL statement with its table: what it asks of partitions.

use super::attributes;
use super::model::TableReference;
use super::page_members::{IndexView, PageMembers};
use super::paging::PagingError;
use super::query::Query;
use super::scan::Scan;
use super::update_item::refuse_key_changes;
use super::{Paging, ReadConsistency, Routed, check_serving};
use crate::capacity::CapacityDetail;
use crate::error_table::ApiError;
use crate::reader::{Member, Members, Shape};
use stator_catalog::{KeyAttribute, TableDescription};
use stator_expression::{Condition, Path, Test};
use stator_item::row::{decode_item, item_encoding};
use stator_item::{Item, Key};
use stator_partiql::{
    Access, Delete, KeyNames, Keyed, PartiqlError, Returning, Select, SelectPlan, Statement, Update, keyed,
};
use stator_partition::command::{self, Get, Put, Returns, UpdateItem, WriteOptions};
use stator_partition::reply::Written;
use stator_partition::transaction::{Check, Place, PlacedGet, PlacedWrite, TransactionWrite};
use stator_partition::{Command, Refusal, Reply};

pub(super) const PARAMETERS: Member =
    Member::optional("Parameters", &Shape::List { of: &Shape::Value, min: 1, max: usize::MAX });

/// A parsed statement.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Bound {
    pub statement: Statement,
    pub table: TableReference,
    pub old_item_on_failure: bool,
}

/// What is asked of a SELECT beside its text.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Reading {
    pub consistency: ReadConsistency,
    pub capacity: CapacityDetail,
    pub items_max: Option<u64>,
    /// How many of the statement's queries were at their end, and where the next one goes on.
    pub resumed: Option<(usize, Item)>,
}

/// A SELECT on its way.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Selecting {
    pub paging: Paging,
    pub plan: SelectPlan,
    /// The statement's queries before those of `paging`.
    pub queries_done: usize,
}

impl Bound {
    /// Reads `Statement` and `Parameters` of a request or a part of it.
    pub(super) fn read(members: Members<'_>) -> Result<Bound, ApiError> {
        let bound = Bound::read_of_transaction(members)?;
        if matches!(bound.statement, Statement::Exists(_)) {
            return Err(ApiError::validation("EXISTS can only be used in ExecuteTransaction"));
        }
        Ok(bound)
    }

    /// The same of a transaction, which may have EXISTS.
    pub(super) fn read_of_transaction(members: Members<'_>) -> Result<Bound, ApiError> {
        let parameters = members.list("Parameters").unwrap_or_default();
        let parameters = parameters.iter().map(attributes::valid_value).collect::<Result<Vec<_>, _>>()?;
        let statement = Statement::parse(members.text("Statement").unwrap_or_default(), &parameters)?;
        let table = TableReference::new(statement.table())?;
        let old_item_on_failure = members.text("ReturnValuesOnConditionCheckFailure") == Some("ALL_OLD");
        Ok(Bound { statement, table, old_item_on_failure })
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.statement, Statement::Select(_) | Statement::Exists(_))
    }

    /// The command of a write; `None`: it is a read.
    pub(super) fn write(&self, table: &TableDescription) -> Result<Option<Routed>, ApiError> {
        let command = match &self.statement {
            Statement::Select(_) | Statement::Exists(_) => return Ok(None),
            Statement::Insert(insert) => {
                check_serving(table)?;
                attributes::check_item_size(&insert.item)?;
                let key = attributes::key_of_item(&insert.item, table)?;
                let missing = Condition::test(Test::NotExists(Path::attribute(&table.key.hash.name)));
                let options = self.options(Some(missing), None);
                Command::Put(Put { key, item: item_encoding(&insert.item).into(), options })
            }
            Statement::Update(update) => {
                let Keyed { key, rest } = key_of(update.condition.clone(), table)?;
                refuse_key_changes(&update.update, &table.key)?;
                let there = Condition::test(Test::Exists(Path::attribute(&table.key.hash.name)));
                let condition = rest.map_or(there.clone(), |rest| there.and(rest));
                let key = attributes::key_of_key(&key, &table.key)?;
                let options = self.options(Some(condition), update.returning);
                Command::Update(UpdateItem { key, update: Some(update.update.clone()), options })
            }
            Statement::Delete(delete) => {
                let Keyed { key, rest } = key_of(delete.condition.clone(), table)?;
                // A delete of what is not there does nothing, whatever else it asks for.
                let missing = Condition::test(Test::NotExists(Path::attribute(&table.key.hash.name)));
                let condition = rest.map(|rest| missing.or(rest));
                let key = attributes::key_of_key(&key, &table.key)?;
                Command::Delete(command::Delete { key, options: self.options(condition, delete.returning) })
            }
        };
        let token = match &command {
            Command::Put(Put { key, .. })
            | Command::Update(UpdateItem { key, .. })
            | Command::Delete(command::Delete { key, .. }) => key.token(),
            _ => return Err(ApiError::internal()),
        };
        Ok(Some(Routed { token, command }))
    }

    /// The write or check of a transaction; `None`: it is a SELECT.
    pub(super) fn transaction_write(&self, table: &TableDescription) -> Result<Option<PlacedWrite>, ApiError> {
        if let Statement::Update(Update { returning: Some(_), .. })
        | Statement::Delete(Delete { returning: Some(_), .. }) = &self.statement
        {
            return Err(ApiError::validation("RETURNING is not supported in ExecuteTransaction"));
        }
        let write = if let Statement::Exists(select) = &self.statement {
            let (key, rest) = self.key_of_select(select, table)?;
            let there = Condition::test(Test::Exists(Path::attribute(&table.key.hash.name)));
            let condition = rest.map_or(there.clone(), |rest| there.and(rest));
            TransactionWrite::Check(Check { key, options: self.options(Some(condition), None) })
        } else {
            match self.write(table)?.map(|routed| routed.command) {
                Some(Command::Put(put)) => TransactionWrite::Put(put),
                Some(Command::Update(update)) => TransactionWrite::Update(update),
                Some(Command::Delete(delete)) => TransactionWrite::Delete(delete),
                Some(_) => return Err(ApiError::internal()),
                None => return Ok(None),
            }
        };
        let place = Place { table: table.id, token: write.key().token() };
        Ok(Some(PlacedWrite { place, write }))
    }

    /// The read of a transaction's SELECT: the whole item, as its other conditions may speak of any attribute.
    pub(super) fn transaction_get(&self, table: &TableDescription) -> Result<PlacedGet, ApiError> {
        let Statement::Select(select) = &self.statement else { return Err(ApiError::internal()) };
        let (key, _) = self.key_of_select(select, table)?;
        let place = Place { table: table.id, token: key.token() };
        Ok(PlacedGet { place, get: Get { key, projection: None } })
    }

    /// The one item that a SELECT of a transaction names, and what else must hold.
    fn key_of_select(&self, select: &Select, table: &TableDescription) -> Result<(Key, Option<Condition>), ApiError> {
        if select.source.index.is_some() {
            return Err(ApiError::validation(
                "Select statements within ExecuteTransaction must specify the primary key in the where clause.",
            ));
        }
        let Keyed { key, rest } = key_of(select.condition.clone(), table)?;
        Ok((attributes::key_of_key(&key, &table.key)?, rest))
    }

    fn options(&self, condition: Option<Condition>, returning: Option<Returning>) -> WriteOptions {
        let returns = match returning {
            None => Returns::None,
            Some(Returning::AllOld) => Returns::AllOld,
            Some(Returning::ModifiedOld) => Returns::UpdatedOld,
            Some(Returning::AllNew) => Returns::AllNew,
            Some(Returning::ModifiedNew) => Returns::UpdatedNew,
        };
        WriteOptions { condition, returns, old_item_on_failure: self.old_item_on_failure, ..WriteOptions::default() }
    }

    /// The outcome of a write in the words of statements.
    pub(super) fn written(&self, outcome: Result<Reply, Refusal>) -> Result<Written, ApiError> {
        match (outcome, &self.statement) {
            (Ok(Reply::Written(written)), _) => Ok(written),
            (Ok(_), _) => Err(super::unexpected_reply()),
            (Err(Refusal::ConditionFailed { old_item }), Statement::Insert(_)) => {
                Err(ApiError::DuplicateItem { item: old_item })
            }
            (Err(refusal), _) => Err(refusal.into()),
        }
    }

    /// The read of a SELECT; `None`: it is a write.
    pub(super) fn select(&self, table: &TableDescription, reading: Reading) -> Result<Option<Selecting>, ApiError> {
        let Statement::Select(select) = &self.statement else { return Ok(None) };
        let index = select.source.index.as_deref();
        let view = IndexView::of(table, index)?;
        let names = |attributes: &'_ [KeyAttribute]| -> Vec<String> {
            attributes.iter().map(|attribute| attribute.name.clone()).collect()
        };
        let (hash, range) = (names(view.hash()), names(view.ranges()));
        let hash: Vec<&str> = hash.iter().map(String::as_str).collect();
        let range: Vec<&str> = range.iter().map(String::as_str).collect();
        let names = KeyNames { hash: &hash, range: &range };
        let plan = select.clone().plan(&names)?;
        let (queries_done, start_key) = reading.resumed.map_or((0, None), |(done, key)| (done, Some(key)));
        let mut page = PageMembers::of_statement(self.table.clone(), index, &plan);
        (page.items_max, page.start_key) = (reading.items_max, start_key);
        (page.consistency, page.capacity) = (reading.consistency, reading.capacity);
        let paging = match &plan.access {
            Access::Scan => Scan::of_statement(page).begin(table).map_err(misplaced)?,
            Access::Query(conditions) => {
                let mut paging: Option<Paging> = None;
                for condition in conditions.iter().skip(queries_done) {
                    let query = Query::of_statement(page.clone(), condition.clone(), plan.backward);
                    let query = query.begin(table).map_err(misplaced)?;
                    // Only the first one goes on where an earlier page stopped.
                    page.start_key = None;
                    paging = Some(match paging {
                        None => query,
                        Some(paging) => paging.then(query),
                    });
                }
                paging.ok_or_else(token_mismatch)?
            }
        };
        Ok(Some(Selecting { paging, plan, queries_done }))
    }

    /// The read of a SELECT that names one item, as those of batches must.
    pub(super) fn select_one(
        &self,
        table: &TableDescription,
        consistency: ReadConsistency,
    ) -> Result<Option<Selecting>, ApiError> {
        if let Statement::Select(select) = &self.statement {
            let single = select.source.index.is_none() && key_of(select.condition.clone(), table).is_ok();
            if !single {
                return Err(ApiError::validation(
                    "Select statements within BatchExecuteStatement must specify the primary key in the where clause.",
                ));
            }
        }
        self.select(table, Reading { consistency, ..Reading::default() })
    }
}

impl Selecting {
    /// The items that were found, as the statement asks for them: in the item encoding.
    pub(super) fn shaped(&self, encoded: &[u8]) -> Result<Option<Vec<u8>>, ApiError> {
        if !self.plan.reshapes() {
            return Ok(None);
        }
        let item = decode_item(encoded).map_err(|_| ApiError::internal())?;
        Ok(Some(item_encoding(&self.plan.shape(&item))))
    }
}

/// A NextToken of another statement, or none of ours.
pub(super) fn token_mismatch() -> ApiError {
    ApiError::validation("NextToken does not match request")
}

/// The place to go on from does not fit the statement: nobody was given such a token.
fn misplaced(error: PagingError) -> ApiError {
    match error {
        PagingError::StartKey(_) => token_mismatch(),
        PagingError::Other(error) => error,
    }
}

fn key_of(condition: Option<Condition>, table: &TableDescription) -> Result<Keyed, ApiError> {
    check_serving(table)?;
    let range: Vec<&str> = table.key.range.iter().map(|attribute| attribute.name.as_str()).collect();
    Ok(keyed(condition, &KeyNames { hash: &[&table.key.hash.name], range: &range })?)
}

impl From<PartiqlError> for ApiError {
    fn from(error: PartiqlError) -> ApiError {
        ApiError::Validation(error.to_string())
    }
}
