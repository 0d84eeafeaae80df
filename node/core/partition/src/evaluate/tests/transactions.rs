//! Transactions in one hand: what is prepared, decided, finished, and what others see meanwhile.

mod model;

use crate::{
    Attempt, Call, Command, CommandId, Refusal, Reply,
    command::Get,
    state::REMEMBERED_AGE_MS_MAX,
    testing::{Leader, TABLE, check_partition, command, condition, show_item, table},
    transaction::{
        CancellationReason, Check, Decide, Decision, Elsewhere, Finish, Finished, ItemVersion, Place, Prepare,
        Repeated, RequestToken, TRANSACTION_BYTES_MAX, TransactGet, TransactOne, TransactionId, TransactionWrite,
        Unfinished, Verdict,
    },
};
use stator_item::{Timestamp, Token};

pub(super) const HOME: Place = Place { table: TABLE, token: Token(5) };

pub(super) fn id(number: u128) -> TransactionId {
    TransactionId { birth: Timestamp { wall_ms: 1_000, counter: 0, node: 1 }, number }
}

/// A line of [`command`], or `check a=1 if ...`.
pub(super) fn write(line: &str) -> TransactionWrite {
    if let Some(line) = line.strip_prefix("check ") {
        let (key, text) = line.split_once(" if ").expect("a check has a condition");
        let Command::Delete(mut delete) = command(&format!("delete {key}")) else { panic!("it is a delete") };
        delete.options.condition = Some(condition(text));
        return TransactionWrite::Check(Check { key: delete.key, options: delete.options });
    }
    match command(line) {
        Command::Put(put) => TransactionWrite::Put(put),
        Command::Update(update) => TransactionWrite::Update(update),
        Command::Delete(delete) => TransactionWrite::Delete(delete),
        other => panic!("{other:?} is no write"),
    }
}

fn writes(lines: &[&str]) -> Vec<TransactionWrite> {
    lines.iter().map(|line| write(line)).collect()
}

fn request(token: &str, payload: u128) -> Option<RequestToken> {
    Some(RequestToken { token: token.to_owned(), payload })
}

fn one(lines: &[&str], request: Option<RequestToken>) -> Command {
    Command::TransactOne(Box::new(TransactOne { writes: writes(lines), request, elsewhere: None }))
}

pub(super) fn prepare(number: u128, writes: Vec<TransactionWrite>, request: Option<RequestToken>) -> Command {
    Command::Prepare(Box::new(Prepare { transaction: id(number), home: HOME, writes, request }))
}

pub(super) fn commit(number: u128, prepared: Timestamp, request: Option<RequestToken>) -> Command {
    let verdict = Verdict::Commit { prepared, participants: vec![HOME], request };
    Command::Decide(Box::new(Decide { transaction: id(number), verdict }))
}

pub(super) fn abort(number: u128) -> Command {
    Command::Decide(Box::new(Decide { transaction: id(number), verdict: Verdict::Abort }))
}

pub(super) fn finish(number: u128, committed: Option<Timestamp>) -> Command {
    Command::Finish(Finish { transaction: id(number), committed })
}

fn forget(number: u128) -> Command {
    Command::Forget { transactions: vec![id(number)] }
}

#[track_caller]
fn prepared(leader: &mut Leader, number: u128, lines: &[&str]) -> Timestamp {
    match leader.write(&prepare(number, writes(lines), None)) {
        Ok(Reply::Prepared(prepared)) => prepared.timestamp,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn committed(reply: Result<Reply, Refusal>) -> Timestamp {
    match reply {
        Ok(Reply::Decided(Decision::Committed(committed))) => committed.timestamp,
        other => panic!("{other:?}"),
    }
}

fn key(a: &str) -> stator_item::Key {
    let Command::Get(Get { key, .. }) = command(&format!("get {a}")) else { panic!("it is a get") };
    key
}

/// The item as an eventual read finds it.
fn applied(leader: &Leader, a: &str) -> String {
    let get = command(&format!("get {a}"));
    match crate::read(&get, &leader.replica.state.for_reads(), &leader.replica.store) {
        Ok(Ok(Reply::Got(got))) => got.item.map(|item| show_item(&item)).unwrap_or_default(),
        other => panic!("{other:?}"),
    }
}

fn transact_get(leader: &Leader, keys: &[&str]) -> Vec<Option<(ItemVersion, Option<String>)>> {
    let gets = keys.iter().map(|a| Get { key: key(a), projection: None }).collect();
    let command = Command::TransactGet(Box::new(TransactGet { gets, versions_only: false }));
    match leader.read(&command) {
        Ok(Reply::TransactGot(got)) => {
            got.into_iter().map(|got| got.map(|got| (got.version, got.got.item.map(|item| show_item(&item))))).collect()
        }
        other => panic!("{other:?}"),
    }
}

const FINISHED: Result<Reply, Refusal> = Ok(Reply::Finished(Finished { is_more: false }));
const CONFLICT: Option<CancellationReason> = Some(CancellationReason::Conflict);

#[test]
fn one_partition_needs_one_entry() {
    let mut leader = Leader::of(table(true, true));
    leader.write(&command("put a=1 r=1 n=1 s=x")).unwrap();
    leader.write(&command("put a=1 r=2 n=7")).unwrap();
    let entries = leader.replica.state.last_entry().0;
    let transaction = one(
        &[
            "update a=1 r=1 ADD n :1",
            "delete a=1 r=2",
            "put a=1 r=3 i=4 x=word",
            "check a=9 r=9 if attribute_not_exists(a)",
        ],
        None,
    );
    let Ok(Reply::Transacted(done)) = leader.write(&transaction) else { panic!("it is taken") };
    let written = done.written;
    assert_eq!(leader.replica.state.last_entry().0, entries + 1);
    assert_eq!(written.len(), 4);
    assert!(written[0].old_bytes > 0 && written[1].new_bytes == 0 && written[2].old_bytes == 0);
    assert_eq!((written[3].old_bytes, written[3].new_bytes), (0, 0));
    check_partition(
        &mut leader,
        "get a=1 r=1 -> a=1 n=2 r=1 s=x\n get a=1 r=2 -> nothing\n get a=1 r=3 -> a=1 i=4 r=3 x=word",
    );
    let rows = crate::check::check(&leader.replica.state, &leader.replica.store).unwrap();
    assert_eq!(rows.findings, Vec::<String>::new(), "indexes, counters and collection sizes are those of the items");
    assert_eq!(rows.changes, 5, "each change is in the change log");
}

#[test]
fn reasons_come_in_order_and_nothing_happens() {
    let mut leader = Leader::of(table(false, true));
    leader.write(&command("put a=1 n=5")).unwrap();
    prepared(&mut leader, 7, &["put a=4 n=1"]);
    let mut all = writes(&["put a=2", "check a=1 if n = :6", "put a=4", "update a=3 SET n = nowhere"]);
    all.push(write("put a=1 if attribute_not_exists(a)"));
    let before = leader.replica.clone();
    for command in [
        Command::TransactOne(Box::new(TransactOne { writes: all.clone(), request: None, elsewhere: None })),
        prepare(1, all.clone(), None),
    ] {
        let Err(Refusal::Cancelled(reasons)) = leader.write(&command) else { panic!("it is cancelled") };
        assert_eq!(reasons[0], None);
        assert_eq!(reasons[1], Some(CancellationReason::ConditionFailed { old_item: None }));
        assert_eq!(reasons[2], CONFLICT);
        assert!(
            matches!(&reasons[3], Some(CancellationReason::Invalid(text)) if text.contains("does not exist")),
            "{reasons:?}"
        );
        let Some(CancellationReason::ConditionFailed { old_item: Some(item) }) = &reasons[4] else {
            panic!("{reasons:?}")
        };
        assert_eq!(show_item(item), "a=1 n=5");
        assert_eq!(leader.replica, before);
    }
}

#[test]
fn an_intent_keeps_others_away_until_it_is_finished() {
    let mut leader = Leader::of(table(false, true));
    leader.write(&command("put a=1 n=1")).unwrap();
    leader.write(&command("put a=2 n=2")).unwrap();
    let timestamp =
        prepared(&mut leader, 1, &["update a=1 ADD n :1", "delete a=2", "check a=3 if attribute_not_exists(a)"]);
    assert_eq!(applied(&leader, "a=1"), "a=1 n=1");
    for line in ["put a=1", "update a=2 SET n = :1", "delete a=1", "put a=3"] {
        assert_eq!(leader.write(&command(line)), Err(Refusal::TransactionConflict), "{line}");
    }
    let other = leader.write(&prepare(2, writes(&["put a=9", "put a=3"]), None));
    assert_eq!(other, Err(Refusal::Cancelled(vec![None, CONFLICT])));
    leader.write(&command("put a=4 n=4")).unwrap();

    let decided = committed(leader.write(&commit(1, timestamp, None)));
    assert!(decided > timestamp);
    assert_eq!(applied(&leader, "a=1"), "a=1 n=1");
    assert_eq!(leader.write(&finish(1, Some(decided))), FINISHED);
    check_partition(&mut leader, "get a=1 -> a=1 n=2\n get a=2 -> nothing");
    assert_eq!(transact_get(&leader, &["a=1"]), [Some((ItemVersion::Item(decided), Some("a=1 n=2".to_owned())))]);
    assert_eq!(leader.write(&finish(1, Some(decided))), FINISHED, "it may come again");
    leader.write(&command("put a=3")).unwrap();
    assert!(!leader.replica.state.is_settled(), "the commit is kept");
    assert_eq!(leader.write(&forget(1)), Ok(Reply::Done));
    assert!(leader.replica.state.is_settled());

    prepared(&mut leader, 3, &["put a=1 n=9"]);
    assert_eq!(leader.write(&abort(3)), Ok(Reply::Decided(Decision::Aborted)));
    assert_eq!(leader.write(&finish(3, None)), FINISHED);
    check_partition(&mut leader, "get a=1 -> a=1 n=2");
    leader.write(&command("put a=1")).unwrap();
}

#[test]
fn intents_in_flight_count_and_lost_ones_do_not() {
    let mut leader = Leader::of(table(false, true));
    let first = leader.evaluate(&prepare(1, writes(&["put a=1"]), None));
    assert!(first.effects.is_some());
    let carrying = leader.overlay.last_entry();
    let refused = leader.evaluate(&command("put a=1"));
    assert_eq!((refused.reply, refused.based_on), (Err(Refusal::TransactionConflict), Some(carrying)));
    let finished = leader.evaluate(&finish(1, None));
    assert!(finished.effects.is_some(), "what is in flight can be finished");
    assert!(leader.evaluate(&command("put a=1 n=1")).effects.is_some());
    leader.begin_anew();
    assert!(leader.evaluate(&command("put a=1 n=2")).effects.is_some(), "the intent was lost with its entry");
    let entry = leader.propose().unwrap();
    leader.commit(&entry);
    check_partition(&mut leader, "get a=1 -> a=1 n=2");
}

#[test]
fn a_strong_read_is_told_both_items() {
    let mut leader = Leader::of(table(false, true));
    leader.write(&command("put a=1 n=1")).unwrap();
    prepared(&mut leader, 1, &["update a=1 ADD n :1", "put a=2 n=9", "check a=3 if attribute_not_exists(a)"]);
    let both = |leader: &Leader, a: &str| match leader.read(&command(&format!("get {a}"))) {
        Ok(Reply::Intended(intended)) => {
            assert_eq!((intended.transaction, intended.home), (id(1), HOME));
            [intended.old, intended.new].map(|got| got.item.map(|item| show_item(&item)))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(both(&leader, "a=1"), [Some("a=1 n=1".to_owned()), Some("a=1 n=2".to_owned())]);
    assert_eq!(both(&leader, "a=2"), [None, Some("a=2 n=9".to_owned())]);
    assert!(matches!(leader.read(&command("get a=3")), Ok(Reply::Got(_))), "a check changes nothing");
    let undecided = Command::Decision { transaction: id(1) };
    assert_eq!(leader.read(&undecided), Ok(Reply::Undecided));
    assert_eq!(transact_get(&leader, &["a=1", "a=3"])[0], None);
    assert!(transact_get(&leader, &["a=3"])[0].is_some());
    leader.write(&abort(1)).unwrap();
    assert_eq!(leader.read(&undecided), Ok(Reply::Decided(Decision::Aborted)));
}

#[test]
fn a_missing_item_changes_its_version_with_every_delete() {
    let mut leader = Leader::of(table(false, true));
    leader.write(&command("put a=1")).unwrap();
    let before = transact_get(&leader, &["a=2"]);
    leader.write(&command("put a=2")).unwrap();
    assert_ne!(transact_get(&leader, &["a=2"]), before);
    leader.write(&command("delete a=2")).unwrap();
    let after = transact_get(&leader, &["a=2"]);
    assert_ne!(after, before);
    leader.write(&command("put a=3")).unwrap();
    assert_eq!(transact_get(&leader, &["a=2"]), after);
    leader.write(&one(&["delete a=3", "put a=4"], None)).unwrap();
    assert_ne!(transact_get(&leader, &["a=2"]), after);
}

#[test]
fn the_first_decision_stands() {
    let mut leader = Leader::of(table(false, true));
    let timestamp = prepared(&mut leader, 1, &["put a=1"]);
    let decided = committed(leader.write(&commit(1, timestamp, None)));
    assert_eq!(committed(leader.write(&abort(1))), decided, "who wants an abort is told of the commit");
    assert_eq!(committed(leader.write(&commit(1, Timestamp { wall_ms: 9_999, ..timestamp }, None))), decided);
    assert_eq!(leader.write(&abort(2)), Ok(Reply::Decided(Decision::Aborted)));
    assert_eq!(leader.write(&commit(2, timestamp, None)), Ok(Reply::Decided(Decision::Aborted)));
}

/// The writes at home, with the decision of what partitions elsewhere have prepared up to `prepared`.
fn decide_with(
    number: u128,
    lines: &[&str],
    (prepared, bytes): (Timestamp, u64),
    request: Option<RequestToken>,
) -> Command {
    let participants = vec![Place { token: Token(7), ..HOME }];
    let elsewhere = Some(Elsewhere { transaction: id(number), prepared, bytes, participants });
    Command::TransactOne(Box::new(TransactOne { writes: writes(lines), request, elsewhere }))
}

#[test]
fn the_writes_at_home_come_with_the_decision() {
    let mut leader = Leader::of(table(false, true));
    leader.write(&command("put a=1 n=1")).unwrap();
    let prepared = Timestamp { wall_ms: 9_000_000, counter: 3, node: 1 };
    let all = decide_with(1, &["update a=1 ADD n :1"], (prepared, 10), request("token", 5));
    let Ok(Reply::Transacted(done)) = leader.write(&all) else { panic!("it is taken") };
    assert!(done.timestamp > prepared, "the version lies above all that was prepared");
    assert_eq!(done.written.len(), 1);
    check_partition(&mut leader, "get a=1 -> a=1 n=2");
    assert_eq!(transact_get(&leader, &["a=1"])[0].as_ref().map(|got| got.0), Some(ItemVersion::Item(done.timestamp)));
    assert_eq!(committed(leader.write(&abort(1))), done.timestamp, "the decision stands");
    let again = decide_with(2, &["update a=1 ADD n :1"], (prepared, 10), request("token", 5));
    let Ok(Reply::Repeated(repeated)) = leader.write(&again) else { panic!("the request was carried out before") };
    assert_eq!(repeated.unfinished.map(|(transaction, _)| transaction), Some(id(1)));
    let other = decide_with(3, &["put a=2"], (prepared, 0), request("token", 6));
    assert_eq!(leader.write(&other), Err(Refusal::TokenMismatch));
    assert_eq!(leader.write(&forget(1)), Ok(Reply::Done));
    assert!(leader.replica.state.is_settled());
}

#[test]
fn what_is_refused_at_home_is_not_decided() {
    let mut leader = Leader::of(table(false, true));
    let nothing = (Timestamp::MIN, 0);
    let failing = decide_with(1, &["put a=1", "check a=2 if attribute_exists(a)"], nothing, None);
    let reason = Some(CancellationReason::ConditionFailed { old_item: None });
    assert_eq!(leader.write(&failing), Err(Refusal::Cancelled(vec![None, reason])));
    let too_large = decide_with(1, &["put a=1"], (Timestamp::MIN, TRANSACTION_BYTES_MAX), None);
    assert_eq!(leader.write(&too_large), Err(Refusal::TransactionTooLarge));
    assert_eq!(leader.read(&Command::Decision { transaction: id(1) }), Ok(Reply::Undecided));
    leader.write(&abort(1)).unwrap();
    let late = decide_with(1, &["put a=1"], nothing, None);
    assert_eq!(leader.write(&late), Ok(Reply::Decided(Decision::Aborted)), "somebody took it for abandoned");
    check_partition(&mut leader, "get a=1 -> nothing");
}

#[test]
fn a_forgotten_abort_cannot_become_a_commit() {
    let mut leader = Leader::of(table(false, true));
    let timestamp = prepared(&mut leader, 1, &["put a=1"]);
    let decided = committed(leader.write(&commit(1, timestamp, None)));
    leader.write(&abort(2)).unwrap();
    leader.now_ms += 2 * REMEMBERED_AGE_MS_MAX + 1_000;
    let birth_ms = leader.replica.state.mark_due(leader.now_ms).expect("the abort is old");
    leader.write(&Command::RaiseMark { birth_ms }).unwrap();
    let born = |leader: &mut Leader, number: u128, command: &Command| {
        let call = Call { id: CommandId(number), birth: id(number).birth, attempt: Attempt::First, command };
        let evaluated = leader.evaluate_as(&call);
        let entry = leader.propose();
        entry.map(|entry| leader.commit(&entry));
        evaluated.reply
    };
    assert_eq!(born(&mut leader, 1_002, &commit(2, timestamp, None)), Err(Refusal::TooOld));
    let with_writes = decide_with(2, &["put a=2"], (timestamp, 0), None);
    assert_eq!(born(&mut leader, 1_008, &with_writes), Err(Refusal::TooOld));
    assert_eq!(born(&mut leader, 1_003, &abort(2)), Ok(Reply::Decided(Decision::Aborted)), "as nobody can commit it");
    assert_eq!(born(&mut leader, 1_004, &prepare(4, writes(&["put a=4"]), None)), Err(Refusal::TooOld));
    // A commit stands until it is finished, however old.
    assert_eq!(committed(born(&mut leader, 1_005, &abort(1))), decided);
    assert_eq!(born(&mut leader, 1_006, &finish(1, Some(decided))), FINISHED);
    check_partition(&mut leader, "get a=1 -> a=1");
    assert_eq!(born(&mut leader, 1_007, &forget(1)), Ok(Reply::Done));
    assert!(leader.replica.state.is_settled());
}

#[test]
fn a_request_token_counts_once_for_ten_minutes() {
    let mut leader = Leader::of(table(false, true));
    let add = |payload| one(&["update a=1 ADD n :1"], request("token", payload));
    assert!(matches!(leader.write(&add(1)), Ok(Reply::Transacted(_))));
    let repeated = Ok(Reply::Repeated(Repeated { unfinished: None }));
    assert_eq!(leader.write(&add(1)), repeated);
    assert_eq!(leader.write(&add(2)), Err(Refusal::TokenMismatch));
    leader.now_ms += 599_999;
    assert_eq!(leader.write(&add(1)), repeated);
    check_partition(&mut leader, "get a=1 -> a=1 n=1");
    leader.now_ms += 1;
    assert_eq!(leader.replica.state.requests_due(leader.now_ms), None, "not for each by itself");
    assert!(matches!(leader.write(&add(2)), Ok(Reply::Transacted(_))));
    leader.now_ms += 700_000;
    let before_ms = leader.replica.state.requests_due(leader.now_ms).expect("it is old");
    leader.write(&Command::ForgetRequests { before_ms }).unwrap();
    assert_eq!(leader.replica.state.requests_due(u64::MAX / 2), None, "nothing is left");
    check_partition(&mut leader, "get a=1 -> a=1 n=2");
}

#[test]
fn a_request_token_is_checked_with_the_decision() {
    let mut leader = Leader::of(table(false, true));
    let token = |payload| request("token", payload);
    let prepared = |leader: &mut Leader, number, line, payload| match leader.write(&prepare(
        number,
        writes(&[line]),
        token(payload),
    )) {
        Ok(Reply::Prepared(prepared)) => Ok(prepared.timestamp),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal),
    };
    let timestamp = prepared(&mut leader, 1, "put a=1", 1).unwrap();
    assert_eq!(prepared(&mut leader, 2, "put a=1", 1), Err(Refusal::TransactionInProgress));
    let other = prepared(&mut leader, 3, "put a=2", 2).expect("nothing is decided yet");
    let decided = committed(leader.write(&commit(1, timestamp, token(1))));
    assert_eq!(leader.write(&commit(3, other, token(2))), Err(Refusal::TokenMismatch));
    let again = leader.write(&prepare(4, writes(&["put a=1"]), token(1)));
    let Ok(Reply::Repeated(Repeated { unfinished: Some((transaction, commit)) })) = again else { panic!("{again:?}") };
    assert_eq!((transaction, commit.timestamp), (id(1), decided));
    leader.write(&finish(1, Some(decided))).unwrap();
    leader.write(&forget(1)).unwrap();
    let again = leader.write(&prepare(5, writes(&["put a=1"]), token(1)));
    assert_eq!(again, Ok(Reply::Repeated(Repeated { unfinished: None })));
}

#[test]
fn a_table_goes_when_its_decisions_are_finished() {
    let mut leader = Leader::of(table(false, true));
    let timestamp = prepared(&mut leader, 1, &["put a=1"]);
    prepared(&mut leader, 2, &["put a=2"]);
    let decided = committed(leader.write(&commit(1, timestamp, None)));
    assert!(matches!(leader.write(&Command::Close), Err(Refusal::Unavailable(_))));
    leader.write(&finish(1, Some(decided))).unwrap();
    leader.write(&forget(1)).unwrap();
    leader.write(&Command::Close).unwrap();
    assert!(leader.replica.state.is_settled(), "intents go with the items");
    assert_eq!(leader.write(&commit(2, timestamp, None)), Err(Refusal::TooOld));
    assert_eq!(leader.write(&abort(2)), Ok(Reply::Decided(Decision::Aborted)));
    assert_eq!(leader.write(&finish(2, None)), FINISHED);
    assert_eq!(leader.read(&Command::Decision { transaction: id(2) }), Ok(Reply::Undecided));
}

#[test]
fn what_waits_is_told_to_whoever_sweeps() {
    let mut leader = Leader::of(table(false, true));
    let timestamp = prepared(&mut leader, 1, &["put a=1", "put a=2"]);
    prepared(&mut leader, 2, &["put a=3"]);
    let intents = |leader: &Leader| -> Vec<TransactionId> {
        leader.replica.state.unfinished_transactions(10).iter().map(Unfinished::transaction).collect()
    };
    assert_eq!(intents(&leader), [id(1), id(2)]);
    assert_eq!(leader.replica.state.unfinished_transactions(1).len(), 1);
    leader.write(&commit(1, timestamp, None)).unwrap();
    assert_eq!(intents(&leader), [id(1), id(1), id(2)]);
}

#[test]
fn a_large_transaction_takes_several_entries() {
    let mut leader = Leader::of(table(true, true));
    let large: Vec<TransactionWrite> =
        (1..=10).map(|r| write(&format!("put a=1 r={r} n={r} s=s i={r} x={}", "y".repeat(390_000)))).collect();
    let whole = Command::TransactOne(Box::new(TransactOne { writes: large.clone(), request: None, elsewhere: None }));
    assert_eq!(leader.write(&whole), Err(Refusal::TooLargeForOne));
    let Ok(Reply::Prepared(prepared)) = leader.write(&prepare(1, large.clone(), None)) else {
        panic!("it is prepared")
    };
    let decided = committed(leader.write(&commit(1, prepared.timestamp, None)));
    let mut entries = 1;
    while leader.write(&finish(1, Some(decided))) == Ok(Reply::Finished(Finished { is_more: true })) {
        entries += 1;
        assert!(entries < 10, "each goes on");
    }
    assert!(entries > 1);
    leader.write(&forget(1)).unwrap();
    let rows = crate::check::check(&leader.replica.state, &leader.replica.store).unwrap();
    assert_eq!((rows.items, rows.findings), (10, Vec::new()));
    let too_large: Vec<TransactionWrite> =
        (1..=11).map(|r| write(&format!("put a=2 r={r} x={}", "y".repeat(390_000)))).collect();
    assert_eq!(leader.write(&prepare(2, too_large, None)), Err(Refusal::TransactionTooLarge));
}
