//! Commands of our own: descriptions, closing, cursors, trimming, marks. Each may come twice: what they set only rises.

use super::reading::Reading;
use crate::{
    command::Command,
    effects::StateChange,
    global_index::Backfill,
    reply::{Refusal, Reply},
    state::{CONSUMER_NAME_BYTES_MAX, CONSUMERS_MAX},
};
use stator_catalog::TableDescription;
use stator_changelog::SequenceNumber;
use stator_item::TableId;

/// What changes, if anything, and the reply.
pub(super) fn evaluate(command: &Command, reading: &mut Reading<'_>) -> (Option<StateChange>, Result<Reply, Refusal>) {
    match change(command, reading) {
        Ok(change) => (change, Ok(Reply::Done)),
        Err(refusal) => (None, Err(refusal)),
    }
}

fn change(command: &Command, reading: &mut Reading<'_>) -> Result<Option<StateChange>, Refusal> {
    match command {
        Command::Describe(table) => describe(table, reading),
        Command::Close if reading.is_closed() => Ok(None),
        // Who prepared for it elsewhere must still learn of it; no further one is decided once this is done.
        Command::Close if reading.has_commits() => {
            Err(Refusal::Unavailable("a transaction that was decided here is not finished".to_owned()))
        }
        Command::Close => Ok(Some(StateChange::Close)),
        Command::MoveCursor { consumer, to } => move_cursor(consumer, *to, reading),
        // How far the cursors allow it is seen when it is applied.
        Command::TrimChanges { to } => {
            let anything = *to >= reading.state().progress.first_change;
            Ok(anything.then_some(StateChange::TrimChanges { to: *to }))
        }
        Command::RaiseMark { birth_ms } => {
            let raised = *birth_ms > reading.mark_ms();
            Ok(raised.then_some(StateChange::RaiseMark { birth_ms: *birth_ms }))
        }
        // What is due is seen when it is applied.
        Command::KeepStreams { roll_before_ms, drop_before_ms } => {
            let (roll_before_ms, drop_before_ms) = (*roll_before_ms, *drop_before_ms);
            let anything = reading.state().are_streams_due(roll_before_ms, drop_before_ms);
            Ok(anything.then_some(StateChange::KeepStreams { roll_before_ms, drop_before_ms }))
        }
        Command::ChangeTrigger(change) => {
            let changes = reading.state().judge_trigger(change)?;
            Ok(changes.then(|| StateChange::Trigger(change.clone())))
        }
        Command::MoveFeed { index, to, backfill } => move_feed(*index, *to, backfill, reading),
        Command::Put(_)
        | Command::Update(_)
        | Command::Delete(_)
        | Command::Get(_)
        | Command::Page(_)
        | Command::Count
        | Command::Deliver(_)
        | Command::ReadFeed { .. }
        | Command::ShowFeeds
        | Command::ReadChanges { .. }
        | Command::TransactOne(_)
        | Command::Prepare(_)
        | Command::Decide(_)
        | Command::Finish(_)
        | Command::Forget { .. }
        | Command::ForgetRequests { .. }
        | Command::Decision { .. }
        | Command::TransactGet(_)
        | Command::ShowShards { .. }
        | Command::FindRecord { .. }
        | Command::ReadShard(_)
        | Command::ShowTrigger { .. }
        | Command::Expire(_)
        | Command::ReadUnindexed
        | Command::IndexExpiries(_)
        | Command::ShowExpiries => Err(Refusal::Invalid("a read is not evaluated".to_owned())),
    }
}

fn describe(table: &TableDescription, reading: &mut Reading<'_>) -> Result<Option<StateChange>, Refusal> {
    if reading.is_closed() {
        return Err(Refusal::NoSuchTable);
    }
    let own = reading.state().table();
    if table.id != own && table.global_index_by_id(own).is_none() {
        return Err(Refusal::Invalid("the description is another table's".to_owned()));
    }
    let newer = reading.description().is_none_or(|known| known.version < table.version);
    Ok(newer.then(|| StateChange::Describe(Box::new(table.clone()))))
}

fn move_feed(
    index: TableId,
    to: SequenceNumber,
    backfill: &Backfill,
    reading: &Reading<'_>,
) -> Result<Option<StateChange>, Refusal> {
    // Its consumer has seen applied records only, so the applied state can judge it.
    let state = reading.state();
    let Some(feed) = state.feeds.get(&index) else {
        return Err(Refusal::Invalid("this partition does not feed the index".to_owned()));
    };
    if to > state.progress.last_change {
        return Err(Refusal::Invalid("the cursor would lie behind the last change record".to_owned()));
    }
    let moves = feed.cursor < to || feed.backfill < *backfill;
    Ok(moves.then(|| StateChange::MoveFeed { index, to, backfill: backfill.clone() }))
}

fn move_cursor(consumer: &str, to: SequenceNumber, reading: &Reading<'_>) -> Result<Option<StateChange>, Refusal> {
    // A consumer has only seen applied records, so the applied state can judge it.
    let state = reading.state();
    if to > state.progress.last_change {
        return Err(Refusal::Invalid("the cursor would lie behind the last change record".to_owned()));
    }
    let known = state.cursors.get(consumer);
    if known.is_none() && (state.cursors.len() >= CONSUMERS_MAX || consumer.len() > CONSUMER_NAME_BYTES_MAX) {
        return Err(Refusal::Invalid("the change log has too many consumers, or the name is too long".to_owned()));
    }
    let moves = known.is_none_or(|cursor| cursor < to);
    Ok(moves.then(|| StateChange::MoveCursor { consumer: consumer.to_owned(), to }))
}
