//! BatchExecuteStatement: up to 25 PartiQL statements on one item each, each with its own outcome.

use super::execute_statement::STATEMENT;
use super::model::{self, TableReference};
use super::statement::{Bound, PARAMETERS, Selecting};
use super::{BatchCommand, ReadConsistency, render_consumed, unexpected_reply};
use crate::capacity::{CapacityDetail, Consumed, of_read};
use crate::error_table::{ApiError, Wire};
use crate::reader::{self, Member, Members, Shape, Structure};
use crate::render::{self, List, Object};
use stator_catalog::{TableDescription, TokenRange};
use stator_partition::{Refusal, Reply};
use std::collections::BTreeMap;
use std::sync::Arc;

const STATEMENTS_MAX: usize = 25;

static REQUEST: Structure = Structure {
    name: "BatchStatementRequest",
    members: &[STATEMENT, PARAMETERS, model::CONSISTENT_READ, model::RETURN_VALUES_ON_FAILURE],
};

static INPUT: Structure = Structure {
    name: "BatchExecuteStatementInput",
    members: &[
        Member::required("Statements", &Shape::List { of: &Shape::Structure(&REQUEST), min: 1, max: STATEMENTS_MAX }),
        model::RETURN_CONSUMED_CAPACITY,
    ],
};

/// A checked BatchExecuteStatement. What is wrong with a statement is that statement's outcome.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchExecuteStatement {
    statements: Vec<Result<(Bound, ReadConsistency), ApiError>>,
    capacity: CapacityDetail,
}

/// One statement with its table.
#[derive(Clone, PartialEq, Debug)]
enum Planned {
    /// With the place of its command among all.
    Write(usize),
    Read(usize, Box<Selecting>),
    Refused(ApiError),
}

/// A batch with its tables, on its way.
#[derive(Clone, PartialEq, Debug)]
pub struct StatementBatch {
    planned: Vec<Planned>,
}

/// Tables by their names, or why they cannot be used.
pub type FoundTables = BTreeMap<String, Result<Arc<TableDescription>, ApiError>>;

/// What came of one statement.
type Answer = Result<Option<Vec<u8>>, ApiError>;

impl BatchExecuteStatement {
    pub fn parse(body: &[u8]) -> Result<BatchExecuteStatement, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let mut statements = Vec::new();
        for members in members.list("Statements").unwrap_or_default().iter().filter_map(Members::of) {
            statements.push(Bound::read(members).map(|bound| (bound, ReadConsistency::read(members))));
        }
        let reads = statements.iter().flatten().filter(|(bound, _)| bound.is_read()).count();
        if reads > 0 && reads < statements.iter().flatten().count() {
            return Err(ApiError::validation(
                "BatchExecuteStatement cannot have both read and write statements in one batch",
            ));
        }
        Ok(BatchExecuteStatement { statements, capacity: CapacityDetail::read(members) })
    }

    /// The tables as the statements name them: ARNs have to be checked against the cluster's
    /// [`Owner`](crate::arn::Owner).
    pub fn references(&self) -> impl Iterator<Item = &TableReference> {
        self.statements.iter().flatten().map(|(bound, _)| &bound.table)
    }

    /// The commands of all statements that can be carried out.
    pub fn commands(&self, tables: &FoundTables) -> (StatementBatch, Vec<BatchCommand>) {
        let mut commands = Vec::new();
        let mut planned = Vec::new();
        for statement in &self.statements {
            planned.push(match statement.as_ref().map_err(Clone::clone).and_then(|it| plan(it, tables)) {
                Err(error) => Planned::Refused(error),
                Ok((command, selecting)) => {
                    commands.push(command);
                    let place = commands.len() - 1;
                    selecting.map_or(Planned::Write(place), |selecting| Planned::Read(place, Box::new(selecting)))
                }
            });
        }
        (StatementBatch { planned }, commands)
    }

    /// The response's body, from the outcomes of all commands in their order.
    pub fn render(
        &self,
        tables: &FoundTables,
        batch: &StatementBatch,
        outcomes: Vec<Result<Reply, Refusal>>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let mut outcomes: Vec<Option<Result<Reply, Refusal>>> = outcomes.into_iter().map(Some).collect();
        let mut consumed: BTreeMap<&TableReference, Consumed> = BTreeMap::new();
        let mut object = Object::begin(out);
        let mut list = List::begin(object.member("Responses"));
        for (statement, planned) in self.statements.iter().zip(&batch.planned) {
            let out = list.element();
            let (answer, spent) = answer(statement, planned, &mut outcomes);
            if let (Ok((bound, _)), Some(spent)) = (statement, spent) {
                consumed.entry(&bound.table).or_default().add(&spent);
            }
            let table = statement.as_ref().ok().map(|(bound, _)| bound.table.name.as_str());
            write_answer(answer, table, out)?;
        }
        list.end();
        if self.capacity != CapacityDetail::None {
            let consumed: Vec<_> = consumed.into_iter().collect();
            let tables = tables.iter().filter_map(|(name, table)| Some((name.clone(), table.clone().ok()?))).collect();
            render_consumed(&consumed, &tables, self.capacity, object.member("ConsumedCapacity"));
        }
        object.end();
        Ok(())
    }
}

fn plan(
    (bound, consistency): &(Bound, ReadConsistency),
    tables: &FoundTables,
) -> Result<(BatchCommand, Option<Selecting>), ApiError> {
    let table = tables.get(&bound.table.name).ok_or_else(ApiError::no_such_table)?.as_ref().map_err(Clone::clone)?;
    if let Some(routed) = bound.write(table)? {
        let (token, command, consistency) = (routed.token, routed.command, ReadConsistency::Strong);
        return Ok((BatchCommand { table: table.id, token, consistency, command }, None));
    }
    let selecting = bound.select_one(table, *consistency)?.ok_or_else(ApiError::internal)?;
    let token = selecting.paging.next_token().ok_or_else(ApiError::internal)?;
    let command = selecting.paging.page(TokenRange::ALL);
    Ok((BatchCommand { table: table.id, token, consistency: *consistency, command }, Some(selecting)))
}

/// What a statement came to, and what it consumed.
fn answer(
    statement: &Result<(Bound, ReadConsistency), ApiError>,
    planned: &Planned,
    outcomes: &mut [Option<Result<Reply, Refusal>>],
) -> (Answer, Option<Consumed>) {
    let mut take = |place: usize| outcomes.get_mut(place).and_then(Option::take).unwrap_or(Err(Refusal::Overloaded));
    match (statement, planned) {
        (Err(error), _) | (_, Planned::Refused(error)) => (Err(error.clone()), None),
        (Ok((bound, _)), Planned::Write(place)) => match bound.written(take(*place)) {
            Err(error) => (Err(error), None),
            Ok(written) => {
                let mut consumed = Consumed::default();
                consumed.add_write(&written);
                (Ok(written.attributes.map(|attributes| attributes.to_vec())), Some(consumed))
            }
        },
        (Ok((_, consistency)), Planned::Read(place, selecting)) => match take(*place) {
            Err(refusal) => (Err(refusal.into()), None),
            Ok(Reply::Page(page)) => {
                let units = of_read(page.read_bytes, *consistency);
                let consumed = Consumed { table: units, ..Consumed::default() };
                let item = page
                    .items
                    .first()
                    .map(|item| selecting.shaped(item).map(|shaped| shaped.unwrap_or_else(|| item.to_vec())));
                (item.transpose(), Some(consumed))
            }
            Ok(_) => (Err(unexpected_reply()), None),
        },
    }
}

fn write_answer(answer: Answer, table: Option<&str>, out: &mut Vec<u8>) -> Result<(), ApiError> {
    let mut object = Object::begin(out);
    let item = match answer {
        Ok(item) => item,
        Err(error) => {
            let item = match &error {
                ApiError::ConditionFailed { item } | ApiError::DuplicateItem { item } => item.clone(),
                _ => None,
            };
            let wire = Wire::from(error);
            let mut told = Object::begin(object.member("Error"));
            render::string(code(wire.short_name()), told.member("Code"));
            render::string(wire.message.as_deref().unwrap_or_default(), told.member("Message"));
            if let Some(item) = item {
                render::item(&item, told.member("Item"))?;
            }
            told.end();
            None
        }
    };
    if let Some(table) = table {
        render::string(table, object.member("TableName"));
    }
    if let Some(item) = item {
        render::item(&item, object.member("Item"))?;
    }
    object.end();
    Ok(())
}

/// What an exception is called inside a batch.
fn code(exception: &str) -> &str {
    match exception {
        "ValidationException" => "ValidationError",
        "ThrottlingException" => "ThrottlingError",
        "ServiceUnavailableException" | "InternalServerError" => "InternalServerError",
        "RequestLimitExceeded" => "RequestLimitExceeded",
        other => other.strip_suffix("Exception").unwrap_or(other),
    }
}
