//! The receiver's end: a delivery is taken if it joins on to what is here, and becomes rows.

use super::entry::IndexRow;
use crate::{
    effects::{CountChange, Effects, RowWrite, StateChange},
    evaluate::Reading,
    reply::{Refusal, Reply},
    rows::ReadError,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use stator_catalog::TokenRange;
use stator_changelog::SequenceNumber;
use stator_item::{IndexNumber, TableId, key, row};
use stator_mutants::{Mutant, is};
use std::collections::BTreeMap;

/// Changes of an index's rows that come from one source: all of those in (`after`, `up_to`] that concern this receiver.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Delivery {
    pub index: TableId,
    /// The tokens of the table's partition that it comes from.
    pub source: TokenRange,
    /// The last record there before the index was known: who has nothing of the source yet stands there.
    pub begun: SequenceNumber,
    pub after: SequenceNumber,
    pub up_to: SequenceNumber,
    /// In the order of their records.
    pub changes: Vec<IndexRow>,
    /// Rows of a backfill, as they stand at `up_to`.
    pub page: Vec<IndexRow>,
}

/// What a delivery changes here, if anything, and up to where everything of its source is here then. A sender that reads less
/// than its `after` has left a gap; one that reads more than its `up_to` was late, and nothing was taken.
pub(crate) fn evaluate(
    delivery: &Delivery,
    reading: &mut Reading<'_>,
) -> Result<(Option<Effects>, Result<Reply, Refusal>), ReadError> {
    if let Err(refusal) = check(delivery, reading) {
        return Ok((None, Err(refusal)));
    }
    let known = reading.received(delivery.source).unwrap_or(delivery.begun);
    let is_gap = delivery.after > known;
    let is_late = delivery.up_to < known && !is(Mutant::TakeDeliveryTwice);
    let says_nothing = delivery.up_to == known && delivery.page.is_empty() && !is(Mutant::TakeDeliveryTwice);
    if is_gap || is_late || says_nothing {
        return Ok((None, Ok(Reply::Delivered { up_to: known })));
    }
    let is_new = |row: &&IndexRow| row.sequence > known || is(Mutant::TakeDeliveryTwice);
    let rows: Vec<&IndexRow> = delivery.changes.iter().filter(is_new).chain(&delivery.page).collect();
    let count = count(&rows, reading)?;
    let up_to = delivery.up_to.max(known);
    let effects = Effects {
        rows: rows.iter().map(|row| RowWrite { key: row.key.clone(), value: row.value.clone() }).collect(),
        counts: if count == CountChange::default() { Vec::new() } else { vec![count] },
        state: Some(StateChange::Receive { source: delivery.source, up_to }),
        ..Effects::default()
    };
    Ok((Some(effects), Ok(Reply::Delivered { up_to })))
}

fn check(delivery: &Delivery, reading: &mut Reading<'_>) -> Result<(), Refusal> {
    if reading.is_closed() {
        return Err(Refusal::NoSuchTable);
    }
    let state = reading.state();
    let known = reading.description().and_then(|table| table.global_index_by_id(state.table()));
    match known {
        None => return Err(Refusal::Unavailable("the index is being made".to_owned())),
        Some(index) if index.id != delivery.index => {
            return Err(Refusal::Invalid("the delivery is for another index".to_owned()));
        }
        Some(_) => {}
    }
    for row in delivery.changes.iter().chain(&delivery.page) {
        match key::row_key_token(&row.key) {
            Ok((index, _)) if index != delivery.index => {
                return Err(Refusal::Invalid("a delivered row is another index's".to_owned()));
            }
            Ok((_, token)) if state.tokens().contains(token) => {}
            Ok(_) => return Err(Refusal::StaleEpoch { current: state.epoch() }),
            Err(error) => return Err(Refusal::Invalid(format!("a delivered row has no row key: {error}"))),
        }
    }
    Ok(())
}

/// How many entries and bytes come with these rows. What is there counts, not what the source thinks to be there.
fn count(rows: &[&IndexRow], reading: &mut Reading<'_>) -> Result<CountChange, ReadError> {
    let entry_bytes = |row: &[u8]| -> Result<i64, ReadError> {
        Ok(i64::try_from(row::split_row(row)?.item_bytes).expect("an item's size is small"))
    };
    let mut count = CountChange { index: IndexNumber::ITEMS, ..CountChange::default() };
    let mut latest: BTreeMap<&Bytes, Option<&Bytes>> = BTreeMap::new();
    for row in rows {
        let before = match latest.insert(&row.key, row.value.as_ref()) {
            Some(before) => before.cloned(),
            None => reading.row(&row.key)?,
        };
        if let Some(before) = before {
            count.items -= 1;
            count.bytes -= entry_bytes(&before)?;
        }
        if let Some(after) = &row.value {
            count.items += 1;
            count.bytes += entry_bytes(after)?;
        }
    }
    Ok(count)
}
