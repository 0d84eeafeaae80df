//! Groups, streams and batches of events as items of a system table.
//!
//! | hash key | range key | item |
//! |---|---|---|
//! | `groups` | group | its id, when it was made, its retention |
//! | `streams/GROUP ID` | stream | its id, its times |
//! | `events/STREAM ID` | time and number of the first event | a batch of events |
//! | `deleted` | what was deleted, by its ids | when |
//!
//! Ids are never used again: what is made anew under a name has none of the old contents. A stream's item is there before its
//! first batch, and says a moment (`until`) that no event is later than: it is raised *before* a batch that is later is put. So a
//! search passes over a stream whose time was before, and nothing is missed.

use crate::system_items::{Asking, SystemItems, number, text};
use stator_catalog::SystemTable;
use stator_cluster::{Consistency, Deadline};
use stator_expression::{Comparator, Condition, Operand, Path, RangeCondition, Test};
use stator_item::{Item, Number, TableId, Value};
use stator_logs::{Cursor, DAY_MS, Event, Group, LogsError, Stream, decode_batch, operation::STREAMS_MAX};
use stator_partition::Refusal;

/// Most log groups of a cluster.
pub(super) const GROUPS_MAX: usize = 20_000;
const GROUPS: &str = "groups";
pub(super) const DELETED: &str = "deleted";
/// Items of a list that are read at once.
const LIST_PAGE: u64 = 5_000;

/// A batch of events as it is stored.
pub(super) struct StoredBatch {
    /// Of its item.
    pub key: String,
    pub events: Vec<Event>,
}

/// What was deleted and is to be cleared away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Deleted {
    Group { id: String, name: String },
    Stream { id: String, group_id: String, name: String },
}

impl Deleted {
    fn key(&self) -> String {
        match self {
            Deleted::Group { id, name } => format!("group:{id}:{name}"),
            Deleted::Stream { id, group_id, name } => format!("stream:{id}:{group_id}:{name}"),
        }
    }

    fn read(key: &str) -> Option<Deleted> {
        // No name has a colon.
        match *key.split(':').collect::<Vec<_>>() {
            ["group", id, name] => Some(Deleted::Group { id: id.to_owned(), name: name.to_owned() }),
            ["stream", id, group_id, name] => {
                Some(Deleted::Stream { id: id.to_owned(), group_id: group_id.to_owned(), name: name.to_owned() })
            }
            _ => None,
        }
    }
}

/// The table, and the way to it.
#[derive(Clone)]
pub(super) struct LogStore {
    pub items: SystemItems,
}

impl LogStore {
    /// The table, if there is one yet.
    pub fn table(&self) -> Option<TableId> {
        self.items.known(SystemTable::FunctionLogs)
    }

    /// The table, made if this is the first time that it is wanted.
    pub async fn made_table(&self, deadline: Deadline) -> Result<TableId, LogsError> {
        let made = self.items.table(SystemTable::FunctionLogs, deadline).await;
        made.map_err(|error| {
            tracing::debug!(%error, "the table of logs cannot be made");
            LogsError::internal()
        })
    }

    pub async fn group(&self, name: &str, deadline: Deadline) -> Result<Option<Group>, Refusal> {
        let Some(table) = self.table() else { return Ok(None) };
        let item = self.items.get(table, (GROUPS, name), deadline).await?;
        Ok(item.and_then(|item| read_group(&item)))
    }

    /// All groups, by their names.
    pub async fn groups(&self, deadline: Deadline) -> Result<Vec<Group>, Refusal> {
        let items = self.list(GROUPS, None, GROUPS_MAX, deadline).await?;
        Ok(items.iter().filter_map(read_group).collect())
    }

    /// `false`: there is a group of that name.
    pub async fn add_group(&self, group: &Group, deadline: Deadline) -> Result<bool, LogsError> {
        let table = self.made_table(deadline).await?;
        let condition = Condition::test(Test::NotExists(Path::attribute(SystemTable::HASH)));
        Ok(self.items.put_if(table, (GROUPS, &group.name), group_item(group), Some(condition), deadline).await?)
    }

    /// Puts the group in the place of the one with its id; `false`: that one is gone.
    pub async fn change_group(&self, group: &Group, deadline: Deadline) -> Result<bool, Refusal> {
        let Some(table) = self.table() else { return Ok(false) };
        let item = group_item(group);
        self.items.put_if(table, (GROUPS, &group.name), item, Some(has_id(&group.id)), deadline).await
    }

    /// Deletes a group; its contents are cleared away later. `false`: it is gone.
    pub async fn delete_group(&self, group: &Group, now_ms: u64, deadline: Deadline) -> Result<bool, Refusal> {
        let Some(table) = self.table() else { return Ok(false) };
        let deleted = Deleted::Group { id: group.id.clone(), name: group.name.clone() };
        self.note(table, &deleted, now_ms, deadline).await?;
        self.items.delete(table, (GROUPS, &group.name), Some(has_id(&group.id)), deadline).await
    }

    /// Streams of a group with that prefix, by their names.
    pub async fn streams(
        &self,
        group_id: &str,
        prefix: Option<&str>,
        deadline: Deadline,
    ) -> Result<Vec<Stream>, LogsError> {
        let range = prefix.map(|prefix| RangeCondition::BeginsWith(Value::String(prefix.to_owned())));
        let items = self.list(&streams_of(group_id), range, STREAMS_MAX + 1, deadline).await?;
        if items.len() > STREAMS_MAX {
            return Err(LogsError::invalid(format!(
                "The log group has more than {STREAMS_MAX} log streams: name some of them, or a longer prefix"
            )));
        }
        Ok(items.iter().filter_map(read_stream).collect())
    }

    pub async fn stream(&self, group_id: &str, name: &str, deadline: Deadline) -> Result<Option<Stream>, Refusal> {
        let Some(table) = self.table() else { return Ok(None) };
        let item = self.items.get(table, (&streams_of(group_id), name), deadline).await?;
        Ok(item.and_then(|item| read_stream(&item)))
    }

    /// A new stream; `false`: there is one of that name.
    pub async fn add_stream(&self, group: &Group, stream: &Stream, deadline: Deadline) -> Result<bool, Refusal> {
        let condition = Condition::test(Test::NotExists(Path::attribute(SystemTable::HASH)));
        self.put_stream(group, stream, condition, deadline).await
    }

    /// Puts the stream in the place of the one with its id; `false`: that one is gone.
    pub async fn change_stream(&self, group: &Group, stream: &Stream, deadline: Deadline) -> Result<bool, Refusal> {
        self.put_stream(group, stream, has_id(&stream.id), deadline).await
    }

    async fn put_stream(
        &self,
        group: &Group,
        stream: &Stream,
        condition: Condition,
        deadline: Deadline,
    ) -> Result<bool, Refusal> {
        let Some(table) = self.table() else { return Err(gone()) };
        let item = expiring(stream_item(stream), group, stream.until_ms);
        self.items.put_if(table, (&streams_of(&group.id), &stream.name), item, Some(condition), deadline).await
    }

    /// Deletes a stream; its events are cleared away later. `false`: it is gone.
    pub async fn delete_stream(
        &self,
        group_id: &str,
        stream: &Stream,
        now_ms: u64,
        deadline: Deadline,
    ) -> Result<bool, Refusal> {
        let Some(table) = self.table() else { return Ok(false) };
        let (id, name) = (stream.id.clone(), stream.name.clone());
        let deleted = Deleted::Stream { id, group_id: group_id.to_owned(), name };
        self.note(table, &deleted, now_ms, deadline).await?;
        let key = (&*streams_of(group_id), &*stream.name);
        self.items.delete(table, key, Some(has_id(&stream.id)), deadline).await
    }

    /// Puts events. Their stream's item is there and says a moment that none of them is later than.
    pub async fn put_batch(
        &self,
        (group, stream): (&Group, &Stream),
        (first, last_ms): (Cursor, u64),
        (events, ingested_ms): (Vec<u8>, u64),
        deadline: Deadline,
    ) -> Result<(), Refusal> {
        debug_assert!(last_ms <= stream.until_ms, "a search may pass over these events");
        let Some(table) = self.table() else { return Err(gone()) };
        let item = Item::from([
            ("events".to_owned(), Value::Binary(events.into())),
            ("ingested".to_owned(), whole(ingested_ms)),
        ]);
        let item = expiring(item, group, last_ms);
        self.items.put(table, (&events_of(&stream.id), &first.key()), item, deadline).await
    }

    /// Batches of a stream in that range of keys, from one of its ends.
    pub async fn batches(
        &self,
        stream_id: &str,
        range: Option<RangeCondition>,
        backward: bool,
        batches_max: u64,
        deadline: Deadline,
    ) -> Result<Vec<StoredBatch>, Refusal> {
        let Some(table) = self.table() else { return Ok(Vec::new()) };
        let asking = Asking { range, after: None, backward, items_max: batches_max };
        let page = self.items.page(table, &events_of(stream_id), asking, Consistency::Strong, deadline).await?;
        page.items.iter().map(read_batch).collect()
    }

    /// What was deleted, and when.
    pub async fn deleted(&self, deadline: Deadline) -> Result<Vec<(Deleted, u64)>, Refusal> {
        let items = self.list(DELETED, None, GROUPS_MAX, deadline).await?;
        let read = |item: &Item| Some((Deleted::read(text(item, SystemTable::RANGE)?)?, number(item, "at")?));
        Ok(items.iter().filter_map(read).collect())
    }

    async fn note(&self, table: TableId, deleted: &Deleted, now_ms: u64, deadline: Deadline) -> Result<(), Refusal> {
        let item = Item::from([("at".to_owned(), whole(now_ms))]);
        self.items.put(table, (DELETED, &deleted.key()), item, deadline).await
    }

    /// All of it is cleared away.
    pub async fn forget(&self, deleted: &Deleted, deadline: Deadline) -> Result<(), Refusal> {
        let Some(table) = self.table() else { return Ok(()) };
        self.items.delete(table, (DELETED, &deleted.key()), None, deadline).await.map(drop)
    }

    /// Removes so many batches of a stream that was deleted; `true`: there may be more.
    pub async fn clear_events(&self, stream_id: &str, batches_max: u64, deadline: Deadline) -> Result<bool, Refusal> {
        let Some(table) = self.table() else { return Ok(false) };
        let batches = self.batches(stream_id, None, false, batches_max, deadline).await?;
        for batch in &batches {
            self.items.delete(table, (&events_of(stream_id), &batch.key), None, deadline).await?;
        }
        Ok(!batches.is_empty())
    }

    /// Removes the item of a stream whose group was deleted and whose events are cleared away.
    pub async fn clear_stream(&self, group_id: &str, name: &str, deadline: Deadline) -> Result<(), Refusal> {
        let Some(table) = self.table() else { return Ok(()) };
        self.items.delete(table, (&streams_of(group_id), name), None, deadline).await.map(drop)
    }

    /// At most so many items of a hash key.
    async fn list(
        &self,
        hash: &str,
        range: Option<RangeCondition>,
        items_max: usize,
        deadline: Deadline,
    ) -> Result<Vec<Item>, Refusal> {
        let Some(table) = self.table() else { return Ok(Vec::new()) };
        let (mut items, mut after) = (Vec::new(), None);
        while items.len() < items_max {
            let page = (range.clone(), after);
            let page = self.items.query(table, hash, page, LIST_PAGE, Consistency::Strong, deadline).await?;
            items.extend(page.items);
            after = page.stopped;
            if after.is_none() {
                break;
            }
        }
        items.truncate(items_max);
        Ok(items)
    }
}

fn streams_of(group_id: &str) -> String {
    format!("streams/{group_id}")
}

fn events_of(stream_id: &str) -> String {
    format!("events/{stream_id}")
}

fn has_id(id: &str) -> Condition {
    let own = Operand::Path(Path::attribute("id"));
    Condition::test(Test::Compare(Comparator::Equal, own, Operand::Value(Value::String(id.to_owned()))))
}

fn gone() -> Refusal {
    Refusal::Unavailable("the table of logs is not there".to_owned())
}

fn whole(number: u64) -> Value {
    Value::Number(Number::from_u64(number))
}

/// The item, to expire when what it tells of is no longer kept.
fn expiring(mut item: Item, group: &Group, last_ms: u64) -> Item {
    if let Some(days) = group.retention_days {
        let end_ms = last_ms.saturating_add(u64::from(days) * DAY_MS);
        item.insert(SystemTable::EXPIRES.to_owned(), whole(end_ms.div_ceil(1_000)));
    }
    item
}

fn group_item(group: &Group) -> Item {
    let mut item = Item::from([
        ("id".to_owned(), Value::String(group.id.clone())),
        ("created".to_owned(), whole(group.created_ms)),
    ]);
    item.extend(group.retention_days.map(|days| ("retention".to_owned(), whole(u64::from(days)))));
    item
}

fn read_group(item: &Item) -> Option<Group> {
    Some(Group {
        name: text(item, SystemTable::RANGE)?.to_owned(),
        id: text(item, "id")?.to_owned(),
        created_ms: number(item, "created")?,
        retention_days: number(item, "retention").and_then(|days| u32::try_from(days).ok()),
    })
}

fn stream_item(stream: &Stream) -> Item {
    Item::from([
        ("id".to_owned(), Value::String(stream.id.clone())),
        ("created".to_owned(), whole(stream.created_ms)),
        ("first".to_owned(), whole(stream.first_ms)),
        ("last".to_owned(), whole(stream.last_ms)),
        ("ingested".to_owned(), whole(stream.ingested_ms)),
        ("until".to_owned(), whole(stream.until_ms)),
    ])
}

fn read_stream(item: &Item) -> Option<Stream> {
    Some(Stream {
        name: text(item, SystemTable::RANGE)?.to_owned(),
        id: text(item, "id")?.to_owned(),
        created_ms: number(item, "created")?,
        first_ms: number(item, "first")?,
        last_ms: number(item, "last")?,
        ingested_ms: number(item, "ingested")?,
        until_ms: number(item, "until")?,
    })
}

fn read_batch(item: &Item) -> Result<StoredBatch, Refusal> {
    let damaged = |what: &str| Refusal::Unavailable(format!("events of a log: {what}"));
    let key = text(item, SystemTable::RANGE).unwrap_or_default().to_owned();
    let first = Cursor::from_key(&key).ok_or_else(|| damaged("their key is none"))?;
    let Some(Value::Binary(bytes)) = item.get("events") else { return Err(damaged("there are none")) };
    let ingested_ms = number(item, "ingested").unwrap_or_default();
    let events = decode_batch(bytes).map_err(|error| damaged(&error.to_string()))?;
    let numbered = events.into_iter().zip(first.number..);
    let events =
        numbered.map(|((at_ms, message), number)| Event { at: Cursor { at_ms, number }, ingested_ms, message });
    Ok(StoredBatch { key, events: events.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_deleted_is_read_again() {
        let name = "2026/01/02/[$LATEST]0a".to_owned();
        for deleted in [
            Deleted::Group { id: "1".to_owned(), name: "/aws/lambda/f".to_owned() },
            Deleted::Stream { id: "1".to_owned(), group_id: "2".to_owned(), name },
        ] {
            assert_eq!(Deleted::read(&deleted.key()), Some(deleted));
        }
        assert_eq!(Deleted::read("else:1"), None);
    }
}
