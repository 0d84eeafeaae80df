//! Positions of triggers in a partition's state.

use super::{PartitionState, ReadState};
use crate::{
    codec, keys,
    reply::Refusal,
    rows::{FamilyKind, RowWrites},
    trigger::{Trigger, TriggerChange, TriggerPosition},
};
use stator_catalog::{MappingId, StartingPosition, StreamLabel};
use stator_changelog::SequenceNumber;
use std::sync::Arc;

/// Most mappings that a partition remembers: the catalog allows fewer.
const TRIGGERS_MAX: usize = 10_000;

impl ReadState {
    /// How a mapping stands.
    pub(crate) fn trigger(&self, mapping: MappingId) -> Option<&Trigger> {
        self.triggers.get(&mapping)
    }
}

impl PartitionState {
    /// Whether records wait for a mapping that is not disabled.
    pub(crate) fn owes_triggers(&self) -> bool {
        let waits = |trigger: &Trigger| {
            let position = &trigger.position;
            !trigger.is_resting && position.shard.is_some() && position.done < self.progress.last_change
        };
        self.triggers.values().any(waits)
    }

    /// Whether the change would change something. A session has seen applied records only, so the applied state can judge it.
    pub(crate) fn judge_trigger(&self, change: &TriggerChange) -> Result<bool, Refusal> {
        let known = self.triggers.get(&change.mapping());
        let unknown = || Refusal::Invalid("the partition does not know the mapping".to_owned());
        match change {
            TriggerChange::Begin { .. } if known.is_none() && self.triggers.len() >= TRIGGERS_MAX => {
                Err(Refusal::Invalid(format!("the partition knows {TRIGGERS_MAX} mappings already")))
            }
            TriggerChange::Begin { .. } => Ok(known.is_none()),
            TriggerChange::Open { .. } => known.map(|_| true).ok_or_else(unknown),
            TriggerChange::Move { session, position, .. } => {
                let trigger = known.ok_or_else(unknown)?;
                if trigger.session != *session || *session == 0 {
                    return Err(Refusal::Invalid("another session was opened since".to_owned()));
                }
                if position.done > self.progress.last_change || !position.follows(&trigger.position) {
                    return Err(Refusal::Invalid("the position does not follow the one before".to_owned()));
                }
                Ok(**position != trigger.position)
            }
            TriggerChange::Rest { .. } => Ok(!known.ok_or_else(unknown)?.is_resting),
            TriggerChange::End { .. } => Ok(known.is_some()),
        }
    }

    pub(crate) fn change_trigger(&mut self, change: &TriggerChange, writes: &mut RowWrites) {
        let mapping = change.mapping();
        let known = self.triggers.get(&mapping);
        let changed = match (change, known) {
            (TriggerChange::Begin { stream, starting, is_resting, .. }, None) => {
                let position = self.beginning(*stream, *starting);
                Trigger { stream: *stream, session: 0, is_resting: *is_resting, position }
            }
            (TriggerChange::Open { session, .. }, Some(trigger)) => {
                Trigger { session: *session, is_resting: false, ..trigger.clone() }
            }
            // Another session may have been opened since this was evaluated.
            (TriggerChange::Move { session, position, .. }, Some(trigger))
                if trigger.session == *session && position.follows(&trigger.position) =>
            {
                Trigger { position: TriggerPosition::clone(position), ..trigger.clone() }
            }
            (TriggerChange::Rest { .. }, Some(trigger)) => Trigger { session: 0, is_resting: true, ..trigger.clone() },
            (TriggerChange::End { .. }, Some(_)) => {
                Arc::make_mut(&mut self.triggers).remove(&mapping);
                writes.delete(FamilyKind::State, keys::trigger_key(self.partition, mapping));
                return;
            }
            _ => return,
        };
        let row = codec::encode(&changed, 128);
        writes.put(FamilyKind::State, keys::trigger_key(self.partition, mapping), row);
        Arc::make_mut(&mut self.triggers).insert(mapping, changed);
    }

    /// Where a new mapping begins: LATEST is the end of the open shard now; its children are read from their beginnings.
    fn beginning(&self, stream: StreamLabel, starting: StartingPosition) -> TriggerPosition {
        let shards = self.streams.get(&stream).map(|lineage| lineage.shards()).unwrap_or_default();
        match starting {
            StartingPosition::TrimHorizon => match shards.first() {
                Some(shard) => TriggerPosition::at(Some(shard.id), SequenceNumber(shard.starting.0.saturating_sub(1))),
                None => TriggerPosition::at(None, self.progress.last_change),
            },
            StartingPosition::Latest => {
                let open = shards.iter().rev().find(|shard| shard.closed.is_none());
                TriggerPosition::at(open.map(|shard| shard.id), self.progress.last_change)
            }
        }
    }
}
