//! Random transactions and single writes, in entries that may be lost, against counters.

use super::{HOME, abort, commit, finish, id, prepare, write};
use crate::{
    Outcome, Refusal, Reply,
    effects::Entry,
    testing::{Leader, Replica, TERM, command, table},
    transaction::{CancellationReason, Decision, TransactionWrite},
};
use proptest::prelude::*;
use stator_item::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const KEYS: u8 = 4;

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Delete(u8),
    Prepare(BTreeSet<u8>),
    /// Of the transactions that were ever prepared, one.
    Commit(prop::sample::Index),
    Abort(prop::sample::Index),
    Finish(prop::sample::Index),
    Propose,
    Apply,
    Lose,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any_index = any::<prop::sample::Index>;
    let step = prop_oneof![
        3 => (0..KEYS).prop_map(Step::Add),
        1 => (0..KEYS).prop_map(Step::Delete),
        4 => proptest::collection::btree_set(0..KEYS, 1..3).prop_map(Step::Prepare),
        3 => any_index().prop_map(Step::Commit),
        2 => any_index().prop_map(Step::Abort),
        4 => any_index().prop_map(Step::Finish),
        4 => Just(Step::Propose),
        4 => Just(Step::Apply),
        1 => Just(Step::Lose),
    ];
    proptest::collection::vec(step, 0..80)
}

#[derive(Clone, PartialEq, Debug)]
struct Transaction {
    /// Intents that stand.
    keys: BTreeSet<u8>,
    prepared: Timestamp,
    /// `Some(None)`: aborted.
    decided: Option<Option<Timestamp>>,
}

/// What is so once everything in flight is applied.
#[derive(Clone, PartialEq, Debug, Default)]
struct Model {
    counters: BTreeMap<u8, i64>,
    transactions: BTreeMap<u128, Transaction>,
}

impl Model {
    fn is_locked(&self, key: u8) -> bool {
        self.transactions.values().any(|transaction| transaction.keys.contains(&key))
    }
}

struct Run {
    leader: Leader,
    follower: Replica,
    applied: Model,
    in_flight: VecDeque<(Option<Entry>, Model)>,
    newest: Model,
    count: u128,
}

fn add(key: u8) -> String {
    format!("update a={key} ADD n :1")
}

impl Run {
    fn new() -> Run {
        let leader = Leader::of(table(false, true));
        let follower = leader.replica.clone();
        let (applied, newest) = (Model::default(), Model::default());
        Run { leader, follower, applied, in_flight: VecDeque::new(), newest, count: 0 }
    }

    fn single(&mut self, key: u8, line: &str, change: impl FnOnce(&mut BTreeMap<u8, i64>)) {
        let reply = self.leader.evaluate(&command(line)).reply;
        if self.newest.is_locked(key) {
            assert_eq!(reply, Err(Refusal::TransactionConflict));
        } else {
            assert!(reply.is_ok(), "{reply:?}");
            change(&mut self.newest.counters);
        }
    }

    fn prepare(&mut self, keys: BTreeSet<u8>) {
        self.count += 1;
        let writes: Vec<TransactionWrite> = keys.iter().map(|key| write(&add(*key))).collect();
        let reply = self.leader.evaluate(&prepare(self.count, writes, None)).reply;
        let locked: Vec<bool> = keys.iter().map(|key| self.newest.is_locked(*key)).collect();
        match reply {
            Ok(Reply::Prepared(prepared)) => {
                assert!(!locked.contains(&true));
                let transaction = Transaction { keys, prepared: prepared.timestamp, decided: None };
                self.newest.transactions.insert(self.count, transaction);
            }
            Err(Refusal::Cancelled(reasons)) => {
                let conflicts: Vec<bool> =
                    reasons.iter().map(|reason| *reason == Some(CancellationReason::Conflict)).collect();
                assert_eq!(conflicts, locked);
            }
            other => panic!("{other:?}"),
        }
    }

    fn choose(&self, index: &prop::sample::Index) -> Option<u128> {
        let numbers: Vec<u128> = self.newest.transactions.keys().copied().collect();
        (!numbers.is_empty()).then(|| *index.get(&numbers))
    }

    fn decide(&mut self, number: u128, wants_commit: bool) {
        let Some(transaction) = self.newest.transactions.get_mut(&number) else { return };
        let command = if wants_commit { commit(number, transaction.prepared, None) } else { abort(number) };
        let decided = match self.leader.evaluate(&command).reply {
            Ok(Reply::Decided(Decision::Committed(committed))) => Some(committed.timestamp),
            Ok(Reply::Decided(Decision::Aborted)) => None,
            other => panic!("{other:?}"),
        };
        let first = *transaction.decided.get_or_insert(decided);
        assert_eq!(first, decided, "the first decision stands");
        assert!(transaction.decided.is_some() && (wants_commit || first == decided));
    }

    fn finish(&mut self, number: u128) {
        let Some(transaction) = self.newest.transactions.get_mut(&number) else { return };
        let Some(decided) = transaction.decided else { return };
        assert!(self.leader.evaluate(&finish(number, decided)).reply.is_ok());
        for key in std::mem::take(&mut transaction.keys).into_iter().filter(|_| decided.is_some()) {
            *self.newest.counters.entry(key).or_default() += 1;
        }
    }

    fn propose(&mut self) {
        let entry = self.leader.propose();
        self.in_flight.push_back((entry, self.newest.clone()));
    }

    fn apply(&mut self) {
        let Some((entry, model)) = self.in_flight.pop_front() else { return };
        if let Some(entry) = entry {
            assert_eq!(self.leader.commit(&entry), Outcome::HadEffect);
            assert_eq!(self.follower.apply(&entry, TERM), Outcome::HadEffect);
            assert_eq!(self.follower, self.leader.replica, "replicas are the same");
        }
        self.applied = model;
        self.check();
    }

    fn check(&self) {
        for key in 0..KEYS {
            let (new, old) = match self.leader.read(&command(&format!("get a={key}"))) {
                Ok(Reply::Got(got)) => (got.item.clone(), got.item),
                Ok(Reply::Intended(intended)) => {
                    assert_eq!(intended.home, HOME);
                    let holds = |number: &u128| self.applied.transactions[number].keys.contains(&key);
                    let owner = self.applied.transactions.keys().find(|number| holds(number)).copied();
                    assert_eq!(Some(intended.transaction), owner.map(id));
                    (intended.new.item, intended.old.item)
                }
                other => panic!("{other:?}"),
            };
            let count = |item: Option<bytes::Bytes>| {
                let item = stator_item::row::decode_item(&item?).expect("an item");
                let stator_item::Value::Number(number) = item.get("n")? else { panic!("n is a number") };
                number.to_i64()
            };
            let expected = self.applied.counters.get(&key).copied();
            assert_eq!(count(old), expected);
            let added = if self.applied.is_locked(key) { Some(expected.unwrap_or(0) + 1) } else { expected };
            assert_eq!(count(new), added);
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Add(key) => self.single(key, &add(key), |counters| *counters.entry(key).or_default() += 1),
            Step::Delete(key) => self.single(key, &format!("delete a={key}"), |counters| {
                counters.remove(&key);
            }),
            Step::Prepare(keys) => self.prepare(keys),
            Step::Commit(index) => self.choose(&index).into_iter().for_each(|number| self.decide(number, true)),
            Step::Abort(index) => self.choose(&index).into_iter().for_each(|number| self.decide(number, false)),
            Step::Finish(index) => self.choose(&index).into_iter().for_each(|number| self.finish(number)),
            Step::Propose => self.propose(),
            Step::Apply => self.apply(),
            Step::Lose => {
                self.in_flight.clear();
                self.newest = self.applied.clone();
                self.leader.begin_anew();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn transactions_add_once_or_not_at_all(steps in steps()) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        run.propose();
        while !run.in_flight.is_empty() {
            run.apply();
        }
        let open: Vec<u128> = run.newest.transactions.keys().copied().collect();
        for number in open {
            run.decide(number, false);
            run.finish(number);
        }
        run.propose();
        run.apply();
        prop_assert!(!(0..KEYS).any(|key| run.applied.is_locked(key)), "nothing stays locked");
    }
}
