//! Transactions: evaluated whole where they lie in one partition, else prepared, decided and finished.
//!
//! Guarantees: a transaction's writes in a partition have their effects or intents all together or not at all; a decision that
//! stands is never replaced; an intent's item is written by its own transaction alone.

use super::{
    Outcome, Turn,
    image::Image,
    reading::Reading,
    write::{self, Change, Images, Judged, Stop, Target},
};
use crate::{
    command::WriteOptions,
    effects::{Effects, ItemEffects},
    reply::{Refusal, Reply, Written},
    rows::ReadError,
    transaction::{
        CancellationReason, Cancelled, Committed, Decide, Decision, Elsewhere, FORGET_AT_ONCE_MAX, Finish, Finished,
        IntendedChange, Intent, Prepare, Prepared, REQUEST_AGE_MS_MAX, RememberedRequest, Repeated, RequestToken,
        TRANSACTION_BYTES_MAX, TransactOne, TransactedOne, TransactionChange, TransactionId, TransactionWrite, Verdict,
    },
};
use bytes::Bytes;
use stator_item::Timestamp;
use stator_mutants::Mutant;
use std::{collections::BTreeMap, sync::Arc};

/// A transaction in one partition whose effects are larger is prepared instead.
const ONE_ENTRY_BYTES_MAX: usize = 8 << 20;
/// A finish goes on in another entry when its effects have reached this size.
const FINISH_BYTES_FULL: usize = 3 << 20;

/// Why a transaction has no effects here.
impl From<Cancelled> for Stop {
    fn from(reasons: Cancelled) -> Stop {
        Stop::Refused(Refusal::Cancelled(reasons))
    }
}

/// Writes that may have their effects together.
struct Batch<'c, 't> {
    judged: Vec<Judged<'c, 't>>,
    /// As [`TRANSACTION_BYTES_MAX`] counts it.
    bytes: u64,
}

/// Writes of one partition, in one entry.
pub(super) fn one(turn: &Turn<'_>, reading: &mut Reading<'_>, one: &TransactOne) -> Result<Outcome, ReadError> {
    ended(turn, transact(turn, reading, one))
}

/// The part of a transaction that lies here.
pub(super) fn prepare(turn: &Turn<'_>, reading: &mut Reading<'_>, prepare: &Prepare) -> Result<Outcome, ReadError> {
    ended(turn, intend(turn, reading, prepare))
}

fn ended(turn: &Turn<'_>, evaluated: Result<Outcome, Stop>) -> Result<Outcome, ReadError> {
    match evaluated {
        Ok(outcome) => Ok(outcome),
        Err(Stop::Refused(refusal)) => Ok(turn.refused(refusal)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn transact(turn: &Turn<'_>, reading: &mut Reading<'_>, one: &TransactOne) -> Result<Outcome, Stop> {
    if let Some(repeated) = repeated(turn, reading, one.request.as_ref())? {
        return Ok((None, turn.timestamp, Ok(Reply::Repeated(repeated))));
    }
    if let Some(elsewhere) = &one.elsewhere
        && let Some(decision) = decided(reading, elsewhere.transaction)?
    {
        return Ok((None, turn.timestamp, Ok(Reply::Decided(decision))));
    }
    let bytes_elsewhere = one.elsewhere.as_ref().map_or(0, |elsewhere| elsewhere.bytes);
    let batch = judge_all(reading, &one.writes, (one.request.as_ref(), bytes_elsewhere))?;
    let above = |elsewhere: &Elsewhere| elsewhere.prepared.next(turn.now.wall_ms, turn.now.node);
    let version = batch.version(turn).max(one.elsewhere.as_ref().map_or(Timestamp::MIN, above));
    let (items, written) = batch.settle(reading, version)?;
    let mut effects = Effects { items, ..Effects::default() };
    if effects.bytes() > ONE_ENTRY_BYTES_MAX {
        return Err(Refusal::TooLargeForOne.into());
    }
    if let Some(request) = &one.request {
        let transaction = one.elsewhere.as_ref().map(|elsewhere| elsewhere.transaction);
        effects.transaction.push(turn.remember_request(request, transaction));
    }
    if let Some(Elsewhere { transaction, participants, .. }) = &one.elsewhere {
        let committed = Committed { timestamp: version, participants: participants.clone() };
        let decision = Decision::Committed(committed);
        effects.transaction.push(TransactionChange::Decide { transaction: *transaction, decision });
    }
    let has_effects = !(effects.items.is_empty() && effects.transaction.is_empty());
    let transacted = TransactedOne { timestamp: version, written };
    Ok((has_effects.then_some(effects), version, Ok(Reply::Transacted(transacted))))
}

/// The decision that stands. An error: nobody can commit the transaction any more.
fn decided(reading: &mut Reading<'_>, transaction: TransactionId) -> Result<Option<Decision>, Refusal> {
    let stands = reading.decision(transaction).filter(|_| !stator_mutants::is(Mutant::DecideTwice));
    if stands.is_none() && is_too_late(reading, transaction) {
        return Err(Refusal::TooOld);
    }
    Ok(stands)
}

/// Nothing can be committed any more: no record is needed of what is so for ever.
fn is_too_late(reading: &mut Reading<'_>, transaction: TransactionId) -> bool {
    reading.is_closed() || transaction.birth.wall_ms < reading.mark_ms()
}

fn intend(turn: &Turn<'_>, reading: &mut Reading<'_>, prepare: &Prepare) -> Result<Outcome, Stop> {
    if let Some(repeated) = repeated(turn, reading, prepare.request.as_ref())? {
        return Ok((None, turn.timestamp, Ok(Reply::Repeated(repeated))));
    }
    if reading.state().transactions.is_full() {
        return Err(Refusal::Overloaded.into());
    }
    let batch = judge_all(reading, &prepare.writes, (prepare.request.as_ref(), 0))?;
    let timestamp = batch.version(turn);
    // Their rows are made when it is finished. Here they show what it costs, and whether item collections have room.
    let (_, written) = batch.settle(reading, timestamp)?;
    let mut effects = Effects::default();
    for judged in &batch.judged {
        let change = match &judged.images.new {
            _ if judged.images.are_equal() => IntendedChange::Keep,
            Some(image) => IntendedChange::Put(image.encoded().clone()),
            None => IntendedChange::Delete,
        };
        let intent = Intent {
            transaction: prepare.transaction,
            home: prepare.home,
            key: judged.change.key().clone(),
            change,
            request: prepare.request.clone(),
            by: judged.change.options().by,
        };
        let row_key = Bytes::copy_from_slice(&judged.row_key);
        effects.transaction.push(TransactionChange::Intend { row_key, intent: Box::new(intent) });
    }
    let prepared = Prepared { timestamp, bytes: batch.bytes, written };
    Ok((Some(effects), timestamp, Ok(Reply::Prepared(prepared))))
}

/// What a request is answered whose token is remembered.
fn repeated(
    turn: &Turn<'_>,
    reading: &mut Reading<'_>,
    request: Option<&RequestToken>,
) -> Result<Option<Repeated>, Refusal> {
    let Some(request) = request else { return Ok(None) };
    let Some(remembered) = turn.remembered_request(reading, request) else {
        let has_room = reading.state().transactions.has_room_for_requests();
        return if has_room { Ok(None) } else { Err(Refusal::Overloaded) };
    };
    if remembered.payload != request.payload {
        return Err(Refusal::TokenMismatch);
    }
    let unfinished = remembered.transaction.and_then(|transaction| match reading.decision(transaction) {
        Some(Decision::Committed(committed)) => Some((transaction, committed)),
        Some(Decision::Aborted) | None => None,
    });
    Ok(Some(Repeated { unfinished }))
}

/// Looks at all items. All reasons against the transaction are told at once. `bytes`: what it has elsewhere.
fn judge_all<'c, 't>(
    reading: &mut Reading<'t>,
    writes: &'c [TransactionWrite],
    (request, bytes): (Option<&RequestToken>, u64),
) -> Result<Batch<'c, 't>, Stop> {
    let mut batch = Batch { judged: Vec::with_capacity(writes.len()), bytes };
    let mut reasons = Cancelled::with_capacity(writes.len());
    for write in writes {
        match write::judge(reading, Change::of(write)) {
            Ok(judged) => {
                batch.bytes += judged.images.larger();
                batch.judged.push(judged);
                reasons.push(None);
            }
            Err(Stop::Refused(Refusal::TransactionConflict)) if is_own_request(reading, write, request) => {
                return Err(Refusal::TransactionInProgress.into());
            }
            Err(Stop::Refused(refusal)) => {
                let reason = CancellationReason::of(refusal)?;
                // What is shown counts as well.
                batch.bytes += reason.bytes() as u64;
                reasons.push(Some(reason));
            }
            Err(failed) => return Err(failed),
        }
        if batch.bytes > TRANSACTION_BYTES_MAX {
            return Err(Refusal::TransactionTooLarge.into());
        }
    }
    if reasons.iter().any(Option::is_some) { Err(reasons.into()) } else { Ok(batch) }
}

/// Whether the intent in the way is of the same request, sent once more.
fn is_own_request(reading: &mut Reading<'_>, write: &TransactionWrite, request: Option<&RequestToken>) -> bool {
    let Ok(table) = reading.table_for(write.key().token()) else { return false };
    let intent = reading.intent(&crate::rows_needed::item_row_key(table, write.key()));
    request.is_some() && intent.is_some_and(|intent| intent.request.as_ref() == request)
}

impl Batch<'_, '_> {
    /// Above the version of every item.
    fn version(&self, turn: &Turn<'_>) -> Timestamp {
        self.judged.iter().map(|judged| judged.version(turn)).fold(turn.timestamp, Timestamp::max)
    }

    /// Effects of the items that change, and what each write comes to.
    fn settle(&self, reading: &mut Reading<'_>, version: Timestamp) -> Result<(Vec<ItemEffects>, Vec<Written>), Stop> {
        let (mut items, mut written) = (Vec::new(), Vec::with_capacity(self.judged.len()));
        let mut reasons = vec![None; self.judged.len()];
        for (judged, reason) in self.judged.iter().zip(&mut reasons) {
            match judged.settle(reading, version) {
                Ok((effects, of_item)) => {
                    if let Some(effects) = effects {
                        reading.wrote(&effects.rows);
                        items.push(effects.into());
                    }
                    written.push(of_item);
                }
                Err(Stop::Refused(refusal)) => *reason = Some(CancellationReason::of(refusal)?),
                Err(failed) => return Err(failed),
            }
        }
        if reasons.iter().any(Option::is_some) { Err(reasons.into()) } else { Ok((items, written)) }
    }
}

impl Turn<'_> {
    /// Not longer than ten minutes after it was decided, whether or not it was forgotten by then.
    fn remembered_request(&self, reading: &mut Reading<'_>, request: &RequestToken) -> Option<RememberedRequest> {
        let remembered = reading.request(&request.token)?;
        let is_young = self.now.wall_ms < remembered.decided_ms.saturating_add(REQUEST_AGE_MS_MAX);
        Some(remembered).filter(|_| is_young && !stator_mutants::is(Mutant::ForgetRequestTokens))
    }

    fn remember_request(&self, request: &RequestToken, transaction: Option<TransactionId>) -> TransactionChange {
        let remembered = RememberedRequest { payload: request.payload, transaction, decided_ms: self.now.wall_ms };
        TransactionChange::Remember { token: request.token.clone(), request: remembered }
    }
}

/// Writes a decision where there is none.
pub(super) fn decide(turn: &Turn<'_>, reading: &mut Reading<'_>, decide: &Decide) -> Outcome {
    let stands = reading.decision(decide.transaction).filter(|_| !stator_mutants::is(Mutant::DecideTwice));
    if let Some(decision) = stands {
        return (None, turn.timestamp, Ok(Reply::Decided(decision)));
    }
    let is_too_late = is_too_late(reading, decide.transaction);
    let (decision, timestamp, request) = match &decide.verdict {
        Verdict::Abort if is_too_late || stator_mutants::is(Mutant::ForgetAborts) => {
            return (None, turn.timestamp, Ok(Reply::Decided(Decision::Aborted)));
        }
        Verdict::Commit { .. } if is_too_late => return turn.refused(Refusal::TooOld),
        Verdict::Abort => (Decision::Aborted, turn.timestamp, None),
        Verdict::Commit { prepared, participants, request } => {
            let later = prepared.next(turn.now.wall_ms, turn.now.node);
            let timestamp = turn.timestamp.max(later);
            (
                Decision::Committed(Committed { timestamp, participants: participants.clone() }),
                timestamp,
                request.as_ref(),
            )
        }
    };
    let mut effects = Effects::default();
    if let Some(request) = request {
        // Another transaction of the same token may have been decided since this one prepared.
        if let Some(other) = turn.remembered_request(reading, request) {
            let is_same = other.payload == request.payload;
            return turn.refused(if is_same { Refusal::TransactionInProgress } else { Refusal::TokenMismatch });
        }
        effects.transaction.push(turn.remember_request(request, Some(decide.transaction)));
    }
    let change = TransactionChange::Decide { transaction: decide.transaction, decision: decision.clone() };
    effects.transaction.push(change);
    (Some(effects), timestamp, Ok(Reply::Decided(decision)))
}

/// Makes rows of a transaction's intents, or takes them away.
pub(super) fn finish(turn: &Turn<'_>, reading: &mut Reading<'_>, finish: &Finish) -> Result<Outcome, ReadError> {
    let intents = if reading.is_closed() { BTreeMap::new() } else { reading.intents_of(finish.transaction) };
    let mut effects = Effects::default();
    let (mut bytes, mut is_more) = (0, false);
    for (row_key, intent) in intents {
        if bytes >= FINISH_BYTES_FULL {
            is_more = true;
            break;
        }
        if let Some(version) = finish.committed
            && let Some(item) = keep_promise(reading, &row_key, &intent, version)?
        {
            bytes += item.bytes();
            reading.wrote(&item.rows);
            effects.items.push(item);
        }
        effects.transaction.push(TransactionChange::Settle { row_key });
    }
    let timestamp = finish.committed.map_or(turn.timestamp, |version| version.max(turn.timestamp));
    let has_effects = !effects.transaction.is_empty();
    Ok((has_effects.then_some(effects), timestamp, Ok(Reply::Finished(Finished { is_more }))))
}

/// The effects of an intent whose transaction was committed.
fn keep_promise(
    reading: &mut Reading<'_>,
    row_key: &Bytes,
    intent: &Arc<Intent>,
    version: Timestamp,
) -> Result<Option<ItemEffects>, ReadError> {
    let new = match &intent.change {
        IntendedChange::Keep => return Ok(None),
        IntendedChange::Put(item) => Some(Image::of_encoded(item.clone())?),
        IntendedChange::Delete => None,
    };
    let (replaced, old) = write::old_image(reading, row_key)?;
    debug_assert!(replaced < version, "the decision is above every prepare, and no other write came between");
    let table = reading
        .description()
        .ok_or_else(|| ReadError::damaged("partition state", "it has intents and no table's description"))?;
    let (row_key, options) = (row_key.to_vec(), &WriteOptions { by: intent.by, ..WriteOptions::default() });
    let target = Target { table, key: &intent.key, row_key, version, options, is_promised: true };
    match (Images { old, new }).settle(target, reading) {
        Ok(settled) => Ok(Some(settled.effects.into())),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::Refused(refusal)) => Err(ReadError::damaged("intent", refusal)),
    }
}

/// Every participant has applied its part of these commits.
pub(super) fn forget(turn: &Turn<'_>, reading: &mut Reading<'_>, transactions: &[TransactionId]) -> Outcome {
    if transactions.len() > FORGET_AT_ONCE_MAX {
        return turn.refused(Refusal::Invalid("a command forgets fewer transactions".to_owned()));
    }
    // Aborts are forgotten by the mark.
    let mut is_kept =
        |transaction: &TransactionId| matches!(reading.decision(*transaction), Some(Decision::Committed(_)));
    let kept = transactions.iter().copied().filter(|transaction| is_kept(transaction));
    let transaction: Vec<_> = kept.map(|transaction| TransactionChange::Forget { transaction }).collect();
    let effects = Effects { transaction, ..Effects::default() };
    let has_effects = !effects.transaction.is_empty();
    (has_effects.then_some(effects), turn.timestamp, Ok(Reply::Done))
}

pub(super) fn forget_requests(turn: &Turn<'_>, before_ms: u64) -> Outcome {
    let change = TransactionChange::ForgetRequests { before_ms };
    (Some(Effects { transaction: vec![change], ..Effects::default() }), turn.timestamp, Ok(Reply::Done))
}
