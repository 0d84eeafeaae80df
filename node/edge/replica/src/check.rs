//! Looks at what a node has stored of a partition, while no replica of it runs.

use crate::{
    machine::decode_applied,
    rows::{ViewedRows, range},
    shared::damaged,
    snapshot::{Source, state_ranges},
};
use stator_consensus::{Applied, Digest};
use stator_environment::{DiskError, Family, Rows};
use stator_item::{PartitionId, TableId};
use stator_partition::{PartitionState, check, keys};
use std::{collections::BTreeMap, sync::Arc};

/// What is stored of a partition.
#[derive(Clone, PartialEq, Debug)]
pub enum Stored {
    Nothing,
    /// A snapshot was not installed to its end: the group's leader sends another.
    Installing,
    Whole {
        table: Option<String>,
        digest: Digest,
        checked: check::Checked,
    },
}

/// Reads all that is stored of the partition. An error: it cannot be read, which is damage unless the disk refused.
pub fn check_stored(rows: &Arc<dyn Rows>, partition: PartitionId) -> Result<Stored, DiskError> {
    if rows.get(Family::State, &keys::installing_key(partition))?.is_some() {
        return Ok(Stored::Installing);
    }
    let view = rows.view()?;
    let viewed = ViewedRows(view.clone());
    let Some(state) = PartitionState::load(partition, &viewed).map_err(damaged)? else { return Ok(Stored::Nothing) };
    let applied = match rows.get(Family::State, &keys::applied_key(partition))? {
        Some(stored) => decode_applied(&stored)?,
        None => Applied::default(),
    };
    let items = state.items_bounds();
    let items = items.iter().map(|bounds| (Family::Items, range(bounds)));
    let source = Source { view, applied, ranges: items.chain(state_ranges(partition)).collect() };
    let mut checked = check::check(&state, &viewed).map_err(damaged)?;
    if source.applied.position.is_none() {
        checked.find(|| "it has a state, and no row says how far that has come".to_owned());
    }
    let table = state.description().map(|table| table.name.clone());
    Ok(Stored::Whole { table, digest: Digest::of(&source)?, checked })
}

/// A global index that was held against its table.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredIndex {
    pub table: String,
    pub index: String,
    pub compared: check::Compared,
}

/// Holds every global index against its table, as far as partitions of both are stored here. An error: they cannot be read.
pub fn check_stored_indexes(rows: &Arc<dyn Rows>) -> Result<Vec<StoredIndex>, DiskError> {
    let viewed = ViewedRows(rows.view()?);
    // States can be large: only those that are compared with one another are held together.
    let mut by_index: BTreeMap<TableId, (String, String)> = BTreeMap::new();
    let mut by_table: BTreeMap<TableId, Vec<PartitionId>> = BTreeMap::new();
    let mut table_of: BTreeMap<TableId, TableId> = BTreeMap::new();
    for partition in stored_partitions(&**rows)? {
        let Some(state) = load_whole(rows, &viewed, partition)? else { continue };
        by_table.entry(state.table()).or_default().push(partition);
        let Some(table) = state.description().filter(|table| table.id == state.table()) else { continue };
        for index in table.global_indexes.iter().filter(|index| state.feeds().any(|fed| fed == index.id)) {
            by_index.insert(index.id, (table.name.clone(), index.name.clone()));
            table_of.insert(index.id, table.id);
        }
    }
    let load = |owner: &TableId| -> Result<Vec<PartitionState>, DiskError> {
        let partitions = by_table.get(owner).into_iter().flatten();
        let states =
            partitions.map(|partition| load_whole(rows, &viewed, *partition)).collect::<Result<Vec<_>, _>>()?;
        Ok(states.into_iter().flatten().collect())
    };
    let mut found = Vec::new();
    for (id, (table, index)) in by_index {
        let (sources, receivers) = (table_of.get(&id).map(load).transpose()?.unwrap_or_default(), load(&id)?);
        let stored = |state| check::Stored { state, rows: &viewed };
        let sources: Vec<_> = sources.iter().map(stored).collect();
        let receivers: Vec<_> = receivers.iter().map(stored).collect();
        let compared = check::compare_index(id, &sources, &receivers).map_err(damaged)?;
        found.push(StoredIndex { table, index, compared });
    }
    Ok(found)
}

/// `None`: nothing is stored, or half a snapshot.
fn load_whole(
    rows: &Arc<dyn Rows>,
    viewed: &ViewedRows,
    partition: PartitionId,
) -> Result<Option<PartitionState>, DiskError> {
    if rows.get(Family::State, &keys::installing_key(partition))?.is_some() {
        return Ok(None);
    }
    PartitionState::load(partition, viewed).map_err(damaged)
}

/// The partitions of which something is stored.
pub fn stored_partitions(rows: &dyn Rows) -> Result<Vec<PartitionId>, DiskError> {
    let view = rows.view()?;
    let (mut found, mut start) = (Vec::new(), Some(0_u64));
    while let Some(from) = start {
        let range = stator_environment::KeyRange { start: from.to_be_bytes().to_vec().into(), end: None };
        let mut next = None;
        view.scan(Family::State, &range, stator_environment::Direction::Forward, &mut |key, _| {
            next = key.first_chunk::<8>().map(|id| u64::from_be_bytes(*id));
            std::ops::ControlFlow::Break(())
        })?;
        found.extend(next.map(PartitionId).filter(|partition| *partition != PartitionId::CATALOG));
        start = next.and_then(|id| id.checked_add(1));
    }
    Ok(found)
}
