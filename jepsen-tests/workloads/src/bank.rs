//! A bank: money moves between accounts of several partitions and tables, a baton goes from hand to hand, and who looks at all of it
//! at once sees all the money, one baton, and every transfer that was acknowledged.

use crate::{
    client::{Answer, BoxFuture, Consistency, Expression, Failure, Operation, Shape, TransactItem},
    history::Event,
    judging::{item, number, text},
    workload::{Judgement, Session, Workload},
};
use std::collections::{BTreeMap, BTreeSet};

const ACCOUNTS: u64 = 8;
const BATONS: u64 = 4;
/// What each account begins with.
const BALANCE: i64 = 100;
/// Attempts to find another transfer than the one that a request token was used for.
const OTHERS_MAX: u32 = 8;
/// Attempts at one transfer with one request token.
const TRIES_MAX: u32 = 3;

pub struct Bank {
    tables: [String; 2],
}

impl Bank {
    pub fn new(table: &str) -> Bank {
        Bank { tables: [format!("{table}-a"), format!("{table}-b")] }
    }

    fn table(&self, number: u64) -> String {
        self.tables[(number % 2) as usize].clone()
    }

    fn account(&self, number: u64) -> (String, crate::Item) {
        (self.table(number), item([("pk", format!("account {number}").into())]))
    }

    fn baton(&self, number: u64) -> (String, crate::Item) {
        (self.table(number), item([("pk", format!("baton {number}").into())]))
    }

    /// All accounts and a baton, if nothing is there yet.
    fn open(&self) -> Operation {
        let missing = || Some(Expression::new("attribute_not_exists(pk)", []));
        let accounts = (0..ACCOUNTS).map(|number| {
            let (table, mut account) = self.account(number);
            account.extend(item([("n", BALANCE.into()), ("c", 0.into())]));
            TransactItem::Put { table, item: account, condition: missing() }
        });
        let (table, baton) = self.baton(0);
        let baton = TransactItem::Put { table, item: baton, condition: missing() };
        Operation::TransactWrite { writes: accounts.chain([baton]).collect(), token: None }
    }

    fn transfer(&self, session: &Session) -> Operation {
        let (from, to) = two_of(session, ACCOUNTS);
        let amount = 1 + session.below(20) as i64;
        let (table, key) = self.account(from);
        let take = TransactItem::Update {
            table,
            key,
            update: Expression::new(
                "SET n = n - :amount, c = c + :one",
                [(":amount", amount.into()), (":one", 1.into())],
            ),
            condition: Some(Expression::new("n >= :least", [(":least", amount.into())])),
        };
        let (table, key) = self.account(to);
        let give = TransactItem::Update {
            table,
            key,
            update: Expression::new("SET n = n + :amount", [(":amount", amount.into())]),
            condition: Some(Expression::new("attribute_exists(pk)", [])),
        };
        let writes = if session.below(2) == 0 { vec![take, give] } else { vec![give, take] };
        let token = (session.below(2) == 0).then(|| format!("{} {}", session.number, session.below(1 << 60)));
        Operation::TransactWrite { writes, token }
    }

    /// Another transfer under the same request token, that begins at another account: in another table or partition, often.
    fn other_under_token(&self, session: &Session, operation: &Operation) -> Option<Operation> {
        let Operation::TransactWrite { writes, token: Some(token) } = operation else { return None };
        let begins_at = |writes: &[TransactItem]| match writes.first() {
            Some(TransactItem::Update { table, key, .. }) => Some((table.clone(), key.clone())),
            _ => None,
        };
        (0..OTHERS_MAX).find_map(|_| match self.transfer(session) {
            Operation::TransactWrite { writes: others, .. } if begins_at(&others) != begins_at(writes) => {
                Some(Operation::TransactWrite { writes: others, token: Some(token.clone()) })
            }
            _ => None,
        })
    }

    /// The baton goes on, if it is where the client guesses, while an account is not in debt.
    fn pass(&self, session: &Session) -> Operation {
        let (from, to) = two_of(session, BATONS);
        let (table, key) = self.baton(from);
        let there = Some(Expression::new("attribute_exists(pk)", []));
        let drop = TransactItem::Delete { table, key, condition: there };
        let (table, key) = self.baton(to);
        let missing = Some(Expression::new("attribute_not_exists(pk)", []));
        let take = TransactItem::Put { table, item: key, condition: missing };
        let (table, key) = self.account(session.below(ACCOUNTS));
        let check = TransactItem::Check { table, key, condition: Expression::new("n >= :zero", [(":zero", 0.into())]) };
        Operation::TransactWrite { writes: vec![drop, take, check], token: None }
    }

    fn audit(&self) -> Operation {
        let accounts = (0..ACCOUNTS).map(|number| self.account(number));
        let batons = (0..BATONS).map(|number| self.baton(number));
        Operation::TransactGet { gets: accounts.chain(batons).collect() }
    }

    /// A single write meets transactions.
    fn note(&self, session: &Session) -> Operation {
        let (table, key) = self.account(session.below(ACCOUNTS));
        let update = Expression::new("SET note = :note", [(":note", (session.below(1_000) as i64).into())]);
        let condition = Some(Expression::new("attribute_exists(pk)", []));
        Operation::Update { table, key, update, condition }
    }

    fn look(&self, session: &Session) -> Operation {
        let (table, key) = self.account(session.below(ACCOUNTS));
        Operation::Get { table, key, consistency: Consistency::Strong }
    }
}

fn two_of(session: &Session, count: u64) -> (u64, u64) {
    let one = session.below(count);
    (one, (one + 1 + session.below(count - 1)) % count)
}

impl Workload for Bank {
    fn name(&self) -> &'static str {
        "bank"
    }

    fn tables(&self) -> Vec<(String, Shape)> {
        self.tables.iter().map(|table| (table.clone(), Shape::Hash)).collect()
    }

    fn turn<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let operation = match session.below(20) {
                0 => self.open(),
                1..=8 => self.transfer(session),
                9..=11 => self.pass(session),
                12..=16 => self.audit(),
                17 | 18 => self.note(session),
                _ => self.look(session),
            };
            let other = self.other_under_token(session, &operation);
            for _ in 0..TRIES_MAX {
                let outcome = session.call(operation.clone()).await;
                let Some(other) = &other else { return };
                if session.below(4) == 0 {
                    // One of the two is refused, whichever was first.
                    let _ = session.call(other.clone()).await;
                }
                if !matches!(outcome, Err(Failure::Unknown(_))) {
                    return;
                }
            }
        })
    }

    fn last_reads<'a>(&'a self, session: &'a Session) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            match session.call(self.audit()).await? {
                Answer::Items(_) => Ok(()),
                other => Err(Failure::Definite(format!("the last audit was answered {other:?}"))),
            }
        })
    }

    fn check(&self, history: &[Event]) -> Judgement {
        let mut judgement = Judgement::default();
        check_tokens(history, &mut judgement);
        let transfers = Transfers::of(history);
        for (at, event) in history.iter().enumerate() {
            match (&event.operation, event.answer()) {
                (Operation::TransactGet { .. }, Some(Answer::Items(items))) => {
                    audit(at, event, items, &transfers, &mut judgement);
                }
                (
                    Operation::Get { .. } | Operation::Update { .. },
                    Some(Answer::Item(Some(seen)) | Answer::Written(Some(seen))),
                ) if number(seen, "n").is_some_and(|balance| balance < 0) => {
                    judgement.violate("no account is in debt", format!("{seen:?}"), vec![at]);
                }
                _ => {}
            }
        }
        judgement
    }
}

/// A request with a token: its place in the history, and what it asks for.
type UnderToken<'h> = (usize, &'h Event, &'h [TransactItem]);

/// A request token belongs to the first request that came with it: whoever asks for something else under it is refused, and nobody
/// else is.
fn check_tokens(history: &[Event], judgement: &mut Judgement) {
    let mut by_token: BTreeMap<&str, Vec<UnderToken<'_>>> = BTreeMap::new();
    for (at, event) in history.iter().enumerate() {
        if let Operation::TransactWrite { writes, token: Some(token) } = &event.operation {
            by_token.entry(token).or_default().push((at, event, writes));
        }
    }
    for (token, events) in by_token {
        for (at, event, writes) in &events {
            let of_others = || events.iter().filter(|(_, _, others)| others != writes);
            let done = of_others().find(|(_, other, _)| {
                matches!(other.answer(), Some(Answer::Written(_)))
                    && other.ended_us.is_some_and(|ended| ended < event.started_us)
            });
            match (event.answer(), done) {
                (Some(Answer::TokenMismatch) | None, Some(_)) => {}
                (Some(answer), Some((done, ..))) => {
                    let explanation = format!("{token} was used, and another request under it was answered {answer:?}");
                    judgement.violate("a request token belongs to one request", explanation, vec![*done, *at]);
                }
                (Some(Answer::TokenMismatch), None) => {
                    let ended_us = event.ended_us.unwrap_or(u64::MAX);
                    if !of_others().any(|(_, other, _)| other.started_us <= ended_us) {
                        let explanation = format!("nothing else was asked for under {token}");
                        judgement.violate("a new request token is taken", explanation, vec![*at]);
                    }
                }
                _ => {}
            }
        }
    }
}

/// When transfers began, and when they were acknowledged: each once, however often it was tried.
struct Transfers {
    begun_us: Vec<u64>,
    acknowledged_us: Vec<u64>,
}

impl Transfers {
    fn of(history: &[Event]) -> Transfers {
        let (mut begun, mut done) = (BTreeSet::new(), BTreeSet::new());
        let mut transfers = Transfers { begun_us: Vec::new(), acknowledged_us: Vec::new() };
        for (at, event) in history.iter().enumerate() {
            let Operation::TransactWrite { writes, token } = &event.operation else { continue };
            let counts = |write: &TransactItem| matches!(write, TransactItem::Update { update, .. } if update.text.contains("c + :one"));
            if !writes.iter().any(counts) {
                continue;
            }
            let name = token.clone().unwrap_or_else(|| format!("event {at}"));
            let acknowledged = matches!(event.answer(), Some(Answer::Written(_)));
            if (acknowledged || event.is_unknown()) && begun.insert(name.clone()) {
                transfers.begun_us.push(event.started_us);
            }
            if let Some(ended_us) = event.ended_us.filter(|_| acknowledged)
                && done.insert(name)
            {
                transfers.acknowledged_us.push(ended_us);
            }
        }
        transfers
    }
}

fn audit(at: usize, event: &Event, items: &[Option<crate::Item>], transfers: &Transfers, judgement: &mut Judgement) {
    let (accounts, batons) = items.split_at(items.len().min(ACCOUNTS as usize));
    let there: Vec<&crate::Item> = accounts.iter().flatten().collect();
    let batons: Vec<&crate::Item> = batons.iter().flatten().collect();
    let (accounts_expected, total_expected, batons_expected) = match there.len() {
        0 => (0, 0, 0),
        _ => (ACCOUNTS as usize, ACCOUNTS as i64 * BALANCE, 1),
    };
    let total: i64 = there.iter().filter_map(|account| number(account, "n")).sum();
    if (there.len(), total) != (accounts_expected, total_expected) {
        let explanation = format!("{} accounts have {total} together, and not {total_expected}", there.len());
        judgement.violate("money neither comes nor goes", explanation, vec![at]);
    }
    if let Some(debtor) = there.iter().find(|account| number(account, "n").is_some_and(|balance| balance < 0)) {
        judgement.violate("no account is in debt", format!("{debtor:?}"), vec![at]);
    }
    if batons.len() != batons_expected {
        let names: Vec<&str> = batons.iter().filter_map(|baton| text(baton, "pk")).collect();
        judgement.violate("there is one baton", format!("there were {names:?}"), vec![at]);
    }
    let counted: i64 = there.iter().filter_map(|account| number(account, "c")).sum();
    let least = transfers.acknowledged_us.iter().filter(|ended| **ended < event.started_us).count() as i64;
    let ended_us = event.ended_us.unwrap_or(u64::MAX);
    let most = transfers.begun_us.iter().filter(|begun| **begun <= ended_us).count() as i64;
    if !there.is_empty() && !(least..=most).contains(&counted) {
        let explanation =
            format!("{counted} transfers were counted, of {least} that were acknowledged and {most} begun");
        judgement.violate("a transfer counts once, from its reply on", explanation, vec![at]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{event, refused, sound, unknown};

    fn bank() -> Bank {
        Bank::new("t")
    }

    fn transfer(token: &str) -> Operation {
        let update = Expression::new("SET n = n - :amount, c = c + :one", []);
        let write = TransactItem::Update { table: "t-a".to_owned(), key: item([]), update, condition: None };
        Operation::TransactWrite { writes: vec![write], token: Some(token.to_owned()) }
    }

    fn done(token: &str) -> (Operation, Answer) {
        (transfer(token), Answer::Written(None))
    }

    fn saw(balances: [i64; 8], counted: i64, batons: usize) -> (Operation, Answer) {
        let account = |balance: i64| Some(item([("n", balance.into()), ("c", 0.into())]));
        let mut items: Vec<_> = balances.into_iter().map(account).collect();
        items[0].as_mut().expect("it is there").insert("c".to_owned(), counted.into());
        items.extend((0..BATONS as usize).map(|number| (number < batons).then(|| item([("pk", "baton".into())]))));
        (bank().audit(), Answer::Items(items))
    }

    const ALL: [i64; 8] = [100; 8];

    #[test]
    fn sound_audits_are_accepted() {
        sound(&bank(), &[event(0, 9, (bank().audit(), Answer::Items(vec![None; 12])))]);
        sound(&bank(), &[event(0, 9, done("a")), event(10, 19, saw([90, 110, 100, 100, 100, 100, 100, 100], 1, 1))]);
        sound(&bank(), &[unknown(0, transfer("a")), event(10, 19, saw(ALL, 0, 1)), event(20, 29, saw(ALL, 1, 1))]);
        sound(&bank(), &[unknown(0, transfer("a")), event(10, 19, done("a")), event(20, 29, saw(ALL, 1, 1))]);
    }

    fn begins_at(account: &str, token: &str) -> Operation {
        let update = Expression::new("SET n = n - :amount, c = c + :one", []);
        let key = item([("pk", account.into())]);
        let write = TransactItem::Update { table: "t-a".to_owned(), key, update, condition: None };
        Operation::TransactWrite { writes: vec![write], token: Some(token.to_owned()) }
    }

    #[test]
    fn a_token_belongs_to_one_request() {
        let [one, other] = ["account 1", "account 2"].map(|account| move |token| begins_at(account, token));
        let written = |operation| (operation, Answer::Written(None));
        let mismatch = |operation| (operation, Answer::TokenMismatch);
        sound(&bank(), &[event(0, 9, written(one("a"))), event(10, 19, mismatch(other("a")))]);
        sound(&bank(), &[event(0, 9, written(one("a"))), event(10, 19, written(one("a")))]);
        sound(&bank(), &[event(0, 9, written(one("a"))), unknown(10, other("a"))]);
        sound(&bank(), &[unknown(0, one("a")), event(10, 19, written(other("a"))), event(20, 29, mismatch(one("a")))]);
        sound(&bank(), &[event(0, 15, mismatch(one("a"))), event(10, 19, written(other("a")))]);
        refused(&bank(), &[event(0, 9, written(one("a"))), event(10, 19, written(other("a")))]);
        let cancelled = (other("a"), Answer::Cancelled(vec!["ConditionalCheckFailed".to_owned()]));
        refused(&bank(), &[event(0, 9, written(one("a"))), event(10, 19, cancelled)]);
        refused(&bank(), &[event(0, 9, mismatch(one("a")))]);
    }

    #[test]
    fn halves_and_doubles_are_refused() {
        refused(&bank(), &[event(0, 9, saw([90, 100, 100, 100, 100, 100, 100, 100], 0, 1))]);
        refused(&bank(), &[event(0, 9, saw([-1, 201, 100, 100, 100, 100, 100, 100], 0, 1))]);
        refused(&bank(), &[event(0, 9, saw(ALL, 0, 2))]);
        refused(&bank(), &[event(0, 9, saw(ALL, 0, 0))]);
        refused(&bank(), &[event(0, 9, done("a")), event(10, 19, saw(ALL, 0, 1))]);
        refused(&bank(), &[unknown(0, transfer("a")), event(10, 19, done("a")), event(20, 29, saw(ALL, 2, 1))]);
    }
}
