//! Items that have expired are deleted, and items that were there before time to live are put in the order of their expiry.
//!
//! Guarantees: an item is deleted only if it is due as it stands now, whatever stood when it was looked for; its deletion is a
//! write like others, under the same limits; an item under an intent stays for now.

use super::{
    Outcome, Turn,
    image::Image,
    reading::Reading,
    write::{self, Images, Settled, Stop, Target},
};
use crate::{
    command::WriteOptions,
    effects::{Effects, StateChange},
    expiry::{self, EXPIRE_ITEMS_MAX, Expire, INDEX_ITEMS_MAX, IndexExpiries},
    reply::{Refusal, Reply},
    rows::ReadError,
};
use bytes::Bytes;
use stator_catalog::TableDescription;
use stator_changelog::ChangedBy;
use stator_item::{Key, Timestamp, key, row};
use stator_mutants::Mutant;
use std::collections::BTreeMap;

/// A command ends early when its effects have reached this size.
const EFFECTS_BYTES_FULL: usize = 1 << 20;

/// An item that has expired.
struct Expired {
    key: Key,
    row_key: Bytes,
    replaced: Timestamp,
    image: Image,
}

/// Deletes what has expired of the items that a command names.
pub(super) fn expire(turn: &Turn<'_>, reading: &mut Reading<'_>, expire: &Expire) -> Result<Outcome, ReadError> {
    if expire.due.len() > EXPIRE_ITEMS_MAX {
        return Ok(turn.refused(Refusal::Invalid("a command deletes fewer items".to_owned())));
    }
    let table = match described(reading) {
        Ok(table) => table,
        Err(refusal) => return Ok(turn.refused(refusal)),
    };
    let Some(attribute) = table.expiry_attribute() else {
        return Ok((None, turn.timestamp, Ok(Reply::Expired { items: 0 })));
    };
    // By row key: whoever names an item twice deletes it once.
    let (mut expired, mut version) = (BTreeMap::new(), turn.timestamp);
    for row_key in &expire.due {
        let Some(item) = judge(reading, table, (attribute, expire), row_key)? else { continue };
        // One version for all, above each that they replace.
        version = version.max(item.replaced.next(turn.now.wall_ms, turn.now.node));
        expired.insert(item.row_key.clone(), item);
    }
    let mut effects = Effects::default();
    let mut bytes = 0;
    for Expired { key, row_key, image, .. } in expired.into_values() {
        let options = &WriteOptions { by: ChangedBy::TimeToLive, ..WriteOptions::default() };
        let row_key = row_key.to_vec();
        let target = Target { table, key: &key, row_key, version, options, is_promised: false };
        match (Images { old: Some(image), new: None }).settle(target, reading) {
            Ok(Settled { effects: of_item, .. }) => {
                reading.wrote(&of_item.rows);
                bytes += of_item.bytes();
                effects.items.push(of_item.into());
            }
            // The change log is full: for all of them alike.
            Err(Stop::Refused(refusal)) if effects.items.is_empty() => return Ok(turn.refused(refusal)),
            Err(Stop::Refused(_)) => break,
            Err(Stop::Failed(error)) => return Err(error),
        }
        if bytes >= EFFECTS_BYTES_FULL {
            break;
        }
    }
    let items = effects.items.len() as u64;
    match items {
        0 => Ok((None, turn.timestamp, Ok(Reply::Expired { items }))),
        _ => Ok((Some(effects), version, Ok(Reply::Expired { items }))),
    }
}

/// The item of a row in the order of expiry, if it is to be deleted.
fn judge(
    reading: &mut Reading<'_>,
    table: &TableDescription,
    (attribute, expire): (&str, &Expire),
    due: &[u8],
) -> Result<Option<Expired>, ReadError> {
    let Some((_, row_key)) = expiry::item_of(due) else { return Ok(None) };
    let Some(key) = expiry::item_key(table, &row_key) else { return Ok(None) };
    let is_here = key::row_key_token(&row_key)
        .is_ok_and(|(of, token)| of == table.id && reading.state().tokens().contains(token));
    // Its transaction decides; the row is due until then.
    if !is_here || reading.intent(&row_key).is_some() {
        return Ok(None);
    }
    let (replaced, Some(image)) = write::old_image(reading, &row_key)? else { return Ok(None) };
    let second = expiry::second_of(attribute, image.encoded())?;
    let is_due = second.is_some_and(|second| expire.window.contains(second));
    let is_due = is_due || stator_mutants::is(Mutant::TtlUnconditional);
    Ok(is_due.then_some(Expired { key, row_key, replaced, image }))
}

/// Puts items as they stand now in the order of their expiry.
pub(super) fn index(turn: &Turn<'_>, reading: &mut Reading<'_>, page: &IndexExpiries) -> Result<Outcome, ReadError> {
    if page.row_keys.len() > INDEX_ITEMS_MAX {
        return Ok(turn.refused(Refusal::Invalid("a command names fewer items".to_owned())));
    }
    let table = match described(reading) {
        Ok(table) => table,
        Err(refusal) => return Ok(turn.refused(refusal)),
    };
    if table.expiry_attribute() != Some(&page.attribute) {
        // It was disabled since, or another attribute is enabled, whose backfill begins anew.
        return Ok((None, turn.timestamp, Ok(Reply::Done)));
    }
    let tokens = reading.state().tokens();
    let mut effects = Effects::default();
    for row_key in &page.row_keys {
        let is_here = key::row_key_token(row_key).is_ok_and(|(of, token)| of == table.id && tokens.contains(token));
        let Some(stored) = (if is_here { reading.row(row_key)? } else { None }) else { continue };
        let encoded = row::split_row(&stored)?.encoded_item;
        effects.rows.extend(expiry::row_of(&page.attribute, tokens.first, row_key, encoded)?);
    }
    let (attribute, backfill) = (page.attribute.clone(), page.backfill.clone());
    effects.state = Some(StateChange::IndexExpiries { attribute, backfill });
    Ok((Some(effects), turn.timestamp, Ok(Reply::Done)))
}

/// The description of a partition that has items.
fn described<'a>(reading: &mut Reading<'a>) -> Result<&'a TableDescription, Refusal> {
    if reading.is_closed() {
        return Err(Refusal::NoSuchTable);
    }
    let table = reading.description().ok_or_else(|| Refusal::Unavailable("the table is being made".to_owned()))?;
    match table.id == reading.state().table() {
        true => Ok(table),
        false => Err(Refusal::Invalid("entries of an index do not expire".to_owned())),
    }
}
