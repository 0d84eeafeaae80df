//! One page of a Query or Scan, as far as it lies in this partition.
//!
//! Guarantees: items come in order of their keys (or against it), each at most once; a page ends with the item that fills it,
//! by count or by size, and then says where it stopped, whether or not anything follows; reading is bounded by `bytes_max`.

mod bounds;

use super::projected;
use crate::{
    command::{Page, Position},
    global_index::entry::parse_row_key,
    reply::{PageReply, Refusal},
    rows::{Direction, FamilyKind, ReadError, ReadRows},
    state::ReadState,
};
use bytes::Bytes;
use stator_catalog::{GlobalIndex, KeyAttribute, LocalIndex, TableDescription};
use stator_item::{IndexNumber, Key, KeyPart, KeyType, TableId, key, row};
use stator_mutants::{Mutant, is};
use std::ops::ControlFlow;

pub(super) fn read(
    page: &Page,
    table: &TableDescription,
    state: &ReadState,
    rows: &dyn ReadRows,
) -> Result<Result<PageReply, Refusal>, ReadError> {
    let source = match Source::of(page, table, state.progress.table) {
        Ok(source) => source,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let bounds = match bounds::of(page, table, state) {
        Ok(bounds) => bounds,
        Err(refusal) => return Ok(Err(refusal)),
    };
    debug_assert!(page.items_max != Some(0), "a page of no items says nothing about where it stopped");
    let mut reader = Reader { page, source, rows, reply: PageReply::default(), full_bytes: 0 };
    let direction = if page.backward { Direction::Backward } else { Direction::Forward };
    let mut failed = None;
    if bounds.1.as_ref().is_none_or(|end| bounds.0 < *end) {
        rows.scan(FamilyKind::Items, &bounds, direction, &mut |row_key, stored| match reader.take(row_key, stored) {
            Ok(flow) => flow,
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(Ok(reader.reply)),
    }
}

/// Where the page's rows come from.
#[derive(Clone, Copy)]
struct Source<'a> {
    table: &'a TableDescription,
    /// `None`: the items themselves, or a global index's entries.
    local: Option<&'a LocalIndex>,
    /// The index whose partition this is.
    global: Option<&'a GlobalIndex>,
}

impl<'a> Source<'a> {
    fn of(page: &Page, table: &'a TableDescription, rows: TableId) -> Result<Source<'a>, Refusal> {
        let unknown = || Refusal::Invalid("The table does not have the specified index".to_owned());
        if rows != table.id {
            let global = table.global_index_by_id(rows).filter(|_| page.index == IndexNumber::ITEMS);
            return Ok(Source { table, local: None, global: Some(global.ok_or_else(unknown)?) });
        }
        if page.index == IndexNumber::ITEMS {
            return Ok(Source { table, local: None, global: None });
        }
        let local = table.local_index_numbered(page.index).ok_or_else(unknown)?;
        Ok(Source { table, local: Some(local), global: None })
    }

    /// Where a row stands, from its key.
    fn position(&self, row_key: &[u8]) -> Result<Position, ReadError> {
        if let Some(index) = self.global {
            let (index_key, key) = parse_row_key(self.table, index, row_key)?;
            return Ok(Position { key, index_range: None, index_key });
        }
        let damaged = |error: &dyn std::fmt::Display| ReadError::damaged("row key", error);
        let schema = &self.table.key;
        let attributes = [Some(&schema.hash), self.local.map(|local| &local.range), schema.range.as_ref()];
        let types: Vec<KeyType> =
            attributes.into_iter().flatten().map(|KeyAttribute { key_type, .. }| *key_type).collect();
        let mut parts = key::decode_row_key(row_key, &types).map_err(|error| damaged(&error))?.parts.into_iter();
        let mut next = || parts.next().ok_or_else(|| damaged(&"it has too few parts"));
        let hash = next()?;
        let index_range: Option<KeyPart> = self.local.map(|_| next()).transpose()?;
        let range = schema.range.as_ref().map(|_| next()).transpose()?;
        Ok(Position { key: Key { hash, range }, index_range, index_key: Vec::new() })
    }
}

struct Reader<'a> {
    page: &'a Page,
    source: Source<'a>,
    rows: &'a dyn ReadRows,
    reply: PageReply,
    /// What counts towards `bytes_max`: evaluated entries, and the items fetched for them.
    full_bytes: u64,
}

impl Reader<'_> {
    fn take(&mut self, row_key: &[u8], stored: &[u8]) -> Result<ControlFlow<()>, ReadError> {
        let row = row::split_row(stored)?;
        let (entry, entry_bytes) = (row.encoded_item, row.item_bytes as u64);
        self.reply.scanned_count += 1;
        self.reply.read_bytes += entry_bytes;
        self.full_bytes += entry_bytes;
        if self.page.fetch_items && self.source.local.is_some() {
            let fetched = self.fetch(row_key)?;
            let item = row::split_row(&fetched)?;
            let item_bytes = item.item_bytes as u64;
            self.reply.fetched_bytes.push(item_bytes);
            self.full_bytes += item_bytes;
            self.answer(item.encoded_item)?;
        } else if self.reply.scanned_count > 1 || self.page.after.is_none() || !is(Mutant::SkipRowBetweenPages) {
            self.answer(entry)?;
        }
        let full = self.page.items_max.is_some_and(|items_max| self.reply.scanned_count >= items_max)
            || self.full_bytes >= self.page.bytes_max;
        if !full {
            return Ok(ControlFlow::Continue(()));
        }
        self.reply.stopped = Some(self.source.position(row_key)?);
        Ok(ControlFlow::Break(()))
    }

    /// The item behind an index entry. Both were written in one batch, so it is there.
    fn fetch(&self, row_key: &[u8]) -> Result<Bytes, ReadError> {
        let position = self.source.position(row_key)?;
        let item_key = key::row_key(self.source.table.id, IndexNumber::ITEMS, &position.key);
        self.rows.get(&item_key)?.ok_or_else(|| ReadError::damaged("index entry", "its item is missing"))
    }

    fn answer(&mut self, encoded: &[u8]) -> Result<(), ReadError> {
        if let Some(filter) = &self.page.filter
            && !filter.evaluate(&row::decode_item(encoded)?)
        {
            return Ok(());
        }
        self.reply.count += 1;
        if !self.page.count_only {
            self.reply.items.push(match &self.page.projection {
                None => Bytes::copy_from_slice(encoded),
                Some(projection) => projected(projection, encoded)?,
            });
        }
        Ok(())
    }
}
