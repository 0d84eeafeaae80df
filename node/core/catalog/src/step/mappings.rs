//! Event source mappings: made, changed, deleted; and gone with the stream that they read.

use super::done_if;
use crate::{
    Catalog, CatalogRefusal, MAPPINGS_MAX, MAPPINGS_OF_STREAM_MAX, Mapping, MappingChange, MappingId, MappingSettings,
    MappingState, Outcome, ProcessingResult, Stamp, TableDescription,
};
use std::sync::Arc;

impl Catalog {
    pub(super) fn change_mapping(&mut self, change: MappingChange, at: &Stamp) -> Result<Outcome, CatalogRefusal> {
        match change {
            MappingChange::Create { .. } => self.create_mapping(change, at),
            MappingChange::Update { id, settings, enabled } => self.update_mapping(id, settings, enabled, at),
            MappingChange::Delete { id } => {
                let mapping = self.settled_mapping(id)?;
                Ok(self.put_mapping(Mapping { state: MappingState::Deleting, ..mapping }, at))
            }
            MappingChange::Ready { id, version } => Ok(self.mapping_ready(id, version, at)),
            MappingChange::Result { id, result } => {
                let Some(mapping) = self.mappings.get_mut(&id) else { return Ok(Outcome::Unchanged) };
                Ok(done_if(std::mem::replace(&mut Arc::make_mut(mapping).result, result) != result))
            }
        }
    }

    fn create_mapping(&mut self, change: MappingChange, at: &Stamp) -> Result<Outcome, CatalogRefusal> {
        let MappingChange::Create { id, table, stream, starting, settings, enabled, tags } = change else {
            return Ok(Outcome::Unchanged);
        };
        let described = self.tables.get(&table).filter(|table| table.stream().is_some_and(|of| of.label == stream));
        let table_name = described.ok_or(CatalogRefusal::NoSuchStream)?.name.clone();
        if self.mappings.contains_key(&id) {
            return Err(CatalogRefusal::MappingExists(id));
        }
        let of_stream = || self.mappings.values().filter(|mapping| (mapping.table, mapping.stream) == (table, stream));
        if let Some(known) = of_stream().find(|mapping| mapping.settings.function == settings.function) {
            return Err(CatalogRefusal::MappingExists(known.id));
        }
        if self.mappings.len() >= MAPPINGS_MAX || of_stream().count() >= MAPPINGS_OF_STREAM_MAX {
            return Err(CatalogRefusal::LimitExceeded(format!(
                "There are {MAPPINGS_OF_STREAM_MAX} event source mappings of the stream, or {MAPPINGS_MAX} in all"
            )));
        }
        let (state, version, result) = (MappingState::Creating, 0, ProcessingResult::NoRecords);
        let modified_ms = at.now_ms;
        let mapping = Mapping {
            id,
            table,
            table_name,
            stream,
            starting,
            settings,
            state,
            enabled,
            version,
            modified_ms,
            result,
            tags,
        };
        Ok(self.put_mapping(mapping, at))
    }

    fn update_mapping(
        &mut self,
        id: MappingId,
        settings: MappingSettings,
        enabled: Option<bool>,
        at: &Stamp,
    ) -> Result<Outcome, CatalogRefusal> {
        let mapping = self.settled_mapping(id)?;
        let is_twin = |other: &&Arc<Mapping>| {
            (other.table, other.stream, &other.settings.function) == (mapping.table, mapping.stream, &settings.function)
        };
        if let Some(twin) = self.mappings.values().filter(is_twin).find(|other| other.id != id) {
            return Err(CatalogRefusal::MappingExists(twin.id));
        }
        let enabled = enabled.unwrap_or(mapping.enabled);
        let state = match (mapping.enabled, enabled) {
            (false, true) => MappingState::Enabling,
            (true, false) => MappingState::Disabling,
            (true, true) => MappingState::Updating,
            // Nothing runs that would have to hear of it.
            (false, false) => MappingState::Disabled,
        };
        Ok(self.put_mapping(Mapping { settings, enabled, state, ..mapping }, at))
    }

    /// One that may be changed.
    fn settled_mapping(&self, id: MappingId) -> Result<Mapping, CatalogRefusal> {
        let mapping = self.mappings.get(&id).ok_or(CatalogRefusal::NoSuchMapping(id))?;
        match mapping.state {
            MappingState::Enabled | MappingState::Disabled => Ok(Mapping::clone(mapping)),
            MappingState::Creating
            | MappingState::Enabling
            | MappingState::Updating
            | MappingState::Disabling
            | MappingState::Deleting => Err(CatalogRefusal::MappingBusy(id)),
        }
    }

    fn mapping_ready(&mut self, id: MappingId, version: u64, at: &Stamp) -> Outcome {
        let Some(mapping) = self.mappings.get(&id).filter(|mapping| mapping.version == version) else {
            return Outcome::Unchanged;
        };
        let mapping = Mapping::clone(mapping);
        let state = match mapping.state {
            MappingState::Deleting => {
                self.mappings.remove(&id);
                return Outcome::Done;
            }
            MappingState::Enabled | MappingState::Disabled => return Outcome::Unchanged,
            MappingState::Creating | MappingState::Enabling | MappingState::Updating | MappingState::Disabling => {
                if mapping.enabled {
                    MappingState::Enabled
                } else {
                    MappingState::Disabled
                }
            }
        };
        self.put_mapping(Mapping { state, ..mapping }, at)
    }

    fn put_mapping(&mut self, mapping: Mapping, at: &Stamp) -> Outcome {
        let mapping = Arc::new(Mapping { version: mapping.version + 1, modified_ms: at.now_ms, ..mapping });
        self.mappings.insert(mapping.id, mapping.clone());
        Outcome::Mapping(mapping)
    }

    /// Streams of the table are forgotten: so are the mappings that read others than are left, once its partitions have
    /// forgotten them.
    pub(super) fn end_mappings(&mut self, left: &TableDescription, now_ms: u64) {
        let is_over = |mapping: &&Arc<Mapping>| {
            mapping.table == left.id
                && left.stream_labelled(mapping.stream).is_none()
                && mapping.state != MappingState::Deleting
        };
        let over: Vec<Mapping> = self.mappings.values().filter(is_over).map(|of| Mapping::clone(of)).collect();
        for mapping in over {
            self.put_mapping(Mapping { state: MappingState::Deleting, ..mapping }, &Stamp { now_ms });
        }
    }
}
