//! Packing: the effects of all commands that wait become one entry.
//!
//! Guarantees: an entry names the one before it and holds at least one command's effects; it never exceeds
//! [`ENTRY_BYTES_MAX`], if its packer is asked [`is_full`](Pack::is_full) before each command.

use crate::{
    effects::{Effects, Entry, EntryNumber},
    overlay::Overlay,
};
use stator_item::{Timestamp, size::ITEM_BYTES_MAX};

/// No command joins an entry that has reached this size.
pub const ENTRY_BYTES_FULL: usize = 1024 * 1024;
/// Above the greatest entry: one that was almost full when the largest effects joined it.
pub const ENTRY_BYTES_MAX: usize = 12 * 1024 * 1024;

/// The item, its copies in five local indexes, both images of the change record, and the remembered reply's attributes.
const ITEM_COPIES_MAX: usize = 1 + 5 + 2 + 1;
/// An encoding is less than twice what DynamoDB counts, row keys and all.
const ENCODED_PER_COUNTED: usize = 2;
const _: () = assert!(
    ENTRY_BYTES_MAX >= ENTRY_BYTES_FULL + ITEM_COPIES_MAX * ENCODED_PER_COUNTED * ITEM_BYTES_MAX,
    "the largest effects of one command must fit an entry that is not full"
);

/// The entry being packed.
#[derive(Debug, Default)]
pub struct Pack {
    number: EntryNumber,
    after: EntryNumber,
    effects: Vec<Effects>,
    timestamp: Timestamp,
    bytes: usize,
}

impl Pack {
    /// Adds a command's effects, evaluated at `timestamp`, to this entry and to the overlay.
    pub fn add(&mut self, effects: Effects, timestamp: Timestamp, overlay: &mut Overlay) {
        if self.effects.is_empty() {
            self.after = overlay.last_entry();
            self.number = EntryNumber(overlay.last_number().0 + 1);
        }
        overlay.add(self.number, &effects, timestamp);
        self.bytes += effects.bytes();
        self.timestamp = timestamp;
        self.effects.push(effects);
    }

    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= ENTRY_BYTES_FULL
    }

    /// The entry with everything that was added, to be proposed in `overlay`'s term. The next one begins.
    pub fn take(&mut self, overlay: &Overlay) -> Option<Entry> {
        let Pack { number, after, effects, timestamp, .. } = std::mem::take(self);
        if effects.is_empty() {
            return None;
        }
        Some(Entry { term: overlay.term(), number, after, timestamp, effects })
    }
}
