//! Reads: answered from committed rows as they stood at one moment, never from effects in flight.

mod changes;
mod page;
mod shards;
#[cfg(test)]
mod tests;
mod transaction;

use crate::{
    command::{Command, Get},
    expiry,
    global_index::feed,
    reply::{Got, Refusal, Reply},
    rows::{ReadError, ReadRow, ReadRows},
    rows_needed::item_row_key,
    state::{PartitionState, ReadState},
};
use bytes::Bytes;
use stator_catalog::TableDescription;
use stator_expression::Projection;
use stator_item::row;
use std::sync::Arc;

pub(crate) use changes::read as changes_after;

/// Answers a command that changes nothing. State and rows are of the same moment.
pub fn read(command: &Command, state: &ReadState, rows: &dyn ReadRows) -> Result<Result<Reply, Refusal>, ReadError> {
    // The change log outlives its table: its consumers still read it.
    if let Command::ReadChanges { after, bytes_max } = command {
        return changes::read(*after, *bytes_max, state, rows).map(|records| Ok(Reply::Changes(records)));
    }
    // So do its shards.
    if let Command::ShowShards { .. } | Command::FindRecord { .. } | Command::ReadShard(_) = command {
        return shards::read(command, state, rows);
    }
    if let Command::ShowFeeds = command {
        return Ok(Ok(Reply::Feeds(state.feed_statuses())));
    }
    if let Command::ShowTrigger { mapping } = command {
        return Ok(Ok(Reply::Trigger(state.trigger(*mapping).cloned().map(Box::new))));
    }
    if let Command::ShowExpiries = command {
        return Ok(Ok(Reply::Expiries(state.expiries_status())));
    }
    if let Command::Get(_) = command {
        return read_item(command, state, rows);
    }
    // A decision outlives its table, as others may still ask for it.
    if let Command::Decision { .. } = command {
        return Ok(Ok(transaction::decision(state)));
    }
    let table = match state.table_for(command) {
        Ok(table) => table,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match command {
        Command::Page(command) => page::read(command, table, state, rows).map(|page| page.map(Reply::Page)),
        Command::ReadFeed { index, after, bytes_max } => {
            let feed = feed::read(*index, *after, *bytes_max, state, table, rows)?;
            Ok(feed.map(|feed| Reply::Feed(Box::new(feed))))
        }
        Command::ReadUnindexed => {
            let page = expiry::read_unindexed(state, rows)?;
            Ok(page.map(|page| Reply::Unindexed(Box::new(page))))
        }
        Command::TransactGet(command) => transaction::get(command, table, state, rows).map(Ok),
        Command::Count => Ok(Ok(Reply::Counted(state.counts.clone()))),
        _ => Ok(Err(Refusal::Invalid("a write is not a read".to_owned()))),
    }
}

/// Answers a `Get` from rows that may be later than the state. The reply holds if the state [is current](ReadState::is_current)
/// afterwards: then no entry between the two has moved or removed the partition's rows.
pub fn read_item(
    command: &Command,
    state: &ReadState,
    rows: &dyn ReadRow,
) -> Result<Result<Reply, Refusal>, ReadError> {
    let table = match state.table_for(command) {
        Ok(table) => table,
        Err(refusal) => return Ok(Err(refusal)),
    };
    match command {
        Command::Get(command) => transaction::got(command, table, state, rows).map(Ok),
        _ => Ok(Err(Refusal::Invalid("only a Get reads a single item".to_owned()))),
    }
}

impl ReadState {
    /// Whether the partition still owns the rows that it owned when this was taken, under the same description.
    pub fn is_current(&self, state: &PartitionState) -> bool {
        let same_table = match (&self.description, &state.description) {
            (Some(taken), Some(now)) => Arc::ptr_eq(taken, now),
            (taken, now) => taken.is_none() && now.is_none(),
        };
        same_table && self.progress.epoch == state.progress.epoch && self.progress.closed == state.progress.closed
    }

    /// The table, if this partition may answer the command.
    fn table_for(&self, command: &Command) -> Result<&TableDescription, Refusal> {
        if self.progress.closed {
            return Err(Refusal::NoSuchTable);
        }
        let is_here = |get: &Get| self.progress.tokens.contains(get.key.token());
        let all_are_here = match command {
            Command::Get(get) => is_here(get),
            Command::TransactGet(get) => get.gets.iter().all(is_here),
            _ => true,
        };
        if !all_are_here {
            return Err(Refusal::StaleEpoch { current: self.progress.epoch });
        }
        self.description.as_deref().ok_or_else(|| Refusal::Unavailable("the table is being made".to_owned()))
    }
}

fn get(get: &Get, table: &TableDescription, rows: &dyn ReadRow) -> Result<Got, ReadError> {
    match rows.get(&item_row_key(table, &get.key))? {
        Some(stored) => {
            let row = row::split_row(&stored)?;
            Ok(got_item(get, stored.slice_ref(row.encoded_item), row.item_bytes)?)
        }
        None => Ok(Got::default()),
    }
}

/// An item, as the command wants it.
fn got_item(get: &Get, encoded: Bytes, item_bytes: usize) -> Result<Got, ReadError> {
    let item = match &get.projection {
        None => encoded,
        Some(projection) => projected(projection, &encoded)?,
    };
    Ok(Got { item: Some(item), read_bytes: item_bytes as u64 })
}

fn projected(projection: &Projection, encoded: &[u8]) -> Result<Bytes, ReadError> {
    Ok(row::item_encoding(&projection.project(&row::decode_item(encoded)?)).into())
}
