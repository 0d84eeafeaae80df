//! An item before or after a write: encoded always, sized always, as a tree only when somebody asks.

use crate::rows::ReadError;
use bytes::Bytes;
use stator_item::{Item, RowHeader, row, size};
use std::cell::OnceCell;

pub(super) struct Image {
    encoded: Bytes,
    size: usize,
    tree: OnceCell<Item>,
}

impl Image {
    /// The item of a stored row, and the row's header.
    pub fn of_row(stored: &Bytes) -> Result<(RowHeader, Image), ReadError> {
        let row = row::split_row(stored)?;
        let encoded = stored.slice_ref(row.encoded_item);
        Ok((row.header, Image { encoded, size: row.item_bytes, tree: OnceCell::new() }))
    }

    pub fn of_encoded(encoded: Bytes) -> Result<Image, ReadError> {
        let size = size::item_size_encoded(&encoded)?;
        Ok(Image { encoded, size, tree: OnceCell::new() })
    }

    pub fn of_item(item: Item) -> Image {
        let encoded = row::item_encoding(&item).into();
        Image { encoded, size: size::item_size(&item), tree: OnceCell::from(item) }
    }

    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// Bytes as DynamoDB counts them.
    pub fn size(&self) -> usize {
        self.size
    }

    pub fn tree(&self) -> Result<&Item, ReadError> {
        if let Some(tree) = self.tree.get() {
            return Ok(tree);
        }
        let tree = row::decode_item(&self.encoded)?;
        Ok(self.tree.get_or_init(|| tree))
    }
}
