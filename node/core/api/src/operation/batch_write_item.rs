//! BatchWriteItem: up to 25 puts and deletes, each by itself.

use super::attributes;
use super::model::{self, TableReference};
use super::{BatchCommand, ReadConsistency, Tables, check_serving, render_consumed, unexpected_reply};
use crate::capacity::{CapacityDetail, Consumed};
use crate::collection_metrics;
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use crate::render::{List, Object};
use stator_catalog::TableDescription;
use stator_item::json::{Entries, ValueError, write_item_json};
use stator_item::row::item_encoding;
use stator_item::{Item, Key};
use stator_partition::Command;
use stator_partition::command::{Delete, Put, WriteOptions};
use stator_partition::reply::Written;
use stator_partition::{Refusal, Reply};
use std::collections::BTreeSet;

const REQUESTS_MAX: usize = 25;

static PUT_REQUEST: Structure = Structure { name: "PutRequest", members: &[Member::required("Item", &Shape::ITEM)] };
static DELETE_REQUEST: Structure = Structure { name: "DeleteRequest", members: &[model::KEY] };
static WRITE_REQUEST: Structure = Structure {
    name: "WriteRequest",
    members: &[
        Member::optional("PutRequest", &Shape::Structure(&PUT_REQUEST)),
        Member::optional("DeleteRequest", &Shape::Structure(&DELETE_REQUEST)),
    ],
};

static INPUT: Structure = Structure {
    name: "BatchWriteItemInput",
    members: &[
        Member::required(
            "RequestItems",
            &Shape::Map {
                keys: &Shape::TABLE_NAME,
                of: &Shape::List { of: &Shape::Structure(&WRITE_REQUEST), min: 1, max: REQUESTS_MAX },
                min: 1,
                max: REQUESTS_MAX,
            },
        ),
        model::RETURN_CONSUMED_CAPACITY,
        model::RETURN_ITEM_COLLECTION_METRICS,
    ],
};

#[derive(Clone, PartialEq, Debug)]
enum WriteRequest {
    Put(Item),
    Delete(Item),
}

#[derive(Clone, PartialEq, Debug)]
struct TableWrites {
    table: TableReference,
    requests: Vec<WriteRequest>,
}

/// A checked BatchWriteItem.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchWriteItem {
    tables: Vec<TableWrites>,
    capacity: CapacityDetail,
    collection_size: bool,
}

impl BatchWriteItem {
    pub fn parse(body: &[u8]) -> Result<BatchWriteItem, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let mut tables = Vec::new();
        for (given, json) in members.map("RequestItems").into_iter().flat_map(Entries::iter) {
            let table = TableReference::new(given)?;
            let requests = json.as_array().into_iter().flatten().filter_map(Members::of);
            let requests = requests.map(WriteRequest::read).collect::<Result<Vec<_>, _>>()?;
            tables.push(TableWrites { table, requests });
        }
        if tables.iter().map(|table| table.requests.len()).sum::<usize>() > REQUESTS_MAX {
            return Err(ApiError::validation("Too many items requested for the BatchWriteItem call"));
        }
        let collection_size = members.text("ReturnItemCollectionMetrics") == Some("SIZE");
        Ok(BatchWriteItem { tables, capacity: CapacityDetail::read(members), collection_size })
    }

    /// The tables as the request names them: ARNs have to be checked against the cluster's [`Owner`](crate::arn::Owner).
    pub fn references(&self) -> impl Iterator<Item = &TableReference> {
        self.tables.iter().map(|writes| &writes.table)
    }

    /// One command for each request, in the order in which [`render`](BatchWriteItem::render) wants their outcomes.
    pub fn commands(&self, tables: &Tables) -> Result<Vec<BatchCommand>, ApiError> {
        let mut commands = Vec::new();
        let mut seen = BTreeSet::new();
        for writes in &self.tables {
            let description = tables.get(&writes.table.name).ok_or_else(ApiError::no_such_table)?;
            check_serving(description)?;
            let collection_size = self.collection_size && !description.local_indexes.is_empty();
            for request in &writes.requests {
                let key = request.key(description)?;
                if !seen.insert((description.id, key.clone())) {
                    return Err(ApiError::validation("Provided list of item keys contains duplicates"));
                }
                let options = WriteOptions { collection_size, ..WriteOptions::default() };
                commands.push(BatchCommand {
                    table: description.id,
                    token: key.token(),
                    consistency: ReadConsistency::Strong,
                    command: match request {
                        WriteRequest::Put(item) => Command::Put(Put { key, item: item_encoding(item).into(), options }),
                        WriteRequest::Delete(_) => Command::Delete(Delete { key, options }),
                    },
                });
            }
        }
        Ok(commands)
    }

    /// The response's body, from the outcomes of all commands in their order. A missing outcome leaves its request
    /// unprocessed.
    pub fn render(
        &self,
        tables: &Tables,
        outcomes: Vec<Result<Reply, Refusal>>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let answers = self.sort(outcomes)?;
        let mut object = Object::begin(out);
        let mut unprocessed = Object::begin(object.member("UnprocessedItems"));
        for (writes, answers) in self.tables.iter().zip(&answers) {
            if answers.iter().any(Option::is_none) {
                writes.write_unprocessed(answers, unprocessed.member(&writes.table.given));
            }
        }
        unprocessed.end();
        if answers.iter().flatten().flatten().any(|written| written.collection_bytes.is_some()) {
            let mut metrics = Object::begin(object.member("ItemCollectionMetrics"));
            for (writes, answers) in self.tables.iter().zip(&answers) {
                if let Some(description) = tables.get(&writes.table.name) {
                    let sized = writes
                        .requests
                        .iter()
                        .zip(answers)
                        .filter_map(|(request, answer)| Some((request.item(), answer.as_ref()?.collection_bytes?)));
                    let collections = collection_metrics::last_of_each(sized, description);
                    if !collections.is_empty() {
                        collection_metrics::write_list(&collections, description, metrics.member(&writes.table.given));
                    }
                }
            }
            metrics.end();
        }
        if self.capacity != CapacityDetail::None {
            let consumed = answers.iter().map(|answers| {
                let mut consumed = Consumed::default();
                answers.iter().flatten().for_each(|written| consumed.add_write(written));
                consumed
            });
            let consumed: Vec<_> = self.tables.iter().map(|writes| &writes.table).zip(consumed).collect();
            render_consumed(&consumed, tables, self.capacity, object.member("ConsumedCapacity"));
        }
        object.end();
        Ok(())
    }

    fn sort(&self, outcomes: Vec<Result<Reply, Refusal>>) -> Result<Vec<Vec<Option<Written>>>, ApiError> {
        let mut outcomes = outcomes.into_iter();
        let mut sorted = Vec::with_capacity(self.tables.len());
        let mut refused = None;
        for writes in &self.tables {
            let mut answers = Vec::with_capacity(writes.requests.len());
            for _ in &writes.requests {
                answers.push(match outcomes.next() {
                    Some(Ok(Reply::Written(written))) => Some(written),
                    Some(Ok(_)) => return Err(unexpected_reply()),
                    Some(Err(refusal)) => {
                        let error = ApiError::from(refusal);
                        if !error.is_unprocessed() {
                            return Err(error);
                        }
                        refused.get_or_insert(error);
                        None
                    }
                    None => None,
                });
            }
            sorted.push(answers);
        }
        match refused {
            // Where nothing could be done, the client is told so.
            Some(error) if sorted.iter().flatten().all(Option::is_none) => Err(error),
            _ => Ok(sorted),
        }
    }
}

impl WriteRequest {
    fn read(members: Members<'_>) -> Result<WriteRequest, ApiError> {
        let refused = |error: ValueError| Err(ApiError::Validation(error.to_string()));
        match (members.structure("PutRequest"), members.structure("DeleteRequest")) {
            (Some(_), Some(_)) => refused(ValueError::MoreThanOneType),
            (None, None) => refused(ValueError::Empty),
            (Some(put), None) => {
                let item = put.map("Item").map(attributes::item).transpose()?.unwrap_or_default();
                attributes::check_item_size(&item)?;
                Ok(WriteRequest::Put(item))
            }
            (None, Some(delete)) => {
                let key = delete.map("Key").map(attributes::item).transpose()?.unwrap_or_default();
                Ok(WriteRequest::Delete(key))
            }
        }
    }

    /// The item, or the key of the one to delete.
    fn item(&self) -> &Item {
        match self {
            WriteRequest::Put(item) | WriteRequest::Delete(item) => item,
        }
    }

    fn key(&self, table: &TableDescription) -> Result<Key, ApiError> {
        match self {
            WriteRequest::Put(item) => attributes::key_of_item(item, table),
            WriteRequest::Delete(key) => attributes::key_of_key(key, &table.key),
        }
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        let (request, member) = match self {
            WriteRequest::Put(_) => ("PutRequest", "Item"),
            WriteRequest::Delete(_) => ("DeleteRequest", "Key"),
        };
        let mut object = Object::begin(out);
        let mut inner = Object::begin(object.member(request));
        write_item_json(self.item(), inner.member(member));
        inner.end();
        object.end();
    }
}

impl TableWrites {
    fn write_unprocessed(&self, answers: &[Option<Written>], out: &mut Vec<u8>) {
        let mut list = List::begin(out);
        for (request, _) in self.requests.iter().zip(answers).filter(|(_, answer)| answer.is_none()) {
            request.write_json(list.element());
        }
        list.end();
    }
}
