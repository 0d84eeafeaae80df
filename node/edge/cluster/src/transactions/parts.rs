//! Which items of a transaction lie in which partition.

use crate::door::Door;
use stator_catalog::TokenRange;
use stator_item::{TableId, Token};
use stator_partition::{Refusal, transaction::Place};
use std::collections::BTreeMap;

/// What of a transaction lies in one partition.
#[derive(Clone, Debug)]
pub(super) struct Part<T> {
    /// Of its first item: leads to the partition.
    pub place: Place,
    /// The places of its items in the request.
    pub at: Vec<usize>,
    pub items: Vec<T>,
}

/// Sorts items by partition. The first part holds the first item.
pub(super) fn parts<T>(door: &dyn Door, items: impl IntoIterator<Item = (Place, T)>) -> Result<Vec<Part<T>>, Refusal> {
    let mut parts: Vec<Part<T>> = Vec::new();
    let mut known: BTreeMap<(TableId, Token), usize> = BTreeMap::new();
    for (at, (place, item)) in items.into_iter().enumerate() {
        let TokenRange { first, .. } = door
            .partition_tokens(place.table, place.token)
            .ok_or_else(|| Refusal::Unavailable("where the table lies is not known yet".to_owned()))?;
        let part = *known.entry((place.table, first)).or_insert(parts.len());
        if part == parts.len() {
            parts.push(Part { place, at: Vec::new(), items: Vec::new() });
        }
        parts[part].at.push(at);
        parts[part].items.push(item);
    }
    Ok(parts)
}

/// Puts what came of each part back into the order of the request.
pub(super) fn in_order<T>(parts: Vec<(Vec<usize>, Vec<T>)>) -> Vec<T> {
    let mut placed: Vec<(usize, T)> =
        parts.into_iter().flat_map(|(at, outcomes)| at.into_iter().zip(outcomes)).collect();
    placed.sort_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, outcome)| outcome).collect()
}
