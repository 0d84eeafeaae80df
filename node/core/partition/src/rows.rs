//! Rows as evaluation reads them and as apply writes them. Who stores them is not known here.

use crate::expiry;
use bytes::Bytes;
use stator_catalog::TokenRange;
use stator_item::{Bounds, IndexNumber, RowError, TableId, key};
use std::{collections::BTreeMap, ops::ControlFlow};

/// A group of rows with an order of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FamilyKind {
    /// Items, their local index entries and collection sizes, by row key; and items by their expiry.
    Items,
    /// Change records, by partition and sequence number.
    Changes,
    /// What a partition remembers beside its rows.
    State,
}

/// Which way a range is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Forward,
    Backward,
}

/// Why a command could not be evaluated. Nothing was decided; the replica cannot go on with such rows.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Whoever stores the rows could not read them.
    #[error("rows cannot be read: {0}")]
    Rows(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Stored bytes are not what this release, or any, writes.
    #[error("a stored {what} is unreadable: {reason}")]
    Damaged { what: &'static str, reason: String },
}

impl ReadError {
    pub(crate) fn damaged(what: &'static str, reason: impl ToString) -> ReadError {
        ReadError::Damaged { what, reason: reason.to_string() }
    }
}

impl From<RowError> for ReadError {
    fn from(error: RowError) -> ReadError {
        ReadError::damaged("row", error)
    }
}

/// Committed rows of the family `Items`, one at a time.
pub trait ReadRow {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError>;
}

/// Called for each row of a scan with its key and value; `Break` ends it.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Committed rows as they stood at one moment.
pub trait ReadRows: ReadRow {
    /// Visits the rows of a range in order of their keys, or against it.
    fn scan(
        &self,
        family: FamilyKind,
        bounds: &Bounds,
        direction: Direction,
        visit: Visit<'_>,
    ) -> Result<(), ReadError>;
}

/// Visits every row of a range in order of their keys. The first error of a visit ends it, and is returned.
pub(crate) fn visit_all(
    rows: &dyn ReadRows,
    family: FamilyKind,
    bounds: &Bounds,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut failed = None;
    rows.scan(family, bounds, Direction::Forward, &mut |key, value| match visit(key, value) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// Rows read ahead, by row key; `None`: there is no such row.
impl ReadRow for BTreeMap<Vec<u8>, Option<Bytes>> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        BTreeMap::get(self, key).cloned().ok_or_else(|| ReadError::Rows("a row was not read ahead".into()))
    }
}

/// One change of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RowChange {
    Put {
        family: FamilyKind,
        key: Bytes,
        value: Bytes,
    },
    Delete {
        family: FamilyKind,
        key: Bytes,
    },
    /// Deletes the rows from the first key on and before the second (`None`: to the family's end).
    DeleteRange {
        family: FamilyKind,
        bounds: Bounds,
    },
}

/// Changes that happen together or not at all, in their order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RowWrites {
    pub changes: Vec<RowChange>,
}

impl RowWrites {
    /// The soonest second since 1970 in which any of the items that are put expires.
    pub fn soonest_expiry_s(&self) -> Option<u64> {
        let second = |change: &RowChange| match change {
            RowChange::Put { family: FamilyKind::Items, key, .. } => expiry::second_of_row(key),
            _ => None,
        };
        self.changes.iter().filter_map(second).min()
    }

    pub(crate) fn put(&mut self, family: FamilyKind, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.changes.push(RowChange::Put { family, key: key.into(), value: value.into() });
    }

    pub(crate) fn delete(&mut self, family: FamilyKind, key: impl Into<Bytes>) {
        self.changes.push(RowChange::Delete { family, key: key.into() });
    }

    pub(crate) fn delete_range(&mut self, family: FamilyKind, bounds: Bounds) {
        self.changes.push(RowChange::DeleteRange { family, bounds });
    }
}

/// Index number of the rows that hold each item collection's size, in tables with local indexes. They lie by token like
/// all others, so a split moves none of them.
pub const COLLECTION_SIZES: IndexNumber = IndexNumber(u16::MAX);

/// Index number of the rows that hold items in the order of their expiry, in tables with time to live.
pub const EXPIRIES: IndexNumber = IndexNumber(u16::MAX - 1);

/// The ranges of the family `Items` in which a partition's rows lie: items, entries of each local index, collection sizes, and
/// items by their expiry.
pub fn items_bounds(
    table: TableId,
    tokens: TokenRange,
    local_indexes: &[IndexNumber],
    has_expiries: bool,
) -> Vec<Bounds> {
    let sizes = (!local_indexes.is_empty()).then_some(COLLECTION_SIZES);
    [IndexNumber::ITEMS]
        .into_iter()
        .chain(local_indexes.iter().copied())
        .chain(has_expiries.then_some(EXPIRIES))
        .chain(sizes)
        .map(|index| key::token_bounds(table, index, tokens.first, tokens.last))
        .collect()
}
