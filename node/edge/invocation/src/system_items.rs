//! Items of the cluster's own tables, over the Door like everybody else's.

use stator_catalog::SystemTable;
use stator_cluster::{ChangeError, Consistency, Deadline, Door, Tables, known_system_table, system_table};
use stator_expression::{Condition, RangeCondition};
use stator_item::{
    IndexNumber, Item, Key, KeyPart, TableId, Token, Value,
    row::{decode_item, item_encoding},
};
use stator_lambda::LambdaError;
use stator_partition::{
    Command, Refusal, Reply,
    command::{Delete, Get, Page, PageRange, Position, Put, WriteOptions},
};
use std::sync::Arc;

/// Most bytes of items that one page reads.
const PAGE_BYTES_MAX: u64 = 1 << 20;

/// The way to the system tables.
#[derive(Clone)]
pub(crate) struct SystemItems {
    pub door: Arc<dyn Door>,
    pub tables: Arc<dyn Tables>,
}

/// Which items of a hash key a page has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asking {
    pub range: Option<RangeCondition>,
    pub after: Option<Position>,
    /// The last first.
    pub backward: bool,
    pub items_max: u64,
}

/// Items of one hash key, in the order of their range keys.
pub(crate) struct ItemPage {
    pub items: Vec<Item>,
    /// Where the page stopped before the end.
    pub stopped: Option<Position>,
}

impl SystemItems {
    /// The table, made if this is the first time that it is wanted.
    pub async fn table(&self, table: SystemTable, deadline: Deadline) -> Result<TableId, LambdaError> {
        system_table(&*self.tables, table, deadline).await.map_err(|error| match error {
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::DeadlinePassed => LambdaError::internal(),
        })
    }

    /// The table, if it is there.
    pub fn known(&self, table: SystemTable) -> Option<TableId> {
        known_system_table(&*self.tables, table)
    }

    pub async fn put(&self, table: TableId, key: (&str, &str), item: Item, deadline: Deadline) -> Result<(), Refusal> {
        self.put_if(table, key, item, None, deadline).await.map(drop)
    }

    /// Puts the item, if the condition holds for the one that is there; `false`: it does not.
    pub async fn put_if(
        &self,
        table: TableId,
        (hash, range): (&str, &str),
        mut item: Item,
        condition: Option<Condition>,
        deadline: Deadline,
    ) -> Result<bool, Refusal> {
        item.insert(SystemTable::HASH.to_owned(), Value::String(hash.to_owned()));
        item.insert(SystemTable::RANGE.to_owned(), Value::String(range.to_owned()));
        let item = item_encoding(&item).into();
        let options = WriteOptions { condition, ..WriteOptions::default() };
        let command = Command::Put(Put { key: key(hash, range), item, options });
        match self.submit(table, hash, command, Consistency::Strong, deadline).await {
            Ok(_) => Ok(true),
            Err(Refusal::ConditionFailed { .. }) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// The item as every acknowledged write has left it.
    pub async fn get(
        &self,
        table: TableId,
        (hash, range): (&str, &str),
        deadline: Deadline,
    ) -> Result<Option<Item>, Refusal> {
        let command = Command::Get(Get { key: key(hash, range), projection: None });
        match self.submit(table, hash, command, Consistency::Strong, deadline).await? {
            Reply::Got(got) => got.item.map(|item| decode(&item)).transpose(),
            other => Err(unexpected(&other)),
        }
    }

    /// Deletes the item, if the condition holds; `false`: it does not.
    pub async fn delete(
        &self,
        table: TableId,
        (hash, range): (&str, &str),
        condition: Option<Condition>,
        deadline: Deadline,
    ) -> Result<bool, Refusal> {
        let options = WriteOptions { condition, ..WriteOptions::default() };
        let command = Command::Delete(Delete { key: key(hash, range), options });
        match self.submit(table, hash, command, Consistency::Strong, deadline).await {
            Ok(_) => Ok(true),
            Err(Refusal::ConditionFailed { .. }) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// A page of the items of a hash key, at most so many, as this node knows them if it may (`Eventual`).
    pub async fn query(
        &self,
        table: TableId,
        hash: &str,
        (range, after): (Option<RangeCondition>, Option<Position>),
        items_max: u64,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<ItemPage, Refusal> {
        let asking = Asking { range, after, backward: false, items_max };
        self.page(table, hash, asking, consistency, deadline).await
    }

    /// The same, from either end.
    pub async fn page(
        &self,
        table: TableId,
        hash: &str,
        Asking { range, after, backward, items_max }: Asking,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<ItemPage, Refusal> {
        let command = Command::Page(Page {
            index: IndexNumber::ITEMS,
            range: PageRange::Hash { hash: KeyPart::String(hash.to_owned()), range },
            after,
            backward,
            items_max: Some(items_max),
            bytes_max: PAGE_BYTES_MAX,
            filter: None,
            projection: None,
            fetch_items: false,
            count_only: false,
        });
        match self.submit(table, hash, command, consistency, deadline).await? {
            Reply::Page(page) => {
                let items = page.items.iter().map(|item| decode(item)).collect::<Result<_, _>>()?;
                Ok(ItemPage { items, stopped: page.stopped })
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The token of a hash key's items.
    pub fn token(hash: &str) -> Token {
        Token::of(&KeyPart::String(hash.to_owned()))
    }

    async fn submit(
        &self,
        table: TableId,
        hash: &str,
        command: Command,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<Reply, Refusal> {
        self.door.submit(table, SystemItems::token(hash), command, consistency, deadline).await
    }
}

fn key(hash: &str, range: &str) -> Key {
    Key { hash: KeyPart::String(hash.to_owned()), range: Some(KeyPart::String(range.to_owned())) }
}

fn decode(item: &[u8]) -> Result<Item, Refusal> {
    decode_item(item).map_err(|error| Refusal::Unavailable(format!("an item of the cluster's own: {error}")))
}

fn unexpected(reply: &Reply) -> Refusal {
    debug_assert!(false, "a command was answered with {reply:?}");
    Refusal::Unavailable("a command was answered with another one's reply".to_owned())
}

/// A text attribute.
pub(crate) fn text<'i>(item: &'i Item, name: &str) -> Option<&'i str> {
    if let Some(Value::String(text)) = item.get(name) { Some(text) } else { None }
}

/// A number attribute that is whole and not negative.
pub(crate) fn number(item: &Item, name: &str) -> Option<u64> {
    if let Some(Value::Number(number)) = item.get(name) { number.to_i64()?.try_into().ok() } else { None }
}
