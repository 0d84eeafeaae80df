//! Streams of a table: enabled and disabled, and forgotten a day later, though the table be gone.

use crate::{
    Catalog, CatalogRefusal, DepartedTable, Outcome, Stamp, StreamDescription, StreamLabel, StreamStatus, StreamUpdate,
    StreamView, TableDescription,
};
use stator_item::TableId;
use std::sync::Arc;

/// Most streams of a table that may be read at once: one that is enabled and disabled again and again would grow without bound.
const STREAMS_MAX: usize = 32;

impl Catalog {
    pub(super) fn update_stream(
        &self,
        table: &mut TableDescription,
        update: StreamUpdate,
        at: &Stamp,
    ) -> Result<(), CatalogRefusal> {
        match (update, table.stream().is_some()) {
            (StreamUpdate::Enable(_), true) => {
                Err(CatalogRefusal::Invalid(format!("Table already has an enabled stream: TableName: {}", table.name)))
            }
            (StreamUpdate::Enable(view), false) => self.enable_stream(table, view, at),
            (StreamUpdate::Disable, true) => {
                end(table);
                Ok(())
            }
            (StreamUpdate::Disable, false) => {
                Err(CatalogRefusal::Invalid(format!("Table has no stream to disable: TableName: {}", table.name)))
            }
        }
    }

    pub(super) fn enable_stream(
        &self,
        table: &mut TableDescription,
        view: StreamView,
        at: &Stamp,
    ) -> Result<(), CatalogRefusal> {
        table.streams.retain(|stream| !stream.is_over(at.now_ms));
        if table.streams.len() >= STREAMS_MAX {
            return Err(CatalogRefusal::LimitExceeded(format!(
                "Subscriber limit exceeded: A table can have {STREAMS_MAX} streams within 24 hours"
            )));
        }
        // An ARN names no table's id: what was enabled before under the same name has another label, whatever the clock says.
        let departed = self.departed.values().map(|gone| &*gone.description).filter(|gone| gone.name == table.name);
        let earlier = departed.chain([&*table]).flat_map(|table| &table.streams).map(|stream| stream.label.0).max();
        let label = StreamLabel(earlier.map_or(at.now_ms, |earlier| at.now_ms.max(earlier.saturating_add(1))));
        table.streams.push(StreamDescription { label, view, status: StreamStatus::Enabling });
        Ok(())
    }

    /// Keeps a table that is gone, with its partitions, for its streams.
    pub(super) fn depart(&mut self, table: Arc<TableDescription>, at: &Stamp) {
        let mut description = Arc::unwrap_or_clone(table);
        ready(&mut description, at);
        let departed = DepartedTable { description: Arc::new(description), gone_ms: at.now_ms };
        self.departed.insert(departed.description.id, departed);
    }

    /// Concerns no partition: those drop what is old by themselves.
    pub(super) fn forget_streams(&mut self, id: TableId, now_ms: u64) -> Outcome {
        let forget = |table: &TableDescription| {
            let mut left = table.clone();
            left.streams.retain(|stream| !stream.is_over(now_ms));
            (left.streams.len() != table.streams.len()).then_some(left)
        };
        if let Some(table) = self.tables.get(&id) {
            return match forget(table) {
                Some(left) => {
                    self.end_mappings(&left, now_ms);
                    Outcome::Table(self.put_table(left))
                }
                None => Outcome::Unchanged,
            };
        }
        let Some(departed) = self.departed.get_mut(&id) else { return Outcome::Unchanged };
        let Some(left) = forget(&departed.description) else { return Outcome::Unchanged };
        if left.streams.is_empty() {
            self.departed.remove(&id);
            // What they knew of it goes with the partitions.
            self.mappings.retain(|_, mapping| mapping.table != id);
            self.remove_partitions(id);
        } else {
            departed.description = Arc::new(left.clone());
            self.end_mappings(&left, now_ms);
        }
        Outcome::Done
    }
}

/// Nothing more comes into the table's stream.
pub(super) fn end(table: &mut TableDescription) {
    if let Some(stream) = table.streams.last_mut().filter(|stream| stream.is_enabled()) {
        stream.status = StreamStatus::Disabling;
    }
}

/// All partitions have the description.
pub(super) fn ready(table: &mut TableDescription, at: &Stamp) {
    for stream in &mut table.streams {
        stream.status = match stream.status {
            StreamStatus::Enabling => StreamStatus::Enabled,
            StreamStatus::Disabling => StreamStatus::Disabled { since_ms: at.now_ms },
            settled @ (StreamStatus::Enabled | StreamStatus::Disabled { .. }) => settled,
        };
    }
}
