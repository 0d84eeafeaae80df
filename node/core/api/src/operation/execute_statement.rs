//! ExecuteStatement: one PartiQL statement, read page by page where it reads.

use super::model::{self, TableReference};
use super::statement::{Bound, PARAMETERS, Reading, Selecting, token_mismatch};
use super::{Paging, ReadConsistency, Routed};
use crate::capacity::{CapacityDetail, Consumed};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Names, Shape, Structure};
use crate::render::{self, List, Object};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use stator_catalog::TableDescription;
use stator_item::Item;
use stator_item::json::{Json, write_value_json};
use stator_partiql::STATEMENT_BYTES_MAX;
use stator_partition::{Refusal, Reply};

pub(super) const STATEMENT: Member =
    Member::required("Statement", &Shape::String(Names::Length(1, STATEMENT_BYTES_MAX)));

static INPUT: Structure = Structure {
    name: "ExecuteStatementInput",
    members: &[
        STATEMENT,
        PARAMETERS,
        model::CONSISTENT_READ,
        Member::optional("NextToken", &Shape::String(Names::Length(1, 32_768))),
        model::RETURN_CONSUMED_CAPACITY,
        model::LIMIT,
        model::RETURN_VALUES_ON_FAILURE,
    ],
};

/// A checked ExecuteStatement.
#[derive(Clone, PartialEq, Debug)]
pub struct ExecuteStatement {
    bound: Bound,
    reading: Reading,
    /// Of the statement with its parameters: what a token is bound to.
    digest: [u8; DIGEST_BYTES],
}

/// What a statement asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Execution {
    Write(Box<Routed>),
    Read(Box<StatementPages>),
}

/// A SELECT on its way over pages.
#[derive(Clone, PartialEq, Debug)]
pub struct StatementPages {
    selecting: Selecting,
}

impl ExecuteStatement {
    /// Everything that can be refused without the table.
    pub fn parse(body: &[u8]) -> Result<ExecuteStatement, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let bound = Bound::read(members)?;
        let digest = digest(members);
        let resumed = members.text("NextToken").map(|token| resumed(token, &digest)).transpose()?;
        let reading = Reading {
            consistency: ReadConsistency::read(members),
            capacity: CapacityDetail::read(members),
            items_max: members.unsigned("Limit"),
            resumed,
        };
        Ok(ExecuteStatement { bound, reading, digest })
    }

    /// The table as the statement names it: an ARN has to be checked against the cluster's [`Owner`](crate::arn::Owner).
    pub fn table(&self) -> &TableReference {
        &self.bound.table
    }

    pub fn consistency(&self) -> ReadConsistency {
        if self.bound.is_read() { self.reading.consistency } else { ReadConsistency::Strong }
    }

    pub fn execution(&self, table: &TableDescription) -> Result<Execution, ApiError> {
        if let Some(routed) = self.bound.write(table)? {
            return Ok(Execution::Write(Box::new(routed)));
        }
        let selecting = self.bound.select(table, self.reading.clone())?.ok_or_else(ApiError::internal)?;
        Ok(Execution::Read(Box::new(StatementPages { selecting })))
    }

    /// The response's body of a write.
    pub fn render_written(
        &self,
        table: &TableDescription,
        outcome: Result<Reply, Refusal>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let written = self.bound.written(outcome)?;
        let mut object = Object::begin(out);
        let mut items = List::begin(object.member("Items"));
        if let Some(attributes) = &written.attributes {
            render::item(attributes, items.element())?;
        }
        items.end();
        if self.reading.capacity != CapacityDetail::None {
            let mut consumed = Consumed::default();
            consumed.add_write(&written);
            let out = object.member("ConsumedCapacity");
            consumed.write_json(&self.bound.table.given, table, self.reading.capacity, out);
        }
        object.end();
        Ok(())
    }

    /// The response's body of a read.
    pub fn render_read(
        &self,
        table: &TableDescription,
        pages: &StatementPages,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let Selecting { paging, queries_done, .. } = &pages.selecting;
        let mut object = Object::begin(out);
        let mut list = List::begin(object.member("Items"));
        for item in paging.items() {
            let out = list.element();
            match pages.selecting.shaped(item)? {
                Some(shaped) => render::item(&shaped, out)?,
                None => render::item(item, out)?,
            }
        }
        list.end();
        if let Some(key) = paging.last_key(table) {
            let queries_done = queries_done + paging.stretches_done();
            render::string(&self.token(queries_done, &key), object.member("NextToken"));
            object.member("LastEvaluatedKey").extend_from_slice(&key);
        }
        if self.reading.capacity != CapacityDetail::None {
            let out = object.member("ConsumedCapacity");
            paging.consumed().write_json(&self.bound.table.given, table, self.reading.capacity, out);
        }
        object.end();
        Ok(())
    }

    /// Where the next page goes on: version, digest, queries done, the last key as JSON.
    fn token(&self, queries_done: usize, key: &[u8]) -> String {
        let queries_done = u32::try_from(queries_done).unwrap_or(u32::MAX);
        let bytes = [&[TOKEN_VERSION][..], &self.digest, &queries_done.to_be_bytes(), key].concat();
        STANDARD.encode(bytes)
    }
}

impl StatementPages {
    pub fn paging_mut(&mut self) -> &mut Paging {
        &mut self.selecting.paging
    }
}

const TOKEN_VERSION: u8 = 1;
const DIGEST_BYTES: usize = 16;

/// Of the statement and its parameters.
fn digest(members: Members<'_>) -> [u8; DIGEST_BYTES] {
    let mut hasher = Sha256::new();
    let statement = members.text("Statement").unwrap_or_default();
    hasher.update((statement.len() as u64).to_be_bytes());
    hasher.update(statement);
    let mut shown = Vec::new();
    for json in members.list("Parameters").unwrap_or_default() {
        // What is no value has been refused.
        if let Ok(value) = super::attributes::value(json) {
            write_value_json(&value, &mut shown);
        }
    }
    hasher.update(&shown);
    hasher.finalize().first_chunk().copied().unwrap_or_default()
}

/// What a token of ours says, if it was given for this statement.
fn resumed(token: &str, digest: &[u8; DIGEST_BYTES]) -> Result<(usize, Item), ApiError> {
    let read = || {
        let bytes = STANDARD.decode(token).ok()?;
        let rest = bytes.strip_prefix(&[TOKEN_VERSION])?.strip_prefix(digest)?;
        let (queries_done, key) = rest.split_first_chunk::<4>()?;
        let json = Json::parse(key)?;
        let key = super::attributes::item(json.as_object()?).ok()?;
        Some((usize::try_from(u32::from_be_bytes(*queries_done)).ok()?, key))
    };
    read().ok_or_else(token_mismatch)
}
