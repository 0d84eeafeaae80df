//! Which rows a command's evaluation will look at, so that they can be read ahead of its turn.

use crate::{command::Command, expiry, rows::COLLECTION_SIZES, transaction::TransactionWrite};
use stator_catalog::TableDescription;
use stator_item::{IndexNumber, Key, key};

/// Row keys of the family `Items`. For a page none: it reads a range, in its turn. For a `Finish` none: its intents say which.
///
/// Guarantees: evaluation under the same description asks for no other row.
pub fn rows_needed(command: &Command, table: &TableDescription) -> Vec<Vec<u8>> {
    let written = match command {
        Command::Put(put) => &put.key,
        Command::Update(update) => &update.key,
        Command::Delete(delete) => &delete.key,
        Command::Deliver(delivery) => {
            return delivery.changes.iter().chain(&delivery.page).map(|row| row.key.to_vec()).collect();
        }
        Command::Get(get) => return vec![item_row_key(table, &get.key)],
        Command::Expire(expire) => {
            let items = expire.due.iter().filter_map(|row_key| expiry::item_of(row_key).map(|(_, item)| item.into()));
            let collections = |item: &Vec<u8>| Some(collection_row_key(table, &expiry::item_key(table, item)?));
            let mut rows: Vec<Vec<u8>> = items.collect();
            if !table.local_indexes.is_empty() {
                rows.extend(rows.iter().filter_map(collections).collect::<Vec<_>>());
            }
            return rows;
        }
        Command::IndexExpiries(page) => return page.row_keys.iter().map(|row_key| row_key.to_vec()).collect(),
        Command::TransactOne(one) => return written_rows(one.writes.iter().map(TransactionWrite::key), table),
        Command::Prepare(prepare) => return written_rows(prepare.writes.iter().map(TransactionWrite::key), table),
        Command::Page(_)
        | Command::Count
        | Command::Describe(_)
        | Command::Close
        | Command::ReadChanges { .. }
        | Command::MoveCursor { .. }
        | Command::TrimChanges { .. }
        | Command::ReadFeed { .. }
        | Command::MoveFeed { .. }
        | Command::ShowFeeds
        | Command::RaiseMark { .. }
        | Command::Decide(_)
        | Command::Finish(_)
        | Command::Forget { .. }
        | Command::ForgetRequests { .. }
        | Command::Decision { .. }
        | Command::TransactGet(_)
        | Command::ShowShards { .. }
        | Command::FindRecord { .. }
        | Command::ReadShard(_)
        | Command::KeepStreams { .. }
        | Command::ChangeTrigger(_)
        | Command::ShowTrigger { .. }
        | Command::ReadUnindexed
        | Command::ShowExpiries => return Vec::new(),
    };
    written_rows(std::iter::once(written), table)
}

/// What writes of these items read.
pub(crate) fn written_rows<'k>(items: impl Iterator<Item = &'k Key>, table: &TableDescription) -> Vec<Vec<u8>> {
    let has_collections = !table.local_indexes.is_empty();
    let of = |key| [Some(item_row_key(table, key)), has_collections.then(|| collection_row_key(table, key))];
    items.flat_map(of).flatten().collect()
}

pub(crate) fn item_row_key(table: &TableDescription, item: &Key) -> Vec<u8> {
    key::row_key(table.id, IndexNumber::ITEMS, item)
}

/// The row with the size of the collection that the item belongs to.
pub(crate) fn collection_row_key(table: &TableDescription, item: &Key) -> Vec<u8> {
    key::hash_prefix(table.id, COLLECTION_SIZES, &item.hash)
}
