//! Reads that must not show half of a transaction.

use super::{get as got_row, got_item};
use crate::{
    command::Get,
    reply::{Got, Reply},
    rows::{ReadError, ReadRow},
    rows_needed::item_row_key,
    state::ReadState,
    transaction::{Intended, IntendedChange, ItemVersion, TransactGet, TransactGot},
};
use stator_catalog::TableDescription;
use stator_item::{row, size};
use stator_mutants::Mutant;

/// The decision that was asked for, as the state was taken for it.
pub(super) fn decision(state: &ReadState) -> Reply {
    match &state.decision {
        Some(decision) => Reply::Decided(decision.clone()),
        None => Reply::Undecided,
    }
}

/// One item, or both that it may be.
pub(super) fn got(
    get: &Get,
    table: &TableDescription,
    state: &ReadState,
    rows: &dyn ReadRow,
) -> Result<Reply, ReadError> {
    let old = got_row(get, table, rows)?;
    // Rows may be later than the intents. Whatever was written since was current while this was read.
    let intent = if state.intents.is_empty() { None } else { state.intents.get(&item_row_key(table, &get.key)) };
    let Some(intent) = intent.filter(|_| !stator_mutants::is(Mutant::ReadThroughIntent)) else {
        return Ok(Reply::Got(old));
    };
    let new = match &intent.change {
        IntendedChange::Keep => return Ok(Reply::Got(old)),
        IntendedChange::Put(item) => got_item(get, item.clone(), size::item_size_encoded(item)?)?,
        IntendedChange::Delete => Got::default(),
    };
    Ok(Reply::Intended(Box::new(Intended { transaction: intent.transaction, home: intent.home, old, new })))
}

/// Items with their versions. State and rows are of the same moment.
pub(super) fn get(
    command: &TransactGet,
    table: &TableDescription,
    state: &ReadState,
    rows: &dyn ReadRow,
) -> Result<Reply, ReadError> {
    let one = |get: &Get| -> Result<Option<TransactGot>, ReadError> {
        let row_key = item_row_key(table, &get.key);
        let is_written = state.intents.get(&row_key).is_some_and(|intent| intent.change != IntendedChange::Keep);
        if is_written && !stator_mutants::is(Mutant::TransactGetThroughIntent) {
            return Ok(None);
        }
        let Some(stored) = rows.get(&row_key)? else {
            let version = ItemVersion::Missing { last_delete: state.progress.last_delete.0 };
            return Ok(Some(TransactGot { version, got: Got::default() }));
        };
        let row = row::split_row(&stored)?;
        let got = match command.versions_only {
            true => Got::default(),
            false => got_item(get, stored.slice_ref(row.encoded_item), row.item_bytes)?,
        };
        Ok(Some(TransactGot { version: ItemVersion::Item(row.header.written), got }))
    };
    Ok(Reply::TransactGot(command.gets.iter().map(one).collect::<Result<_, _>>()?))
}
