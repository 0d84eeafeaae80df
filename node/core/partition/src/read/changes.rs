//! Reading the change log: records in order of their sequence numbers, without gaps but for those trimmed before the first.

use crate::{
    keys::{change_key, change_sequence, changes_bounds},
    rows::{Direction, FamilyKind, ReadError, ReadRows},
    state::ReadState,
};
use stator_changelog::{ChangeRecord, SequenceNumber, decode_record};
use std::ops::ControlFlow;

/// Records behind `after`. Ends with the record whose stored bytes make `bytes_max` full, so there is at least one, if any.
pub(crate) fn read(
    after: SequenceNumber,
    bytes_max: u64,
    state: &ReadState,
    rows: &dyn ReadRows,
) -> Result<Vec<ChangeRecord>, ReadError> {
    let first = SequenceNumber(after.0.saturating_add(1)).max(state.progress.first_change);
    if first > state.progress.last_change {
        return Ok(Vec::new());
    }
    let (_, end) = changes_bounds(state.partition);
    let bounds = (change_key(state.partition, first).to_vec(), end);
    let (mut records, mut bytes, mut failed) = (Vec::new(), 0, None);
    rows.scan(FamilyKind::Changes, &bounds, Direction::Forward, &mut |key, stored| {
        match record(key, stored) {
            Ok(record) => records.push(record),
            Err(error) => failed = Some(error),
        }
        bytes += stored.len() as u64;
        if failed.is_some() || bytes >= bytes_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let gapless = (first.0..).zip(&records).all(|(expected, record)| record.sequence.0 == expected);
    if records.is_empty() || !gapless {
        return Err(ReadError::damaged("change log", "a record is missing"));
    }
    Ok(records)
}

pub(super) fn record(key: &[u8], stored: &[u8]) -> Result<ChangeRecord, ReadError> {
    let sequence =
        change_sequence(key).ok_or_else(|| ReadError::damaged("change record", "its key has another form"))?;
    decode_record(sequence, stored).map_err(|error| ReadError::damaged("change record", error))
}
