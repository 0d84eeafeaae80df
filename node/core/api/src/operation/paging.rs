//! One Query or Scan over the partitions that it meets, as a state machine: which page to ask for next, and when it ends.
//!
//! Ends at `Limit`, with the item that completes 1 MB, or at the end of what is asked for.

use super::model::ReadConsistency;
use crate::capacity::{CapacityDetail, Consumed, of_read};
use crate::error_table::ApiError;
use crate::render::{self, List, Object};
use bytes::Bytes;
use stator_catalog::{TableDescription, TokenRange};
use stator_expression::{Condition, Projection, RangeCondition};
use stator_item::json::write_value_json;
use stator_item::{IndexNumber, KeyPart, TableId, Token};
use stator_partition::reply::PageReply;
use stator_partition::{Command, Page, PageRange, Position};
use std::collections::VecDeque;

/// Size of the items that one request evaluates.
const PAGE_BYTES_MAX: u64 = 1 << 20;

/// What is asked for.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Stretch {
    Hash {
        hash: KeyPart,
        range: Option<RangeCondition>,
    },
    Tokens(TokenRange),
    /// Of a global index.
    Compound {
        hash: Vec<KeyPart>,
        equal: Vec<KeyPart>,
        range: Option<RangeCondition>,
    },
}

/// What all pages of one request have in common.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Template {
    pub index: IndexNumber,
    /// The global index that is read, with the number of its hash attributes.
    pub global: Option<(TableId, usize)>,
    pub backward: bool,
    pub filter: Option<Condition>,
    pub projection: Option<Projection>,
    pub fetch_items: bool,
    pub count_only: bool,
    pub given_table: String,
    pub consistency: ReadConsistency,
    pub capacity: CapacityDetail,
}

/// A Query or Scan on its way. While [`next_token`](Paging::next_token) names a token, ask its partition for
/// [`page`](Paging::page) and hand the reply to [`absorb`](Paging::absorb); then [`render`](Paging::render).
#[derive(Clone, PartialEq, Debug)]
pub struct Paging {
    template: Template,
    stretch: Stretch,
    /// What to read once `stretch` is at its end.
    rest: VecDeque<Stretch>,
    stretches_done: usize,
    /// The token to go on with; `None`: it has ended.
    next: Option<Token>,
    /// Where to go on inside of the next partition.
    after: Option<Position>,
    items_left: Option<u64>,
    bytes_left: u64,
    found: PageReply,
}

/// Why a Query or Scan cannot begin.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum PagingError {
    /// Not behind the key that it shall go on behind: in DynamoDB's words.
    StartKey(String),
    Other(ApiError),
}

impl PagingError {
    pub(super) fn start_key(text: impl Into<String>) -> PagingError {
        PagingError::StartKey(text.into())
    }
}

impl From<ApiError> for PagingError {
    fn from(error: ApiError) -> PagingError {
        PagingError::Other(error)
    }
}

impl From<PagingError> for ApiError {
    fn from(error: PagingError) -> ApiError {
        match error {
            PagingError::StartKey(text) => ApiError::Validation(text),
            PagingError::Other(error) => error,
        }
    }
}

impl Stretch {
    fn first(&self) -> Token {
        match self {
            Stretch::Hash { hash, .. } => Token::of(hash),
            Stretch::Tokens(tokens) => tokens.first,
            Stretch::Compound { hash, .. } => Token::of_all(hash),
        }
    }
}

impl Paging {
    pub(super) fn new(template: Template, stretch: Stretch, after: Option<Position>, items_max: Option<u64>) -> Paging {
        let token = |position: &Position| position_token(position, template.global.map(|(_, hash_parts)| hash_parts));
        let next = Some(after.as_ref().map_or(stretch.first(), token));
        Paging {
            template,
            stretch,
            rest: VecDeque::new(),
            stretches_done: 0,
            next,
            after,
            items_left: items_max,
            bytes_left: PAGE_BYTES_MAX,
            found: PageReply::default(),
        }
    }

    /// Reads what another one would read as well, behind it and within the same limits.
    pub(super) fn then(mut self, other: Paging) -> Paging {
        self.rest.push_back(other.stretch);
        self
    }

    /// A token of the partition that is to be asked next. `None`: the request is done.
    pub fn next_token(&self) -> Option<Token> {
        self.next
    }

    /// Under which id the rows lie that are asked for: the table's, or that of one of its global indexes.
    pub fn rows(&self, table: &TableDescription) -> TableId {
        self.template.global.map_or(table.id, |(index, _)| index)
    }

    /// What to ask the partition of [`next_token`](Paging::next_token), which holds `partition`.
    pub fn page(&self, partition: TokenRange) -> Command {
        let range = match &self.stretch {
            Stretch::Hash { hash, range } => PageRange::Hash { hash: hash.clone(), range: range.clone() },
            Stretch::Tokens(tokens) => {
                let rest = self.rest(tokens);
                PageRange::Tokens(rest.intersection(&partition).unwrap_or(rest))
            }
            Stretch::Compound { hash, equal, range } => {
                PageRange::Compound { hash: hash.clone(), equal: equal.clone(), range: range.clone() }
            }
        };
        let Template { index, backward, filter, projection, fetch_items, count_only, .. } = self.template.clone();
        Command::Page(Page {
            index,
            range,
            after: self.after.clone(),
            backward,
            items_max: self.items_left,
            bytes_max: self.bytes_left,
            filter,
            projection,
            fetch_items,
            count_only,
        })
    }

    /// What of the tokens is still to be read.
    fn rest(&self, tokens: &TokenRange) -> TokenRange {
        TokenRange { first: self.next.unwrap_or(tokens.first).max(tokens.first), last: tokens.last }
    }

    /// Takes the answer of the partition that holds `partition`.
    pub fn absorb(&mut self, partition: TokenRange, reply: PageReply) {
        let found = &mut self.found;
        found.items.extend(reply.items);
        found.count += reply.count;
        found.scanned_count += reply.scanned_count;
        found.read_bytes += reply.read_bytes;
        let fetched_bytes: u64 = reply.fetched_bytes.iter().sum();
        found.fetched_bytes.extend(reply.fetched_bytes);
        found.stopped = reply.stopped;
        self.items_left = self.items_left.map(|left| left.saturating_sub(reply.scanned_count));
        self.bytes_left = self.bytes_left.saturating_sub(reply.read_bytes + fetched_bytes);
        self.after = None;
        self.next = match &self.stretch {
            _ if self.found.stopped.is_some() => None,
            Stretch::Hash { .. } | Stretch::Compound { .. } => None,
            Stretch::Tokens(tokens) if partition.last >= tokens.last => None,
            // A page that spends the last of a limit stops, so there is something left of both.
            Stretch::Tokens(_) => partition.last.0.checked_add(1).map(Token),
        };
        if self.next.is_none()
            && self.found.stopped.is_none()
            && let Some(stretch) = self.rest.pop_front()
        {
            self.next = Some(stretch.first());
            self.stretch = stretch;
            self.stretches_done += 1;
        }
    }

    /// What was found so far, in the item encoding.
    pub(super) fn items(&self) -> &[Bytes] {
        &self.found.items
    }

    /// How many of those that [`then`](Paging::then) chained have been read to their end.
    pub(super) fn stretches_done(&self) -> usize {
        self.stretches_done
    }

    /// The key to go on with, as `ExclusiveStartKey` takes it; `None`: nothing is left.
    pub(super) fn last_key(&self, table: &TableDescription) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        self.write_position(self.found.stopped.as_ref()?, table, &mut key);
        Some(key)
    }

    /// The response's body.
    pub fn render(&self, table: &TableDescription, out: &mut Vec<u8>) -> Result<(), ApiError> {
        let PageReply { items, count, scanned_count, stopped, .. } = &self.found;
        out.reserve(items.iter().map(Bytes::len).sum::<usize>() * 5 / 4);
        let mut object = Object::begin(out);
        if !self.template.count_only {
            let mut list = List::begin(object.member("Items"));
            for item in items {
                render::item(item, list.element())?;
            }
            list.end();
        }
        render::integer(*count, object.member("Count"));
        render::integer(*scanned_count, object.member("ScannedCount"));
        if let Some(position) = stopped {
            self.write_position(position, table, object.member("LastEvaluatedKey"));
        }
        if self.template.capacity != CapacityDetail::None {
            let out = object.member("ConsumedCapacity");
            self.consumed().write_json(&self.template.given_table, table, self.template.capacity, out);
        }
        object.end();
        Ok(())
    }

    pub(super) fn consumed(&self) -> Consumed {
        let consistency = self.template.consistency;
        let mut consumed = Consumed::default();
        let evaluated = of_read(self.found.read_bytes, consistency);
        if let Some((index, _)) = self.template.global {
            consumed.add_global_index(index, evaluated);
        } else if self.template.index == IndexNumber::ITEMS {
            consumed.table += evaluated;
        } else {
            consumed.add_index(self.template.index, evaluated);
        }
        for bytes in &self.found.fetched_bytes {
            consumed.table += of_read(*bytes, consistency);
        }
        consumed
    }

    /// A key to go on with, as `ExclusiveStartKey` takes it.
    fn write_position(&self, position: &Position, table: &TableDescription, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        write_value_json(&position.key.hash.to_value(), object.member(&table.key.hash.name));
        if let (Some(part), Some(attribute)) = (&position.key.range, &table.key.range) {
            write_value_json(&part.to_value(), object.member(&attribute.name));
        }
        if let (Some(part), Some(index)) = (&position.index_range, table.local_index_numbered(self.template.index)) {
            write_value_json(&part.to_value(), object.member(&index.range.name));
        }
        if let Some(index) = self.template.global.and_then(|(index, _)| table.global_index_by_id(index)) {
            for (attribute, part) in index.key().zip(&position.index_key) {
                if !is_table_key(table, &attribute.name) {
                    write_value_json(&part.to_value(), object.member(&attribute.name));
                }
            }
        }
        object.end();
    }
}

/// Whether the attribute belongs to the table's own key.
pub(super) fn is_table_key(table: &TableDescription, name: &str) -> bool {
    std::iter::once(&table.key.hash).chain(&table.key.range).any(|attribute| attribute.name == name)
}

/// The token of a place; in a global index of so many hash attributes.
pub(super) fn position_token(position: &Position, hash_parts: Option<usize>) -> Token {
    match hash_parts.and_then(|count| position.index_key.get(..count)) {
        Some(hash) => Token::of_all(hash),
        None => position.key.token(),
    }
}
