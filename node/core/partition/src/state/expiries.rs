//! Time to live in a partition's state: begun and ended by the table's description, filled page by page.
//!
//! Guarantees: without it, no row stands in the order of expiry.

use super::{PartitionState, ReadState};
use crate::{
    codec,
    expiry::{self, ExpiriesStatus},
    global_index::Backfill,
    keys,
    rows::{FamilyKind, RowWrites},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::TableDescription;
use std::sync::Arc;

/// By which attribute items stand in the order of their expiry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Expiries {
    pub attribute: String,
    pub backfill: Backfill,
}

impl ReadState {
    /// How the partition stands to time to live.
    pub(crate) fn expiries_status(&self) -> ExpiriesStatus {
        let Some(expiries) = &self.expiries else { return ExpiriesStatus::default() };
        let is_filled = expiries.backfill == Backfill::Done;
        ExpiriesStatus { attribute: Some(expiries.attribute.clone()), is_filled }
    }
}

impl PartitionState {
    /// Whether items expire here.
    pub fn has_expiries(&self) -> bool {
        self.expiries.is_some()
    }

    /// Whether items that were there before time to live are still to be put in the order of their expiry.
    pub fn is_filling_expiries(&self) -> bool {
        self.expiries.as_ref().is_some_and(|expiries| expiries.backfill != Backfill::Done)
    }

    /// Begins and ends the order of expiry as a description says that is being applied. `is_first`: there are no items.
    pub(crate) fn follow_expiries(&mut self, table: &TableDescription, is_first: bool, writes: &mut RowWrites) {
        if table.id != self.progress.table {
            return;
        }
        let attribute = table.expiry_attribute();
        if attribute == self.expiries.as_ref().map(|expiries| expiries.attribute.as_str()) {
            return;
        }
        if self.expiries.is_some() {
            writes.delete_range(FamilyKind::Items, expiry::bounds(self.progress.table, self.progress.tokens));
            self.end_expiries(writes);
        }
        if let Some(attribute) = attribute {
            let backfill = if is_first { Backfill::Done } else { Backfill::UpTo(Bytes::new()) };
            self.put_expiries(Expiries { attribute: attribute.to_owned(), backfill }, writes);
        }
    }

    /// Forgets the order of expiry; its rows are gone.
    pub(crate) fn end_expiries(&mut self, writes: &mut RowWrites) {
        if self.expiries.take().is_some() {
            writes.delete(FamilyKind::State, keys::expiries_key(self.partition));
        }
    }

    pub(crate) fn index_expiries(&mut self, attribute: &str, backfill: &Backfill, writes: &mut RowWrites) {
        // It may have ended since this was evaluated.
        let Some(expiries) = self.expiries.as_ref().filter(|expiries| expiries.attribute == attribute) else { return };
        let backfill = expiries.backfill.clone().max(backfill.clone());
        self.put_expiries(Expiries { attribute: attribute.to_owned(), backfill }, writes);
    }

    fn put_expiries(&mut self, expiries: Expiries, writes: &mut RowWrites) {
        writes.put(FamilyKind::State, keys::expiries_key(self.partition), codec::encode(&expiries, 64));
        self.expiries = Some(Arc::new(expiries));
    }
}
