//! `ReturnValues`: what of the old or new item a write answers.

use super::{super::image::Image, change::Change};
use crate::{command::Returns, rows::ReadError};
use bytes::Bytes;
use stator_item::{Item, row};

/// In the item encoding; `None`: nothing to show.
pub(super) fn attributes(
    change: &Change<'_>,
    old: Option<&Image>,
    new: Option<&Image>,
) -> Result<Option<Bytes>, ReadError> {
    let update = match change {
        Change::Update(update) => update.update.as_ref(),
        Change::Put(_) | Change::Delete(_) | Change::Check(_) => None,
    };
    let part = |image: Option<&Image>, part: &dyn Fn(&Item) -> Option<Item>| -> Result<Option<Bytes>, ReadError> {
        let Some(image) = image else { return Ok(None) };
        let shown = part(image.tree()?).filter(|shown| !shown.is_empty());
        Ok(shown.map(|shown| row::item_encoding(&shown).into()))
    };
    match change.options().returns {
        Returns::None => Ok(None),
        Returns::AllOld => Ok(old.map(|image| image.encoded().clone())),
        Returns::AllNew => Ok(new.map(|image| image.encoded().clone())),
        Returns::UpdatedOld => part(old, &|item| update.map(|update| update.updated_old(item))),
        Returns::UpdatedNew => part(new, &|item| update.map(|update| update.updated_new(item))),
    }
}
