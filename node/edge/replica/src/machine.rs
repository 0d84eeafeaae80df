//! Applies committed entries: rows, change records and applied position in one batch, on every replica alike.

use crate::{
    rows,
    shared::{Notice, Shared},
    snapshot::{Sink, Source},
};
use bytes::Bytes;
use stator_consensus::{Applied, Committed, LogPosition, SnapshotSink, SnapshotSource, StateMachine};
use stator_environment::{DiskError, Family, WriteBatch, disk::Write};
use stator_mutants::Mutant;
use stator_partition::{Outcome, PartitionState, apply::apply, codec, keys};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// First byte of the applied row.
const APPLIED_VERSION: u8 = 1;

pub(crate) fn encode_applied(applied: &Applied) -> Bytes {
    let mut bytes = vec![APPLIED_VERSION];
    let position = applied.position.map_or([0; 16], |position| {
        let mut both = [0; 16];
        both[..8].copy_from_slice(&position.term.to_be_bytes());
        both[8..].copy_from_slice(&position.index.to_be_bytes());
        both
    });
    bytes.push(u8::from(applied.position.is_some()));
    bytes.extend_from_slice(&position);
    bytes.extend_from_slice(&applied.membership);
    bytes.into()
}

pub(crate) fn decode_applied(bytes: &[u8]) -> Result<Applied, DiskError> {
    let damaged = || DiskError::Damaged("the row with an applied position is unreadable".to_owned());
    let (head, membership) = bytes.split_first_chunk::<18>().ok_or_else(damaged)?;
    let [version, is_some, position @ ..] = head;
    if *version != APPLIED_VERSION {
        return Err(damaged());
    }
    let (term, index) = position.split_at(8);
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes).map_err(|_| damaged());
    let position = match is_some {
        0 => None,
        _ => Some(LogPosition { term: number(term)?, index: number(index)? }),
    };
    Ok(Applied { position, membership: Bytes::copy_from_slice(membership) })
}

/// The state behind a partition's log.
pub(crate) struct Machine {
    pub shared: Arc<Shared>,
    /// Whether this replica's leader task waits for notices.
    pub leads: Arc<AtomicBool>,
}

impl Machine {
    /// Adds one entry to the batch and the state. `None`: the entry is Raft's own.
    fn apply_one(
        &self,
        committed: &Committed,
        state: &mut PartitionState,
        batch: &mut WriteBatch,
    ) -> Result<Option<Notice>, DiskError> {
        let Some(payload) = &committed.payload else { return Ok(None) };
        let entry = codec::decode_entry(payload).map_err(|error| {
            DiskError::Damaged(format!(
                "entry {} of partition {} cannot be read, so this replica stops before it: {error}",
                committed.position.index, self.shared.partition
            ))
        })?;
        let applied = apply(&entry, committed.position.term, state);
        let had_effect = applied.outcome == Outcome::HadEffect;
        self.shared.metrics.applied(had_effect, entry.effects.len());
        if state.has_expiries()
            && let Some(second) = applied.writes.soonest_expiry_s()
        {
            // Under the state's lock, as whoever raises it looks at rows that were there before.
            self.shared.no_expiry_before_s.fetch_min(second, Ordering::AcqRel);
        }
        rows::add_to(batch, applied.writes);
        Ok(Some(Notice { term: entry.term, number: entry.number, had_effect }))
    }

    fn apply_all(&self, entries: &[Committed]) -> Result<(), DiskError> {
        let Some(last) = entries.last().map(|entry| entry.position) else { return Ok(()) };
        let mut batch = WriteBatch::default();
        let mut notices = Vec::with_capacity(entries.len());
        // The lock is held until the rows are written: a repeat must not be answered from the state before its first attempt can
        // be read from the rows.
        let mut state = self.shared.state.write();
        let before = self.shared.progress.borrow().position;
        debug_assert!(before.is_none_or(|before| before < last), "entries are applied in order");
        if before.is_none() {
            rows::add_to(&mut batch, state.first_rows());
            rows::put_owner(&mut batch, self.shared.partition, self.shared.replica);
        }
        let mut membership = self.shared.applied().membership;
        for committed in entries {
            if let Some(changed) = &committed.membership {
                membership = changed.clone();
            }
            notices.extend(self.apply_one(committed, &mut state, &mut batch)?);
        }
        let applied = Applied { position: Some(last), membership };
        if stator_mutants::is(Mutant::AppliedApart) {
            let mut apart = WriteBatch::default();
            apart.put(Family::State, keys::applied_key(self.shared.partition), encode_applied(&applied));
            self.shared.rows.write(apart)?;
        }
        batch.put(Family::State, keys::applied_key(self.shared.partition), encode_applied(&applied));
        let apart = match stator_mutants::is(Mutant::ChangeRecordOutsideBatch) {
            true => batch.writes.extract_if(.., is_change_record).collect(),
            false => Vec::new(),
        };
        self.shared.rows.write(batch)?;
        if !apart.is_empty() {
            self.shared.rows.write(WriteBatch { writes: apart })?;
        }
        self.shared.set_applied(applied);
        self.shared.tell_feeding(&state);
        drop(state);
        self.shared.notify(notices, self.leads.load(Ordering::Acquire));
        Ok(())
    }
}

fn is_change_record(write: &mut Write) -> bool {
    matches!(write, Write::Put { family: Family::Changes, .. })
}

impl StateMachine for Machine {
    fn applied(&self) -> Result<Applied, DiskError> {
        Ok(self.shared.applied())
    }

    fn apply(&self, entries: Vec<Committed>) -> Result<(), DiskError> {
        // What is half applied in memory must not be served.
        self.apply_all(&entries).inspect_err(|_| self.shared.set_broken())
    }

    fn durable(&self) -> Result<Option<LogPosition>, DiskError> {
        if self.shared.is_installing() {
            return Ok(None);
        }
        if stator_mutants::is(Mutant::PurgeTooEarly) {
            return Ok(self.shared.applied().position);
        }
        match self.shared.rows.get_durable(Family::State, &keys::applied_key(self.shared.partition))? {
            Some(stored) => Ok(decode_applied(&stored)?.position),
            None => Ok(None),
        }
    }

    fn may_rest(&self) -> bool {
        !self.shared.state.read().owes_consumers()
    }

    fn snapshot(&self) -> Result<Arc<dyn SnapshotSource>, DiskError> {
        // Under the lock, so that the view and the position are of one moment.
        let state = self.shared.state.read();
        let view = self.shared.rows.view()?;
        let applied = self.shared.applied();
        drop(state);
        Ok(Arc::new(Source { view, applied, ranges: self.shared.snapshot_ranges() }))
    }

    fn install(&self) -> Result<Box<dyn SnapshotSink>, DiskError> {
        Ok(Box::new(Sink::begin(self.shared.clone())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applied_rows_round_trip_and_damage_is_refused() {
        for position in [None, Some(LogPosition { term: 7, index: u64::MAX })] {
            let applied = Applied { position, membership: Bytes::from_static(b"members") };
            assert_eq!(decode_applied(&encode_applied(&applied)).unwrap(), applied);
        }
        assert!(decode_applied(b"").is_err());
        assert!(decode_applied(&[9; 18]).is_err());
    }
}
