//! What a write makes of an item.

use super::{
    super::{
        image::Image,
        indexes::{self, Writer},
    },
    Stop, key_item,
};
use crate::{
    command::{Delete, Put, UpdateItem, WriteOptions},
    reply::Refusal,
    transaction::{Check, TransactionWrite},
};
use stator_catalog::TableDescription;
use stator_expression::Update;
use stator_item::{Item, Key, KeyPart, size::ITEM_BYTES_MAX};

#[derive(Clone, Copy)]
pub(in crate::evaluate) enum Change<'a> {
    Put(&'a Put),
    Update(&'a UpdateItem),
    Delete(&'a Delete),
    Check(&'a Check),
}

impl<'a> Change<'a> {
    pub fn of(write: &'a TransactionWrite) -> Change<'a> {
        match write {
            TransactionWrite::Put(put) => Change::Put(put),
            TransactionWrite::Update(update) => Change::Update(update),
            TransactionWrite::Delete(delete) => Change::Delete(delete),
            TransactionWrite::Check(check) => Change::Check(check),
        }
    }

    pub fn key(&self) -> &'a Key {
        match self {
            Change::Put(put) => &put.key,
            Change::Update(update) => &update.key,
            Change::Delete(delete) => &delete.key,
            Change::Check(check) => &check.key,
        }
    }

    pub fn options(&self) -> &'a WriteOptions {
        match self {
            Change::Put(put) => &put.options,
            Change::Update(update) => &update.options,
            Change::Delete(delete) => &delete.options,
            Change::Check(check) => &check.options,
        }
    }

    /// The item after the write; `None`: there is none.
    pub(super) fn new_image(&self, table: &TableDescription, old: Option<&Image>) -> Result<Option<Image>, Stop> {
        match self {
            Change::Delete(_) => Ok(None),
            Change::Check(_) => Ok(old.map(|old| Image::of_encoded(old.encoded().clone())).transpose()?),
            Change::Put(put) => put_image(put, table).map(Some),
            Change::Update(update) => updated_image(update, table, old),
        }
    }
}

fn put_image(put: &Put, table: &TableDescription) -> Result<Image, Stop> {
    let image = Image::of_encoded(put.item.clone())?;
    if image.size() > ITEM_BYTES_MAX {
        return Err(Refusal::Invalid("Item size has exceeded the maximum allowed size".to_owned()).into());
    }
    if !table.local_indexes.is_empty() || !table.global_indexes.is_empty() {
        indexes::check_keys(table, image.tree()?, Writer::Put)?;
    }
    Ok(image)
}

fn updated_image(update: &UpdateItem, table: &TableDescription, old: Option<&Image>) -> Result<Option<Image>, Stop> {
    let made;
    let before = match old {
        Some(image) => image.tree()?,
        None => {
            made = key_item(table, &update.key);
            &made
        }
    };
    let after = match &update.update {
        Some(update) if old.is_none() && only_takes_away(update) => {
            // Its values are still checked against the item that is not there.
            update.apply(before).map_err(|error| Refusal::Invalid(error.to_string()))?;
            return Ok(None);
        }
        Some(update) => update.apply(before).map_err(|error| Refusal::Invalid(error.to_string()))?.item,
        None => before.clone(),
    };
    check_primary_key(table, &update.key, &after)?;
    indexes::check_keys(table, &after, Writer::Update)?;
    let image = Image::of_item(after);
    if image.size() > ITEM_BYTES_MAX {
        return Err(Refusal::Invalid("Item size to update has exceeded the maximum allowed size".to_owned()).into());
    }
    Ok(Some(image))
}

/// Such an update makes no item where there is none.
fn only_takes_away(update: &Update) -> bool {
    update.sets.is_empty() && update.adds.is_empty() && !(update.removes.is_empty() && update.deletes.is_empty())
}

fn check_primary_key(table: &TableDescription, key: &Key, item: &Item) -> Result<(), Refusal> {
    let hash = std::iter::once((&table.key.hash.name, &key.hash));
    let range = table.key.range.iter().map(|range| &range.name).zip(&key.range);
    for (name, part) in hash.chain(range) {
        if item.get(name).and_then(KeyPart::from_value).as_ref() != Some(part) {
            return Err(Refusal::Invalid(format!(
                "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of the key"
            )));
        }
    }
    Ok(())
}
