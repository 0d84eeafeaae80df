//! Items in the order of their expiry: which row an item has in it, which of them are due, and what was there before.
//!
//! `table | EXPIRIES | slice (8 bytes) | second of expiry (8) | token (8) | key`, integers big endian, in the same batch as the
//! item's row. Time orders the rows within a slice of tokens: few, so that looking for what is due is a few dozen seeks, and
//! each begins at a token of its partition, so that a partition's rows lie between bounds as all others do. A split that cuts
//! at the beginning of a slice moves no row.
//!
//! Guarantees: an item has a row here exactly if its attribute is a number whose second is 1 or later (before the backfill has
//! come to it: if it was written since); the row is a function of the item and of the first token of its partition.

mod due;
#[cfg(test)]
mod tests;

pub use due::{Due, Window, due};

use crate::{
    effects::RowWrite,
    global_index::Backfill,
    reply::Refusal,
    rows::{Direction, EXPIRIES, FamilyKind, ReadError, ReadRows},
    state::ReadState,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::{TableDescription, TokenRange};
use stator_item::{Bounds, IndexNumber, Key, KeyType, RowError, TableId, Token, Value, key, row};
use std::ops::ControlFlow;

/// Slices of all tokens; a table's partitions share them.
const SLICES_LOG2: u32 = 6;
/// Most items that one command deletes.
pub const EXPIRE_ITEMS_MAX: usize = 128;
/// Most items that one command puts in the order of their expiry, and their row keys' bytes.
pub const INDEX_ITEMS_MAX: usize = 512;
const INDEX_BYTES_MAX: usize = 256 * 1024;
/// Stored bytes of items that one page of a backfill goes through.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// Where the second stands in a row key, and the token behind it.
const SLICE_AT: usize = 8 + 2;
const SECOND_AT: usize = SLICE_AT + 8;
const TOKEN_AT: usize = SECOND_AT + 8;
/// What a row holds: its format's version. All that is to be known is in its key.
const ROW: &[u8] = &[1];

/// Items to be deleted if they have expired.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expire {
    /// Row keys of the order of expiry, at most [`EXPIRE_ITEMS_MAX`].
    pub due: Vec<Bytes>,
    /// What has expired, as the leader has decided it once.
    pub window: Window,
}

/// The next of the items that were there before time to live.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unindexed {
    pub attribute: String,
    /// Of items that have a row in the order of expiry.
    pub row_keys: Vec<Bytes>,
    /// How far the backfill has come with them.
    pub backfill: Backfill,
}

/// A page of [`Unindexed`] to be put in the order of expiry.
pub type IndexExpiries = Unindexed;

/// How a partition stands to time to live.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ExpiriesStatus {
    /// `None`: nothing expires here.
    pub attribute: Option<String>,
    /// All items are in the order of their expiry.
    pub is_filled: bool,
}

/// The second since 1970 in which an item expires; `None`: never. A part of a second counts as a whole one: nothing goes early.
pub(crate) fn second_of(attribute: &str, encoded_item: &[u8]) -> Result<Option<u64>, RowError> {
    let value = row::get_item_attribute(encoded_item, attribute)?;
    let Some(Value::Number(number)) = value else { return Ok(None) };
    Ok(number.to_i64_ceil().and_then(|second| u64::try_from(second).ok()).filter(|second| *second > 0))
}

/// The slice of a token, in a partition that begins at `first`.
fn slice(token: Token, first: Token) -> Token {
    let within = u64::MAX >> SLICES_LOG2;
    Token(token.0 & !within).max(first)
}

/// The slices of a partition.
fn slices(tokens: TokenRange) -> impl Iterator<Item = Token> {
    let next = move |slice: &Token| {
        let next = (slice.0 | u64::MAX >> SLICES_LOG2).checked_add(1).map(Token);
        next.filter(|next| *next <= tokens.last)
    };
    std::iter::successors(Some(tokens.first), next)
}

/// The row of an item, by the item's own row key.
fn row_key(item: &[u8], first: Token, second: u64) -> Result<Bytes, ReadError> {
    let (table, token) = key::row_key_token(item).map_err(|error| ReadError::damaged("row key", error))?;
    let mut out = prefix(table, slice(token, first), second);
    out.extend_from_slice(&item[SLICE_AT..]);
    Ok(out.into())
}

fn prefix(table: TableId, slice: Token, second: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(TOKEN_AT + 32);
    out.extend_from_slice(&table.0.to_be_bytes());
    out.extend_from_slice(&EXPIRIES.0.to_be_bytes());
    out.extend_from_slice(&slice.0.to_be_bytes());
    out.extend_from_slice(&second.to_be_bytes());
    out
}

/// The second and the row key of the item that a row stands for; `None`: it is no such row.
pub(crate) fn item_of(row_key: &[u8]) -> Option<(u64, Bytes)> {
    let second = second_of_row(row_key)?;
    let rest = row_key.get(TOKEN_AT..).filter(|rest| rest.len() > 8)?;
    let mut item = Vec::with_capacity(SLICE_AT + rest.len());
    item.extend_from_slice(&row_key[..8]);
    item.extend_from_slice(&IndexNumber::ITEMS.0.to_be_bytes());
    item.extend_from_slice(rest);
    Some((second, item.into()))
}

/// The second of a row in the order of expiry; `None`: it is another row of the family `Items`.
pub fn second_of_row(row_key: &[u8]) -> Option<u64> {
    let (_, rest) = row_key.split_first_chunk::<8>()?;
    let (index, rest) = rest.split_first_chunk::<2>()?;
    let (second, _) = rest.get(8..)?.split_first_chunk::<8>()?;
    (*index == EXPIRIES.0.to_be_bytes()).then(|| u64::from_be_bytes(*second))
}

/// The key of the item with that row key; `None`: it is no row key of the table's.
pub(crate) fn item_key(table: &TableDescription, item: &[u8]) -> Option<Key> {
    let types: Vec<KeyType> =
        [&table.key.hash].into_iter().chain(&table.key.range).map(|attribute| attribute.key_type).collect();
    let mut parts = key::decode_row_key(item, &types).ok()?.parts.into_iter();
    Some(Key { hash: parts.next()?, range: parts.next() })
}

/// All rows of a partition in the order of expiry.
pub(crate) fn bounds(table: TableId, tokens: TokenRange) -> Bounds {
    key::token_bounds(table, EXPIRIES, tokens.first, tokens.last)
}

/// What a write of an item changes: both its images, encoded.
pub(crate) fn row_writes(
    table: &TableDescription,
    first: Token,
    item: &[u8],
    (old, new): (Option<&Bytes>, Option<&Bytes>),
) -> Result<Vec<RowWrite>, ReadError> {
    let Some(attribute) = table.expiry_attribute() else { return Ok(Vec::new()) };
    let second = |image: Option<&Bytes>| -> Result<Option<u64>, RowError> {
        Ok(image.map(|image| second_of(attribute, image)).transpose()?.flatten())
    };
    let (old, new) = (second(old)?, second(new)?);
    if old == new {
        return Ok(Vec::new());
    }
    let gone = old.map(|second| Ok(RowWrite { key: row_key(item, first, second)?, value: None }));
    let come = new.map(|second| row_put(item, first, second));
    gone.into_iter().chain(come).collect()
}

fn row_put(item: &[u8], first: Token, second: u64) -> Result<RowWrite, ReadError> {
    Ok(RowWrite { key: row_key(item, first, second)?, value: Some(Bytes::from_static(ROW)) })
}

/// The row that an item must have; `None`: it has none.
pub(crate) fn row_of(
    attribute: &str,
    first: Token,
    item: &[u8],
    encoded_item: &[u8],
) -> Result<Option<RowWrite>, ReadError> {
    let second = second_of(attribute, encoded_item)?;
    second.map(|second| row_put(item, first, second)).transpose()
}

/// The next items that were there before time to live, behind those that are done.
pub(crate) fn read_unindexed(state: &ReadState, rows: &dyn ReadRows) -> Result<Result<Unindexed, Refusal>, ReadError> {
    let Some(expiries) = &state.expiries else {
        return Ok(Err(Refusal::Invalid("nothing expires in this partition".to_owned())));
    };
    let attribute = expiries.attribute.clone();
    let Backfill::UpTo(behind) = &expiries.backfill else {
        return Ok(Ok(Unindexed { attribute, row_keys: Vec::new(), backfill: Backfill::Done }));
    };
    let tokens = state.progress.tokens;
    let mut bounds = key::token_bounds(state.progress.table, IndexNumber::ITEMS, tokens.first, tokens.last);
    if !behind.is_empty() {
        bounds.0 = key::successor(behind);
    }
    let mut page = Unindexed { attribute, row_keys: Vec::new(), backfill: Backfill::Done };
    let (mut key_bytes, mut bytes, mut failed) = (0, 0, None);
    rows.scan(FamilyKind::Items, &bounds, Direction::Forward, &mut |item, stored| {
        let second = row::split_row(stored).and_then(|row| second_of(&page.attribute, row.encoded_item));
        match second {
            Ok(None) => {}
            Ok(Some(_)) => {
                key_bytes += item.len();
                page.row_keys.push(Bytes::copy_from_slice(item));
            }
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        bytes += item.len() + stored.len();
        let is_full = page.row_keys.len() >= INDEX_ITEMS_MAX || key_bytes >= INDEX_BYTES_MAX || bytes >= PAGE_BYTES_MAX;
        if is_full {
            page.backfill = Backfill::UpTo(Bytes::copy_from_slice(item));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(Ok(page)),
    }
}
