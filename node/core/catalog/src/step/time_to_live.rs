//! Time to live of a table: enabled and disabled, and then followed by all partitions.

use crate::{Catalog, CatalogRefusal, Outcome, Stamp, TableDescription, TableStatus, TimeToLive, TimeToLiveStatus};
use stator_item::TableId;

/// "Any additional UpdateTimeToLive calls for the same table during this one hour duration result in a ValidationException"
/// (AWS API reference, UpdateTimeToLive).
const CHANGES_APART_MS: u64 = 60 * 60 * 1_000;

impl Catalog {
    /// The table's status stays, and writes go on: each partition follows in its turn.
    pub(super) fn change_time_to_live(
        &mut self,
        name: &str,
        (attribute, enabled): (String, bool),
        at_any_time: bool,
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        let table = self.table_named(name)?;
        if table.status != TableStatus::Active {
            return Err(CatalogRefusal::TableBusy { name: name.to_owned(), status: table.status });
        }
        let before = table.time_to_live.as_ref();
        check(before, &attribute, enabled)?;
        let is_late = |before: &TimeToLive| before.changed_ms.saturating_add(CHANGES_APART_MS) <= at.now_ms;
        // What is on its way arrives first, whatever the setting: partitions follow one change after the other.
        if before.is_some_and(|before| before.is_changing() || !at_any_time && !is_late(before)) {
            return invalid("Time to live has been modified multiple times within a fixed interval".to_owned());
        }
        // Names the change, so it is no other's, whatever the clock says.
        let changed_ms = before.map_or(at.now_ms, |before| at.now_ms.max(before.changed_ms.saturating_add(1)));
        let status = if enabled { TimeToLiveStatus::Enabling } else { TimeToLiveStatus::Disabling };
        let mut table = TableDescription::clone(table);
        table.time_to_live = Some(TimeToLive { attribute, status, changed_ms });
        table.version += 1;
        Ok(Outcome::Table(self.put_table(table)))
    }

    /// Concerns no partition any more: the description's version stays.
    pub(super) fn time_to_live_ready(&mut self, id: TableId, changed_ms: u64) -> Outcome {
        let Some(table) = self.tables.get(&id).filter(|table| table.status == TableStatus::Active) else {
            return Outcome::Unchanged;
        };
        let Some(before) = table.time_to_live.as_ref().filter(|before| before.changed_ms == changed_ms) else {
            return Outcome::Unchanged;
        };
        let status = match before.status {
            TimeToLiveStatus::Enabling => TimeToLiveStatus::Enabled,
            TimeToLiveStatus::Disabling => TimeToLiveStatus::Disabled,
            TimeToLiveStatus::Enabled | TimeToLiveStatus::Disabled => return Outcome::Unchanged,
        };
        let after = TimeToLive { status, ..before.clone() };
        let mut table = TableDescription::clone(table);
        table.time_to_live = Some(after);
        Outcome::Table(self.put_table(table))
    }
}

fn check(before: Option<&TimeToLive>, attribute: &str, enabled: bool) -> Result<(), CatalogRefusal> {
    match before.filter(|before| before.is_enabled()) {
        None if enabled => Ok(()),
        None => invalid("TimeToLive is already disabled".to_owned()),
        Some(current) if current.attribute != attribute => invalid(format!(
            "TimeToLive is active on a different AttributeName: current AttributeName is {}",
            current.attribute
        )),
        Some(_) if enabled => invalid("TimeToLive is already enabled".to_owned()),
        Some(_) => Ok(()),
    }
}

fn invalid<T>(text: String) -> Result<T, CatalogRefusal> {
    Err(CatalogRefusal::Invalid(text))
}
