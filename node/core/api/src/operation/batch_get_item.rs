//! BatchGetItem: reads of up to 100 items, each by itself.

use super::attributes;
use super::expressions::{self, Substitutes};
use super::get_item::PROJECTION_GRAMMAR;
use super::legacy;
use super::model::{self, TableReference};
use super::{BatchCommand, ReadConsistency, Tables, check_serving, render_consumed, unexpected_reply};
use crate::capacity::{CapacityDetail, Consumed, of_read};
use crate::error_table::ApiError;
use crate::reader::{self, Member, Members, Shape, Structure};
use crate::render::{self, List, Object};
use stator_expression::Projection;
use stator_item::Item;
use stator_item::json::{Entries, Json, write_item_json};
use stator_partition::Command;
use stator_partition::command::Get;
use stator_partition::reply::Got;
use stator_partition::{Refusal, Reply};
use std::collections::{BTreeMap, BTreeSet};

const KEYS_MAX: usize = 100;
/// Size of the items of one reply; what goes beyond it is left unprocessed.
const REPLY_BYTES_MAX: u64 = 16 << 20;

static KEYS_AND_ATTRIBUTES: Structure = Structure {
    name: "KeysAndAttributes",
    members: &[
        Member::required("Keys", &Shape::List { of: &Shape::ITEM, min: 1, max: KEYS_MAX }),
        model::CONSISTENT_READ,
        model::PROJECTION_EXPRESSION,
        model::EXPRESSION_ATTRIBUTE_NAMES,
        legacy::ATTRIBUTES_TO_GET,
    ],
};

static INPUT: Structure = Structure {
    name: "BatchGetItemInput",
    members: &[
        Member::required(
            "RequestItems",
            &Shape::Map { keys: &Shape::TABLE_NAME, of: &Shape::Structure(&KEYS_AND_ATTRIBUTES), min: 1, max: 100 },
        ),
        model::RETURN_CONSUMED_CAPACITY,
    ],
};

/// What is asked of one table.
#[derive(Clone, PartialEq, Debug)]
struct TableKeys {
    table: TableReference,
    keys: Vec<Item>,
    projection: Option<Projection>,
    consistency: ReadConsistency,
    /// `AttributesToGet`, `ProjectionExpression` and `ExpressionAttributeNames` as they came: unprocessed keys repeat them.
    projection_text: Option<String>,
    attributes_to_get: Vec<String>,
    names: BTreeMap<String, String>,
}

/// A checked BatchGetItem.
#[derive(Clone, PartialEq, Debug)]
pub struct BatchGetItem {
    tables: Vec<TableKeys>,
    capacity: CapacityDetail,
}

impl BatchGetItem {
    pub fn parse(body: &[u8]) -> Result<BatchGetItem, ApiError> {
        let request = reader::read(body, &INPUT)?;
        let members = request.members();
        let mut tables = Vec::new();
        for (given, json) in members.map("RequestItems").into_iter().flat_map(Entries::iter) {
            let Some(members) = Members::of(json) else { continue };
            tables.push(TableKeys::read(given, members)?);
        }
        if tables.iter().map(|table| table.keys.len()).sum::<usize>() > KEYS_MAX {
            return Err(ApiError::validation("Too many items requested for the BatchGetItem call"));
        }
        Ok(BatchGetItem { tables, capacity: CapacityDetail::read(members) })
    }

    /// The tables as the request names them: ARNs have to be checked against the cluster's [`Owner`](crate::arn::Owner).
    pub fn references(&self) -> impl Iterator<Item = &TableReference> {
        self.tables.iter().map(|keys| &keys.table)
    }

    /// One command for each key, in the order in which [`render`](BatchGetItem::render) wants their outcomes.
    pub fn commands(&self, tables: &Tables) -> Result<Vec<BatchCommand>, ApiError> {
        let mut commands = Vec::new();
        let mut seen = BTreeSet::new();
        for keys in &self.tables {
            let description = tables.get(&keys.table.name).ok_or_else(ApiError::no_such_table)?;
            check_serving(description)?;
            for key in &keys.keys {
                let key = attributes::key_of_key(key, &description.key)?;
                if !seen.insert((description.id, key.clone())) {
                    return Err(ApiError::validation("Provided list of item keys contains duplicates"));
                }
                commands.push(BatchCommand {
                    table: description.id,
                    token: key.token(),
                    consistency: keys.consistency,
                    command: Command::Get(Get { key, projection: keys.projection.clone() }),
                });
            }
        }
        Ok(commands)
    }

    /// The response's body, from the outcomes of all commands in their order. A missing outcome leaves its key unprocessed.
    pub fn render(
        &self,
        tables: &Tables,
        outcomes: Vec<Result<Reply, Refusal>>,
        out: &mut Vec<u8>,
    ) -> Result<(), ApiError> {
        let sorted = self.sort(outcomes)?;
        let mut object = Object::begin(out);
        let mut responses = Object::begin(object.member("Responses"));
        for (keys, answers) in self.tables.iter().zip(&sorted.answers) {
            let mut list = List::begin(responses.member(&keys.table.given));
            for item in answers.iter().flatten().filter_map(|got| got.item.as_ref()) {
                render::item(item, list.element())?;
            }
            list.end();
        }
        responses.end();
        let mut unprocessed = Object::begin(object.member("UnprocessedKeys"));
        for (keys, answers) in self.tables.iter().zip(&sorted.answers) {
            if answers.iter().any(Option::is_none) {
                keys.write_unprocessed(answers, unprocessed.member(&keys.table.given));
            }
        }
        unprocessed.end();
        if self.capacity != CapacityDetail::None {
            let consumed = self.tables.iter().zip(&sorted.answers).map(|(keys, answers)| keys.consumed(answers));
            let consumed: Vec<_> = self.tables.iter().map(|keys| &keys.table).zip(consumed).collect();
            render_consumed(&consumed, tables, self.capacity, object.member("ConsumedCapacity"));
        }
        object.end();
        Ok(())
    }

    /// Answers table by table and key by key, as many as one reply may have.
    fn sort(&self, outcomes: Vec<Result<Reply, Refusal>>) -> Result<Sorted, ApiError> {
        let mut outcomes = outcomes.into_iter();
        let mut sorted = Sorted::default();
        let (mut reply_bytes, mut refused) = (0u64, None);
        for keys in &self.tables {
            let mut answers = Vec::with_capacity(keys.keys.len());
            for _ in &keys.keys {
                answers.push(match outcomes.next() {
                    Some(Ok(Reply::Got(got))) if reply_bytes + got.read_bytes <= REPLY_BYTES_MAX => {
                        reply_bytes += got.read_bytes;
                        Some(got)
                    }
                    Some(Ok(Reply::Got(_))) => {
                        // Nothing behind it either: what is left out is one run of keys.
                        reply_bytes = REPLY_BYTES_MAX;
                        None
                    }
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
            sorted.answers.push(answers);
        }
        match refused {
            // Where nothing could be done, the client is told so.
            Some(error) if sorted.answers.iter().flatten().all(Option::is_none) => Err(error),
            _ => Ok(sorted),
        }
    }
}

/// For each table, for each key: what was got, or that it is unprocessed.
#[derive(Default)]
struct Sorted {
    answers: Vec<Vec<Option<Got>>>,
}

impl TableKeys {
    fn read(given: &str, members: Members<'_>) -> Result<TableKeys, ApiError> {
        let table = TableReference::new(given)?;
        let substitutes = Substitutes::read(members, &PROJECTION_GRAMMAR)?;
        let keys = members.list("Keys").unwrap_or_default().iter().filter_map(Json::as_object);
        let keys = keys.map(attributes::item).collect::<Result<Vec<_>, _>>()?;
        let placeholders = substitutes.placeholders();
        let projection = expressions::projection(members, &placeholders)?;
        placeholders.unused()?;
        Ok(TableKeys {
            table,
            keys,
            projection,
            consistency: ReadConsistency::read(members),
            attributes_to_get: {
                let names = members.list("AttributesToGet").unwrap_or_default();
                names.iter().filter_map(Json::as_str).map(str::to_owned).collect()
            },
            projection_text: members.text("ProjectionExpression").map(str::to_owned),
            names: substitutes.names,
        })
    }

    fn write_unprocessed(&self, answers: &[Option<Got>], out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        let mut list = List::begin(object.member("Keys"));
        for (key, _) in self.keys.iter().zip(answers).filter(|(_, answer)| answer.is_none()) {
            write_item_json(key, list.element());
        }
        list.end();
        if self.consistency == ReadConsistency::Strong {
            object.member("ConsistentRead").extend_from_slice(b"true");
        }
        if !self.attributes_to_get.is_empty() {
            let mut list = List::begin(object.member("AttributesToGet"));
            for name in &self.attributes_to_get {
                render::string(name, list.element());
            }
            list.end();
        }
        if let Some(text) = &self.projection_text {
            render::string(text, object.member("ProjectionExpression"));
        }
        if !self.names.is_empty() {
            let mut written = Object::begin(object.member("ExpressionAttributeNames"));
            for (key, name) in &self.names {
                render::string(name, written.member(key));
            }
            written.end();
        }
        object.end();
    }

    fn consumed(&self, answers: &[Option<Got>]) -> Consumed {
        let mut consumed = Consumed::default();
        for got in answers.iter().flatten() {
            consumed.table += of_read(got.read_bytes, self.consistency);
        }
        consumed
    }
}
